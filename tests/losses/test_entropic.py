"""Entropic transport: value and plan against closed forms, POT and exact transport."""

import math

import pytest
import torch

from caloforge.losses.entropic import entropic_ot
from caloforge.losses.exact import exact_ot
from caloforge.losses.scaling import ConvergenceWarning


def cloud(n, seed, d=3):
    rng = torch.Generator().manual_seed(seed)
    return torch.randn(n, d, generator=rng, dtype=torch.float64)


def test_two_by_two_is_known_in_closed_form():
    # Symmetric 2 x 2, cost 0 on and 1 off the diagonal: plan (p, q; q, p) / 2 with
    # p / q = exp(1 / epsilon), p + q = 1.
    x = torch.tensor([[0.0], [1.0]], dtype=torch.float64)
    epsilon = 0.7
    p = 1 / (1 + math.exp(-1 / epsilon))
    value, plan = entropic_ot(x, x, epsilon=epsilon, tolerance=1e-12)
    expected = torch.tensor([[p, 1 - p], [1 - p, p]], dtype=torch.float64) / 2
    torch.testing.assert_close(plan, expected)
    entropy = p * math.log(2 * p) + (1 - p) * math.log(2 * (1 - p))
    assert float(value) == pytest.approx((1 - p) + epsilon * entropy)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_value_is_the_objective_at_the_plan(dtype):
    x, y = cloud(30, 0).to(dtype), (2 * cloud(20, 1) + 5).to(dtype)
    value, plan = entropic_ot(x, y, epsilon=0.5)
    cost = torch.cdist(x, y).square()
    objective = (plan * cost).sum() + 0.5 * torch.xlogy(plan, plan * plan.numel()).sum()
    torch.testing.assert_close(value, objective, rtol=1e-4, atol=0.0)
    uniform = torch.full((30,), 1 / 30, dtype=dtype)
    torch.testing.assert_close(plan.sum(dim=1), uniform)
    assert (20 * plan.sum(dim=0) - 1).abs().mean() <= 1.1e-4


def test_agrees_with_pot():
    ot = pytest.importorskip("ot")
    x, y = cloud(30, 0), 2 * cloud(20, 1)
    a, b = torch.full((30,), 1 / 30).double(), torch.full((20,), 1 / 20).double()
    theirs = ot.sinkhorn(
        a, b, torch.cdist(x, y).square(), 1.0, method="sinkhorn_log", stopThr=1e-11,
        numItermax=20_000, warn=False,
    )  # fmt: skip
    _, plan = entropic_ot(x, y, epsilon=1.0, tolerance=1e-10)
    torch.testing.assert_close(plan, theirs, rtol=1e-6, atol=1e-12)


def test_lies_between_exact_and_mean_cost_and_grows_with_epsilon():
    x, y = cloud(40, 0), cloud(40, 1) + 1
    values = [float(entropic_ot(x, y, epsilon=e).value) for e in (0.003, 0.03, 0.3, 3, 30, 3e4)]
    exact, mean = float(exact_ot(x, y, p=2).value), float(torch.cdist(x, y).square().mean())
    assert values == sorted(values)
    assert values[0] == pytest.approx(exact, rel=1e-2)
    assert values[-1] == pytest.approx(mean, rel=1e-3)
    assert exact < values[0]
    assert values[-1] < mean


def test_never_above_the_true_value_when_stopped_early():
    x, y = cloud(40, 0), cloud(30, 1) + 1
    true = entropic_ot(x, y, epsilon=0.1, tolerance=1e-10).value
    for tolerance in (0.3, 0.1, 1e-2, 1e-3):
        assert entropic_ot(x, y, epsilon=0.1, tolerance=tolerance).value <= true + 1e-12


@pytest.mark.parametrize("annealing", [True, False])
def test_gradient_matches_finite_differences(annealing):
    x, y = cloud(5, 0).requires_grad_(), cloud(4, 1).requires_grad_()
    assert torch.autograd.gradcheck(
        lambda x, y: entropic_ot(x, y, epsilon=0.2, tolerance=1e-12, annealing=annealing).value,
        (x, y),
        atol=1e-6,
    )


def test_plan_has_no_gradient():
    x = cloud(5, 0).requires_grad_()
    assert not entropic_ot(x, cloud(4, 1), epsilon=0.2).plan.requires_grad


def test_small_epsilon_in_float32_gives_the_assignment():
    x, y = cloud(50, 0).float(), (cloud(50, 1) + 100).float()
    plan = entropic_ot(x, y, epsilon=1e-3, tolerance=1e-3).plan
    exact = exact_ot(x, y, p=2).plan
    assert plan.isfinite().all()
    assert float((plan - exact).abs().sum()) < 0.1


def test_too_few_iterations_warn():
    with pytest.warns(ConvergenceWarning, match="entropic_ot: marginal error"):
        entropic_ot(cloud(40, 0), cloud(40, 1), epsilon=1e-3, max_iterations=2)


def test_non_positive_epsilon_is_refused():
    with pytest.raises(ValueError, match=r"entropic_ot: epsilon is 0\.0, expected a positive"):
        entropic_ot(cloud(2, 0), cloud(2, 1), epsilon=0.0)


def test_clouds_of_different_spaces_are_refused():
    with pytest.raises(ValueError, match="entropic_ot: x has 3 coordinates and y has 2"):
        entropic_ot(cloud(2, 0), cloud(2, 1, d=2), epsilon=1.0)
