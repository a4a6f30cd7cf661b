"""Fully connected networks."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

from torch import Tensor, nn

from caloforge.types import LEAKY_SLOPE, DenseLayer

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

    def dense_layers(self, *, conditioned: bool) -> list[DenseLayer]:
        """Return the layers one by one; the first may be joined to conditions."""
        return dense_layers(self.layers, conditioned=conditioned)

    def forward(self, x: Tensor) -> Tensor:
        """Map ``(batch, sizes[0])`` to ``(batch, sizes[-1])``."""
        y: Tensor = self.layers(x)
        return y


def dense_layers(layers: nn.Sequential, *, conditioned: bool) -> list[DenseLayer]:
    """Take a sequence of linear layers and activations apart.

    Arguments:
        layers: Linear layers, each followed by SiLU, LeakyReLU of slope 0.2, or nothing.
        conditioned: Whether the conditions are joined to the first one's inputs.

    Raises:
        TypeError: If there is another layer.
    """
    found: list[DenseLayer] = []
    for layer in layers:
        if isinstance(layer, nn.Linear):
            joined = conditioned and not found
            found.append(DenseLayer(layer.weight, layer.bias, "none", joined))
        elif isinstance(layer, nn.SiLU):
            found[-1] = found[-1]._replace(activation="silu")
        elif isinstance(layer, nn.LeakyReLU) and layer.negative_slope == LEAKY_SLOPE:
            found[-1] = found[-1]._replace(activation="leaky-relu")
        else:
            raise TypeError(layer)
    return found
