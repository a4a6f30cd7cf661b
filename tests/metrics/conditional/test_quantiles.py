"""PIT histograms and interval coverage: uniformity, closed forms, power, small samples."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

from caloforge.data import ShowerSample, load_sample
from caloforge.geometry import DetectorGeometry
from caloforge.metrics import Figure, Finding, make_trial
from caloforge.metrics.conditional.quantiles import DEFINITIONS, pit, ranks
from caloforge.metrics.settings import Settings
from caloforge.metrics.statistics.repeats import Repeats

FEW = Settings(n_bootstrap=30, n_draws=4)


def run(reference: ShowerSample, generated: ShowerSample) -> Finding:
    rng = np.random.default_rng(0)
    return pit(make_trial(reference, {"mine": generated}, rng=rng), FEW, rng)


def figure(found: Finding, metric: str, target: str = "") -> Figure:
    return next(f for f in found.figures if (f.metric, f.target) == (metric, target))


@pytest.fixture(scope="module")
def zn_parts() -> tuple[ShowerSample, ShowerSample]:
    sample = load_sample("zn-test")
    repeat = np.arange(len(sample)) % 5
    return sample.select(repeat < 3), sample.select(repeat >= 3)


@pytest.mark.parametrize("mean", [0.2, 30.0])
def test_ranks_are_uniform_for_counts_and_any_size(mean: float) -> None:
    rng = np.random.default_rng(0)
    n = 20000
    size = rng.integers(2, 6, n)
    x = rng.poisson(mean, (n, 6)).astype(float)
    rows = np.arange(5 * n).reshape(n, 5)
    u = ranks(x[:, :1], x[:, 1:].reshape(-1, 1), rows, size, rng)
    assert 0 < u.min() < u.max() < 1
    assert stats.kstest(u[:, 0], "uniform").pvalue > 1e-3


def test_ranks_by_hand() -> None:
    rng = np.random.default_rng(0)
    values = np.array([[1.0], [2.0], [3.0], [9.0]])
    u = ranks(np.array([[2.5]]), values, np.array([[0, 1, 2, 3]]), np.array([4]), rng)
    assert 2 / 5 < u.item() < 3 / 5
    u = ranks(np.array([[2.5]]), values, np.array([[0, 1, 2, 3]]), np.array([2]), rng)
    assert 2 / 3 < u.item() < 1


def test_rows_belong_to_their_particle() -> None:
    rng = np.random.default_rng(0)
    particle = rng.permutation(np.repeat(np.arange(7), [1, 2, 3, 4, 5, 6, 20]))
    repeats = Repeats.of(particle, 7)
    kept = np.array([0, 3, 6])
    rows = repeats.shuffled(kept, rng)
    assert rows.shape == (3, 9)
    assert (particle[rows] == kept[:, None]).all()
    assert [len(set(row)) for row in rows.tolist()] == [1, 4, 9]


def test_full_simulation_is_flat(zn_parts: tuple[ShowerSample, ShowerSample]) -> None:
    found = run(*zn_parts)
    deviation = figure(found, "pit_deviation")
    assert deviation.value is not None
    assert deviation.floor is not None
    expected = np.sqrt(18 / (np.pi * 440))  # as documented
    for measured in (deviation.value, deviation.floor):
        assert measured.value == pytest.approx(expected, rel=0.2)
    for level in (50, 68, 90):
        coverage = figure(found, f"interval_{level}")
        for measured in (coverage.value, coverage.floor):
            assert measured is not None
            assert abs(measured.value - level / 100) < 4 * measured.error
    curve = found.curves[0]
    assert len(curve.x) == len(curve.y) + 1
    assert np.mean(curve.y) == pytest.approx(1)


def test_sees_too_little_spread_and_a_shift(
    zn_parts: tuple[ShowerSample, ShowerSample],
) -> None:
    reference, generated = zn_parts
    # Every particle has one shower, repeated: no spread.
    _, first = np.unique(generated.particles.incident, return_index=True)
    frozen = replace(generated, showers=generated.showers[np.repeat(first, 2)])
    found = run(reference, frozen)
    coverage = figure(found, "interval_50")
    assert coverage.value is not None
    assert coverage.floor is not None
    assert coverage.value.value < coverage.floor.value - 3 * coverage.value.error
    deviation = figure(found, "pit_deviation")
    assert deviation.value is not None
    assert deviation.floor is not None
    assert deviation.value.value > deviation.floor.value + 3 * deviation.value.error

    rng = np.random.default_rng(0)
    more = generated.showers + rng.binomial(generated.showers, 0.3)
    deviation = figure(run(reference, replace(generated, showers=more)), "pit_deviation")
    assert deviation.value is not None
    assert deviation.floor is not None
    assert deviation.value.value > deviation.floor.value + 3 * deviation.value.error


def test_showers_of_any_particle_show_in_ranges_of_energy(
    zn_parts: tuple[ShowerSample, ShowerSample],
) -> None:
    reference, generated = zn_parts
    order = np.random.default_rng(0).permutation(len(generated))
    found = run(reference, replace(generated, showers=generated.showers[order]))
    ranges = [
        f for f in found.figures if f.metric == "pit_deviation" and f.target.endswith("GeV")
    ]
    assert len(ranges) == 3
    assert sum(f.n for f in ranges) == 440
    for f in (ranges[0], ranges[2]):
        assert f.value is not None
        assert f.floor is not None
        assert f.value.value > f.floor.value + 3 * f.value.error
    whole = figure(found, "pit_deviation", "total")  # as documented: uniform over all
    assert whole.value is not None
    assert whole.floor is not None
    assert abs(whole.value.value - whole.floor.value) < 4 * whole.value.error


@pytest.mark.parametrize(("repeats", "defined"), [(1, False), (2, False), (3, True)])
def test_needs_repeats(
    repeats: int, defined: bool, toy_grid: DetectorGeometry, toy_cylinder, toy_sample
) -> None:
    for geometry in (toy_grid, toy_cylinder):
        sample = toy_sample(geometry, 5, repeats=repeats)
        sample.showers[:3] = 0
        found = run(sample, sample)
        assert {f.metric for f in found.figures} == {d.name for d in DEFINITIONS}
        assert all((f.value is not None) == defined for f in found.figures)
        assert bool(found.curves) == defined


def test_different_numbers_of_repeats(toy_grid: DetectorGeometry, toy_sample) -> None:
    sample = toy_sample(toy_grid, 12, repeats=12)
    keep = np.arange(144) % 12 < np.repeat(np.arange(1, 13), 12)
    found = run(sample.select(keep), sample)
    # Three particles have too few for the trial's comparison of two against two.
    assert figure(found, "pit_deviation").n == 9
