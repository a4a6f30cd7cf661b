"""Twins of deposits against showers in which they are known."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from tests.conftest import make_particles

from caloforge.config import load_run
from caloforge.data import Particles
from caloforge.data.deposit_twins import (
    STEPS,
    PairEnergies,
    deposit_twins,
    equal_pairs,
    like,
    signed_chances,
    total_chances,
)
from caloforge.data.features import ConditionSet
from caloforge.errors import ConfigError
from caloforge.geometry import CylinderLayer, CylinderLayout, DetectorGeometry
from caloforge.nn import cell_head
from caloforge.training.preparation import prepare

SHAPE = (10, 8, 3)
MEAN = 0.5


def cylinder(*layers: CylinderLayer) -> DetectorGeometry:
    layers = layers or (CylinderLayer((0.0, 5.0, 10.0, 20.0), n_angles=8),) * 10
    layout = CylinderLayout(layers)
    return DetectorGeometry(name="c", title="C", layout=layout, unit="MeV", counts=False)


def showers(step: tuple[int, int, int], share: float, n: int = 1500) -> np.ndarray:
    """Equal means everywhere; of each two cells a step apart a share of deposits is common."""
    rng = np.random.default_rng(0)
    x = np.zeros((n, *SHAPE))
    singles = np.full(SHAPE, MEAN)
    for signed in like(step):
        here = [
            slice(max(-d, 0), size - max(d, 0)) for d, size in zip(signed, SHAPE, strict=True)
        ]
        there = [
            slice(max(d, 0), size + min(d, 0)) for d, size in zip(signed, SHAPE, strict=True)
        ]
        here[1] = there[1] = slice(None)
        singles[tuple(here)] -= share * MEAN
        if signed < tuple(-d for d in signed):
            continue  # the pair has been seen from its other cell
        numbers = rng.poisson(share * MEAN, (n, *singles[tuple(here)].shape))
        x[:, *here] += energies(numbers, rng)
        x[:, *there] += np.roll(energies(numbers, rng), signed[1], axis=2)
    return (x + energies(rng.poisson(singles, x.shape), rng)).reshape(n, -1)


def energies(numbers: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    return np.where(numbers > 0, rng.gamma(np.maximum(numbers, 1)), 0.0)


@pytest.mark.parametrize(("step", "share"), [(0, 0.3), (1, 0.3), (2, 0.2), (3, 0.15), (5, 0.4)])
def test_twins_are_found_where_they_are(step, share) -> None:
    found = deposit_twins(cylinder(), showers(STEPS[step], share))
    expected = np.zeros((len(STEPS), SHAPE[2]))
    expected[step, : SHAPE[2] - STEPS[step][2]] = share
    np.testing.assert_allclose(found.chances, expected, atol=0.06)
    np.testing.assert_allclose(found.chances.mean(axis=1), expected.mean(axis=1), atol=0.02)
    cells = len(like(STEPS[step])) * (SHAPE[2] - STEPS[step][2]) / SHAPE[2]
    together = share * cells if STEPS[step][0] == 0 else 0.0
    assert found.together == pytest.approx(together, abs=0.1)


@pytest.mark.parametrize("rings", [1, 2])
def test_few_rings_have_no_further_ones(rings) -> None:
    layer = CylinderLayer(tuple(np.arange(rings + 1.0)), n_angles=8)
    x = energies(
        np.random.default_rng(0).poisson(MEAN, (2000, 80 * rings)), np.random.default_rng(1)
    )
    found = deposit_twins(cylinder(*(layer,) * 10), x)
    assert found.chances.shape == (len(STEPS), rings)
    np.testing.assert_allclose(found.chances, 0, atol=0.08)


def test_dark_showers_have_none() -> None:
    found = deposit_twins(cylinder(), np.zeros((700, cylinder().n_cells)))
    assert not found.chances.any()
    assert found.together == 0


def test_deposits_alone_have_none() -> None:
    found = deposit_twins(cylinder(), showers(STEPS[0], 0.0))
    np.testing.assert_allclose(found.chances, 0, atol=0.05)


def test_showers_that_begin_elsewhere_have_none() -> None:
    """Layers that go together on all sides of the axis are no twins."""
    rng = np.random.default_rng(0)
    starts = rng.uniform(-2, 2, (1500, 1, 1, 1))
    layers = np.arange(10).reshape(1, 10, 1, 1)
    means = MEAN * np.exp(-0.5 * (layers - 4 - starts) ** 2 / 4) * np.ones((1, 1, 8, 3))
    found = deposit_twins(cylinder(), energies(rng.poisson(means), rng).reshape(1500, -1))
    np.testing.assert_allclose(found.chances, 0, atol=0.06)


def test_no_deposit_has_more_twins_than_there_is_room_for() -> None:
    """Whole sectors that light together would be eight twins and more a deposit."""
    rng = np.random.default_rng(0)
    bright = rng.gamma(0.5, 2, (1200, 10, 4, 1))
    means = MEAN * np.repeat(bright, 2, axis=2) * np.ones((1, 1, 1, 3))
    pairs = PairEnergies(SHAPE)
    pairs.add(energies(rng.poisson(means), rng).reshape(1200, -1))
    chances = pairs.twins().chances
    assert chances[:6].max() > 0.1
    assert total_chances(chances).max() <= 1 + 1e-12


def test_chances_are_those_of_either_direction() -> None:
    chances = np.random.default_rng(0).uniform(0, 0.01, (len(STEPS), 5))
    steps, signed = signed_chances(chances)
    table = dict(zip(steps, signed, strict=True))
    for (layer, sector, ring), row in table.items():
        back = table[-layer, -sector, -ring]
        inner = np.arange(5 - abs(ring))
        near, far = (inner, inner + ring) if ring >= 0 else (inner - ring, inner)
        np.testing.assert_array_equal(row[near], back[far])


class TestEqualPairs:
    def conditions(self, names: list[str], particles: Particles) -> ConditionSet:
        return ConditionSet.fit(names, particles, cylinder())

    def test_repeats_are_pairs(self) -> None:
        particles = make_particles(400, repeats=2).select(
            np.random.default_rng(0).permutation(800)
        )
        pairs = equal_pairs(particles, self.conditions(["log_energy", "slope"], particles))
        assert len(pairs) == 400
        assert (particles.incident[pairs[:, 0]] == particles.incident[pairs[:, 1]]).all()
        assert len(np.unique(pairs)) == 800

    def test_without_repeats_neighbours_in_energy_are(self) -> None:
        particles = make_particles(1000)
        pairs = equal_pairs(particles, self.conditions(["log_energy", "kind"], particles))
        assert len(pairs) > 400
        assert len(np.unique(pairs)) == 2 * len(pairs)
        first, second = (particles.select(pairs[:, k]) for k in (0, 1))
        assert (first["pdg"] == second["pdg"]).all()
        np.testing.assert_allclose(first["energy_gev"], second["energy_gev"], rtol=0.055)

    def test_a_few_repeats_leave_the_energies(self) -> None:
        particles = make_particles(100, repeats=5)  # 200 pairs of repeats
        pairs = equal_pairs(particles, self.conditions(["log_energy", "kind"], particles))
        assert len(pairs) > 200

    def test_not_where_the_model_knows_more(self) -> None:
        particles = make_particles(1000)
        assert not len(
            equal_pairs(particles, self.conditions(["log_energy", "slope"], particles))
        )


@pytest.mark.parametrize(
    ("detector", "n", "message"),
    [
        (
            cylinder(),
            200,
            "found 100 pairs of showers of equal particles, expected 300 or more",
        ),
        (
            cylinder(CylinderLayer((0.0, 5.0)), CylinderLayer((0.0, 5.0), n_angles=2)),
            1000,
            "geometry 'c', expected a cylinder of equal layers",
        ),
        (replace(cylinder(), counts=True), 1000, "8 sectors or more that measures"),
        (
            cylinder(
                CylinderLayer((0.0, 5.0), n_angles=7), CylinderLayer((0.0, 5.0), n_angles=7)
            ),
            1000,
            "equal layers of 8 sectors or more",
        ),
    ],
)
def test_what_does_not_fit_is_refused(detector, n, message) -> None:
    with pytest.raises(ConfigError, match=message):
        deposit_twins(detector, np.ones((n, detector.n_cells)))


def test_a_run_measures_them_before_training() -> None:
    prepared = prepare(load_run("cylinder-e2e-shapes"))
    head = cell_head("deposit-tracks", prepared.spec)
    law = head.law()
    # Next sector and next ring of the same layer (docs/tables/correlations.md).
    assert 0.04 < law.twins[0, 1:4].min() < law.twins[0, 1:4].max() < 0.12
    assert 0.08 < law.twins[2, 1:4].min() < law.twins[2, 1:4].max() < 0.25
    assert 0.2 < law.together < 0.6
