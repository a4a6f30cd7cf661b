"""Wasserstein distance and how figures are written."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from caloforge.metrics import Measured, wasserstein_1d

values = st.lists(
    st.floats(-1e3, 1e3, allow_nan=False, allow_subnormal=False), min_size=1, max_size=30
)


def test_shift_is_its_length() -> None:
    x = np.random.default_rng(0).normal(size=50)
    assert wasserstein_1d(x, x + 2.5) == pytest.approx(2.5, rel=1e-12)


def test_two_points_are_their_distance() -> None:
    assert wasserstein_1d([1.0], [4.0]) == 3.0


def test_mass_that_moves_counts_with_its_share() -> None:
    # A quarter of the mass moves by 8, at different sizes of the samples.
    assert wasserstein_1d([0, 0, 0, 8], [0]) == pytest.approx(2.0)


@settings(max_examples=50, deadline=None)
@given(x=values, y=values)
def test_is_that_of_scipy_and_symmetric(x: list[float], y: list[float]) -> None:
    ours = wasserstein_1d(x, y)
    assert ours == pytest.approx(stats.wasserstein_distance(x, y), rel=1e-9, abs=1e-9)
    assert ours == pytest.approx(wasserstein_1d(y, x), rel=1e-9, abs=1e-9)


@settings(max_examples=30, deadline=None)
@given(x=values, y=values, z=values)
def test_triangle_inequality(x: list[float], y: list[float], z: list[float]) -> None:
    assert wasserstein_1d(x, z) <= wasserstein_1d(x, y) + wasserstein_1d(y, z) + 1e-9


@pytest.mark.parametrize("bad", [[], [[1.0]], [np.nan], [np.inf]])
def test_unusable_samples_are_refused(bad: list[float]) -> None:
    with pytest.raises(ValueError, match="reference: found an array of shape"):
        wasserstein_1d(bad, [1.0])


@pytest.mark.parametrize(
    ("value", "error", "text"),
    [
        (1.0, 0.0, "1 ± 0"),
        (31.002, 0.996, "31.0 ± 1.0"),
        (0.84712, 0.0224, "0.847 ± 0.022"),
        (-2.7, 2.1, "-2.7 ± 2.1"),
        (123456.0, 2345.0, "123456 ± 2345"),
        (1.0, 1e-17, "1 ± 0"),
    ],
)
def test_error_decides_the_digits(value: float, error: float, text: str) -> None:
    assert Measured(value, error).text == text
    assert str(Measured(value, error, "GeV")) == f"{text} GeV"
