"""Sliced W1: closed forms and SciPy."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import wasserstein_distance
from tests.metrics.toy_trials import tiny_trials, zn_trial

from caloforge.metrics.multivariate.sliced import directions, sliced_section, weighted_w1
from caloforge.metrics.settings import Settings

QUICK = Settings(n_bootstrap=20, max_showers=300)


def test_directions_are_uniform() -> None:
    vectors = directions(3, 20_000, np.random.default_rng(0))
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=0), 1)
    np.testing.assert_allclose((vectors**2).mean(axis=1), 1 / 3, atol=0.01)


def test_a_shift_is_its_mean_length_along_a_direction() -> None:
    rng = np.random.default_rng(1)
    x = rng.standard_normal((500, 3))
    along = directions(3, 4000, rng)
    ones = np.ones(500, dtype=np.int64)
    found = weighted_w1(x @ along, (x + np.array([2.0, 0, 0])) @ along, ones, ones)[0]
    assert found == pytest.approx(2 * 0.5, rel=0.03)  # <|cos|> on the sphere is 1/2


def test_counts_are_those_of_scipy() -> None:
    rng = np.random.default_rng(2)
    x, y = rng.standard_normal((2, 60, 1))
    counts = rng.multinomial(60, np.full(60, 1 / 60), size=2)
    found = weighted_w1(x, y, *counts)[0]
    assert found == pytest.approx(wasserstein_distance(x[:, 0], y[:, 0], *counts))
    # Unequal totals, as for halves of different particles.
    more = counts[1] * 2
    assert weighted_w1(x, y, counts[0], more)[0] == pytest.approx(found)
    assert np.isnan(weighted_w1(x, y, counts[0] * 0, more)[0])


def test_zn() -> None:
    figures = sliced_section(zn_trial(), QUICK, np.random.default_rng(0)).figures
    found = {figure.sample: figure for figure in figures}
    same, bright = found["same"].value, found["brighter"].value
    assert abs(same.value - found["same"].floor.value) < 4 * same.error
    assert bright.value > same.value + 2 * same.error


def test_tiny_samples(toy_grid, toy_cylinder, toy_sample) -> None:
    for trial in tiny_trials(toy_grid, toy_cylinder, toy_sample):
        assert len(sliced_section(trial, QUICK, np.random.default_rng(0)).figures) == 1
