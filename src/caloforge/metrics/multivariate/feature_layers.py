"""First and last layers of feature networks: cells to pictures, features to unit spread."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

if TYPE_CHECKING:
    from collections.abc import Sequence


class RegularInput(nn.Module):
    """Shape cells ``(batch, cell)`` and take log(1 + cell / scale).

    Arguments:
        shape: Channels, height and width.
        scale: Response that becomes log 2.
    """

    def __init__(self, shape: Sequence[int], scale: float) -> None:
        super().__init__()
        self._shape = tuple(shape)
        self._scale = scale

    def forward(self, showers: Tensor) -> Tensor:
        """Map ``(batch, cell)`` to ``(batch, *shape)``."""
        return torch.log1p(showers.clamp(min=0) / self._scale).view(-1, *self._shape)


class GridInput(RegularInput):
    """The same for a grid: one channel."""

    def __init__(self, cells: tuple[int, int], scale: float) -> None:
        super().__init__((1, *cells), scale)


class PictureInput(nn.Module):
    """Shape cells ``(batch, cell)`` and divide them by their largest value.

    Arguments:
        cells: Cells along x and y.
        scale: The largest value.
    """

    def __init__(self, cells: tuple[int, int], scale: float) -> None:
        super().__init__()
        self._cells = tuple(cells)
        self._scale = scale

    def forward(self, showers: Tensor) -> Tensor:
        """Map ``(batch, cell)`` to ``(batch, 1, x, y)``."""
        return (showers / self._scale).view(-1, 1, *self._cells)


class Standardise(nn.Module):
    """Centre and scale the features of a network by those of its training showers.

    Arguments:
        network: Maps showers to features.
        n_features: Number of features.
    """

    mean: Tensor
    spread: Tensor

    def __init__(self, network: nn.Module, n_features: int) -> None:
        super().__init__()
        self.network = network
        self.register_buffer("mean", torch.zeros(n_features))
        self.register_buffer("spread", torch.ones(n_features))

    def forward(self, showers: Tensor) -> Tensor:
        """Map ``(batch, cell)`` to ``(batch, feature)``."""
        standard: Tensor = (self.network(showers) - self.mean) / self.spread
        return standard


def flat_size(layers: nn.Module, n_cells: int) -> int:
    """Numbers that layers make of one shower."""
    with torch.no_grad():
        return int(layers(torch.zeros(1, n_cells)).numel())
