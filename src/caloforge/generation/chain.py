"""A model's network as one loop that numba compiles, for showers made one by one."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from types import ModuleType

    from numpy.typing import NDArray

    from caloforge.types import DenseChain


class CompiledChain:
    """Gives the amounts of shapes without PyTorch, which takes 100 us to be called.

    Arguments:
        loops: `caloforge.generation.loops`.
        chain: The network.
    """

    def __init__(self, loops: ModuleType, chain: DenseChain) -> None:
        self._loops = loops
        parts, layers = [], []
        for layer in chain.layers:
            weight = layer.weight.detach().cpu().float().numpy()
            bias = layer.bias.detach().cpu().float().numpy()
            parts += [weight.T.ravel(), bias]
            activation = loops.ACTIVATIONS[layer.activation]
            layers.append((*weight.shape[::-1], activation, int(layer.conditioned)))
        self._numbers = np.concatenate(parts)
        self._layers = np.array(layers, dtype=np.int64)
        self._limits = (chain.low, chain.high)

    def __call__(
        self, conditions: NDArray[np.float32], noise: NDArray[np.float32]
    ) -> NDArray[np.float32]:
        """Amounts, ``(n, condition), (n, noise) -> (n, shape)``."""
        amounts = np.empty((len(noise), self._layers[-1, 1]), dtype=np.float32)
        self._loops.run_chain(
            self._numbers, self._layers, self._limits, conditions, noise, amounts
        )
        return amounts
