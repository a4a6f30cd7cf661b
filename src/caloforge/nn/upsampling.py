"""Decoder that doubles a grid by repeating cells, then convolves."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

from torch import Tensor, nn

if TYPE_CHECKING:
    from collections.abc import Sequence


def start_size(cells: int, stages: int) -> int:
    """Cells along one axis from which the stages reach at least ``cells``.

    A stage doubles and loses 2 at the borders of its convolution; a last convolution loses 2
    more. 13 becomes 44 in two stages.
    """
    cells += 2
    for _ in range(stages):
        cells = -(-(cells + 2) // 2)
    return cells


class UpsamplingDecoder(nn.Module):
    """A dense layer, then stages of nearest-neighbour upsampling and convolution.

    Each stage doubles the grid and convolves with kernel 3 without padding, batch normalisation
    and LeakyReLU 0.2; a last convolution gives the cells.

    Arguments:
        inputs: Length of the code, conditions included.
        hidden: Units of a first dense layer.
        channels: Channels before each stage, and before the last convolution.
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
        super().__init__()
        self.grid = grid
        stages = len(channels) - 1
        self.start = tuple(start_size(n, stages) for n in grid)
        self.channels = channels[0]
        self.dense = nn.Sequential(
            nn.Linear(inputs, hidden),
            nn.LeakyReLU(0.2),
            nn.Linear(hidden, channels[0] * self.start[0] * self.start[1]),
            nn.LeakyReLU(0.2),
        )
        layers: list[nn.Module] = []
        for inside, outside in pairwise(channels):
            layers += [
                nn.Upsample(scale_factor=2),
                nn.Conv2d(inside, outside, kernel_size=3),
                nn.BatchNorm2d(outside),
                nn.LeakyReLU(0.2),
            ]
        self.convolutions = nn.Sequential(
            *layers, nn.Conv2d(channels[-1], planes, kernel_size=3)
        )

    def forward(self, codes: Tensor) -> Tensor:
        """Map ``(batch, inputs)`` to ``(batch, cell)``."""
        start = self.dense(codes).reshape(-1, self.channels, *self.start)
        cells: Tensor = self.convolutions(start)
        return cells[:, :, : self.grid[0], : self.grid[1]].flatten(1)
