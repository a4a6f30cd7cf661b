"""Sizes of the convolutional networks, and what their parts promise."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from caloforge.errors import ConfigError
from caloforge.models import MODELS
from caloforge.nn import NoiseGenerator, ShowerSpec, make_decoder, make_discriminator
from caloforge.nn.upsampling import start_size


@pytest.mark.parametrize(("cells", "start"), [(44, 13), (56, 16), (30, 10), (28, 9), (64, 18)])
def test_upsampling_starts_as_small_as_it_can(cells: int, start: int) -> None:
    def reached(size: int) -> int:
        for _ in range(2):
            size = 2 * size - 2
        return size - 2

    assert start_size(cells, 2) == start
    assert reached(start) >= cells > reached(start - 1)


@pytest.mark.parametrize("grid", [(44, 44), (56, 30), (28, 28)])
def test_upsampling_gives_every_grid(toy_grid, grid) -> None:
    spec = replace(ShowerSpec.of(toy_grid, 3), grid=grid, n_cells=grid[0] * grid[1])
    decoder = make_decoder(
        "upsampling", spec, (16, 8, 4, 4), inputs=5, bias=torch.zeros(spec.n_cells)
    )
    assert decoder(torch.randn(2, 5)).shape == (2, spec.n_cells)


@pytest.mark.parametrize("batch_norm", [False, True])
def test_discriminator_joins_the_condition_before_a_hidden_layer(toy_grid, batch_norm) -> None:
    spec = ShowerSpec.of(toy_grid, 3)
    judge = make_discriminator("conv", spec, (4, 8, 16), batch_norm=batch_norm).eval()
    showers = torch.randn(2, spec.n_cells)

    def scores(conditions: torch.Tensor) -> torch.Tensor:
        return judge(showers, conditions.expand(2, 3))

    here, there, both = (scores(torch.full((1, 3), v)) for v in (-3.0, 3.0, 0.0))
    assert here.shape == (2, 1)
    # Not linear in the condition: it can judge a shower *for* its condition.
    assert not torch.allclose((here + there) / 2, both, rtol=1e-3)
    norms = [m for m in judge.modules() if isinstance(m, torch.nn.BatchNorm2d)]
    assert len(norms) == (1 if batch_norm else 0)


def test_too_many_convolutions_are_refused(toy_grid) -> None:
    spec = ShowerSpec.of(toy_grid, 3)
    with pytest.raises(ConfigError, match=r"model.discriminator: found .* for a grid"):
        make_discriminator("conv", spec, (4,) * 9, batch_norm=False)


def test_a_noise_generator_needs_no_condition() -> None:
    network = NoiseGenerator(3, 0, noise_width=8, condition_width=8, hidden=(8,), outputs=2)
    assert network(torch.randn(5, 3), torch.empty(5, 0)).shape == (5, 2)
    assert all(p.numel() for p in network.parameters())


@pytest.mark.parametrize("network", ["mlp", "conv", "upsampling"])
def test_a_decoder_without_inputs_gives_the_mean(network, toy_grid) -> None:
    spec = ShowerSpec.of(toy_grid, 0)
    bias = torch.arange(24.0)
    decoder = make_decoder(network, spec, (8, 4, 4), inputs=0, bias=bias)
    assert torch.equal(decoder(torch.empty(3, 0)), bias.expand(3, 24))
    assert [p.shape for p in decoder.parameters()] == [(24,)]


@pytest.mark.parametrize(("network", "widths"), [("mlp", (8, 16)), ("conv", (4, 16))])
def test_projection_adds_the_condition_times_the_hidden_layer(
    toy_grid, network, widths
) -> None:
    spec = ShowerSpec.of(toy_grid, 3)
    torch.manual_seed(0)
    plain = make_discriminator(network, spec, widths)
    judge = make_discriminator(network, spec, widths, projection=True)
    judge.load_state_dict(plain.state_dict(), strict=False)
    showers, conditions = torch.rand(5, spec.n_cells), torch.randn(5, 3)
    hidden = []
    judge.judge.hidden.register_forward_hook(lambda *found: hidden.append(found[-1]))
    weight = judge.judge.projection.weight  # (hidden, condition)
    expected = plain(showers, conditions)
    found = judge(showers, conditions)
    expected += torch.einsum("bh,hc,bc->b", hidden[0], weight, conditions)[:, None]
    torch.testing.assert_close(found, expected)


def test_nothing_is_projected_without_conditions(toy_grid) -> None:
    judge = make_discriminator("mlp", ShowerSpec.of(toy_grid, 0), (8,), projection=True)
    assert judge.judge.projection is None
    assert judge(torch.rand(2, toy_grid.n_cells), torch.empty(2, 0)).shape == (2, 1)


HIDDEN = "units of hidden layers, each 1 or more"


@pytest.mark.parametrize(
    ("name", "settings", "message"),
    [
        ("vae", {"encoder": (-4,)}, rf"model.encoder: found \[-4\], expected {HIDDEN}"),
        ("vae", {"decoder": (8, 0)}, rf"model.decoder: found \[8, 0\], expected {HIDDEN}"),
        ("regression", {"decoder": (0,)}, r"model.decoder: found \[0\]"),
        ("dcgan", {"generator": (-4,)}, r"model.generator: found \[-4\]"),
        ("dcgan", {"discriminator": (-4,)}, r"model.discriminator: found \[-4\]"),
        ("e2e-sae", {"noise_hidden": (0,)}, r"model.noise_hidden: found \[0\]"),
        ("e2e-sae", {"noise_width": 0}, "model.noise_width: found 0"),
        ("e2e-sae", {"condition_width": -1}, "model.condition_width: found -1"),
        ("vae", {"network": "conv", "encoder": ()}, r"model.encoder: found \[\] for a grid of"),
        ("vae", {"network": "conv", "encoder": (4,) * 9}, "model.encoder: .* each halving it"),
        ("vae", {"network": "conv", "encoder": (4, -4)}, r"model.encoder: found \[4, -4\]"),
        ("wae", {"network": "conv", "encoder": (4,), "decoder": ()}, r"model.decoder: .*\[\]"),
        ("dcgan", {"network": "conv", "generator": ()}, r"model.generator: found \[\]"),
        (
            "dcgan",
            {"network": "conv", "generator": (256,)},
            r"model.generator: .*then channels",
        ),
        ("dcgan", {"network": "upsampling", "generator": (256,)}, r"generator: found \[256\]"),
        (
            "dcgan",
            {"network": "conv", "generator": (8, 4), "discriminator": (4, 0)},
            r"model.discriminator: found \[4, 0\]",
        ),
    ],
)
def test_widths_without_a_network_are_one_line(name, settings, message, toy_grid) -> None:
    with pytest.raises(ConfigError, match=message) as found:
        MODELS[name](**settings).build(ShowerSpec.of(toy_grid, 3))
    assert "\n" not in str(found.value)


@pytest.mark.parametrize(("network", "widths"), [("mlp", ()), ("conv", (8, 4))])
def test_the_smallest_decoders_are_built(network, widths, toy_grid) -> None:
    spec = ShowerSpec.of(toy_grid, 3)
    decoder = make_decoder(network, spec, widths, inputs=5, bias=torch.zeros(spec.n_cells))
    assert decoder(torch.randn(2, 5)).shape == (2, spec.n_cells)
