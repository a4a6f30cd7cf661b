"""Networks that give a velocity at a place, a time and a condition."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from caloforge.errors import ConfigError
from caloforge.nn.unet import UNet
from caloforge.nn.widths import check_widths

if TYPE_CHECKING:
    from collections.abc import Sequence

    from caloforge.nn.spec import ShowerSpec

VELOCITIES = ("mlp", "unet")
# Angular frequencies of the features of a time between 0 and 1.
_SLOWEST, _FASTEST = 1.0, 100.0


class TimeEmbedding(nn.Module):
    """Times, and the condition if there is one, as features that steer a network.

    Arguments:
        width: Number of features, even.
        condition_dim: Length of the condition vector, or 0.
        times: Times of a row: 1, or 2 where a network is told of a step's length, too.
    """

    def __init__(self, width: int, condition_dim: int, times: int = 1) -> None:
        super().__init__()
        ratio = math.log(_FASTEST / _SLOWEST) / max(1, width // 2 - 1)
        frequencies = _SLOWEST * torch.exp(ratio * torch.arange(width // 2))
        self.register_buffer("frequencies", frequencies, persistent=False)
        self.first = nn.Linear(times * (width // 2) * 2 + condition_dim, width)
        self.second = nn.Linear(width, width)
        self.activation = nn.SiLU()

    def forward(self, times: Tensor, conditions: Tensor) -> Tensor:
        """Map ``(batch, times)`` and ``(batch, condition)`` to ``(batch, width)``."""
        angles = (times[:, :, None] * self.get_buffer("frequencies")).flatten(1)
        features = torch.cat((angles.sin(), angles.cos(), conditions), dim=1)
        y: Tensor = self.activation(self.second(self.activation(self.first(features))))
        return y


class ResidualLayers(nn.Module):
    """Two layers around which the input goes, steered by an embedding.

    Arguments:
        width: Units of input and output.
        inner: Units between the layers.
        embedded: Features of the embedding.
    """

    def __init__(self, width: int, inner: int, embedded: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.first = nn.Linear(width, inner)
        self.steer = nn.Linear(embedded, inner, bias=False)
        self.activation = nn.SiLU()
        self.second = nn.Linear(inner, width)

    def forward(self, x: Tensor, embedding: Tensor) -> Tensor:
        """Map ``(batch, width)`` and ``(batch, embedded)`` to ``(batch, width)``."""
        y: Tensor = self.first(self.norm(x)) + self.steer(embedding)
        moved: Tensor = x + self.second(self.activation(y))
        return moved


class ResidualMLP(nn.Module):
    """Velocity for points without neighbours: irregular detectors, codes.

    It starts small: the velocity is then near what is added to it.

    Arguments:
        inputs: Coordinates of a point.
        outputs: Length of the result.
        widths: Units of the trunk, then of each pair of residual layers.
        condition_dim: Length of the condition vector, or 0.
        times: As in `TimeEmbedding`.
    """

    def __init__(
        self,
        inputs: int,
        outputs: int,
        widths: Sequence[int],
        condition_dim: int,
        times: int = 1,
    ) -> None:
        super().__init__()
        width = widths[0]
        self.embedding = TimeEmbedding(width, condition_dim, times)
        self.first = nn.Linear(inputs, width)
        self.joined = nn.Linear(width, width, bias=False)
        self.blocks = nn.ModuleList(ResidualLayers(width, inner, width) for inner in widths[1:])
        self.activation = nn.SiLU()
        self.last = nn.Linear(width, outputs)
        with torch.no_grad():
            self.last.weight.mul_(0.1)
            self.last.bias.zero_()

    def forward(self, x: Tensor, times: Tensor, conditions: Tensor) -> Tensor:
        """Map points, ``(batch, times)`` and conditions to ``(batch, outputs)``."""
        embedding = self.embedding(times, conditions)
        y = self.first(x) + self.joined(embedding)
        for block in self.blocks:
            y = block(y, embedding)
        result: Tensor = self.last(self.activation(y))
        return result


def make_velocity(
    network: str, spec: ShowerSpec, widths: Sequence[int], *, images: int = 1
) -> ResidualMLP | UNet:
    """Make a network ``(cells, times, conditions) -> (batch, images * cell)``.

    Arguments:
        network: ``"mlp"`` for any detector, ``"unet"`` for grids.
        spec: Sizes of showers and conditions.
        widths: Units of `ResidualMLP`, or channels of the levels of a `UNet`.
        images: Results of the size of a shower.

    Raises:
        ConfigError: If the network is unknown, or cannot have these widths.
    """
    if network not in VELOCITIES:
        msg = f"model.network: found '{network}', expected one of {', '.join(VELOCITIES)}"
        raise ConfigError(msg)
    if network == "mlp":
        check_widths(
            "model.widths",
            widths,
            least=1,
            expected="units of the trunk, then of each residual block; try [256, 256]",
        )
        return ResidualMLP(spec.n_cells, images * spec.n_cells, widths, spec.condition_dim)
    if spec.grid is None:
        msg = "model.network: found 'unet' for a detector that is no grid; use 'mlp'"
        raise ConfigError(msg)
    check_widths(
        "model.widths",
        widths,
        least=1,
        halvings=len(widths) - 1,
        grid=spec.grid,
        expected="channels of a few levels, each half as wide as the last; try [8, 12, 16]",
    )
    embedded = 2 * widths[-1]
    return UNet(
        spec.grid,
        widths,
        TimeEmbedding(embedded, spec.condition_dim),
        embedded=embedded,
        condition_dim=spec.condition_dim,
        planes=spec.planes,
        images=images,
    )
