"""Total, centroid and width of responses, from one matrix product."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray


def basis(centres: NDArray[np.float64]) -> NDArray[np.float64]:
    """What cells are summed with: 1, x, y, x^2, y^2; ``(cell, 2) -> (cell, 5)``."""
    return np.concatenate((np.ones((len(centres), 1)), centres, centres**2), axis=1)


def moments(showers: NDArray[np.float64], *, basis: NDArray[np.float64]) -> NDArray[np.float64]:
    """Total, response-weighted mean of x and y, standard deviation of x and y, ``(n, 5)``.

    An empty shower has 0 everywhere. The width of a shower in one cell is 0 up to the rounding
    of a difference of squares, 1e-8 of the position.
    """
    sums = showers @ basis
    total = sums[:, :1]
    lit = total > 0
    mean = np.where(lit, sums[:, 1:] / np.where(lit, total, 1.0), 0.0)
    width = np.sqrt(np.maximum(mean[:, 2:] - mean[:, :2] ** 2, 0.0))
    return np.concatenate((total, mean[:, :2], width), axis=1)
