"""Precision, recall, density, coverage: by hand, and what they see."""

from __future__ import annotations

import numpy as np
import pytest
from tests.metrics.toy_trials import tiny_trials, zn_trial

from caloforge.metrics.multivariate.manifold import indicators, manifold_section, radii
from caloforge.metrics.settings import Settings

QUICK = Settings(n_bootstrap=30, n_draws=1, max_showers=300)


def judged(reference: np.ndarray, generated: np.ndarray, k: int) -> tuple[np.ndarray, ...]:
    return indicators(reference, generated, radii(reference, k), radii(generated, k), k)


def test_radii_leave_the_shower_itself_out() -> None:
    values = np.array([[0.0], [1.0], [3.0], [7.0]])
    np.testing.assert_allclose(radii(values, 1), [1, 1, 2, 4])
    np.testing.assert_allclose(radii(values, 2), [3, 2, 3, 6])
    np.testing.assert_allclose(radii(values[:1]), [0])


def test_by_hand() -> None:
    reference = np.array([[0.0], [1.0], [3.0]])  # balls of 1, 1, 2
    generated = np.array([[0.5], [10.0], [10.5]])  # balls of 9.5, 0.5, 0.5
    precision, recall, density, coverage = judged(reference, generated, 1)
    np.testing.assert_array_equal(precision, [1, 0, 0])
    np.testing.assert_array_equal(density, [2, 0, 0])
    np.testing.assert_array_equal(recall, [1, 1, 1])
    np.testing.assert_array_equal(coverage, [1, 1, 0])


def test_equal_and_narrow_distributions() -> None:
    rng = np.random.default_rng(0)
    x, y = rng.standard_normal((2, 1000, 3))
    equal = [each.mean() for each in judged(x, y, 5)]
    assert equal[2] == pytest.approx(1, abs=0.1)
    assert equal[3] == pytest.approx(1 - 2**-5, abs=0.02)
    narrow = [each.mean() for each in judged(x, 0.3 * y, 5)]
    assert narrow[0] > equal[0]  # every shower is possible
    assert narrow[1] < 0.5 * equal[1]  # but most kinds are missing
    assert narrow[3] < 0.5 * equal[3]


def test_zn() -> None:
    finding = manifold_section(zn_trial(), QUICK, np.random.default_rng(0))
    assert len(finding.figures) == 12
    for figure in finding.figures:
        if figure.sample == "same":
            spread = np.hypot(figure.value.error, figure.floor.error)
            assert abs(figure.value.value - figure.floor.value) < 4 * spread


def test_tiny_samples(toy_grid, toy_cylinder, toy_sample) -> None:
    for trial in tiny_trials(toy_grid, toy_cylinder, toy_sample):
        figures = manifold_section(trial, QUICK, np.random.default_rng(0)).figures
        assert len(figures) == 4
