"""Convolutions over images of several planes."""

from __future__ import annotations

import pytest
import torch

from caloforge.geometry import DetectorGeometry, GridLayout
from caloforge.nn.coders import make_decoder, make_encoder
from caloforge.nn.discriminator import make_discriminator
from caloforge.nn.spec import ShowerSpec


@pytest.fixture
def spec() -> ShowerSpec:
    layout = GridLayout((10, 12), planes=3)
    geometry = DetectorGeometry("toy", "Toy", layout, "grey", counts=True, maximum=255.0)
    return ShowerSpec.of(geometry, 2)


def test_spec_knows_the_planes(spec) -> None:
    assert spec.planes == 3
    assert spec.n_cells == 360
    of_plane = spec.regions.reshape(3, -1)
    n = int(of_plane[0].max()) + 1
    assert torch.equal(of_plane[1], of_plane[0] + n)
    assert int(spec.regions.max()) == 3 * n - 1


@pytest.mark.parametrize("network", ["mlp", "conv", "upsampling"])
def test_encoder_and_decoder(spec, network) -> None:
    encoder = make_encoder(network, spec, [4, 8], conditioned=True, outputs=5)
    assert encoder(torch.ones(3, 360), torch.ones(3, 2)).shape == (3, 5)
    decoder = make_decoder(network, spec, [16, 8, 4], inputs=5, bias=torch.zeros(360))
    assert decoder(torch.randn(3, 5, generator=torch.manual_seed(0))).shape == (3, 360)


@pytest.mark.parametrize("network", ["conv", "upsampling"])
def test_decoder_gives_plane_after_plane(spec, network) -> None:
    decoder = make_decoder(network, spec, [16, 8, 4], inputs=5, bias=torch.zeros(360))
    last = [m for m in decoder.modules() if hasattr(m, "kernel_size") and hasattr(m, "bias")][
        -1
    ]
    with torch.no_grad():
        last.weight.zero_()
        last.bias.copy_(torch.tensor([1.0, 2.0, 3.0]))
    cells = decoder(torch.zeros(2, 5)).reshape(2, 3, 120)
    assert torch.equal(cells, torch.tensor([1.0, 2.0, 3.0])[None, :, None].expand(2, 3, 120))


def test_encoder_reads_plane_after_plane(spec) -> None:
    encoder = make_encoder("conv", spec, [4], conditioned=False, outputs=5)
    showers = torch.randn(2, 360, generator=torch.manual_seed(1))
    first = encoder.convolutions[0]
    cells = first(showers.reshape(2, 3, 10, 12))
    assert torch.allclose(
        encoder(showers), encoder.linear(encoder.convolutions[1:](cells).flatten(1))
    )


def test_discriminator(spec) -> None:
    judge = make_discriminator("conv", spec, [4, 8, 16], batch_norm=True)
    assert judge(torch.ones(3, 360), torch.ones(3, 2)).shape == (3, 1)
