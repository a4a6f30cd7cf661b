"""Sliced Wasserstein distance against closed forms and POT."""

from __future__ import annotations

import numpy as np
import ot
import pytest
import torch

from caloforge.errors import DataFormatError
from caloforge.losses.sliced import random_directions, sliced_wasserstein


def normal(n: int, d: int, seed: int) -> torch.Tensor:
    rng = torch.Generator().manual_seed(seed)
    return torch.randn(n, d, generator=rng, dtype=torch.float64)


def test_a_shift_by_v_costs_its_square_over_the_dimension() -> None:
    x = normal(30, 4, 0)
    v = torch.tensor([1.0, -2.0, 0.5, 3.0], dtype=torch.float64)
    rng = torch.Generator().manual_seed(0)
    value = sliced_wasserstein(x, x + v, rng, n_projections=40_000)
    assert float(value) == pytest.approx(float(v.square().sum()) / 4, rel=0.02)


def test_value_of_pot_along_the_same_directions() -> None:
    x, y = normal(50, 3, 0), 2 * normal(50, 3, 1) + 1
    directions = random_directions(20, 3, torch.Generator().manual_seed(5)).double()
    value = sliced_wasserstein(x, y, torch.Generator().manual_seed(5), n_projections=20)
    expected = ot.sliced_wasserstein_distance(
        x.numpy(), y.numpy(), projections=directions.numpy().T, p=2
    )
    assert float(value) == pytest.approx(float(expected) ** 2)


@pytest.mark.parametrize("d", [2, 5])
def test_distance_of_two_normal_distributions(d: int) -> None:
    # Projected, N(0, 1) and N(v . theta, s^2): (v . theta)^2 + (1 - s)^2, mean |v|^2 / d.
    x, y = normal(2000, d, 0), 0.5 * normal(2000, d, 1)
    y[:, 0] += 2.0
    rng = torch.Generator().manual_seed(0)
    value = sliced_wasserstein(x, y, rng, n_projections=400)
    assert float(value) == pytest.approx(4 / d + 0.25, rel=0.15)


def test_directions_have_length_one_and_no_preference() -> None:
    directions = random_directions(20_000, 3, torch.Generator().manual_seed(0)).numpy()
    np.testing.assert_allclose(np.linalg.norm(directions, axis=1), 1, rtol=1e-5)
    np.testing.assert_allclose(directions.T @ directions / 20_000, np.eye(3) / 3, atol=0.01)


def test_gradient() -> None:
    x, y = normal(6, 3, 0).requires_grad_(), normal(6, 3, 1)

    def value(a: torch.Tensor) -> torch.Tensor:
        return sliced_wasserstein(a, y, torch.Generator().manual_seed(3), n_projections=7)

    assert torch.autograd.gradcheck(value, (x,))


def test_conditions_join_the_points() -> None:
    x, y, c = normal(20, 2, 0), normal(20, 2, 1), normal(20, 1, 2)
    rng = torch.Generator().manual_seed(3)
    value = sliced_wasserstein(x, y, rng, conditions_x=c, conditions_y=c, condition_weight=4.0)
    joined = [torch.cat((cloud, 2 * c), dim=1) for cloud in (x, y)]
    expected = sliced_wasserstein(*joined, torch.Generator().manual_seed(3))
    assert float(value) == pytest.approx(float(expected))


def test_clouds_of_different_size_are_refused() -> None:
    with pytest.raises(DataFormatError, match="found 3 and 4 points, expected as many"):
        sliced_wasserstein(normal(3, 2, 0), normal(4, 2, 0), torch.Generator())
