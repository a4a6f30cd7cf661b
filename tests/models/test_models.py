"""What every model promises, on a grid of counts and on an irregular cylinder of energies."""

from __future__ import annotations

from dataclasses import asdict, replace

import numpy as np
import pytest
import torch

from caloforge.data import ShowerSample
from caloforge.data.features import ConditionSet
from caloforge.data.feeding.dataset import ShowerDataset
from caloforge.errors import ConfigError
from caloforge.models import (
    MODELS,
    CWAEConfig,
    DCGANConfig,
    E2ESAEConfig,
    RegressionConfig,
    SAEConfig,
    SWAEConfig,
    VAEConfig,
    WAEConfig,
)
from caloforge.nn import ShowerSpec
from caloforge.types import LatentGenerator, ShowerBatch

CONDITIONS = ("log_energy", "x_cm", "y_cm", "kind")
SMALL = {
    "e2e-sae": E2ESAEConfig(
        latent_dim=3,
        noise_dim=4,
        encoder=(16,),
        decoder=(16,),
        noise_width=8,
        condition_width=8,
        noise_hidden=(16,),
    ),
    "vae": VAEConfig(latent_dim=3, encoder=(16,), decoder=(16,)),
    "wae": WAEConfig(latent_dim=3, encoder=(16,), decoder=(16,)),
    "swae": SWAEConfig(latent_dim=3, encoder=(16,), decoder=(16,)),
    "cwae": CWAEConfig(latent_dim=3, encoder=(16,), decoder=(16,)),
    "sae": SAEConfig(latent_dim=3, encoder=(16,), decoder=(16,)),
    "sae-h": SAEConfig(latent_dim=3, encoder=(16,), decoder=(16,), prior="sphere"),
    "dcgan": DCGANConfig(noise_dim=3, generator=(16,), discriminator=(16,)),
    "regression": RegressionConfig(decoder=(16,)),
}
# A game takes longer than a descent.
MORE_STEPS = {"dcgan": 1500}
# Their codes have no noise unless asked for.
EXACT_ENCODERS = ("wae", "swae", "cwae", "sae", "sae-h")


@pytest.fixture(params=["grid", "cylinder"])
def sample(request, toy_grid, toy_cylinder, toy_sample) -> ShowerSample:
    return toy_sample(toy_grid if request.param == "grid" else toy_cylinder, 64)


def build(name: str, sample: ShowerSample, **changes: object):
    cells = "poisson" if sample.geometry.counts else "log1p"
    config = replace(SMALL[name], cells=cells, **changes)
    conditions = ConditionSet.fit(CONDITIONS, sample.particles, sample.geometry)
    dataset = ShowerDataset(sample, conditions)
    batch = dataset.batch(np.arange(len(sample)))
    spec = ShowerSpec.of(sample.geometry, conditions.dim, batch=batch)
    torch.manual_seed(0)
    return config.build(spec), batch, spec, config


def noise(batch: ShowerBatch, dim: int, seed: int) -> torch.Tensor:
    rng = torch.Generator().manual_seed(seed)
    return torch.randn(len(batch.showers), dim, generator=rng)


def test_every_model_is_tested_here() -> None:
    assert {type(config) for config in SMALL.values()} == set(MODELS.values())


