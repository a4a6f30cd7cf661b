"""Differences of means: by hand, units, weights of particles, floor, coverage."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from tests.metrics.toy_trials import brighter

from caloforge.data import ShowerSample, load_sample
from caloforge.geometry import DetectorGeometry
from caloforge.metrics import Figure, make_trial
from caloforge.metrics.one_dimensional.means import MEAN_DIFFERENCE, mean_differences
from caloforge.metrics.settings import Settings

FEW = Settings(n_bootstrap=60)


def run(reference: ShowerSample, generated: ShowerSample, seed: int = 0) -> dict[str, Figure]:
    rng = np.random.default_rng(seed)
    trial = make_trial(reference, {"mine": generated}, rng=rng)
    found = mean_differences(trial, FEW, rng).figures
    assert {f.metric for f in found} == {MEAN_DIFFERENCE.name}
    return {f.target: f for f in found}


def test_particles_weigh_alike_and_all_repeats_count(
    toy_grid: DetectorGeometry, toy_sample
) -> None:
    whole = toy_sample(toy_grid, 12, repeats=4)
    repeat = np.arange(len(whole)) % 4
    particle = np.arange(len(whole)) // 4
    generated = whole.select((repeat < 2) | (particle < 5))
    generated = replace(generated, showers=3 * generated.showers)
    totals = whole.showers.sum(axis=1).reshape(12, 4).astype(float)
    mean = [row if k < 5 else row[:2] for k, row in enumerate(totals)]
    expected = 100 * (3 * np.mean([row.mean() for row in mean]) / totals.mean() - 1)
    figure = run(whole, generated)["total"]
    assert figure.value.value == pytest.approx(expected)
    assert figure.value.unit == "%"
    assert figure.n == len(generated)


def test_units_and_targets() -> None:
    sample = load_sample("zn-test")
    repeat = np.arange(len(sample)) % 5
    found = run(sample.select(repeat < 3), brighter(sample.select(repeat >= 3), 0.2))
    units = {name: figure.value.unit for name, figure in found.items()}
    assert {units[name] for name in ("total", "width_x", "channel 1", "channel 5")} == {"%"}
    assert units["centroid_x"] == "cm"
    assert units["common_asymmetry"] == ""
    assert "ring_2" not in units
    assert len(found) == len(units)
    total = found["total"]
    assert abs(total.value.value - 20) < 3 * total.value.error
    assert abs(total.floor.value) < 3 * total.floor.error
    assert total.floor.error > 0


def test_error_is_the_scatter_of_the_choice_of_repeats() -> None:
    """Equal distributions: values over their errors have a spread of 1."""
    sample = load_sample("zn-test")
    rng = np.random.default_rng(5)
    pulls = []
    for seed in range(12):
        order = np.argsort(rng.random((440, 5)), axis=1)
        rows = order + 5 * np.arange(440)[:, None]
        parts = [sample.select(np.sort(r.ravel())) for r in (rows[:, :3], rows[:, 3:])]
        found = run(*parts, seed)
        pulls.append([f.value.value / f.value.error for f in found.values() if f.value.error])
    assert 0.75 < np.std(pulls) < 1.3


@pytest.mark.parametrize("n", [2, 20])
def test_no_floor_without_repeats_and_small_samples(
    n: int, toy_grid: DetectorGeometry, toy_cylinder: DetectorGeometry, toy_sample
) -> None:
    for geometry in (toy_grid, toy_cylinder):
        sample = toy_sample(geometry, n, repeats=1)
        dark = replace(sample, showers=np.zeros_like(sample.showers))
        for a, b in ((sample, dark), (dark, sample)):
            for figure in run(a, b).values():
                assert figure.value is not None
                assert figure.floor is None
                assert figure.n == n
