"""Cell heads against SciPy's distributions, and regions by hand."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy import stats

from caloforge.geometry import load_geometry
from caloforge.nn import RegionSums, ShowerSpec, cell_head
from caloforge.nn.spec import regions_of
from caloforge.types import CellLaw, ShowerBatch


@pytest.fixture
def spec(toy_grid) -> ShowerSpec:
    return ShowerSpec.of(toy_grid, 2)


def drawn(toy_grid) -> tuple[torch.Tensor, torch.Tensor]:
    rng = torch.Generator().manual_seed(0)
    outputs = torch.randn(5, toy_grid.n_cells, generator=rng, dtype=torch.float64)
    return outputs, torch.poisson(2 * outputs.exp(), generator=rng)


def observed(counts: torch.Tensor) -> ShowerBatch:
    n = len(counts)
    return ShowerBatch(counts, torch.zeros(n, 2), torch.arange(n), torch.ones_like(counts))


@pytest.mark.parametrize("name", ["poisson", "negative-binomial", "log1p"])
def test_far_cells_count_for_nothing(spec, toy_grid, name) -> None:
    outputs, counts = drawn(toy_grid)
    near = torch.ones_like(counts)
    near[:, 5:] = 0
    batch = observed(counts * near)._replace(near=near)
    outputs.requires_grad_()
    cell_head(name, spec).double().loss(outputs, batch).backward()
    assert (outputs.grad[:, 5:] == 0).all()
    assert (outputs.grad[:, :5] != 0).all()


def test_poisson_loss_is_scipys_up_to_the_factorial(spec, toy_grid) -> None:
    outputs, counts = drawn(toy_grid)
    expected = -stats.poisson.logpmf(counts, outputs.exp()) - torch.lgamma(counts + 1).numpy()
    loss = cell_head("poisson", spec).loss(outputs, observed(counts))
    assert float(loss) == pytest.approx(expected.sum(axis=1).mean())


@pytest.mark.parametrize("log_excess", [-3.0, 0.0, 1.0])
def test_negative_binomial_loss_is_scipys_up_to_the_factorial(
    spec, toy_grid, log_excess
) -> None:
    outputs, counts = drawn(toy_grid)
    head = cell_head("negative-binomial", spec).double()
    head.log_excess.data.fill_(log_excess)
    fano = 1 + np.exp(log_excess)
    law = stats.nbinom(outputs.exp().numpy() / (fano - 1), 1 / fano)
    np.testing.assert_allclose(law.var() / law.mean(), fano)
    expected = -law.logpmf(counts.numpy()) - torch.lgamma(counts + 1).numpy()
    loss = head.loss(outputs, observed(counts))
    assert loss.item() == pytest.approx(expected.sum(axis=1).mean())
    assert head.law().fano == pytest.approx(fano)


def test_gradient_of_the_negative_binomial_loss(spec, toy_grid) -> None:
    outputs, counts = drawn(toy_grid)
    head = cell_head("negative-binomial", spec).double()
    assert torch.autograd.gradcheck(
        lambda o: head.loss(o, observed(counts)), outputs.requires_grad_(), atol=1e-5
    )


def test_the_fano_factor_is_learned(spec) -> None:
    rng = torch.Generator().manual_seed(1)
    law = CellLaw("negative-binomial", 2.5)
    counts = law.draw_sums(torch.full((2000, 24), 3.0), rng)
    head = cell_head("negative-binomial", spec)
    outputs = torch.full((2000, 24), float(np.log(3.0)))
    optimizer = torch.optim.Adam(head.parameters(), lr=0.1)
    for _ in range(100):
        optimizer.zero_grad()
        head.loss(outputs, observed(counts)).backward()
        optimizer.step()
    assert head.law().fano == pytest.approx(2.5, rel=0.05)


@pytest.mark.parametrize(("name", "fano"), [("poisson", 1.0), ("negative-binomial", 1.7)])
def test_drawn_sums_have_mean_and_variance_of_the_law(name, fano) -> None:
    rng = torch.Generator().manual_seed(0)
    sums = CellLaw(name, fano).draw_sums(torch.full((200_000,), 5.0), rng)
    assert sums.mean().item() == pytest.approx(5.0, rel=0.01)
    assert sums.var().item() == pytest.approx(5.0 * fano, rel=0.02)


def test_log1p_cells_are_inverted_and_not_negative(toy_cylinder) -> None:
    spec = ShowerSpec.of(toy_cylinder, 1, cell_scale=20.0)
    head = cell_head("log1p", spec)
    showers = torch.tensor([[0.0, 3.0, 500.0]])
    torch.testing.assert_close(head(head.encoded(showers)), showers)
    assert head(torch.tensor([[-1.0]])).item() == 0.0
    assert head.law().name == "rounding"


def test_regions_of_a_grid_are_rings_and_quadrants() -> None:
    zn = load_geometry("zn")
    regions = regions_of(zn).reshape(44, 44)
    assert regions.unique().tolist() == list(range(12))
    # One region changes to the next ring two cells from the centre (22, 22), and to the next
    # quadrant at it.
    assert regions[22, 22] == regions[23, 23] != regions[24, 24]
    assert regions[24, 24] == regions[26, 22] != regions[27, 22]
    assert regions[21, 22] != regions[22, 22] != regions[22, 21]
    assert regions[0, 0] == regions[17, 3]


def test_regions_of_a_cylinder_are_its_layers(toy_cylinder) -> None:
    assert regions_of(toy_cylinder).tolist() == [0] + [1] * 6 + [2] * 8


def test_region_sums_by_hand() -> None:
    sums = RegionSums(torch.tensor([0, 0, 1]), 1.0)
    found = sums(torch.tensor([[1.0, 3.0, 5.0]]))
    expected = torch.tensor([[4.375, 5.375, 9.375]]).sqrt()
    torch.testing.assert_close(found, expected)


def test_gradient_of_drawn_sums_is_that_of_the_expectation() -> None:
    # d E f(X) / d lambda = E[f(X + 1) - f(X)] for Poisson X, to first order f'(X).
    sums = RegionSums(torch.tensor([0]), 1.0)
    cells = torch.full((100_000, 1), 20.0, requires_grad=True)
    rng = torch.Generator().manual_seed(0)
    sums.drawn(cells, CellLaw("poisson"), rng)[:, 0].mean().backward()
    counts = torch.arange(0, 200, dtype=torch.float64)
    weights = torch.from_numpy(stats.poisson(20.0).pmf(counts))
    steps = (counts + 1.375).sqrt() - (counts + 0.375).sqrt()
    assert cells.grad.sum().item() == pytest.approx((weights * steps).sum().item(), rel=0.03)
