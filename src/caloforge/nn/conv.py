"""Strided convolutions over a grid of cells."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

if TYPE_CHECKING:
    from collections.abc import Sequence


class ConvEncoder(nn.Module):
    """Convolutions that halve the grid, then a linear layer on all that is left.

    Each convolution has kernel 4, stride 2, padding 1, batch normalisation and LeakyReLU 0.2.

    Arguments:
        grid: Cells along x and y.
        channels: Channels after each convolution.
        condition_dim: Length of a condition vector joined before the linear layer, or 0.
        outputs: Length of the result.
        planes: Cells at each place of the grid.
    """

    def __init__(
        self,
        grid: tuple[int, int],
        channels: Sequence[int],
        condition_dim: int,
        outputs: int,
        planes: int = 1,
    ) -> None:
        super().__init__()
        self.shape = planes, *grid
        layers: list[nn.Module] = []
        for inside, outside in pairwise((planes, *channels)):
            layers += [
                nn.Conv2d(inside, outside, kernel_size=4, stride=2, padding=1),
                nn.BatchNorm2d(outside),
                nn.LeakyReLU(0.2),
            ]
        self.convolutions = nn.Sequential(*layers)
        left = [size >> len(channels) for size in grid]
        self.linear = nn.Linear(channels[-1] * left[0] * left[1] + condition_dim, outputs)

    def forward(self, showers: Tensor, conditions: Tensor | None = None) -> Tensor:
        """Map ``(batch, cell)``, ``(batch, condition)`` or None to ``(batch, outputs)``."""
        features = self.convolutions(showers.reshape(-1, *self.shape)).flatten(1)
        if conditions is not None:
            features = torch.cat((features, conditions), dim=1)
        y: Tensor = self.linear(features)
        return y


class GridDecoder(nn.Module):
    """A dense layer to a small grid, then convolutions that a decoder of its own sets.

    Arguments:
        inputs: Length of the code, conditions included.
        hidden: Units of a first dense layer.
        channels: Channels of the small grid.
        start: Cells of the small grid along x and y.
        grid: Cells along x and y; what is too much is cut at the high edges.
    """

    convolutions: nn.Module

    def __init__(
        self,
        inputs: int,
        hidden: int,
        channels: int,
        start: tuple[int, int],
        grid: tuple[int, int],
    ) -> None:
        super().__init__()
        self.grid = grid
        self.start = channels, *start
        self.dense = nn.Sequential(
            nn.Linear(inputs, hidden),
            nn.LeakyReLU(0.2),
            nn.Linear(hidden, channels * start[0] * start[1]),
            nn.LeakyReLU(0.2),
        )

    def forward(self, codes: Tensor) -> Tensor:
        """Map ``(batch, inputs)`` to ``(batch, cell)``."""
        cells: Tensor = self.convolutions(self.dense(codes).reshape(-1, *self.start))
        return cells[:, :, : self.grid[0], : self.grid[1]].flatten(1)


class ConvDecoder(GridDecoder):
    """A dense layer, then transposed convolutions that double the grid.

    Arguments:
        inputs: Length of the code, conditions included.
        hidden: Units of a first dense layer.
        channels: Channels before each transposed convolution; the last gives the planes.
        grid: Cells along x and y; what is too much is cut at the high edges.
        planes: Cells at each place of the grid.
    """

    def __init__(
        self,
        inputs: int,
        hidden: int,
        channels: Sequence[int],
        grid: tuple[int, int],
        planes: int = 1,
    ) -> None:
        nx, ny = (-(-n // 2 ** len(channels)) for n in grid)
        super().__init__(inputs, hidden, channels[0], (nx, ny), grid)
        layers: list[nn.Module] = []
        for inside, outside in pairwise((*channels, planes)):
            layers += [
                nn.ConvTranspose2d(inside, outside, kernel_size=4, stride=2, padding=1),
                nn.BatchNorm2d(outside),
                nn.LeakyReLU(0.2),
            ]
        self.convolutions = nn.Sequential(*layers[:-2])
