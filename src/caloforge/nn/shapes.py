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

    The logarithm of a shape is that of the mean shower to a power of its own, from broad to
    narrow, plus a mixture of `_RANK` pictures that all shapes share, so that few showers
    suffice to learn them. Without the powers photons, the narrowest showers of the ZN, come
    out a fifth too wide (docs/experiments.md).

    Arguments:
        inputs: Length of code and condition together.
        hidden: Units of the hidden layers.
        n_shapes: Number of shapes.
        bias: Logarithm of the mean shower, ``(cell,)``: where training starts.
    """

    def __init__(self, inputs: int, hidden: Sequence[int], n_shapes: int, bias: Tensor) -> None:
        super().__init__()
        self.amount = MLP((inputs, *hidden, n_shapes))
        self.bias = nn.Parameter(bias.clone())
        self.powers = nn.Parameter(torch.logspace(*_LOG_POWERS, n_shapes)[:, None])
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
        logarithms = self.powers * self.bias + self.mixtures @ self.pictures
        return logarithms.softmax(dim=1)

    def forward(self, codes: Tensor) -> Tensor:
        """Logarithm of the intensity, ``(batch, inputs) -> (batch, cell)``."""
        return (self.amounts(codes) @ self.shapes() + _DARK).log()
