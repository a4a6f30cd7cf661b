"""What SDI-GAN adds to the game of two networks: who learns the spread, and what it moves."""

from __future__ import annotations

import pytest
import torch

from caloforge.errors import ConfigError
from caloforge.models import DCGANConfig, SDIGANConfig
from caloforge.nn import ShowerSpec
from caloforge.types import ShowerBatch

SMALL = {
    "noise_dim": 3,
    "generator": (16,),
    "discriminator": (16,),
    "spread_hidden": (16,),
    "regressor": (16,),
}
NONE = {"diversity_weight": 0.0, "intensity_weight": 0.0, "auxiliary_weight": 0.0}


@pytest.fixture
def batch(toy_grid) -> ShowerBatch:
    """64 particles, two showers of each; those of the second half fluctuate."""
    rng = torch.Generator().manual_seed(0)
    kind = torch.arange(64).repeat(2).ge(32).float()
    which = torch.randn(64, 1, generator=rng).repeat(2, 1)
    factor = (kind[:, None] * torch.randn(128, 1, generator=rng)).exp()
    mean = 40 * factor * torch.linspace(0.5, 1.5, toy_grid.n_cells)
    showers = torch.poisson(mean, generator=rng)
    conditions = torch.cat((kind[:, None], which), dim=1)
    return ShowerBatch(showers, conditions, torch.arange(128) % 64, torch.ones_like(showers))


def built(toy_grid, batch, **settings):
    torch.manual_seed(0)
    spec = ShowerSpec.of(toy_grid, 2, batch=batch)
    return SDIGANConfig(**(SMALL | settings)).build(spec)


def phase_of(model, name):
    (phase,) = (phase for phase in model.phases() if phase.name == name)
    return phase


def trained(model, name, batch, steps, rate=1e-2):
    phase = phase_of(model, name)
    optimizer = torch.optim.Adam(phase.parameters(), lr=rate)
    for step in range(steps):
        optimizer.zero_grad()
        phase.objective(batch, torch.Generator().manual_seed(step)).total.backward()
        optimizer.step()
    return model


def test_without_its_terms_it_is_the_dcgan(toy_grid, batch) -> None:
    model = built(toy_grid, batch, **NONE)
    torch.manual_seed(0)
    settings = {k: v for k, v in SMALL.items() if k not in ("spread_hidden", "regressor")}
    plain = DCGANConfig(**settings).build(ShowerSpec.of(toy_grid, 2, batch=batch))
    assert [p.name for p in model.phases()] == [p.name for p in plain.phases()]
    state = model.state_dict()
    assert state.keys() == plain.state_dict().keys()
    assert all(torch.equal(state[key], value) for key, value in plain.state_dict().items())
    for ours, theirs in zip(model.phases(), plain.phases(), strict=True):
        terms = [
            phase.objective(batch, torch.Generator().manual_seed(1)).terms
            for phase in (ours, theirs)
        ]
        assert terms[0].keys() == terms[1].keys()


def test_the_spread_of_a_condition_is_learned_from_repeats(toy_grid, batch) -> None:
    model = trained(built(toy_grid, batch), "spread", batch, 300)
    with torch.no_grad():
        spread = model.spread(batch.conditions)
    quiet, wild = spread[:32], spread[32:64]
    # Counts alone: the square root of a Poisson count has a standard deviation of 1/2.
    assert float(quiet.mean()) == pytest.approx(0.5, abs=0.1)
    sums = model.region_sums(batch.showers)
    half = (sums[32:64] - sums[96:]).square().mean(dim=1) / 2
    assert float(wild.square().mean()) == pytest.approx(float(half.mean()), rel=0.25)
    assert float(wild.mean() / quiet.mean()) > 3


def test_without_repeats_residuals_give_the_spread(toy_grid, batch) -> None:
    single = ShowerBatch(*(part[:64] for part in batch))
    model = trained(built(toy_grid, batch), "spread", single, 300)
    terms = phase_of(model, "spread").objective(single, torch.Generator()).terms
    assert float(terms["repeated"]) == 0
    with torch.no_grad():
        spread = model.spread(single.conditions)
    assert float(spread[32:].mean() / spread[:32].mean()) > 3


