"""A model's network as one loop that numba compiles, for showers made one by one."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from caloforge.errors import BundleError
from caloforge.generation.hit_loops import installed_loops
from caloforge.types import ACTIVATIONS

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from caloforge.types import DenseChain


class CompiledChain:
    """Gives the amounts of shapes without PyTorch, which takes 100 us to be called.

    It needs numba.

    Arguments:
        chain: The network.
    """

    def __init__(self, chain: DenseChain) -> None:
        parts, layers = [], []
        for layer in chain.layers:
            weight = layer.weight.detach().cpu().float().numpy()
            bias = layer.bias.detach().cpu().float().numpy()
            parts += [weight.T.ravel(), bias]
            activation = ACTIVATIONS[layer.activation]
            layers.append((*weight.shape[::-1], activation, int(layer.conditioned)))
        self._numbers = np.concatenate(parts)
        self._layers = np.array(layers, dtype=np.int64)
        self._limits = (chain.low, chain.high)

    def __call__(
        self, conditions: NDArray[np.float32], noise: NDArray[np.float32]
    ) -> NDArray[np.float32]:
        """Amounts, ``(n, condition), (n, noise) -> (n, shape)``."""
        amounts = np.empty((len(noise), self._layers[-1, 1]), dtype=np.float32)
        loops = installed_loops()
        if loops is None:
            msg = "one_by_one: numba is gone, expected it as when the model was loaded"
            raise BundleError(msg)
        loops.run_chain(self._numbers, self._layers, self._limits, conditions, noise, amounts)
        return amounts
