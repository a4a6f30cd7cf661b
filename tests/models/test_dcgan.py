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


@pytest.mark.parametrize("network", ["mlp", "conv", "upsampling"])
def test_phases_do_not_touch_each_others_network(game, network) -> None:
    """Neither weights nor the running means and variances of batch normalisations."""
    build, batch = game
    widths = {"generator": (16, 8, 4), "discriminator": (4, 8, 8), "batch_norm": True}
    model = build(network=network, **({} if network == "mlp" else widths))
    parts = (model.discriminator, model.generator)
    for phase, own, other in zip(model.phases(), parts, parts[::-1], strict=True):
        states = [
            {key: value.clone() for key, value in part.state_dict().items()}
            for part in (own, other)
        ]
        optimizer = torch.optim.SGD(phase.parameters(), lr=0.1)
        optimizer.zero_grad()
        phase.objective(batch, torch.Generator().manual_seed(1)).total.backward()
        optimizer.step()
        for key, value in other.state_dict().items():
            assert torch.equal(value, states[1][key]), key
        moved = [k for k, v in own.state_dict().items() if not torch.equal(v, states[0][k])]
        running = [k for k in own.state_dict() if "running" in k]
        assert set(running) <= set(moved)
        # What it learned from, it may go on with: all batch norms follow again.
        assert all(getattr(m, "track_running_stats", True) for m in model.modules())


def test_penalty_of_a_quadratic_discriminator_is_known(game) -> None:
    r"""For :math:`D(x) = x^T A x / 2` the gradient is :math:`A x`, its derivative known."""
    build, batch = game
    model = build(penalty=2.0)
    n = batch.showers.shape[1]

    class Quadratic(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            rng = torch.Generator().manual_seed(0)
            self.a = torch.nn.Parameter(torch.randn(n, n, generator=rng) / n)

        def forward(self, x, conditions):
            del conditions
            return (x @ (self.a + self.a.T) * x).sum(dim=1, keepdim=True) / 4

    model.discriminator = Quadratic()
    rng = torch.Generator().manual_seed(1)
    objective = model.discriminate(batch, rng)
    x = model.cells.encoded(batch.showers)
    symmetric = (model.discriminator.a + model.discriminator.a.T) / 2
    penalty = (x @ symmetric).square().sum(dim=1).mean()
    assert float(objective.terms["penalty"]) == pytest.approx(float(penalty.detach()), rel=1e-4)
    model.penalty = 0.0
    without = model.discriminate(batch, torch.Generator().manual_seed(1))
    (slope,) = torch.autograd.grad(objective.total - without.total, model.discriminator.a)
    (expected,) = torch.autograd.grad(penalty, model.discriminator.a)
    torch.testing.assert_close(slope, expected, rtol=1e-3, atol=1e-4)


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
    model = build(discriminator=(), penalty=3.0, projection=False)
    objective = model.phases()[0].objective(batch, torch.Generator().manual_seed(1))
    slope = model.discriminator.judge.score.weight.detach()[0, : batch.showers.shape[1]]
    assert float(objective.terms["penalty"]) == pytest.approx(float(slope.square().sum()), 1e-5)
    expected = objective.terms["loss"] + 1.5 * objective.terms["penalty"]
    assert float(objective.total.detach()) == pytest.approx(float(expected))


def test_the_discriminator_may_learn_at_its_own_rate(game) -> None:
    rates = [phase.rate for phase in game[0](discriminator_rate=0.1).phases()]
    assert rates == [0.1, 1.0]


@pytest.mark.parametrize("cells", ["negative-binomial", "tracks"])
def test_cells_with_a_width_to_learn_are_refused(cells, game) -> None:
    with pytest.raises(ConfigError, match=f"'{cells}', expected 'poisson' or 'log1p'"):
        game[0](cells=cells)


def test_validation_without_gradients_leaves_the_penalty_out(game) -> None:
    build, batch = game
    with torch.no_grad():
        objective = build().phases()[0].objective(batch, torch.Generator().manual_seed(1))
    assert set(objective.terms) == {"loss", "right"}
