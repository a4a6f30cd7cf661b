"""A decoder that makes a shower of a few shapes."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from caloforge.errors import ConfigError
from caloforge.models import MODELS
from caloforge.nn import ShowerSpec, make_decoder
from caloforge.nn.shapes import DistanceProfiles, ShapeDecoder
from caloforge.types import ShapeGenerator

MEAN = torch.tensor([5.0, 1.0, 0.2, 0.0])


@pytest.fixture(params=[None, (2, 2)], ids=["powers", "distances"])
def decoder(request) -> ShapeDecoder:
    torch.manual_seed(0)
    return ShapeDecoder(3, [8], 5, (MEAN + 1e-4).log(), request.param)


def test_shapes_are_chances(decoder) -> None:
    shapes = decoder.shapes()
    assert shapes.shape == (5, 4)
    assert (shapes > 0).all()
    torch.testing.assert_close(shapes.sum(dim=1), torch.ones(5))
    assert len({tuple(row) for row in shapes.tolist()}) == 5  # they can be told apart


def test_outputs_are_the_logarithm_of_their_sum(decoder) -> None:
    codes = torch.randn(6, 3)
    amounts = decoder.amounts(codes)
    assert amounts.shape == (6, 5)
    expected = torch.stack(
        [
            sum(a * shape for a, shape in zip(row, decoder.shapes(), strict=True))
            for row in amounts
        ]
    )
    torch.testing.assert_close(decoder(codes).exp(), expected + 1e-9)


def test_training_starts_near_the_mean_shower() -> None:
    torch.manual_seed(0)
    decoder = ShapeDecoder(3, [8], 400, (MEAN + 1e-4).log())
    made = decoder(torch.randn(2000, 3)).exp().mean(dim=0).detach()
    assert float(made.sum()) == pytest.approx(6.2, rel=0.05)
    # A mean over narrower and broader ones: in the same order, not the same.
    assert made.tolist() == sorted(made.tolist(), reverse=True)
    assert made[0] > 3 * made[1] > 9 * made[2]


def test_on_a_grid_shapes_go_from_narrow_to_broad_around_the_shower() -> None:
    torch.manual_seed(0)
    mean = torch.full((21, 31), 0.01)
    mean[8, 20] = 1000.0
    profiles = DistanceProfiles(200, mean.log().flatten(), (21, 31))
    light = profiles().softmax(dim=1).reshape(200, 21, 31).detach()
    assert light.sum(dim=0).argmax() == 8 * 31 + 20
    x, y = torch.meshgrid(torch.arange(21), torch.arange(31), indexing="ij")
    far = ((x - 8).abs() > 5) | ((y - 20).abs() > 5)
    outside = light[:, far].sum(dim=1)
    assert (outside[:40] < 1e-4).all()  # dark where the mean shower is not
    assert (outside[-20:] > 0.5).all()
    # Narrow ones are shifted by less than a cell: each lies on its own side of the centre.
    across = (light[60:80] * (x - 8)).sum(dim=(1, 2))
    torch.testing.assert_close(
        across, profiles.centres[60:80, 0].detach() - 8, rtol=0, atol=0.2
    )


def test_planes_of_a_grid_have_the_same_profiles() -> None:
    profiles = DistanceProfiles(6, torch.rand(2 * 12), (3, 4))
    one, other = profiles().detach().reshape(6, 2, 12).unbind(dim=1)
    torch.testing.assert_close(one, other)


def test_every_parameter_learns(decoder) -> None:
    decoder(torch.randn(6, 3)).sum().backward()
    assert all((p.grad != 0).any() for p in decoder.parameters())


def test_amounts_stay_finite(decoder) -> None:
    assert torch.isfinite(decoder(1e6 * torch.randn(50, 3)).detach()).all()


def test_it_takes_counts(toy_grid, toy_cylinder) -> None:
    spec = ShowerSpec.of(toy_grid, 2)
    bias = torch.zeros(spec.n_cells)
    with pytest.raises(ConfigError, match="'shapes', which is for autoencoders whose"):
        make_decoder("shapes", spec, [8, 4], inputs=3, bias=bias)
    with pytest.raises(ConfigError, match=r"model.decoder: found \[\]"):
        make_decoder("shapes", spec, [], inputs=3, bias=bias, intensities=True)
    energies = ShowerSpec.of(toy_cylinder, 2)
    with pytest.raises(ConfigError, match="take 'mlp'"):
        MODELS["vae"](network="shapes", cells="log1p").build(energies)


@pytest.mark.parametrize("conditioned", [True, False])
def test_models_give_amounts_whose_sum_is_the_shower(toy_grid, conditioned) -> None:
    spec = replace(ShowerSpec.of(toy_grid, 2), mean=torch.rand(24))
    torch.manual_seed(1)
    config = MODELS["e2e-sae"](network="shapes", decoder=(8, 4), conditioned=conditioned)
    model = config.build(spec).eval()
    assert isinstance(model, ShapeGenerator)
    conditions, noise = torch.randn(7, 2), torch.randn(7, model.noise_dim)
    with torch.no_grad():
        showers = model.amounts(conditions, noise) @ model.shapes()
        torch.testing.assert_close(showers, model.sample(conditions, noise))


def test_other_decoders_have_no_shapes(toy_grid) -> None:
    model = MODELS["vae"]().build(ShowerSpec.of(toy_grid, 2))
    assert model.shapes() is None
    with pytest.raises(TypeError):
        model.amounts(torch.zeros(1, 2), torch.zeros(1, 10))
