"""Fully connected networks."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

from torch import Tensor, nn

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence


class MLP(nn.Module):
    """Linear layers with an activation between them, none after the last.

    Arguments:
        sizes: Numbers of units from input to output, at least two.
        activation: Makes the activation.
    """

    def __init__(
        self, sizes: Sequence[int], activation: Callable[[], nn.Module] = nn.SiLU
    ) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for inputs, outputs in pairwise(sizes):
            layers += [nn.Linear(inputs, outputs), activation()]
        self.layers = nn.Sequential(*layers[:-1])

    @property
    def last(self) -> nn.Linear:
        """The last linear layer."""
        layer = self.layers[-1]
        if not isinstance(layer, nn.Linear):  # truth of the constructor
            raise TypeError
        return layer

    def forward(self, x: Tensor) -> Tensor:
        """Map ``(batch, sizes[0])`` to ``(batch, sizes[-1])``."""
        y: Tensor = self.layers(x)
        return y
