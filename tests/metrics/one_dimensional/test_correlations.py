"""Correlations of observables: scipy, floor, power, small samples."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

from caloforge.data import ShowerSample, load_sample
from caloforge.geometry import DetectorGeometry
from caloforge.metrics import Figure, make_trial
from caloforge.metrics.one_dimensional.correlations import (
    correlation_distances,
    correlation_matrix,
)
from caloforge.metrics.settings import Settings

FEW = Settings(n_bootstrap=20, n_draws=3)


def run(reference: ShowerSample, generated: ShowerSample) -> dict[tuple[str, str], Figure]:
    rng = np.random.default_rng(0)
    trial = make_trial(reference, {"mine": generated}, rng=rng)
    finding = correlation_distances(trial, FEW, rng)
    return {(f.metric, f.target): f for f in finding.figures}


@pytest.fixture(scope="module")
def zn_parts() -> tuple[ShowerSample, ShowerSample]:
    sample = load_sample("zn-test")
    repeat = np.arange(len(sample)) % 5
    return sample.select(repeat < 3), sample.select(repeat >= 3)


def test_matrix_is_spearmans(toy_grid: DetectorGeometry, toy_sample) -> None:
    sample = toy_sample(toy_grid, 30)
    trial = make_trial(sample, {"mine": sample}, rng=np.random.default_rng(0))
    matrix = correlation_matrix(trial, trial.reference)
    values = trial.reference.observables
    for i in range(values.shape[1]):
        for j in range(values.shape[1]):
            if np.ptp(values[:, i]) == 0 or np.ptp(values[:, j]) == 0:
                assert matrix[i, j] == 0
            else:
                expected = stats.spearmanr(values[:, i], values[:, j]).statistic
                assert matrix[i, j] == pytest.approx(expected, abs=1e-9)


def test_counts_are_repeats() -> None:
    from caloforge.metrics.one_dimensional.correlations import _correlation

    rng = np.random.default_rng(0)
    values, counts = rng.normal(size=(9, 3)), np.array([0, 2, 1, 1, 0, 3, 1, 1, 0])
    expected = np.corrcoef(np.repeat(values, counts, axis=0).T)
    np.testing.assert_allclose(_correlation(values, counts), expected, atol=1e-12)


def test_floor_and_power(zn_parts: tuple[ShowerSample, ShowerSample]) -> None:
    reference, generated = zn_parts
    same = run(reference, generated)["correlation_rms", ""]
    assert same.value is not None
    assert same.floor is not None
    assert same.value.value / same.floor.value == pytest.approx(1, abs=0.35)
    rng = np.random.default_rng(1)
    image = generated.showers.reshape(-1, 44, 44)
    away = rng.binomial(image, 0.3).astype(np.uint16)
    wider = (image - away + np.roll(away, 4, axis=1)).reshape(len(generated), -1)
    found = run(reference, replace(generated, showers=wider))
    for metric in ("correlation_rms", "correlation_max"):
        figure = found[metric, ""]
        assert figure.value is not None
        assert figure.floor is not None
        assert figure.value.value > 2 * figure.floor.value


def test_sees_shuffled_pairs_of_observables(
    zn_parts: tuple[ShowerSample, ShowerSample],
) -> None:
    # Every observable keeps its distribution, their correlations go.
    reference, generated = zn_parts
    rng = np.random.default_rng(1)
    trial = make_trial(reference, {"mine": generated}, rng=rng)
    side = trial.generated[0]
    broken = rng.permuted(side.observables, axis=0)
    trial = replace(trial, generated=(replace(side, observables=broken),))
    figures = {(f.metric, f.target): f for f in correlation_distances(trial, FEW, rng).figures}
    figure = figures["correlation_rms", ""]
    assert figure.value is not None
    assert figure.floor is not None
    assert figure.value.value > 5 * figure.floor.value


@pytest.mark.parametrize("repeats", [1, 2])
@pytest.mark.parametrize("n", [2, 20])
def test_small_samples_and_cylinders(
    n: int, repeats: int, toy_grid: DetectorGeometry, toy_cylinder: DetectorGeometry, toy_sample
) -> None:
    for geometry in (toy_grid, toy_cylinder):
        a = toy_sample(geometry, n, repeats=repeats)
        b = replace(a, showers=np.zeros_like(a.showers))
        for figure in run(a, b).values():
            assert figure.value is not None
            assert 0 <= figure.value.value <= 2
