"""Decoder that doubles a grid by repeating cells, then convolves."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

from torch import nn

from caloforge.nn.conv import GridDecoder

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


class UpsamplingDecoder(GridDecoder):
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
        nx, ny = (start_size(n, len(channels) - 1) for n in grid)
        super().__init__(inputs, hidden, channels[0], (nx, ny), grid)
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
