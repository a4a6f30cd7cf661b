"""Turns and mirrors of a cylinder."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from tests.conftest import make_particles

from caloforge.data.features import ConditionSet
from caloforge.data.feeding.dataset import ShowerDataset, Steps
from caloforge.data.reflections import Reflections
from caloforge.geometry import CylinderLayer, CylinderLayout, DetectorGeometry, load_geometry


def cylinder(*angles: int) -> DetectorGeometry:
    layers = tuple(CylinderLayer((0.0, 5.0, 20.0), n_angles=n) for n in angles)
    layout = CylinderLayout(layers)
    return DetectorGeometry(name="c", title="C", layout=layout, unit="MeV", counts=False)


@pytest.mark.parametrize(
    ("angles", "sectors"), [((4, 4), 4), ((1, 6, 4), 2), ((8,), 8), ((3, 2), 1), ((1, 1), 1)]
)
def test_sectors_are_what_all_layers_have_in_common(angles, sectors) -> None:
    layout = cylinder(*angles).layout
    assert layout.sectors == sectors
    assert layout.symmetries == (() if set(angles) == {1} else ("mirror_y", "turn"))
    assert (np.sort(layout.turned, axis=-1) == np.arange(layout.n_cells)).all()


def test_light_goes_where_the_particle_goes() -> None:
    detector = cylinder(1, 6, 4, 8)
    rng = np.random.default_rng(0)
    particles = make_particles(200)
    reflections = Reflections(detector)
    flags = reflections.drawn(200, rng)
    assert flags.max(axis=0).tolist() == [1, 1]
    assert flags.min() == 0
    moved = reflections.particles(particles, flags)
    centres = detector.layout.centres_cm()
    # Light at the particle's own angle; layers of one angle know none.
    angle = np.arctan2(particles["y_cm"], particles["x_cm"])
    light = 2 + np.cos(np.arctan2(centres[:, 1], centres[:, 0]) - angle[:, None])
    found = reflections.showers(torch.from_numpy(light), flags).numpy()
    angle = np.arctan2(moved["y_cm"], moved["x_cm"])
    expected = 2 + np.cos(np.arctan2(centres[:, 1], centres[:, 0]) - angle[:, None])
    some = np.hypot(*centres.T) > 0
    np.testing.assert_allclose(found[:, some], expected[:, some], atol=1e-6)
    np.testing.assert_array_equal(np.sort(found), np.sort(light))
    for a, b in (("x_cm", "y_cm"), ("px_gev", "py_gev")):
        np.testing.assert_allclose(
            np.hypot(moved[a], moved[b]), np.hypot(particles[a], particles[b]), rtol=1e-5
        )
    np.testing.assert_array_equal(moved["energy_gev"], particles["energy_gev"])


def test_every_turn_is_as_likely() -> None:
    flags = Reflections(load_geometry("cylinder")).drawn(32_000, np.random.default_rng(0))
    counts = np.bincount(2 * flags[:, 1] + flags[:, 0], minlength=32)
    assert len(counts) == 32
    assert np.abs(counts - 1000).max() < 5 * np.sqrt(1000)


def test_training_turns_showers_and_particles(toy_sample) -> None:
    detector = cylinder(4, 2)
    sample = toy_sample(detector, 30)
    names = ["log_energy", "impact_cm"]
    conditions = ConditionSet.fit(names, sample.particles, detector)
    dataset = ShowerDataset(sample, conditions, reflect=True)
    rows = np.arange(20)
    batch = dataset.batch(rows, np.random.default_rng(5))
    reflections = Reflections(detector)
    flags = reflections.drawn(20, np.random.default_rng(5))
    plain = torch.from_numpy(sample.showers[:20].astype(np.float32))
    assert not torch.equal(batch.showers, plain)
    torch.testing.assert_close(batch.showers, reflections.showers(plain, flags))
    turned = reflections.particles(sample.particles.select(rows), flags)
    np.testing.assert_array_equal(batch.conditions, conditions.scaled(turned, detector))
    asked = [Steps(7, rank=rank, world_size=2).flags(dataset, 3, 20) for rank in (0, 1)]
    whole = Steps(7).flags(dataset, 3, 20)
    np.testing.assert_array_equal(whole[0::2], asked[0])
    np.testing.assert_array_equal(whole[1::2], asked[1])


def test_steps_go_around_and_end_at_other_layers() -> None:
    layers = (CylinderLayer((0.0, 1.0, 2.0), n_angles=3),) * 2
    layout = CylinderLayout((*layers, CylinderLayer((0.0, 1.0), n_angles=4), CylinderLayer(())))
    assert layout.ring_of_cell.tolist() == [0, 1] * 6 + [0] * 4

    def step(cell: int, *by: int) -> int | None:
        there, inside = layout.stepped(np.array([cell]), *(np.array([d]) for d in by))
        assert inside[0] or there[0] == cell
        return int(there[0]) if inside[0] else None

    assert step(0, 0, 1, 0) == 2
    assert step(0, 0, -1, 0) == 4
    assert step(5, 0, 1, -1) == 0
    assert step(0, 1, 0, 0) == 6
    assert step(7, -1, 1, 0) == 3
    assert step(15, 0, 1, 0) == 12
    for outside in ((0, 0, 0, -1), (1, 0, 0, 1), (6, 1, 0, 0), (0, -1, 0, 0), (12, 1, 0, 0)):
        assert step(*outside) is None
    assert step(0, 0, 3, 0) is None  # once around
    ring = CylinderLayout((CylinderLayer((0.0, 1.0)),))
    assert not ring.stepped(np.array([0]), *np.array([[0], [1], [0]]))[1][0]
