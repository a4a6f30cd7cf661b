"""Cells of deposits against SciPy's compound Poisson law."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy import integrate, special, stats

from caloforge.errors import ConfigError
from caloforge.nn import RegionSums, ShowerSpec, cell_head
from caloforge.types import CellLaw, ShowerBatch

SCALE = 0.7


def density(x, mean: float, deposit: float):
    """Of a cell that was hit: a Poisson number of gamma laws, added up one by one."""
    numbers = np.arange(1, 200)
    weights = stats.poisson(mean / deposit).pmf(numbers)
    return (weights * stats.gamma(numbers, scale=deposit).pdf(np.asarray(x)[..., None])).sum(-1)


def head_of(geometry, deposits=None):
    head = cell_head("deposits", ShowerSpec.of(geometry, 2, cell_scale=SCALE)).double()
    if deposits is not None:
        head.log_deposit.data.zero_()
        head.log_departure.data[:] = torch.tensor(deposits).log() - np.log(SCALE)
    return head


def observed(energies: torch.Tensor) -> ShowerBatch:
    n = len(energies)
    return ShowerBatch(energies, torch.zeros(n, 2), torch.arange(n), torch.ones_like(energies))


@pytest.fixture
def deposits(toy_cylinder):
    return np.linspace(0.1, 0.9, toy_cylinder.n_cells)


@pytest.fixture
def showers(toy_cylinder, deposits):
    """Outputs of a decoder, and energies drawn around them."""
    rng = torch.Generator().manual_seed(0)
    outputs = torch.randn(40, toy_cylinder.n_cells, generator=rng, dtype=torch.float64)
    law = CellLaw("deposits", deposit=torch.from_numpy(deposits))
    means = outputs.exp()
    return outputs, law.draw_sums(means, rng, law.mean_deposit(means))


@pytest.mark.parametrize(("mean", "deposit"), [(0.05, 0.3), (2.0, 0.3), (30.0, 1.1)])
def test_the_density_of_the_docstring_is_the_compound_law(mean, deposit) -> None:
    x = np.array([1e-3, 0.1, 1.0, 10.0])
    z = 2 * np.sqrt(mean * x) / deposit
    found = np.sqrt(mean / x) / deposit * special.ive(1, z)
    found *= np.exp(z - (mean + x) / deposit)
    np.testing.assert_allclose(found, density(x, mean, deposit), rtol=1e-9)
    lit, _ = integrate.quad(density, 0, 150, args=(mean, deposit), limit=200)
    assert lit + np.exp(-mean / deposit) == pytest.approx(1, abs=1e-6)


def test_the_deposit_has_the_gradient_of_the_likelihood(
    toy_cylinder, showers, deposits
) -> None:
    outputs, energies = showers
    head = head_of(toy_cylinder, deposits)
    head.loss(outputs, observed(energies)).backward()
    means, x, step = outputs.exp().numpy(), energies.numpy(), 1e-5

    def likelihood(cell: int, deposit: float) -> float:
        lit = x[:, cell] > 0
        terms = means[~lit, cell] / deposit
        some = [
            density(energy, mean, deposit)
            for energy, mean in zip(x[lit, cell], means[lit, cell], strict=True)
        ]
        return (terms.sum() - np.log(some).sum()) / len(x)

    for cell in (0, 7, 14):
        up, down = (likelihood(cell, deposits[cell] * np.exp(s)) for s in (step, -step))
        expected = (up - down) / (2 * step)
        assert head.log_departure.grad[cell].item() == pytest.approx(expected, rel=1e-4)
    torch.testing.assert_close(head.log_deposit.grad, head.log_departure.grad.sum())


def test_means_have_the_gradient_of_the_quasi_likelihood(
    toy_cylinder, showers, deposits
) -> None:
    outputs, energies = showers
    outputs.requires_grad_()
    head_of(toy_cylinder, deposits).loss(outputs, observed(energies)).backward()
    means = outputs.detach().exp()
    expected = (means - energies) / (2 * torch.from_numpy(deposits)) / len(energies)
    torch.testing.assert_close(outputs.grad, expected)


def test_deposits_of_each_cell_are_learned(toy_cylinder, deposits) -> None:
    rng = torch.Generator().manual_seed(1)
    law = CellLaw("deposits", deposit=torch.from_numpy(deposits))
    means = torch.full((3000, toy_cylinder.n_cells), 0.6, dtype=torch.float64)
    energies = law.draw_sums(means, rng, law.mean_deposit(means))
    head = head_of(toy_cylinder)
    optimizer = torch.optim.Adam(head.parameters(), lr=0.05)
    for _ in range(120):
        optimizer.zero_grad()
        head.loss(means.log(), observed(energies)).backward()
        optimizer.step()
    np.testing.assert_allclose(head.law().deposit.numpy(), deposits, rtol=0.15)


def test_far_cells_count_for_nothing(toy_cylinder, showers) -> None:
    outputs, energies = showers
    near = torch.ones_like(energies)
    near[:, 5:] = 0
    outputs.requires_grad_()
    head = head_of(toy_cylinder)
    head.loss(outputs, observed(energies * near)._replace(near=near)).backward()
    assert (outputs.grad[:, 5:] == 0).all()
    assert (outputs.grad[:, :5] != 0).all()
    assert (head.log_departure.grad[5:] == 0).all()


@pytest.mark.parametrize(
    ("outputs", "energy"), [(-80.0, 1e-8), (-80.0, 1e4), (30.0, 1e-8), (12.0, 1e5)]
)
def test_the_loss_is_a_number_at_the_limits(toy_cylinder, outputs, energy) -> None:
    head = cell_head("deposits", ShowerSpec.of(toy_cylinder, 2, cell_scale=SCALE))
    asked = torch.full((2, toy_cylinder.n_cells), outputs, requires_grad=True)
    loss = head.loss(asked, observed(torch.full_like(asked, energy)))
    loss.backward()
    assert torch.isfinite(loss)
    assert torch.isfinite(asked.grad).all()
    assert torch.isfinite(head.log_departure.grad).all()


def test_drawn_sums_of_cells_keep_mean_variance_and_zeros(deposits) -> None:
    law = CellLaw("deposits", deposit=torch.from_numpy(deposits))
    rng = torch.Generator().manual_seed(0)
    cells = torch.full((200_000, len(deposits)), 0.02, dtype=torch.float64)

    def add(x):
        return x.sum(dim=1)

    sums = law.draw_sums(add(cells), rng, law.mean_deposit(cells, add))
    mean = 0.02 * len(deposits)
    variance = 2 * 0.02 * deposits.sum()
    assert sums.mean().item() == pytest.approx(mean, rel=0.02)
    assert sums.var().item() == pytest.approx(variance, rel=0.03)
    assert (sums == 0).double().mean().item() == pytest.approx(
        np.exp(-(mean**2) / (variance / 2)), rel=0.02
    )
    nothing = law.draw_sums(add(0 * cells), rng, law.mean_deposit(0 * cells, add))
    assert (nothing == 0).all()


def test_region_sums_draw_deposits_with_the_gradient_of_means(toy_cylinder, deposits) -> None:
    law = CellLaw("deposits", deposit=torch.from_numpy(deposits))
    sums = RegionSums(torch.arange(toy_cylinder.n_cells) % 2, 1.0).double()
    cells = torch.full((50_000, toy_cylinder.n_cells), 3.0, dtype=torch.float64)
    cells.requires_grad_()
    drawn = sums.drawn(cells, law, torch.Generator().manual_seed(0))
    expected = 3.0 * len(deposits)
    assert (drawn[:, -1] ** 2).mean().item() == pytest.approx(expected + 0.375, rel=0.01)
    assert (drawn[:, -1] ** 2).var().item() == pytest.approx(6 * deposits.sum(), rel=0.05)
    drawn[:, -1].sum().backward()
    torch.testing.assert_close(cells.grad[:, 0], 0.5 / drawn[:, -1].detach())


def test_a_discriminator_sees_drawn_energies(toy_cylinder, showers, deposits) -> None:
    outputs, _ = showers
    head = head_of(toy_cylinder, deposits)
    seen = head.seen(outputs, torch.Generator().manual_seed(0))
    assert 0 < (seen == 0).double().mean() < 1
    torch.testing.assert_close(head.encoded(head.decoded(seen)), seen)


def test_starts_at_the_mean(toy_cylinder) -> None:
    head = head_of(toy_cylinder)
    head.mean.fill_(51.0)
    torch.testing.assert_close(head(head.bias()), head.mean, rtol=1e-4, atol=0)


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"counts": True}, "for a detector that counts, expected 'poisson'"),
        ({"maximum": 5.0}, "cells have a largest value, expected 'bounded' or 'log1p'"),
    ],
)
def test_other_detectors_are_refused(toy_cylinder, changed, message) -> None:
    with pytest.raises(ConfigError, match=message):
        cell_head("deposits", ShowerSpec.of(replace(toy_cylinder, **changed), 2))


@pytest.mark.parametrize("name", ["poisson", "negative-binomial", "tracks"])
def test_laws_of_counts_name_that_of_energies(toy_cylinder, name) -> None:
    with pytest.raises(ConfigError, match=f"'{name}' for a detector that measures energies"):
        cell_head(name, ShowerSpec.of(toy_cylinder, 2))
