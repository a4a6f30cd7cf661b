"""MMD: unbiased, zero in the mean for equal distributions, blind to nothing it should see."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from sklearn.gaussian_process.kernels import RationalQuadratic

from caloforge.errors import DataFormatError
from caloforge.losses.mmd import SCALES, mmd


def normal(n: int, d: int, seed: int, shift: float = 0.0) -> torch.Tensor:
    rng = torch.Generator().manual_seed(seed)
    return torch.randn(n, d, generator=rng, dtype=torch.float64) + shift


def test_value_of_two_pairs_by_hand() -> None:
    # d = 1, sigma = 1: C = 2, one scale. Distances 1 within, 2 within, and across 4 pairs.
    x = torch.tensor([[0.0], [1.0]], dtype=torch.float64)
    y = torch.tensor([[0.0], [2.0]], dtype=torch.float64)

    def k(squared: float) -> float:
        return 2 / (2 + squared)

    expected = k(1) + k(4) - 2 * (k(0) + k(4) + k(1) + k(1)) / 4
    assert float(mmd(x, y, scales=(1.0,))) == pytest.approx(expected)


@pytest.mark.parametrize(("d", "bandwidth"), [(2, 1.0), (3, 0.5), (7, 2.0)])
def test_value_with_the_kernels_of_scikit_learn(d: int, bandwidth: float) -> None:
    # An inverse multiquadratic kernel is a rational quadratic one with exponent 1.
    x, y = normal(9, d, 0), 2 * normal(13, d, 1) + 1

    def mean(a: torch.Tensor, b: torch.Tensor, *, apart: bool) -> float:
        total = 0.0
        for scale in SCALES:
            length = np.sqrt(scale * 2 * d * bandwidth**2 / 2)
            values = RationalQuadratic(length_scale=length, alpha=1.0)(a.numpy(), b.numpy())
            off = ~np.eye(len(a), dtype=bool) if apart else np.ones(values.shape, dtype=bool)
            total += values[off].mean()
        return total

    expected = mean(x, x, apart=True) + mean(y, y, apart=True) - 2 * mean(x, y, apart=False)
    assert float(mmd(x, y, bandwidth=bandwidth)) == pytest.approx(expected, rel=1e-9)


def test_value_of_two_normal_distributions_in_the_limit() -> None:
    """For one scale, the expectation over the distributions, by quadrature."""
    # In one dimension x - x' ~ N(0, 2), x - y ~ N(shift, 2).
    shift, width = 1.5, 2.0
    points, weights = np.polynomial.hermite_e.hermegauss(200)
    weights = weights / weights.sum()

    def expectation(mean: float) -> float:
        return float(weights @ (width / (width + (mean + np.sqrt(2) * points) ** 2)))

    values = [
        float(mmd(normal(200, 1, 2 * s), normal(200, 1, 2 * s + 1, shift), scales=(1.0,)))
        for s in range(30)
    ]
    error = np.std(values, ddof=1) / np.sqrt(30)
    expected = 2 * expectation(0.0) - 2 * expectation(shift)
    assert np.mean(values) == pytest.approx(expected, abs=4 * error)
    assert error < 0.05 * expected


@pytest.mark.parametrize("d", [2, 8])
def test_unbiased_for_equal_distributions(d: int) -> None:
    values = torch.stack(
        [mmd(normal(40, d, 2 * s), normal(40, d, 2 * s + 1)) for s in range(200)]
    )
    error = float(values.std()) / 200**0.5
    assert abs(float(values.mean())) < 3 * error
    assert float(values.min()) < 0 < float(values.max())


def test_grows_with_the_distance_of_distributions() -> None:
    x = normal(200, 3, 0)
    values = [float(mmd(x, normal(200, 3, 1, shift))) for shift in (0.0, 0.3, 1.0, 3.0)]
    assert values == sorted(values)


def test_sees_codes_that_depend_on_the_condition_only_when_joined() -> None:
    codes = normal(300, 1, 0)
    conditions = codes.clone()
    prior = normal(300, 1, 1)
    apart = mmd(codes, prior)
    joined = mmd(codes, prior, conditions_x=conditions, conditions_y=conditions)
    assert float(joined) > 20 * abs(float(apart))


def test_gradient() -> None:
    x = normal(5, 3, 0).requires_grad_()
    y = normal(6, 3, 1)
    assert torch.autograd.gradcheck(lambda a: mmd(a, y), (x,))
    near = normal(5, 6, 0).requires_grad_()
    assert torch.autograd.gradcheck(lambda a: mmd(a, normal(6, 6, 1)), (near,))


def test_single_points_are_refused() -> None:
    with pytest.raises(DataFormatError, match="clouds of 1 and 3 points, expected 2 or more"):
        mmd(normal(1, 2, 0), normal(3, 2, 1))


def test_conditions_without_a_coordinate_join_nothing() -> None:
    x, y, empty = normal(5, 2, 0), normal(6, 2, 1), torch.empty(5, 0)
    value = mmd(x, y[:5], conditions_x=empty, conditions_y=empty)
    assert torch.equal(value, mmd(x, y[:5]))
