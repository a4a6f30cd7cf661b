"""Cell heads against SciPy's distributions, and regions by hand."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy import stats

from caloforge.errors import ConfigError
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


class TestBoundedCells:
    @pytest.fixture
    def head(self, toy_grid):
        geometry = replace(toy_grid, counts=False, maximum=255.0)
        return cell_head("bounded", ShowerSpec.of(geometry, 2))

    def test_cells_stay_between_zero_and_the_maximum(self, head) -> None:
        outputs = torch.linspace(-30, 30, 7).repeat(2, 1)
        cells = head(outputs)
        assert float(cells.min()) >= 0
        assert float(cells.max()) <= 255
        assert float(cells[0, 3]) == 127.5

    def test_loss_is_the_squared_error_in_units_of_the_maximum(self, head, toy_grid) -> None:
        n = toy_grid.n_cells
        batch = observed(torch.full((2, n), 255.0))
        assert float(head.loss(torch.zeros(2, n), batch)) == pytest.approx(n / 4)

    def test_what_a_discriminator_sees_is_what_an_encoder_would(self, head) -> None:
        outputs = torch.randn(3, 7)
        torch.testing.assert_close(
            head.seen(outputs, torch.Generator()), head.encoded(head(outputs))
        )

    def test_starts_at_the_mean(self, head) -> None:
        head.mean.fill_(51.0)
        torch.testing.assert_close(head(head.bias()), head.mean)

    def test_needs_a_maximum(self, spec) -> None:
        with pytest.raises(ConfigError, match="'bounded' for cells without a largest value"):
            cell_head("bounded", spec)


@pytest.mark.parametrize("name", ["poisson", "negative-binomial"])
def test_a_discriminator_sees_drawn_counts_with_the_gradient_of_their_mean(
    spec, toy_grid, name
) -> None:
    outputs, _ = drawn(toy_grid)
    outputs.requires_grad_()
    head = cell_head(name, spec).double()
    seen = head.seen(outputs, torch.Generator().manual_seed(0))
    counts = seen.detach().expm1()
    torch.testing.assert_close(counts, counts.round())
    (gradient,) = torch.autograd.grad(seen.sum(), outputs)
    torch.testing.assert_close(gradient, outputs.detach().exp() / (1 + counts))


def test_a_discriminator_sees_no_negative_values_but_their_gradient(spec, toy_grid) -> None:
    outputs = torch.tensor([[-1.0, 2.0]], requires_grad=True)
    seen = cell_head("log1p", spec).seen(outputs, torch.Generator())
    assert seen.tolist() == [[0.0, 2.0]]
    (gradient,) = torch.autograd.grad(seen.sum(), outputs)
    torch.testing.assert_close(gradient, torch.tensor([[0.2, 1.0]]))
