"""Where a shower is brightest."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

if TYPE_CHECKING:
    from caloforge.nn.spec import ShowerSpec


class ShowerMaximum(nn.Module):
    """Position of a shower's maximum, in cells of a grid or in layers of a cylinder.

    On a grid the brightest place, its planes summed up, as x and y from the central cell of
    the model's frame; else the layer that has most, counted from the first. Several places of
    equal light give the mean of their positions: all of them for an empty shower.

    Arguments:
        spec: Sizes and regions.
    """

    def __init__(self, spec: ShowerSpec) -> None:
        super().__init__()
        if spec.grid is None:
            place = spec.regions
            positions = torch.arange(int(place.max()) + 1)[:, None].float()
        else:
            nx, ny = spec.grid
            place = torch.arange(spec.n_cells) % (nx * ny)
            axes = torch.arange(nx) - nx // 2, torch.arange(ny) - ny // 2
            positions = torch.cartesian_prod(*axes).float()
        self.register_buffer("place", place, persistent=False)  # (cell,)
        self.register_buffer("positions", positions, persistent=False)  # (place, d)

    @property
    def dim(self) -> int:
        """Numbers in a position."""
        return self.get_buffer("positions").shape[1]

    def forward(self, showers: Tensor) -> Tensor:
        """Map showers ``(batch, cell)`` to positions ``(batch, d)``."""
        positions = self.get_buffer("positions")
        light = showers.new_zeros(len(showers), len(positions))
        light = light.index_add(1, self.get_buffer("place"), showers)
        brightest = (light == light.amax(dim=1, keepdim=True)).to(positions)
        return brightest @ positions / brightest.sum(dim=1, keepdim=True)
