"""Networks that judge a shower and its condition."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from caloforge.nn.mlp import MLP
from caloforge.nn.widths import check_widths

if TYPE_CHECKING:
    from collections.abc import Sequence

    from caloforge.nn.spec import ShowerSpec


def _leaky() -> nn.Module:
    return nn.LeakyReLU(0.2)


class Judge(nn.Module):
    r"""Hidden layers on features and conditions, then a score.

    With a projection the score is :math:`w \cdot h + c^T V h` of the last hidden layer
    :math:`h`, so that the condition is asked for directly.

    Arguments:
        inputs: Features.
        hidden: Units of the hidden layers.
        condition_dim: Length of the condition vector.
        projection: Whether the condition is projected on the last hidden layer.

    References:
        cGANs with Projection Discriminator (Miyato and Koyama, 2018), equation 3
    """

    def __init__(
        self, inputs: int, hidden: Sequence[int], condition_dim: int, *, projection: bool
    ) -> None:
        super().__init__()
        sizes = (inputs + condition_dim, *hidden)
        self.hidden = nn.Sequential(MLP(sizes, _leaky), _leaky()) if hidden else nn.Identity()
        self.score = nn.Linear(sizes[-1], 1)
        self.projection = (
            nn.Linear(condition_dim, sizes[-1], bias=False)
            if projection and condition_dim
            else None
        )

    def features(self, inputs: Tensor, conditions: Tensor) -> Tensor:
        """Units of the last hidden layer, from which the score is made, ``(batch, unit)``."""
        units: Tensor = self.hidden(torch.cat((inputs, conditions), dim=1))
        return units

    def forward(self, features: Tensor, conditions: Tensor) -> Tensor:
        """Map ``(batch, feature)`` and ``(batch, condition)`` to scores ``(batch, 1)``."""
        hidden = self.features(features, conditions)
        scores: Tensor = self.score(hidden)
        if self.projection is not None:
            scores = scores + (self.projection(conditions) * hidden).sum(dim=1, keepdim=True)
        return scores


class DenseDiscriminator(nn.Module):
    """Hidden layers with LeakyReLU 0.2 on cells and conditions.

    Arguments:
        cells: Cells of a shower.
        hidden: Units of the hidden layers.
        condition_dim: Length of the condition vector.
        projection: As in `Judge`.
    """

    def __init__(
        self, cells: int, hidden: Sequence[int], condition_dim: int, *, projection: bool
    ) -> None:
        super().__init__()
        self.judge = Judge(cells, hidden, condition_dim, projection=projection)

    def features(self, showers: Tensor, conditions: Tensor) -> Tensor:
        """What it sees in a shower: units of its last hidden layer, ``(batch, unit)``."""
        return self.judge.features(showers, conditions)

    def forward(self, showers: Tensor, conditions: Tensor) -> Tensor:
        """Map ``(batch, cell)`` and ``(batch, condition)`` to scores ``(batch, 1)``."""
        scores: Tensor = self.judge(showers, conditions)
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
        projection: As in `Judge`.
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
        projection: bool,
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
        self.judge = Judge(
            channels[-1] * left[0] * left[1], (hidden,), condition_dim, projection=projection
        )

    def features(self, showers: Tensor, conditions: Tensor) -> Tensor:
        """What it sees in a shower: units of its dense layer, ``(batch, unit)``."""
        return self.judge.features(self._convolved(showers), conditions)

    def forward(self, showers: Tensor, conditions: Tensor) -> Tensor:
        """Map ``(batch, cell)`` and ``(batch, condition)`` to scores ``(batch, 1)``."""
        scores: Tensor = self.judge(self._convolved(showers), conditions)
        return scores

    def _convolved(self, showers: Tensor) -> Tensor:
        convolved: Tensor = self.convolutions(showers.reshape(-1, *self.shape))
        return convolved.flatten(1)


Discriminator = DenseDiscriminator | ConvDiscriminator


def make_discriminator(
    network: str,
    spec: ShowerSpec,
    widths: Sequence[int],
    *,
    batch_norm: bool = False,
    projection: bool = False,
) -> Discriminator:
    """Make a discriminator ``(showers, conditions) -> (batch, 1)``.

    Arguments:
        network: ``"mlp"``; any other is convolutional and needs a grid.
        spec: Sizes of showers and conditions.
        widths: Units of the hidden layers; for convolutions channels, then units of the dense
            layer.
        batch_norm: Whether convolutions are normalised.
        projection: Whether the condition is projected on the last hidden layer.

    Raises:
        ConfigError: If widths are too few or below 1, or convolutions so many that nothing is
            left of the grid.
    """
    if network == "mlp" or spec.grid is None:
        check_widths("model.discriminator", widths)
        return DenseDiscriminator(
            spec.n_cells, widths, spec.condition_dim, projection=projection
        )
    check_widths(
        "model.discriminator",
        widths,
        least=2,
        halvings=len(widths) - 1,
        grid=spec.grid,
        expected=(
            "channels of a few convolutions, each halving it, then units of a dense layer; "
            "try [32, 64, 128]"
        ),
    )
    return ConvDiscriminator(
        spec.grid,
        widths[:-1],
        widths[-1],
        spec.condition_dim,
        batch_norm=batch_norm,
        projection=projection,
        planes=spec.planes,
    )
