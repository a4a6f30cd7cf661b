"""Diversity, means and variances of repeated showers: closed forms, what they leave alone."""

from __future__ import annotations

import pytest
import torch

from caloforge.losses.diversity import (
    diversity_penalty,
    mean_mismatch,
    repeat_variance,
    variance_score,
)


def double(*rows):
    return torch.tensor(rows, dtype=torch.float64)


def test_diversity_penalty_by_hand() -> None:
    # Features differ by 3 on average where noise differs by 2, then by 1 where by 4.
    features = double([1, 5], [0, 0]), double([3, 1], [1, -1])
    noise = double([0], [2]), double([2], [-2])
    spread = torch.tensor([6.0, 1.0], dtype=torch.float64)
    expected = (6 / (1.5 + 1e-5) + 1 / (0.25 + 1e-5)) / 2
    assert float(diversity_penalty(features, noise, spread)) == pytest.approx(expected, 1e-12)


def test_a_dead_noise_costs_the_spread_over_the_offset() -> None:
    same = double([1, 2], [3, 4])
    noise = double([0], [2]), double([2], [-2])
    spread = torch.tensor([0.0, 1.0], dtype=torch.float64)
    assert float(diversity_penalty((same, same), noise, spread)) == pytest.approx(0.5e5)


def test_diversity_is_asked_for_only_where_the_spread_is() -> None:
    rng = torch.Generator().manual_seed(0)
    first, second, *noise = torch.randn(4, 3, 2, generator=rng, dtype=torch.float64)
    first.requires_grad_()
    spread = torch.tensor([1.0, 0.0, 0.5], dtype=torch.float64)
    diversity_penalty((first, second), tuple(noise), spread).backward()
    slopes = first.grad.abs().sum(dim=1)
    assert slopes[1] == 0
    assert (slopes[[0, 2]] > 0).all()


def test_gradients_match_finite_differences() -> None:
    rng = torch.Generator().manual_seed(1)
    first, second, z1, z2, observed = torch.randn(5, 3, 2, generator=rng, dtype=torch.float64)
    spread = torch.rand(3, generator=rng, dtype=torch.float64)
    first.requires_grad_()
    second.requires_grad_()

    def penalty(a, b):
        return diversity_penalty((a, b), (z1, z2), spread)

    def mismatch(a, b):
        return mean_mismatch(observed, a, b)

    assert torch.autograd.gradcheck(penalty, (first, second))
    assert torch.autograd.gradcheck(mismatch, (first, second))


@pytest.mark.parametrize("scale", [0.0, 1.0, 5.0])
def test_mean_mismatch_does_not_see_the_spread_of_draws(scale) -> None:
    # Observations N(1, 2^2) and draws N(3, scale^2), in two dimensions: 2 (2^2 + 2^2).
    rng = torch.Generator().manual_seed(2)
    observed, first, second = torch.randn(3, 400_000, 2, generator=rng, dtype=torch.float64)
    value = mean_mismatch(1 + 2 * observed, 3 + scale * first, 3 + scale * second)
    # Standard error of the estimate, from the variance of a product of correlated normals.
    assert float(value) == pytest.approx(16, abs=0.3)


def test_variance_of_repeats_by_hand() -> None:
    # A pair that differs by 2 and 4: half the mean square, 5. A triple: 1, 2, 3 has variance 1.
    values = double([1, 1], [7, 7], [3, 5], [1, 1], [2, 2], [3, 3])
    conditions = double([0, 1], [9, 9], [0, 1], [0, 2], [0, 2], [0, 2])
    variance, repeated = repeat_variance(values, conditions)
    assert repeated.tolist() == [True, False, True, True, True, True]
    torch.testing.assert_close(variance, torch.tensor([5, 0, 5, 1.5, 0, 1.5]).double())
    assert float(variance[3:].mean()) == pytest.approx(1)


def test_without_conditions_all_are_repeats() -> None:
    values = torch.randn(50, 3, generator=torch.Generator().manual_seed(3)).double()
    variance, repeated = repeat_variance(values, values.new_empty(50, 0))
    assert repeated.all()
    assert float(variance.mean()) == pytest.approx(float(values.var(dim=0).mean()))


def test_the_mean_square_scores_best() -> None:
    squared = 4 * torch.randn(1000, generator=torch.Generator().manual_seed(4)).square()
    mean = float(squared.mean())
    scores = [
        float(variance_score(torch.full((1000,), v * mean).log(), squared))
        for v in (0.5, 0.9, 1.0, 1.1, 2.0)
    ]
    assert min(scores) == scores[2]
    assert scores[2] == pytest.approx(float(torch.tensor(mean).log()) + 1, rel=1e-5)


@pytest.mark.parametrize(("features", "noise", "spread"), [(3, 3, 2), (3, 2, 3), (2, 3, 3)])
def test_other_shapes_of_the_penalty_are_refused(features, noise, spread) -> None:
    pairs = torch.zeros(2, features, 4), torch.zeros(2, noise, 1)
    with pytest.raises(ValueError, match="diversity_penalty: found"):
        diversity_penalty(*(tuple(pair) for pair in pairs), torch.ones(spread))


def test_other_shapes_of_the_mismatch_are_refused() -> None:
    with pytest.raises(ValueError, match=r"mean_mismatch: found \(3, 2\), \(3, 2\), \(3, 1\)"):
        mean_mismatch(torch.zeros(3, 2), torch.zeros(3, 2), torch.zeros(3, 1))
