"""Position of a shower's maximum on grids and in layers."""

from __future__ import annotations

from dataclasses import replace

import torch

from caloforge.nn import ShowerMaximum, ShowerSpec


def grid(toy_grid, nx, ny, planes=1) -> ShowerSpec:
    spec = ShowerSpec.of(toy_grid, 0)
    return replace(spec, grid=(nx, ny), n_cells=planes * nx * ny, planes=planes)


def test_the_brightest_cell_of_a_grid_is_found(toy_grid) -> None:
    showers = torch.zeros(3, 5, 4)
    showers[0, 4, 1] = 3  # 2 beyond the centre along x, 1 before it along y
    showers[0, 2, 2] = 2
    showers[1, 1, 3] = showers[1, 3, 3] = 1  # two of equal light: between them
    maximum = ShowerMaximum(grid(toy_grid, 5, 4))
    assert maximum.dim == 2
    # An empty shower: the middle of the cells, half a cell off the centre of an even side.
    expected = torch.tensor([[2.0, -1.0], [0.0, 1.0], [0.0, -0.5]])
    torch.testing.assert_close(maximum(showers.flatten(1)), expected)


def test_planes_of_a_place_add_up(toy_grid) -> None:
    showers = torch.zeros(1, 2, 3, 3)
    showers[0, 0, 0, 0] = 3
    showers[0, :, 2, 1] = 2
    maximum = ShowerMaximum(grid(toy_grid, 3, 3, planes=2))
    assert maximum(showers.flatten(1)).tolist() == [[1.0, 0.0]]


def test_other_detectors_have_a_brightest_layer(toy_cylinder) -> None:
    spec = ShowerSpec.of(toy_cylinder, 0)
    layers = int(spec.regions.max()) + 1
    showers = torch.zeros(layers, spec.n_cells)
    for layer in range(layers):
        showers[layer, spec.regions == layer] = 1.0
        showers[layer, torch.nonzero(spec.regions != layer)[0]] = 0.5
    maximum = ShowerMaximum(spec)
    torch.testing.assert_close(maximum(showers)[:, 0], torch.arange(layers).float())
