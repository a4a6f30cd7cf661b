"""Networks of flows: sizes of grids, what they may look at, what they refuse."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from caloforge.errors import ConfigError
from caloforge.geometry import load_geometry
from caloforge.nn import ResidualMLP, ShowerSpec, make_velocity
from caloforge.nn.unet import UNet
from caloforge.nn.velocity import TimeEmbedding


def unet(grid, channels=(4, 8), condition_dim=3, **more) -> UNet:
    torch.manual_seed(0)
    embedding = TimeEmbedding(8, condition_dim)
    return UNet(grid, channels, embedding, embedded=8, condition_dim=condition_dim, **more)


def inputs(n: int, cells: int, condition_dim: int = 3):
    rng = torch.Generator().manual_seed(0)
    return (
        torch.randn(n, cells, generator=rng),
        torch.rand(n, 1, generator=rng),
        torch.randn(n, condition_dim, generator=rng),
    )


@pytest.mark.parametrize(
    ("grid", "planes"), [((44, 44), 1), ((56, 30), 1), ((28, 28), 3), ((7, 5), 2), ((4, 9), 1)]
)
def test_any_grid_comes_back_in_its_size(grid, planes) -> None:
    network = unet(grid, (4, 8, 8), planes=planes, images=2)
    cells = planes * grid[0] * grid[1]
    assert network(*inputs(2, cells)).shape == (2, 2 * cells)


def test_images_are_whole_planes_one_after_the_other() -> None:
    """A bias of one plane of one image changes the cells of that plane alone."""
    network = unet((6, 4), planes=3, images=2)
    before = network(*inputs(1, 72))
    with torch.no_grad():
        network.last.bias[4] += 1  # second image, second plane
    moved = (network(*inputs(1, 72)) - before)[0].reshape(2, 3, 24)
    expected = torch.zeros(2, 3, 24)
    expected[1, 1] = 1
    torch.testing.assert_close(moved, expected)


def test_every_cell_is_seen_by_every_cell() -> None:
    """By the attention, also at the other end of a grid that convolutions do not span."""
    network = unet((40, 40), (4, 4), blocks=1)
    x, times, conditions = inputs(1, 1600)
    x.requires_grad_()
    (gradient,) = torch.autograd.grad(network(x, times, conditions)[0, 0], x)
    assert gradient.abs().reshape(40, 40)[-3:, -3:].min() > 0


def test_condition_and_time_matter_and_no_condition_is_needed() -> None:
    for network in (unet((6, 4)), ResidualMLP(24, 24, (8, 8), 3)):
        x, times, conditions = inputs(2, 24)
        base = network(x, times, conditions)
        assert not torch.allclose(base, network(x, times + 0.3, conditions))
        assert not torch.allclose(base, network(x, times, conditions + 1))
    assert unet((6, 4), condition_dim=0)(*inputs(2, 24, 0)).shape == (2, 24)


def test_the_published_size_has_75_thousand_parameters() -> None:
    network = make_velocity("unet", ShowerSpec.of(load_geometry("zn"), 9), (8, 12, 16))
    assert sum(p.numel() for p in network.parameters()) == 74_753


def test_wrong_settings_are_refused(toy_cylinder) -> None:
    spec = ShowerSpec.of(load_geometry("zn"), 3)
    with pytest.raises(ConfigError, match="network: found 'conv', expected one of mlp, unet"):
        make_velocity("conv", spec, (8,))
    with pytest.raises(ConfigError, match="'unet' for a detector that is no grid; use 'mlp'"):
        make_velocity("unet", ShowerSpec.of(toy_cylinder, 3), (8,))
    for network in ("mlp", "unet"):
        with pytest.raises(ConfigError, match=r"model.widths: found \[\]"):
            make_velocity(network, spec, ())
    with pytest.raises(ConfigError, match=r"found \[8, 8, 8\] for a grid of 3 x 9"):
        make_velocity("unet", replace(spec, grid=(3, 9), n_cells=27), (8, 8, 8))
