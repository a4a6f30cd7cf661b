"""The game of two networks: who may move when, and what the penalty is."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from caloforge.data.features import ConditionSet
from caloforge.data.feeding.dataset import ShowerDataset
from caloforge.errors import ConfigError
from caloforge.models import DCGANConfig
from caloforge.nn import ShowerSpec


@pytest.fixture
def game(toy_grid, toy_sample):
    sample = toy_sample(toy_grid, 32)
    conditions = ConditionSet.fit(("log_energy",), sample.particles, sample.geometry)
    batch = ShowerDataset(sample, conditions).batch(np.arange(32))
    spec = ShowerSpec.of(sample.geometry, conditions.dim, batch=batch)

    def build(**settings):
        torch.manual_seed(0)
        defaults = {"noise_dim": 3, "generator": (16,), "discriminator": (16,)}
        return DCGANConfig(**(defaults | settings)).build(spec)

    return build, batch


def test_phases_do_not_touch_each_others_parameters(game) -> None:
    build, batch = game
    model = build()
    discriminator, generator = model.phases()
    for mover, other in ((discriminator, generator), (generator, discriminator)):
        before = {id(p): p.detach().clone() for p in model.parameters()}
        optimizer = torch.optim.SGD(mover.parameters(), lr=0.1)
        optimizer.zero_grad()
        mover.objective(batch, torch.Generator().manual_seed(1)).total.backward()
        optimizer.step()
        assert all(not torch.equal(p, before[id(p)]) for p in mover.parameters())
        assert all(torch.equal(p, before[id(p)]) for p in other.parameters())
        model.zero_grad()


def test_the_discriminators_loss_gives_the_generator_no_gradient(game) -> None:
    build, batch = game
    model = build()
    model.phases()[0].objective(batch, torch.Generator().manual_seed(1)).total.backward()
    assert all(p.grad is None for p in model.generator.parameters())


def test_an_undecided_discriminator_loses_two_log_two(game) -> None:
    build, batch = game
    model = build(penalty=0.0)
    for p in model.discriminator.parameters():
        torch.nn.init.zeros_(p)
    first, second = (
        phase.objective(batch, torch.Generator().manual_seed(1)).total
        for phase in model.phases()
    )
    assert float(first.detach()) == pytest.approx(2 * np.log(2))
    assert float(second.detach()) == pytest.approx(np.log(2))


def test_penalty_of_a_linear_discriminator_is_its_squared_slope(game) -> None:
    build, batch = game
    model = build(discriminator=(), penalty=3.0)
    objective = model.phases()[0].objective(batch, torch.Generator().manual_seed(1))
    slope = model.discriminator.mlp.last.weight.detach()[0, : batch.showers.shape[1]]
    assert float(objective.terms["penalty"]) == pytest.approx(float(slope.square().sum()), 1e-5)
    expected = objective.terms["loss"] + 1.5 * objective.terms["penalty"]
    assert float(objective.total.detach()) == pytest.approx(float(expected))


def test_the_discriminator_may_learn_at_its_own_rate(game) -> None:
    rates = [phase.rate for phase in game[0](discriminator_rate=0.1).phases()]
    assert rates == [0.1, 1.0]


def test_negative_binomial_cells_are_refused(game) -> None:
    with pytest.raises(ConfigError, match="'negative-binomial', expected 'poisson' or 'log1p'"):
        game[0](cells="negative-binomial")


def test_validation_without_gradients_leaves_the_penalty_out(game) -> None:
    build, batch = game
    with torch.no_grad():
        objective = build().phases()[0].objective(batch, torch.Generator().manual_seed(1))
    assert set(objective.terms) == {"loss", "right"}
