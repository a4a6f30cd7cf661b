"""Lines of cells against the cell-by-cell orders that define reflections and rolls."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.conftest import make_particles

from caloforge.data.feeding.assembly import DeviceCells, HostCells, lines, moved
from caloforge.data.reflections import Reflections
from caloforge.data.transforms import CellFrame
from caloforge.geometry import DetectorGeometry, GridLayout

SYMMETRIES = ("mirror_x", "mirror_y", "transpose")
ORDERS = [
    order for n in range(1, 4) for order in itertools.permutations(SYMMETRIES, n)
]  # ... in which a geometry may list them


def geometry(cells: tuple[int, int], names: tuple[str, ...]) -> DetectorGeometry:
    if "transpose" in names:  # a square
        cells = (cells[0], cells[0])
    pitch = (2 / cells[0], (2 if "transpose" in names else 0.8) / cells[1])
    layout = GridLayout(cells, pitch, names)
    return DetectorGeometry(name="g", title="G", layout=layout, unit="photons", counts=True)


@settings(deadline=None, max_examples=60)
@given(
    names=st.sampled_from(ORDERS),
    size=st.tuples(st.integers(1, 7), st.integers(1, 7)),
    centre=st.booleans(),
    seed=st.integers(0, 999),
)
def test_lines_are_the_orders_of_cells(names, size, centre, seed) -> None:
    detector = geometry(size, names)
    rng = np.random.default_rng(seed)
    particles = make_particles(6, seed=seed)
    showers = rng.integers(0, 60_000, (6, detector.n_cells)).astype(np.uint16)
    reflections, frame = Reflections(detector), CellFrame(detector, centre)
    flags = rng.random((6, len(names))) < 0.5
    particles = reflections.particles(particles, flags)

    expected = np.take_along_axis(showers, reflections.order(flags), axis=1)
    expected = np.take_along_axis(expected, frame.order(particles), axis=1)
    near = frame.near(particles)

    cells, found = moved(HostCells(showers).rows(np.arange(6)), lines(frame, particles, flags))
    np.testing.assert_array_equal(cells, expected * near)
    np.testing.assert_array_equal(found, near)
    assert cells.dtype == found.dtype == torch.float32


def test_nothing_moves_without_reason(toy_grid, toy_cylinder) -> None:
    particles = make_particles(3)
    assert lines(CellFrame(toy_grid), particles, None) is None
    assert lines(CellFrame(toy_cylinder), particles, np.zeros((3, 0), bool)) is None


@pytest.mark.parametrize(
    "dtype", ["uint8", "uint16", "uint32", "int16", "int64", "float32", "float64"]
)
def test_device_holds_every_type(dtype) -> None:
    rng = np.random.default_rng(0)
    top = 200 if dtype == "uint8" else 30_000 if dtype == "int16" else 60_000
    showers = rng.integers(0, top, (5, 8)).astype(dtype)
    if dtype == "uint32":
        showers[0, 0] = 4_000_000_000
    device = DeviceCells(showers, torch.device("cpu"))
    rows = np.array([4, 0, 0])
    assert torch.equal(device.rows(rows), HostCells(showers).rows(rows))
