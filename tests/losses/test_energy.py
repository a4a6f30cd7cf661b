"""Energy score: closed form, properness, gradient."""

from __future__ import annotations

import math

import pytest
import torch

from caloforge.losses.energy import energy_score


def test_two_draws_by_hand() -> None:
    # |x - y| is 5 and 0, |y1 - y2| is 5: (5 + 0) / 2 - 5 / 2 = 0.
    observed = torch.tensor([[0.0, 0.0]], dtype=torch.float64)
    sampled = torch.tensor([[[3.0, 4.0], [0.0, 0.0]]], dtype=torch.float64)
    torch.testing.assert_close(
        energy_score(observed, sampled), observed.sum(), atol=1e-5, rtol=0
    )


def test_is_the_crps_of_a_normal_distribution() -> None:
    # Mean score of N(0, 1) under N(0, s^2): sqrt(2 (1 + s^2) / pi) - s / sqrt(pi).
    rng = torch.Generator().manual_seed(0)
    observed = torch.randn(200_000, 1, generator=rng, dtype=torch.float64)
    for s in (0.5, 1.0, 2.0):
        sampled = s * torch.randn(200_000, 2, 1, generator=rng, dtype=torch.float64)
        expected = math.sqrt(2 * (1 + s**2) / math.pi) - s / math.sqrt(math.pi)
        assert float(energy_score(observed, sampled)) == pytest.approx(expected, abs=0.01)


def test_the_true_spread_scores_best() -> None:
    rng = torch.Generator().manual_seed(1)
    observed = torch.randn(100_000, 3, generator=rng)
    noise = torch.randn(100_000, 4, 3, generator=rng)
    scores = [float(energy_score(observed, s * noise)) for s in (0.5, 0.8, 1.0, 1.25, 2.0)]
    assert min(scores) == scores[2]


def test_gradient_matches_finite_differences() -> None:
    rng = torch.Generator().manual_seed(2)
    observed = torch.randn(3, 2, generator=rng, dtype=torch.float64, requires_grad=True)
    sampled = torch.randn(3, 3, 2, generator=rng, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(energy_score, (observed, sampled))


def test_gradient_is_finite_where_points_coincide() -> None:
    sampled = torch.zeros(2, 2, 3, requires_grad=True)
    energy_score(torch.zeros(2, 3), sampled).backward()
    assert torch.isfinite(sampled.grad).all()


@pytest.mark.parametrize("shape", [(4, 1, 2), (4, 3), (4, 2, 3), (5, 2, 2)])
def test_other_shapes_are_refused(shape) -> None:
    with pytest.raises(ValueError, match=r"energy_score: found \(4, 2\) and"):
        energy_score(torch.zeros(4, 2), torch.zeros(shape))
