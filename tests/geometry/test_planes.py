"""Grids of several planes: colour images."""

from __future__ import annotations

import numpy as np
import pytest

from caloforge.data.feeding.assembly import lines, moved
from caloforge.data.reflections import Reflections
from caloforge.data.transforms import CellFrame
from caloforge.errors import ConfigError, GeometryError
from caloforge.geometry import Channel, DetectorGeometry, GridLayout, load_geometry

PICTURES = np.arange(2 * 4 * 5 * 3).reshape(2, 4, 5, 3)  # rows, columns, colours
LAYOUT = GridLayout((5, 4), planes=3)


def geometry(layout: GridLayout = LAYOUT, **options) -> DetectorGeometry:
    return DetectorGeometry("toy", "Toy", layout, "grey", counts=True, maximum=255.0, **options)


def test_cells_lie_plane_by_plane() -> None:
    flat = LAYOUT.flat(PICTURES)
    assert flat.shape == (2, LAYOUT.n_cells) == (2, 60)
    for plane, column, height in ((0, 0, 0), (2, 4, 1), (1, 2, 3)):
        cell = (plane * 5 + column) * 4 + height
        assert flat[1, cell] == PICTURES[1, 3 - height, column, plane]


def test_upright_undoes_flat() -> None:
    np.testing.assert_array_equal(LAYOUT.upright(LAYOUT.flat(PICTURES)), PICTURES)
    grey = GridLayout((5, 4))
    np.testing.assert_array_equal(grey.upright(grey.flat(PICTURES[..., 0])), PICTURES[..., 0])


def test_shaped_is_the_sum_over_planes_without_overflow() -> None:
    flat = np.full((1, 60), 255, dtype=np.uint8)
    assert (LAYOUT.shaped(flat) == 765).all()
    assert LAYOUT.shaped(flat).shape == (1, 5, 4)


def test_centres_are_alike_in_all_planes() -> None:
    centres = LAYOUT.centres_cm().reshape(3, 20, 2)
    np.testing.assert_array_equal(centres[0], centres[2])
    np.testing.assert_array_equal(centres[0], GridLayout((5, 4)).centres_cm())


def test_survives_toml_and_is_not_told_of_one_plane() -> None:
    assert GridLayout.from_dict(LAYOUT.as_dict()) == LAYOUT
    assert "planes" not in GridLayout((5, 4)).as_dict()
    faces = load_geometry("faces-64")
    assert faces.n_cells == 3 * 64 * 64
    assert DetectorGeometry.from_json(faces.to_json(), source="x") == faces


@pytest.mark.parametrize("planes", [0, -1, 65, 1.5])
def test_odd_numbers_of_planes(planes) -> None:
    with pytest.raises(GeometryError, match="planes: found"):
        GridLayout((5, 4), planes=planes)


def test_channels_are_the_colours_or_span_all_planes() -> None:
    flat = LAYOUT.flat(PICTURES)
    colours = geometry().channels()
    assert colours.names == ("red", "green", "blue")
    np.testing.assert_array_equal(colours.sums(flat), PICTURES.sum(axis=(1, 2)))
    parity = geometry(conventions={"own": (Channel("even", "even"), Channel("odd", "odd"))})
    i, j = np.indices((5, 4))
    even = np.tile(((i + j) % 2 == 0).ravel(), 3)
    sums = parity.channels().sums(flat)
    np.testing.assert_array_equal(sums[:, 0], flat[:, even].sum(axis=1))
    np.testing.assert_array_equal(sums.sum(axis=1), flat.sum(axis=1))


def test_reflections_keep_colours_apart() -> None:
    square = GridLayout((4, 4), symmetries=("mirror_x", "mirror_y", "transpose"), planes=2)
    reflections = Reflections(geometry(square))
    flat = np.arange(32)[None]
    cells = flat.reshape(2, 4, 4)
    for flags, wanted in (
        ((True, False, False), cells[:, ::-1]),
        ((False, True, False), cells[:, :, ::-1]),
        ((False, False, True), cells.transpose(0, 2, 1)),
    ):
        order = reflections.order(np.array([flags]))
        np.testing.assert_array_equal(np.take_along_axis(flat, order, 1)[0], wanted.ravel())


@pytest.mark.parametrize("bits", range(8))
def test_training_reflects_as_the_reflections_say(bits) -> None:
    import torch

    from caloforge.data import Particles
    from caloforge.data.images import no_particles

    square = GridLayout((4, 4), symmetries=("mirror_x", "mirror_y", "transpose"), planes=3)
    detector = geometry(square)
    flags = np.array([[bool(bits & 1), bool(bits & 2), bool(bits & 4)]])
    particles = Particles(no_particles(1), np.zeros(1, dtype=np.int64))
    where = lines(CellFrame(detector), particles, flags)
    assert where is not None
    flat = np.arange(48, dtype=np.float32)[None]
    seen, near = moved(torch.from_numpy(flat), where)
    order = Reflections(detector).order(flags)
    np.testing.assert_array_equal(seen.numpy(), np.take_along_axis(flat, order, 1))
    assert (near == 1).all()


def test_no_impact_frame() -> None:
    with pytest.raises(ConfigError, match="has 3 planes, expected 1"):
        CellFrame(geometry(), centre_on_impact=True)
