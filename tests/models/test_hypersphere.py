"""Codes of the hyperspherical autoencoders lie where their prior does, noise or not."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from tests.models.conftest import config_of
from torch import nn

from caloforge.types import ShowerBatch

NOISE = 0.5


class Recorder(nn.Module):
    """A decoder that remembers its inputs."""

    def __init__(self, decoder: nn.Module) -> None:
        super().__init__()
        self.decoder = decoder
        self.seen: list[torch.Tensor] = []

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        self.seen.append(inputs.detach())
        return self.decoder(inputs)


class Perfect(nn.Module):
    """An encoder whose codes are draws from the prior."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.dim = dim
        self.rng = torch.Generator().manual_seed(7)

    def forward(self, showers: torch.Tensor, conditions: torch.Tensor) -> torch.Tensor:
        del conditions
        return torch.randn(len(showers), self.dim, generator=self.rng)


def many(batch: ShowerBatch, times: int) -> ShowerBatch:
    return ShowerBatch(*(part.repeat(times, *[1] * (part.ndim - 1)) for part in batch))


@pytest.fixture
def built(showers_of):
    """A model with much noise on its codes, and showers."""

    def make(name: str):
        showers = showers_of("zn")
        config = replace(config_of(name), code_noise=NOISE)
        return showers, config, showers.build(config)

    return make


@pytest.mark.parametrize("row", ["wae-h", "swae-h", "sae-h"])
def test_noisy_codes_are_on_the_sphere_for_the_decoder_and_for_who_asks(row, built) -> None:
    showers, _, model = built(row)
    batch = showers.batch
    model.decoder = recorder = Recorder(model.decoder)
    model.objective(batch, torch.Generator().manual_seed(0))
    codes = recorder.seen[0][:, : model.latent_dim]
    noise = showers.noise(model.latent_dim)
    exact = model.encode(batch.showers, batch.conditions)
    noisy = model.encode(batch.showers, batch.conditions, noise)
    for found in (codes, exact, noisy, model.sample_latent(batch.conditions, noise)):
        torch.testing.assert_close(found.norm(dim=1), torch.ones(len(found)))
    assert (noisy - exact).norm(dim=1).mean() > 0.2  # there is noise


def test_codes_of_a_normal_prior_go_nowhere_else(built) -> None:
    showers, _, model = built("sae")
    batch, noise = showers.batch, showers.noise(model.latent_dim)
    moved = model.encode(batch.showers, batch.conditions, noise)
    exact = model.encode(batch.showers, batch.conditions)
    torch.testing.assert_close(moved - exact, NOISE * noise)


@pytest.mark.parametrize("row", ["wae-h", "swae-h", "sae-h"])
def test_a_perfect_encoder_is_as_far_as_the_prior_from_itself(row, built) -> None:
    showers, config, model = built(row)
    model.encoder = Perfect(model.latent_dim)
    batch = many(showers.batch, 10)
    rng = torch.Generator().manual_seed(1)
    n = len(batch.showers)

    def prior() -> torch.Tensor:
        drawn = torch.randn(n, model.latent_dim, generator=rng)
        return model.sample_latent(batch.conditions, drawn)

    itself = torch.stack(
        [config.distance(prior(), prior(), batch.conditions, rng) for _ in range(8)]
    )
    found = torch.stack([model.objective(batch, rng).terms["distance"] for _ in range(8)])
    scatter = (found.var() + itself.var()).sqrt() / 8**0.5
    assert (found.mean() - itself.mean()).abs() < 4 * scatter
