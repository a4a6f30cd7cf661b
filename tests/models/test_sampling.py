"""Showers of every model on every kind of detector: what goes in, what comes out."""

from __future__ import annotations

import pytest
import torch
from tests.models.conftest import ROWS, config_of, step

from caloforge.config import run_from_tables
from caloforge.training.bundle import Bundle, read_bundle, write_bundle
from caloforge.types import LatentGenerator

WITHOUT_ENCODER = ("regression", "channel-regressor", "dcgan", "sdi-gan", "flow-matching")


@pytest.fixture
def made(case, showers_of):
    """Showers, model after one step (batch norms have seen something), and its settings."""
    name, detector, network, cells = case
    showers = showers_of(detector)
    config = config_of(name, network, cells)
    model = showers.build(config)
    optimizers = [torch.optim.SGD(list(p.parameters()), lr=1e-6) for p in model.phases()]
    step(model, showers.batch, torch.Generator().manual_seed(0), optimizers)
    return showers, model.eval(), config


def test_a_shower_is_a_function_of_condition_and_noise(made) -> None:
    showers, model, _ = made
    conditions, spec = showers.batch.conditions, showers.spec
    before = {key: value.clone() for key, value in model.state_dict().items()}
    first, again, other = (
        model.sample(conditions, showers.noise(model.noise_dim, seed)) for seed in (1, 1, 2)
    )
    assert first.shape == (len(conditions), spec.n_cells)
    assert torch.isfinite(first).all()
    assert (first >= 0).all()
    if spec.maximum is not None:
        assert (first <= spec.maximum).all()
    assert torch.equal(first, again)
    assert torch.equal(first, other) == (model.noise_dim == 0)
    assert all(torch.equal(before[key], value) for key, value in model.state_dict().items())


def test_a_shower_does_not_depend_on_its_neighbours(made) -> None:
    showers, model, _ = made
    conditions, noise = showers.batch.conditions, showers.noise(model.noise_dim)
    together = model.sample(conditions, noise)
    alone = model.sample(conditions[3:4], noise[3:4])
    turned = model.sample(conditions.flip(0), noise.flip(0)).flip(0)
    close = {"rtol": 1e-4, "atol": 1e-5 * float(together.detach().max())}
    torch.testing.assert_close(together[3:4], alone, **close)
    torch.testing.assert_close(together, turned, **close)


def test_showers_change_with_the_condition(made) -> None:
    showers, model, _ = made
    conditions, noise = showers.batch.conditions, showers.noise(model.noise_dim)
    there = model.sample(conditions, noise)
    for column in range(conditions.shape[1]):
        moved = conditions.clone()
        moved[:, column] += 1
        assert not torch.equal(there, model.sample(moved, noise)), column


def test_a_model_with_an_encoder_generates_by_way_of_codes(made, case) -> None:
    showers, model, _ = made
    conditions = showers.batch.conditions
    assert isinstance(model, LatentGenerator) == (ROWS[case[0]].model not in WITHOUT_ENCODER)
    if not isinstance(model, LatentGenerator):
        return
    noise = showers.noise(model.noise_dim)
    codes = model.sample_latent(conditions, noise)
    assert torch.equal(model.decode(codes, conditions), model.sample(conditions, noise))
    encoded = model.encode(showers.batch.showers, conditions)
    assert encoded.shape == codes.shape == (len(conditions), model.latent_dim)
    blur = showers.noise(model.latent_dim, 2)
    there, back = (
        model.encode(showers.batch.showers, conditions, sign * blur) for sign in (1, -1)
    )
    torch.testing.assert_close((there + back) / 2, encoded, rtol=1e-4, atol=1e-4)
    assert torch.equal(there, encoded) != ROWS[case[0]].noisy_encoder


def test_a_bundle_gives_the_same_showers_bit_for_bit(made, case, tmp_path) -> None:
    showers, model, config = made
    tables = {
        "model": {"name": ROWS[case[0]].model, **vars(config)},
        "data": {"conditions": list(showers.conditions.names)},
        "train": {"steps": 1},
    }
    run = run_from_tables(tables, source="test")
    assert run.model == config
    bundle = Bundle(model, run, showers.spec, showers.conditions, showers.frame, {})
    again = read_bundle(write_bundle(tmp_path / "bundle", bundle, force=False)).model
    noise = showers.noise(model.noise_dim)
    assert torch.equal(
        model.sample(showers.batch.conditions, noise),
        again.sample(showers.batch.conditions, noise),
    )
    state = again.state_dict()
    assert all(torch.equal(value, state[key]) for key, value in model.state_dict().items())