def test_other_networks_are_not_moved_by_the_spread_and_the_regressor(toy_grid, batch) -> None:
    model = built(toy_grid, batch)
    for name, part in (("spread", model.spread), ("auxiliary", model.regressor)):
        model.zero_grad()
        phase_of(model, name).objective(batch, torch.Generator()).total.backward()
        own = {id(p) for p in part.parameters()}
        assert all((p.grad is not None) == (id(p) in own) for p in model.parameters())


def test_the_regressor_learns_where_the_maximum_is(toy_grid, batch) -> None:
    rng = torch.Generator().manual_seed(1)
    showers = torch.poisson(torch.ones(256, toy_grid.n_cells), generator=rng)
    where = torch.randint(toy_grid.n_cells, (256,), generator=rng)
    showers[torch.arange(256), where] += 40
    bright = ShowerBatch(showers, torch.zeros(256, 2), where, torch.ones_like(showers))
    model = trained(built(toy_grid, batch), "auxiliary", bright, 300)
    loss = float(phase_of(model, "auxiliary").objective(bright, rng).terms["loss"])
    assert loss < 0.1 * float(model.maximum(showers).var(dim=0).sum())


@pytest.mark.parametrize("term", list(NONE))
def test_each_term_moves_the_generator(toy_grid, batch, term) -> None:
    slopes = []
    for weight in (0.0, 1.0):
        model = built(toy_grid, batch, **(NONE | {term: weight}))
        phase_of(model, "generator").objective(
            batch, torch.Generator().manual_seed(1)
        ).total.backward()
        slopes.append(torch.cat([p.grad.flatten() for p in model.generator.parameters()]))
    assert torch.isfinite(slopes[1]).all()
    assert not torch.allclose(*slopes)


def test_the_diversity_term_wakes_the_noise(toy_grid, batch) -> None:
    """As the discriminator sees it, and in the cells."""
    asked, differ = [], []
    for weight in (0.0, 1.0):
        weights = NONE | {"diversity_weight": max(weight, 1e-9)}
        model = built(toy_grid, batch, **weights)
        trained(model, "generator", batch, 100)
        objective = phase_of(model, "generator").objective(batch, torch.Generator())
        asked.append(float(objective.terms["diversity"]))
        with torch.no_grad():
            noise = torch.randn(2, 128, 3, generator=torch.Generator().manual_seed(1))
            first, second = (model.sample(batch.conditions, one) for one in noise)
        differ.append(float((first.log1p() - second.log1p()).abs().mean()))
    assert asked[1] < 0.8 * asked[0]
    assert differ[1] > differ[0]


def test_conv_networks_that_judge_keep_their_statistics(toy_grid, batch) -> None:
    widths = {
        "network": "conv",
        "generator": (16, 8, 4),
        "discriminator": (4, 8, 8),
        "batch_norm": True,
        "regressor": (4, 8),
    }
    model = built(toy_grid, batch, **widths)
    before = {key: value.clone() for key, value in model.state_dict().items()}
    phase_of(model, "generator").objective(batch, torch.Generator().manual_seed(1))
    moved = {k.split(".")[0] for k, v in model.state_dict().items() if not v.equal(before[k])}
    assert moved == {"generator"}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"diversity_weight": -1.0}, "model.diversity_weight: found -1.0, expected 0 or more"),
        ({"intensity_weight": -1.0}, "model.intensity_weight: found -1.0, expected 0 or more"),
        ({"spread_hidden": (0,)}, r"model.spread_hidden: found \[0\]"),
        ({"noise_dim": 0}, "model.noise_dim: found 0, expected above 0"),
    ],
)
def test_bad_settings_are_refused(change, message) -> None:
    with pytest.raises(ConfigError, match=message):
        SDIGANConfig(**change)


def test_widths_of_the_regressor_are_named(toy_grid) -> None:
    with pytest.raises(ConfigError, match=r"model.regressor: found \[0\]"):
        SDIGANConfig(regressor=(0,)).build(ShowerSpec.of(toy_grid, 2))
