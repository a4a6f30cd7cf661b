"""A decoder that makes a shower of a few shapes, from which hits can be drawn one by one."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from caloforge.nn.mlp import MLP
from caloforge.types import DenseChain

if TYPE_CHECKING:
    from collections.abc import Sequence

    from caloforge.types import DenseLayer

# Numbers by which the shapes are described, and their size at the start of training.
_RANK, _START = 64, 0.06
# Powers of the mean shower that shapes start from: its square root to its power 2.5.
_LOG_POWERS = (-0.3, 0.4)
# On a grid they start as exponentials of these lengths instead, from 0.2 to 20 cells.
_LOG_LENGTHS = (-0.7, 1.3)
# The exponent of the distance is kept between these: 1 is exponential, 2 a Gaussian.
_EXPONENTS = (0.3, 2.0)
# Rounds off the tip, in squared cells.
_TIP = 0.05
# Logarithms of amounts are cut off here: exp(14) is a million hits of one shape.
_LOG_MIN, _LOG_MAX = -20.0, 14.0
# Least intensity of a cell, so that its logarithm is a number.
_DARK = 1e-9


class ShapeDecoder(nn.Module):
    r"""An MLP gives the amount of light in each of a few learned shapes.

    .. math::
        \lambda(\mathrm{cell}) = \sum_k a_k(z, c)\, \phi_k(\mathrm{cell}),
        \qquad \sum_\mathrm{cell} \phi_k = 1

    The outputs are :math:`\log \lambda`, as cell heads of counts want them. What it is for: a
    shower need not be computed cell by cell. Its hits are as many as the amounts say, each
    falls into a cell by the shape that it belongs to, and the cost is that of the network and
    of the hits, whatever the number of cells.

    The logarithm of a shape is that of a profile of its own, from narrow to broad
    (`DistanceProfiles` on a grid, else `PowerProfiles`), plus a mixture of `_RANK` pictures
    that all shapes share, so that few showers suffice to learn them. Narrow profiles that are
    dark far from the centre must be there from the start: else photons, the narrowest showers
    of the ZN, come out too wide (docs/experiments.md).

    Arguments:
        inputs: Length of code and condition together.
        hidden: Units of the hidden layers.
        n_shapes: Number of shapes.
        bias: Logarithm of the mean shower, ``(cell,)``: where training starts.
        grid: Cells along x and y, if the detector is a grid; `bias` may have several planes.
    """

    def __init__(
        self,
        inputs: int,
        hidden: Sequence[int],
        n_shapes: int,
        bias: Tensor,
        grid: tuple[int, int] | None = None,
    ) -> None:
        super().__init__()
        self.amount = MLP((inputs, *hidden, n_shapes))
        self.profiles: PowerProfiles | DistanceProfiles = (
            PowerProfiles(n_shapes, bias)
            if grid is None
            else DistanceProfiles(n_shapes, bias, grid)
        )
        self.mixtures = nn.Parameter(nn.init.normal_(torch.empty(n_shapes, _RANK)))
        pictures = nn.init.normal_(torch.empty(_RANK, len(bias)), std=_START)
        self.pictures = nn.Parameter(pictures)
        with torch.no_grad():
            self.amount.last.weight.mul_(0.1)
            total = float(bias.exp().sum())
            self.amount.last.bias.fill_(math.log(total / n_shapes + _DARK))

    def amounts(self, codes: Tensor) -> Tensor:
        """Expected hits of each shape, ``(batch, inputs) -> (batch, shape)``."""
        logarithms: Tensor = self.amount(codes)
        return logarithms.clamp(_LOG_MIN, _LOG_MAX).exp()

    def chain(self, before: Sequence[DenseLayer], *, conditioned: bool) -> DenseChain:
        """`amounts` after some layers that give codes, joined to the conditions or not."""
        layers = self.amount.dense_layers(conditioned=conditioned)
        return DenseChain((*before, *layers), _LOG_MIN, _LOG_MAX)

    def shapes(self) -> Tensor:
        """Chance of each cell for a hit of each shape, ``(shape, cell)``; rows sum to 1."""
        logarithms: Tensor = self.profiles() + self.mixtures @ self.pictures
        return logarithms.softmax(dim=1)

    def forward(self, codes: Tensor) -> Tensor:
        """Logarithm of the intensity, ``(batch, inputs) -> (batch, cell)``."""
        return (self.amounts(codes) @ self.shapes() + _DARK).log()


class PowerProfiles(nn.Module):
    """Powers of the mean shower, from broad to narrow, all learned.

    Arguments:
        n_shapes: Number of profiles.
        bias: Logarithm of the mean shower, ``(cell,)``.
    """

    def __init__(self, n_shapes: int, bias: Tensor) -> None:
        super().__init__()
        self.bias = nn.Parameter(bias.clone())
        self.powers = nn.Parameter(torch.logspace(*_LOG_POWERS, n_shapes)[:, None])

    def forward(self) -> Tensor:
        """Logarithms, ``(shape, cell)``."""
        return self.powers * self.bias


class DistanceProfiles(nn.Module):
    r"""Profiles of the distance from a centre, from narrow to broad.

    .. math::
        \log \phi_k = - \big( |x - c_k| / s_k \big)^{q_k} + \mathrm{const}

    with learned centres, which start within half a cell of the mean shower's, so that shapes
    may be shifted by less than a cell, lengths and exponents.

    Arguments:
        n_shapes: Number of profiles.
        bias: Logarithm of the mean shower, ``(cell,)``, one plane of cells after the other.
        grid: Cells along x and y.
    """

    def __init__(self, n_shapes: int, bias: Tensor, grid: tuple[int, int]) -> None:
        super().__init__()
        mean = bias.exp().reshape(-1, *grid).sum(dim=0)
        x, y = torch.arange(grid[0]).to(bias), torch.arange(grid[1]).to(bias)
        middle = torch.stack((mean.sum(dim=1) @ x, mean.sum(dim=0) @ y)) / mean.sum()
        self.planes = bias.numel() // mean.numel()
        self.register_buffer("x", x, persistent=False)
        self.register_buffer("y", y, persistent=False)
        around = nn.init.uniform_(torch.empty(n_shapes, 2), -0.5, 0.5)
        self.centres = nn.Parameter(middle + around)
        lengths = torch.logspace(*_LOG_LENGTHS, n_shapes)
        self.log_lengths = nn.Parameter(lengths.log()[:, None])
        self.exponents = nn.Parameter(torch.ones(n_shapes, 1))

    def forward(self) -> Tensor:
        """Logarithms, ``(shape, cell)``."""
        x = self.get_buffer("x") - self.centres[:, :1]
        y = self.get_buffer("y") - self.centres[:, 1:]
        squared = x[:, :, None].square() + y[:, None, :].square() + _TIP
        scaled = squared.flatten(1).log() / 2 - self.log_lengths
        logarithms = -(scaled * self.exponents.clamp(*_EXPONENTS)).exp()
        return logarithms.repeat(1, self.planes)
