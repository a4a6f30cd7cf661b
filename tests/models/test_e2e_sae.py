"""The joint optimisation of the e2e Sinkhorn autoencoder."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from caloforge.errors import ConfigError
from caloforge.models import E2ESAEConfig
from caloforge.nn import ShowerSpec
from caloforge.types import ShowerBatch

CONFIG = E2ESAEConfig(
    latent_dim=3,
    noise_dim=4,
    encoder=(16,),
    decoder=(16,),
    noise_width=8,
    condition_width=8,
    noise_hidden=(16,),
    code_noise=0.0,
    region_weight=0.0,
)


@pytest.fixture
def batch() -> ShowerBatch:
    rng = torch.Generator().manual_seed(0)
    conditions = torch.randn(32, 2, generator=rng)
    showers = torch.poisson(3 * conditions[:, :1].exp().expand(-1, 24), generator=rng)
    return ShowerBatch(showers, conditions, torch.arange(32), torch.ones_like(showers))


def built(toy_grid, batch, **changes):
    torch.manual_seed(0)
    spec = ShowerSpec.of(toy_grid, 2, batch=batch)
    return replace(CONFIG, **changes).build(spec)


def gradients(model, batch) -> dict[str, torch.Tensor]:
    model.zero_grad()
    model.objective(batch, torch.Generator().manual_seed(1)).total.backward()
    return {
        name: torch.cat([p.grad.flatten() for p in part.parameters() if p.grad is not None])
        for name, part in model.named_children()
        if any(p.grad is not None for p in part.parameters())
    }


@pytest.mark.parametrize("term", ["sinkhorn_weight", "energy_weight"])
def test_distances_of_codes_reach_encoder_and_noise_generator_alone(
    toy_grid, batch, term
) -> None:
    weights = {"sinkhorn_weight": 0.0, "energy_weight": 0.0}
    without = gradients(built(toy_grid, batch, **weights), batch)
    with_term = gradients(built(toy_grid, batch, **(weights | {term: 5.0})), batch)
    assert "noise_generator" not in without
    assert with_term["noise_generator"].abs().sum() > 0
    assert not torch.equal(with_term["encoder"], without["encoder"])
    assert torch.equal(with_term["decoder"], without["decoder"])


def test_the_region_score_trains_what_makes_showers(toy_grid, batch) -> None:
    weights = {"sinkhorn_weight": 0.0, "energy_weight": 0.0}
    without = gradients(built(toy_grid, batch, **weights), batch)
    with_score = gradients(built(toy_grid, batch, **weights, region_weight=5.0), batch)
    assert with_score["noise_generator"].abs().sum() > 0
    assert torch.equal(with_score["encoder"], without["encoder"])
    assert not torch.equal(with_score["decoder"], without["decoder"])


def test_unconditioned_coders_are_the_papers(toy_grid, batch) -> None:
    model = built(toy_grid, batch, conditioned=False)
    codes = model.encode(batch.showers, batch.conditions)
    torch.testing.assert_close(codes, model.encode(batch.showers, batch.conditions.flip(0)))
    outputs = model.decode(codes, batch.conditions)
    torch.testing.assert_close(outputs, model.decode(codes, batch.conditions.flip(0)))


def test_normalised_codes_have_unit_spread(toy_grid, batch) -> None:
    codes = built(toy_grid, batch).encode(batch.showers, batch.conditions)
    torch.testing.assert_close(codes.mean(dim=0), torch.zeros(3), atol=1e-5, rtol=0)
    torch.testing.assert_close(codes.var(dim=0, correction=0), torch.ones(3), atol=1e-2, rtol=0)


def test_relu_codes_are_not_negative_on_either_side(toy_grid, batch) -> None:
    model = built(toy_grid, batch, codes="relu")
    assert (model.encode(batch.showers, batch.conditions) >= 0).all()
    assert (model.sample_latent(batch.conditions, torch.randn(32, 4)) >= 0).all()


def test_uniform_noise_is_the_normal_noise_mapped_to_unit_interval(toy_grid, batch) -> None:
    normal, uniform = (built(toy_grid, batch, noise=n) for n in ("normal", "uniform"))
    noise = torch.randn(32, 4, generator=torch.Generator().manual_seed(0))
    expected = normal.sample_latent(batch.conditions, torch.special.ndtr(noise))
    assert torch.equal(uniform.sample_latent(batch.conditions, noise), expected)


def test_two_sinkhorn_iterations_differ_from_convergence(toy_grid, batch) -> None:
    few, many = (
        built(toy_grid, batch, sinkhorn_iterations=k, epsilon=0.01, condition_weight=0.0)
        .objective(batch, torch.Generator().manual_seed(1))
        .terms["sinkhorn"]
        for k in (2, 0)
    )
    assert abs(float(few / many) - 1) > 0.01


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"epsilon": 0.0}, "model.epsilon: found 0.0, expected above 0"),
        ({"sinkhorn_weight": -1.0}, "model.sinkhorn_weight: found -1.0, expected 0 or more"),
        ({"draws": 1}, "model.draws: found 1, expected 2 or more"),
        ({"codes": "unit"}, "model.codes: found 'unit', expected one of free, relu"),
        ({"noise": "cauchy"}, "model.noise: found 'cauchy', expected one of normal, uniform"),
    ],
)
def test_bad_settings_are_refused(change, message) -> None:
    with pytest.raises(ConfigError, match=message):
        replace(CONFIG, **change)
