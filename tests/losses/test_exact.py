"""Exact transport against closed forms, SciPy's one-dimensional distance and POT."""

import pytest
import torch
from scipy import stats

from caloforge.losses.exact import exact_ot


def cloud(n, seed, d=3):
    rng = torch.Generator().manual_seed(seed)
    return torch.randn(n, d, generator=rng, dtype=torch.float64)


@pytest.mark.parametrize(("p", "expected"), [(1, 5.0), (2, 25.0)])
def test_two_points(p, expected):
    assert exact_ot(torch.tensor([[0.0, 0.0]]), torch.tensor([[3.0, 4.0]]), p).value == expected


@pytest.mark.parametrize("p", [1, 2])
def test_translation(p):
    x, t = cloud(30, 0), torch.tensor([3.0, 0.0, 4.0], dtype=torch.float64)
    value, plan = exact_ot(x, x + t, p)
    assert float(value) == pytest.approx(5.0**p)
    if p == 2:  # At p = 1 other plans can be as good.
        torch.testing.assert_close(plan, torch.eye(30, dtype=torch.float64) / 30)


@pytest.mark.parametrize("m", [25, 40])
def test_one_dimension_is_scipys(m):
    x, y = cloud(25, 0, d=1), 2 * cloud(m, 1, d=1)
    expected = stats.wasserstein_distance(x[:, 0], y[:, 0])
    assert float(exact_ot(x, y, p=1).value) == pytest.approx(expected)


@pytest.mark.parametrize("m", [30, 17])
@pytest.mark.parametrize("p", [1, 2])
def test_agrees_with_pot(m, p):
    ot = pytest.importorskip("ot")
    x, y = cloud(30, 0), cloud(m, 1) + 0.5
    cost = torch.cdist(x, y) ** p
    expected = ot.emd2(ot.unif(30), ot.unif(m), cost.numpy())
    value, plan = exact_ot(x, y, p)
    assert float(value) == pytest.approx(float(expected))
    torch.testing.assert_close((plan * cost).sum(), value)
    torch.testing.assert_close(plan.sum(1), torch.full((30,), 1 / 30, dtype=torch.float64))
    torch.testing.assert_close(plan.sum(0), torch.full((m,), 1 / m, dtype=torch.float64))


def test_keeps_dtype_and_makes_no_graph():
    value, plan = exact_ot(cloud(4, 0).float().requires_grad_(), cloud(4, 1).float(), p=2)
    assert value.dtype == plan.dtype == torch.float32
    assert not value.requires_grad


def test_other_powers_are_refused():
    with pytest.raises(ValueError, match="exact_ot: p is 3, expected 1 or 2"):
        exact_ot(cloud(2, 0), cloud(2, 1), p=3)


def test_infinite_points_are_refused():
    with pytest.raises(ValueError, match=r"exact_ot: x\[0, 0\] is inf, expected finite"):
        exact_ot(cloud(2, 0) / 0, cloud(2, 1), p=1)
