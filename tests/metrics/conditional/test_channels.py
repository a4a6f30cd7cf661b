"""Metrics of single particles: closed forms, unbiasedness, and the trap about MAE."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest

from caloforge.metrics.conditional import channels as conditional


def groups(repeats: int) -> tuple[tuple[int, ...], ...]:
    return tuple(combinations(range(repeats), 2))


def all_pairs(a: int, b: int) -> list[tuple[int, int]]:
    return [(i, j) for i in range(len(groups(a))) for j in range(len(groups(b)))]


def test_absolute_error_is_the_mean_over_all_assignments() -> None:
    reference = np.array([0.0, 2.0]).reshape(1, 2, 1)
    generated = np.array([1.0, 5.0]).reshape(1, 2, 1)
    assert conditional.absolute_error(reference, generated).item() == (1 + 5 + 1 + 3) / 4
    assert conditional.absolute_error_floor(reference).item() == 2.0


def test_conditional_error_is_that_of_the_means_of_two() -> None:
    reference = np.array([0.0, 2.0, 4.0]).reshape(1, 3, 1)
    generated = np.array([1.0, 1.0]).reshape(1, 2, 1)
    # Means of two of the reference: 1, 2, 3.
    found = conditional.conditional_error(
        reference, generated, (groups(3), groups(2)), all_pairs(3, 2)
    )
    assert found.item() == pytest.approx((0 + 1 + 2) / 3)


def test_dispersion_is_zero_for_equal_and_one_for_absent_spread() -> None:
    reference = np.array([0.0, 2.0]).reshape(1, 2, 1)
    shape = (groups(2), groups(2))
    pairs = [(0, 0)]
    same = conditional.dispersion_discrepancy(reference, reference + 7, shape, pairs)
    none = conditional.dispersion_discrepancy(reference, np.ones((1, 2, 1)), shape, pairs)
    assert same.item() == 0
    assert none.item() == pytest.approx(1, abs=1e-5)


@pytest.mark.parametrize(("bias", "repeats"), [(0.0, (5, 5)), (0.0, (4, 2)), (1.5, (5, 3))])
def test_squared_bias_is_unbiased(bias: float, repeats: tuple[int, int]) -> None:
    rng = np.random.default_rng(0)
    n = 40_000
    reference = rng.exponential(3.0, (n, repeats[0], 1))
    generated = rng.normal(3.0 + bias, 1.0, (n, repeats[1], 1))
    square = conditional.squared_bias(reference, generated)
    assert square.mean() == pytest.approx(bias**2, abs=4 * square.std() / np.sqrt(n))


def test_needs_repeats() -> None:
    one, two = np.zeros((3, 1, 2)), np.zeros((3, 2, 2))
    assert np.isnan(conditional.variance(one)).all()
    assert np.isnan(conditional.squared_bias(two, one)).all()
    assert (conditional.variance(two) == 0).all()


def test_the_trap_and_its_cure() -> None:
    # A generator that always returns the particle's exact mean beats full simulation in MAE and
    # MAE_cond; the noise-subtracted bias calls both faithful, and the spread tells them apart.
    rng = np.random.default_rng(1)
    mean = rng.uniform(20, 200, 2000)[:, None, None]
    reference, other = (rng.poisson(mean, (2000, 4, 1)).astype(float) for _ in range(2))
    frozen = np.broadcast_to(mean, other.shape)
    shape, pairs = (groups(4), groups(4)), all_pairs(4, 4)
    for metric in (
        conditional.absolute_error,
        lambda r, g: conditional.conditional_error(r, g, shape, pairs),
    ):
        assert metric(reference, frozen).mean() < 0.8 * metric(reference, other).mean()
    for generated in (frozen, other):
        square = conditional.squared_bias(reference, generated)
        assert abs(square.mean()) < 4 * square.std() / np.sqrt(square.size)
    assert conditional.variance(frozen).mean() == 0
    assert conditional.variance(other).mean() == pytest.approx(mean.mean(), rel=0.1)


def test_signed_root_keeps_the_sign() -> None:
    np.testing.assert_allclose(
        conditional.signed_root(np.array([-4.0, 0.0, 9.0])), [-2.0, 0.0, 3.0]
    )
