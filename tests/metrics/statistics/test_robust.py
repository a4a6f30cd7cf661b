"""Peak and width against closed forms, with ties, multiplicities and outliers."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from caloforge.metrics.statistics.robust import ONE_SIGMA, peak, quantiles, relative


def ones(values: np.ndarray) -> np.ndarray:
    return np.ones(values.size, dtype=np.int64)


def test_quantiles_of_real_numbers_are_hazens() -> None:
    values = np.random.default_rng(0).normal(size=101)
    levels = [0.1, ONE_SIGMA, 0.5, 0.9]
    expected = np.quantile(values, levels, method="hazen")
    assert quantiles(values, ones(values), levels) == pytest.approx(expected, rel=1e-12)


@settings(max_examples=50, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 9), st.integers(0, 4)), min_size=1, max_size=30))
def test_multiplicities_are_repeated_rows(rows: list[tuple[int, int]]) -> None:
    values = np.array([float(v) for v, _ in rows])
    counts = np.array([c for _, c in rows])
    repeated = np.repeat(values, counts)
    levels = [0.2, 0.5, 0.7]
    np.testing.assert_allclose(
        quantiles(values, counts, levels), quantiles(repeated, ones(repeated), levels)
    )
    np.testing.assert_allclose(peak(values, counts), peak(repeated, ones(repeated)))


def test_peak_of_a_gaussian_is_its_mean_and_deviation() -> None:
    rng = np.random.default_rng(1)
    found = np.array(
        [peak(v, ones(v)) for v in rng.normal(50, 10, (2000, 400))]
    )  # (sample, figure)
    error = 10 / 20
    assert found[:, 0].mean() == pytest.approx(50, abs=4 * error / np.sqrt(2000))
    assert found[:, 1].mean() == pytest.approx(10, rel=0.005)
    # The documented errors, against mean and standard deviation of 400 rows.
    assert found[:, 0].std() / error == pytest.approx(1.01, abs=0.06)
    assert found[:, 1].std() / (10 / np.sqrt(800)) == pytest.approx(1.4, abs=0.08)


def test_outliers_hardly_matter() -> None:
    values = np.random.default_rng(2).normal(50, 10, 20_000)
    values[:200] = 1e6
    position, width = peak(values, ones(values))
    assert position == pytest.approx(50, abs=0.02 * 10 + 0.3)
    assert width == pytest.approx(10, rel=0.05)


def test_counts_have_no_steps() -> None:
    # A count is 10 % of the mean here; half a per cent more light is half a per cent.
    rng = np.random.default_rng(3)
    means = 10 * 1.005 ** np.arange(12)
    drawn = (rng.poisson(mean, 400_000).astype(float) for mean in means)
    found = np.array([peak(v, ones(v)) for v in drawn])
    assert np.diff(np.log(found[:, 0])) == pytest.approx([0.005] * 11, abs=0.003)
    assert found[:, 1] == pytest.approx(np.sqrt(means), rel=0.03)


def test_little_or_nothing_has_no_peak() -> None:
    few = np.arange(7.0)
    assert np.isnan(peak(few, ones(few))).all()
    assert np.isnan(peak(few, 0 * ones(few))).all()
    assert np.isnan(quantiles(few[:0], ones(few[:0]), [0.5])).all()
    equal = np.full(10, 3.0)
    assert peak(equal, ones(equal)) == (3.0, 0.0)
    halves = np.repeat([1.0, 2.0], 10)
    assert peak(halves, ones(halves)).position == pytest.approx(1.5)


def test_relative_difference() -> None:
    found = relative(np.array([2.0, 1.0, 1.0]), np.array([1.0, 0.0, np.nan]))
    np.testing.assert_array_equal(found, [1.0, np.nan, np.nan])
    assert relative(3.0, 2.0) == 0.5
