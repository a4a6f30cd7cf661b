"""Scatter between draws: in errors, in differences, and enough of it."""

from __future__ import annotations

import numpy as np
import pytest
from tests.metrics.toy_trials import zn_trial

from caloforge.metrics.conditional.quantiles import pit
from caloforge.metrics.conditional.response import response
from caloforge.metrics.one_dimensional.correlations import correlation_distances
from caloforge.metrics.settings import Settings
from caloforge.metrics.statistics.bootstrap import measured
from caloforge.metrics.statistics.draws import draw_chance, mean_of_draws


@pytest.mark.parametrize("distance", [False, True])
def test_scatter_is_added_in_quadrature(distance: bool) -> None:
    rng = np.random.default_rng(0)
    points = np.array([1.0, 2.0, 4.0, 5.0])
    inflated = 1.5 if distance else 1.0
    common = rng.normal(0, 0.3 * inflated, 20000) + 3 * (inflated - 1)
    draws = [np.concatenate(([p], p + common)) for p in points]
    mean = mean_of_draws(draws, draw_chance(4, 20001, rng), distance=distance)
    assert mean[0] == 3
    error = measured(mean, "", distance=distance).error
    assert error == pytest.approx(np.hypot(0.3, points.std(ddof=1) / 2), rel=0.05)


def test_what_draws_have_in_common_drops_out_of_differences() -> None:
    rng = np.random.default_rng(1)
    chance = draw_chance(4, 200, rng)
    draws = rng.normal(size=(4, 1)) + np.zeros(200)
    first = mean_of_draws(list(draws), chance, distance=False)
    second = mean_of_draws(list(draws + 7), chance, distance=False)
    np.testing.assert_allclose(second - first, 7)
    assert np.std(first[1:]) > 0


def test_one_draw_and_resamplings_without_value() -> None:
    rng = np.random.default_rng(2)
    one = np.array([2.0, 3.0, np.nan])
    found = mean_of_draws([one], draw_chance(1, 3, rng), distance=True)
    np.testing.assert_array_equal(found, one)
    several = mean_of_draws([one, 2 * one], draw_chance(2, 3, rng), distance=True)
    assert np.isfinite(several[:2]).all()
    assert several[0] == 3


@pytest.mark.parametrize(
    ("section", "metric"),
    [
        (correlation_distances, "correlation_rms"),
        (pit, "pit_deviation"),
        (response, "response_ratio"),
    ],
)
def test_seeds_scatter_within_the_stated_error(section, metric) -> None:
    trial = zn_trial()
    settings = Settings(n_bootstrap=40)
    values: dict[str, list[tuple[float, float]]] = {}
    for seed in range(15):
        for figure in section(trial, settings, np.random.default_rng(seed)).figures:
            if figure.metric == metric and figure.sample == "same" and figure.value:
                found = (figure.value.value, figure.value.error)
                values.setdefault(figure.target, []).append(found)
    ratios = {
        target: np.std([v for v, _ in table], ddof=1) / np.mean([e for _, e in table])
        for target, table in values.items()
    }
    whole = next(iter(ratios))
    assert ratios[whole] <= 1.3
    assert np.mean(list(ratios.values())) <= 1.0
