"""Showers made one by one: each by itself, and those of tiles but for the last bits."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

import caloforge
from caloforge.generation.chain import CompiledChain
from caloforge.nn import NoiseGenerator
from caloforge.nn.mlp import MLP, dense_layers
from caloforge.nn.shapes import ShapeDecoder

from .conftest import KINDS


@pytest.mark.parametrize("kind", KINDS)
def test_a_shower_does_not_depend_on_the_call(kind, make_bundle, particles) -> None:
    simulation = caloforge.load(make_bundle(kind), one_by_one=True)
    whole = simulation.generate(particles, seed=5)
    assert whole.provenance["one by one"]
    for first, last in ((0, 1), (63, 66), (149, 150)):
        part = particles.select(slice(first, last))
        found = simulation.showers(part, seed=5, first=first)
        np.testing.assert_array_equal(found, whole.showers[first:last])
    tiles = caloforge.load(make_bundle(kind)).generate(particles, seed=5)
    assert not tiles.provenance["one by one"]
    # Last bits of an amount rarely change a count.
    same = np.isclose(whole.showers, tiles.showers, rtol=1e-3, atol=1e-6).all(axis=1)
    assert same.mean() > 0.95


def chained(chain, conditions, noise):
    return CompiledChain(chain)(conditions.numpy(), noise.numpy())


@pytest.mark.parametrize("conditioned", [True, False])
@pytest.mark.parametrize("condition_dim", [3, 0])
def test_the_compiled_chain_is_the_network(conditioned, condition_dim) -> None:
    pytest.importorskip("caloforge.generation.loops", reason="needs numba")
    torch.manual_seed(0)
    widths = {"noise_width": 9, "condition_width": 5, "hidden": [7], "outputs": 4}
    noise_generator = NoiseGenerator(6, condition_dim, **widths)
    inputs = 4 + (condition_dim if conditioned else 0)
    decoder = ShapeDecoder(inputs, [8, 11], 10, torch.zeros(20))
    with torch.no_grad():
        decoder.amount.last.weight.mul_(100)  # some reach the limits
    conditions, noise = torch.randn(50, condition_dim), 3 * torch.randn(50, 6)
    chain = decoder.chain(noise_generator.layers(), conditioned=conditioned)
    with torch.no_grad():
        codes = noise_generator(noise, conditions)
        joined = torch.cat((codes, conditions), dim=1) if conditioned else codes
        expected = decoder.amounts(joined).numpy()
    found = chained(chain, conditions, noise)
    np.testing.assert_allclose(found, expected, rtol=1e-3)
    # A row is the same in any company.
    np.testing.assert_array_equal(chained(chain, conditions[7:8], noise[7:8]), found[7:8])


@pytest.mark.parametrize("layer", [nn.Tanh(), nn.LeakyReLU(0.1)])
def test_other_layers_are_no_chain(layer) -> None:
    with pytest.raises(TypeError):
        dense_layers(MLP((2, 3, 1), lambda: layer).layers, conditioned=False)


@pytest.mark.parametrize("settings", [{"codes": "relu"}, {"noise": "uniform"}])
def test_a_model_with_more_between_is_no_chain(settings, make_bundle) -> None:
    model = caloforge.load(make_bundle("hits")).bundle.generator
    assert model.amount_chain() is not None
    if "codes" in settings:
        model.prior_activation = nn.ReLU()
    else:
        model.uniform = True
    assert model.amount_chain() is None
    model.prior_activation, model.uniform = nn.Identity(), False


def test_models_that_do_not_say_are_no_chain(make_bundle) -> None:
    assert caloforge.load(make_bundle("clustered hits")).bundle.generator.amount_chain() is None