@pytest.mark.parametrize("name", SMALL)
class TestEveryModel:
    def test_sample_is_a_function_of_condition_and_noise(self, name, sample) -> None:
        model, batch, spec, _ = build(name, sample)
        model.eval()
        first, again, other = (
            model.sample(batch.conditions, noise(batch, model.noise_dim, seed))
            for seed in (1, 1, 2)
        )
        assert first.shape == (len(sample), spec.n_cells)
        assert (first >= 0).all()
        assert torch.isfinite(first).all()
        assert torch.equal(first, again)
        assert torch.equal(first, other) == (model.noise_dim == 0)

    def test_a_shower_does_not_depend_on_its_neighbours(self, name, sample) -> None:
        model, batch, _, _ = build(name, sample)
        model.eval()
        n = noise(batch, model.noise_dim, 1)
        together = model.sample(batch.conditions, n)
        alone = model.sample(batch.conditions[3:4], n[3:4])
        torch.testing.assert_close(together[3:4], alone)

    def test_a_model_with_an_encoder_generates_by_way_of_codes(self, name, sample) -> None:
        model, batch, _, _ = build(name, sample)
        model.eval()
        assert isinstance(model, LatentGenerator) == (name not in ("regression", "dcgan"))
        if not isinstance(model, LatentGenerator):
            return
        n = noise(batch, model.noise_dim, 1)
        codes = model.sample_latent(batch.conditions, n)
        again = model.decode(codes, batch.conditions)
        assert torch.equal(again, model.sample(batch.conditions, n))
        encoded = model.encode(batch.showers, batch.conditions)
        assert encoded.shape == codes.shape == (len(sample), model.latent_dim)
        blur = noise(batch, model.latent_dim, 2)
        there, back = (model.encode(batch.showers, batch.conditions, s * blur) for s in (1, -1))
        torch.testing.assert_close((there + back) / 2, encoded)
        assert torch.equal(there, encoded) == (name in EXACT_ENCODERS)

    def test_starts_near_the_mean_shower(self, name, sample) -> None:
        model, batch, _, _ = build(name, sample)
        model.eval()
        mean = model.sample(batch.conditions, noise(batch, model.noise_dim, 1)).detach().mean()
        assert 0.3 < float(mean / batch.showers.mean()) < 3

    def test_uses_its_condition(self, name, sample) -> None:
        model, batch, _, _ = build(name, sample)
        model.eval()
        n = noise(batch, model.noise_dim, 1)
        there = model.sample(batch.conditions, n)
        assert not torch.equal(there, model.sample(batch.conditions.flip(0), n))

    def test_each_parameter_learns_in_exactly_one_phase(self, name, sample) -> None:
        model, batch, _, _ = build(name, sample)
        trained = [id(p) for phase in model.phases() for p in phase.parameters()]
        assert sorted(trained) == sorted(id(p) for p in model.parameters())
        for phase in model.phases():
            objective = phase.objective(batch, torch.Generator().manual_seed(0))
            gradients = torch.autograd.grad(objective.total, list(phase.parameters()))
            assert all(g.abs().sum() > 0 for g in gradients)
            assert all(not term.requires_grad for term in objective.terms.values())

    def test_objective_is_set_by_the_generator(self, name, sample) -> None:
        model, batch, _, _ = build(name, sample)
        model.eval()
        for phase in model.phases():
            first, again = (
                phase.objective(batch, torch.Generator().manual_seed(5)).total for _ in "ab"
            )
            assert torch.equal(first, again)

    def test_weights_carry_over_bit_for_bit(self, name, sample) -> None:
        model, batch, spec, config = build(name, sample)
        empty = ShowerSpec.from_dict(spec.as_dict(), sample.geometry)
        twin = config.build(empty)
        twin.load_state_dict(model.state_dict())
        n = noise(batch, model.noise_dim, 1)
        assert torch.equal(
            model.eval().sample(batch.conditions, n), twin.eval().sample(batch.conditions, n)
        )

    def test_learns_that_showers_grow_with_energy(self, name, sample) -> None:
        model, batch, _, _ = build(name, sample)
        optimizers = [torch.optim.Adam(p.parameters(), lr=3e-3) for p in model.phases()]
        rng = torch.Generator().manual_seed(0)
        for _ in range(MORE_STEPS.get(name, 300)):
            for phase, optimizer in zip(model.phases(), optimizers, strict=True):
                optimizer.zero_grad()
                phase.objective(batch, rng).total.backward()
                optimizer.step()
        model.eval()
        made = torch.stack(
            [
                model.sample(batch.conditions, noise(batch, model.noise_dim, seed)).sum(dim=1)
                for seed in range(20)
            ]
        ).mean(dim=0)
        log = torch.stack((made, batch.showers.sum(dim=1))).detach().clamp_min(0.1).log()
        correlation = float(torch.corrcoef(log)[0, 1])
        assert correlation > 0.8

    def test_convolutions_work_on_grids_alone(self, name, sample) -> None:
        wide = {"network": "conv", "decoder": (16, 8, 4)}
        if name == "dcgan":
            wide = {"network": "conv", "generator": (16, 8, 4), "discriminator": (4, 8)}
        elif name != "regression":
            wide["encoder"] = (4, 8)
        if sample.geometry.kind == "grid":
            model, batch, spec, _ = build(name, sample, **wide)
            made = model.eval().sample(batch.conditions, noise(batch, model.noise_dim, 1))
            assert made.shape == (len(sample), spec.n_cells)
        else:
            with pytest.raises(ConfigError, match=r"network: found 'conv'.*use 'mlp'"):
                build(name, sample, **wide)

    def test_unknown_choices_are_refused(self, name, sample) -> None:
        with pytest.raises(ConfigError, match="cells: found 'gamma', expected one of"):
            replace(build(name, sample)[3], cells="gamma").build(build(name, sample)[2])
        with pytest.raises(ConfigError, match="network: found 'gnn', expected one of"):
            build(name, sample, network="gnn")

    def test_poisson_cells_need_counts(self, name, toy_cylinder, toy_sample) -> None:
        spec = ShowerSpec.of(toy_cylinder, 3)
        with pytest.raises(
            ConfigError, match="'poisson' for a detector that measures energies"
        ):
            replace(SMALL[name], cells="poisson").build(spec)


def test_settings_are_plain_values() -> None:
    for config in SMALL.values():
        for value in asdict(config).values():
            assert isinstance(value, (int, float, str, bool, tuple))
