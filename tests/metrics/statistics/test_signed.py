"""Signed differences: an honest floor, and when a tolerance is asked for."""

from __future__ import annotations

import numpy as np
import pytest

from caloforge.metrics.figures import Figure
from caloforge.metrics.samples.making import make_trial
from caloforge.metrics.settings import Settings
from caloforge.metrics.statistics.distances import Measured
from caloforge.metrics.statistics.signed import judged, signed_draws


def difference(first, second, own, other):
    """Means of the only column."""
    return second.T @ other / other.sum() - first.T @ own / own.sum()


def test_floor_is_as_wide_as_one_comparison(toy_grid, toy_sample) -> None:
    """A mean over draws would bring the floor to 0: here 40 draws, and it stays."""
    sample = toy_sample(toy_grid, 60, repeats=4)
    trial = make_trial(sample, {"g": sample}, rng=np.random.default_rng(0))
    rng = np.random.default_rng(1)
    values = [rng.normal(size=(240, 1)), rng.normal(size=(240, 1))]
    settings = Settings(n_bootstrap=2, n_draws=40)
    found = [
        signed_draws(trial, values, difference, settings, np.random.default_rng(k))
        for k in range(40)
    ]
    floors = np.array([f.figures.floor[0, 0] for f in found])
    averaged = np.array([f.curves.floor[0, 0] for f in found])
    expected = np.sqrt(2 / 120)
    assert floors.std() == pytest.approx(expected, rel=0.4)
    assert averaged.std() < 0.4 * expected
    for f in found:
        np.testing.assert_array_equal(f.figures.generated[0], f.curves.generated[0])


@pytest.mark.parametrize(
    ("value", "error", "passed"),
    [
        (0.0, 0.01, True),
        (0.029, 0.0099, True),
        (0.031, 0.0099, False),
        (0.0, 0.0101, None),
        (0.05, 0.02, None),
        (-0.08, 0.02, None),
        (-0.1, 0.02, False),
    ],
)
def test_asks_only_what_can_be_told(value, error, passed) -> None:
    figure = Figure("m", "t", "g", Measured(value, error, "cm"), None, 10, note="so")
    found = judged(figure, 0.03)
    assert found.passed(0.0) is passed
    if passed is None:
        assert found.note == "so; too few showers to judge a tolerance of 0.03 cm"
    else:
        assert found.note == "so"


def test_nothing_is_not_judged() -> None:
    figure = Figure("m", "t", "g", None, None, 10)
    assert judged(figure, 0.03) is figure
