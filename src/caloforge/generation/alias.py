"""Walker's alias method: draws from discrete distributions at the same cost for each.

References:
    | An efficient method for generating discrete random variables with general distributions
      (Walker, 1977)
    | https://doi.org/10.1145/355744.355749
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray


class AliasTable:
    """Draws from many discrete distributions over the same cells, in two look-ups.

    Arguments:
        chances: Probabilities, ``(shape, cell)``; rows sum to 1.

    Attributes:
        keep: Chance to stay in a cell that was picked evenly, ``(shape, cell)``.
        alias: Where to go otherwise, ``(shape, cell)``.
    """

    def __init__(self, chances: NDArray[np.float64]) -> None:
        n, self._n_cells = chances.shape
        keep = chances * (self._n_cells / chances.sum(axis=1, keepdims=True))
        alias = np.broadcast_to(np.arange(self._n_cells), keep.shape).copy()
        # Cells below the average are filled up by cells above it: one a shape at a time, all
        # shapes together. `small` and `large` are stacks of cells.
        order = np.argsort(keep, axis=1, kind="stable")
        small, large = order.copy(), order[:, ::-1].copy()
        n_small = (keep < 1).sum(axis=1)
        n_large = self._n_cells - n_small
        while len(rows := np.flatnonzero((n_small > 0) & (n_large > 0))):
            s = small[rows, n_small[rows] - 1]
            m = large[rows, n_large[rows] - 1]
            alias[rows, s] = m
            keep[rows, m] -= 1 - keep[rows, s]
            n_small[rows] -= 1
            spent = rows[keep[rows, m] < 1]
            now = m[keep[rows, m] < 1]
            n_large[spent] -= 1
            small[spent, n_small[spent]] = now
            n_small[spent] += 1
        for row in range(n):  # what rounding left over
            keep[row, small[row, : n_small[row]]] = 1
            keep[row, large[row, : n_large[row]]] = 1
        self.keep, self.alias = keep.astype(np.float32), alias.astype(np.int32)
        self._keep, self._alias = self.keep.ravel(), self.alias.ravel()

    def draw(self, rows: NDArray[np.int64], numbers: NDArray[np.float64]) -> NDArray[np.int64]:
        """Draw a cell for each pair of distribution and uniform number, ``(n,)``."""
        scaled = numbers * self._n_cells
        cells = np.minimum(scaled.astype(np.int64), self._n_cells - 1)
        place = rows * self._n_cells + cells
        drawn: NDArray[np.int64] = np.where(
            scaled - cells < self._keep[place], cells, self._alias[place]
        )
        return drawn
