"""Networks that judge a shower and its condition."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from caloforge.errors import ConfigError
from caloforge.nn.mlp import MLP

if TYPE_CHECKING:
    from collections.abc import Sequence

    from caloforge.nn.spec import ShowerSpec


def _leaky() -> nn.Module:
    return nn.LeakyReLU(0.2)


class DenseDiscriminator(nn.Module):
    """An MLP with LeakyReLU 0.2 on cells and conditions.

    Arguments:
        cells: Cells of a shower.
        hidden: Units of the hidden layers.
        condition_dim: Length of the condition vector.
    """

    def __init__(self, cells: int, hidden: Sequence[int], condition_dim: int) -> None:
        super().__init__()
        self.mlp = MLP((cells + condition_dim, *hidden, 1), _leaky)

    def forward(self, showers: Tensor, conditions: Tensor) -> Tensor:
        """Map ``(batch, cell)`` and ``(batch, condition)`` to scores ``(batch, 1)``."""
        scores: Tensor = self.mlp(torch.cat((showers, conditions), dim=1))
        return scores


class ConvDiscriminator(nn.Module):
    """Convolutions that halve the grid, joined with the condition in a dense layer.

    Each convolution has kernel 4, stride 2, padding 1 and LeakyReLU 0.2, and, if asked for,
    batch normalisation; the first one never has.

    Arguments:
        grid: Cells along x and y.
        channels: Channels after each convolution.
        hidden: Units of the dense layer.
        condition_dim: Length of the condition vector.
        batch_norm: Whether to normalise.
        planes: Cells at each place of the grid.
    """

    def __init__(
        self,
        grid: tuple[int, int],
        channels: Sequence[int],
        hidden: int,
        condition_dim: int,
        *,
        batch_norm: bool,
        planes: int = 1,
    ) -> None:
        super().__init__()
        self.shape = planes, *grid
        layers: list[nn.Module] = []
        for k, (inside, outside) in enumerate(pairwise((planes, *channels))):
            layers.append(nn.Conv2d(inside, outside, kernel_size=4, stride=2, padding=1))
            if batch_norm and k:
                layers.append(nn.BatchNorm2d(outside))
            layers.append(_leaky())
        self.convolutions = nn.Sequential(*layers)
        left = [size >> len(channels) for size in grid]
        self.dense = MLP((channels[-1] * left[0] * left[1] + condition_dim, hidden, 1), _leaky)

    def forward(self, showers: Tensor, conditions: Tensor) -> Tensor:
        """Map ``(batch, cell)`` and ``(batch, condition)`` to scores ``(batch, 1)``."""
        features = self.convolutions(showers.reshape(-1, *self.shape)).flatten(1)
        scores: Tensor = self.dense(torch.cat((features, conditions), dim=1))
        return scores


def make_discriminator(
    network: str, spec: ShowerSpec, widths: Sequence[int], *, batch_norm: bool
) -> DenseDiscriminator | ConvDiscriminator:
    """Make a discriminator ``(showers, conditions) -> (batch, 1)``.

    Arguments:
        network: ``"mlp"``; any other is convolutional and needs a grid.
        spec: Sizes of showers and conditions.
        widths: Units of the hidden layers; for convolutions channels, then units of the dense
            layer.
        batch_norm: Whether convolutions are normalised.

    Raises:
        ConfigError: If convolutions lack a grid, or are so many that nothing is left of it.
    """
    if network == "mlp" or spec.grid is None:
        return DenseDiscriminator(spec.n_cells, widths, spec.condition_dim)
    if len(widths) < 2 or min(spec.grid) >> (len(widths) - 1) < 1:
        msg = (
            f"model.discriminator: found {tuple(widths)} for a grid of {spec.grid}, expected "
            "channels of a few convolutions, each halving it, then dense units; try "
            "[32, 64, 128]"
        )
        raise ConfigError(msg)
    return ConvDiscriminator(
        spec.grid,
        widths[:-1],
        widths[-1],
        spec.condition_dim,
        batch_norm=batch_norm,
        planes=spec.planes,
    )
