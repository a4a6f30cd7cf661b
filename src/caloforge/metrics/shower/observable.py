"""What an observable is, and how many of them are measured in one pass over the showers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    Compute = Callable[[NDArray[np.float64]], NDArray[np.float64]]

_CHUNK_NUMBERS = 4_000_000  # 32 MB in float64


@dataclass(frozen=True)
class Observable:
    """One number per shower.

    Attributes:
        name: Key in ``metrics.json``.
        label: For people.
        unit: Unit of the number, ``""`` if none.
        compute: Maps showers ``(n, cell)`` in float64 to ``(n,)``.
        headline: Whether it belongs into a table for people; the rings, spectra and layers
            serve metrics that look at all observables at once.
    """

    name: str
    label: str
    unit: str
    compute: Compute
    headline: bool = True


@dataclass(frozen=True)
class Column:
    """One of several numbers that are cheapest to compute together.

    Attributes:
        family: Maps showers ``(n, cell)`` in float64 to ``(n, number)``.
        index: Which of the numbers.
    """

    family: Compute
    index: int

    def __call__(self, showers: NDArray[np.float64]) -> NDArray[np.float64]:
        """Compute the family and take one number, ``(n,)``."""
        return self.family(showers)[:, self.index]


def measure(shapes: Sequence[Observable], showers: NDArray[Any]) -> NDArray[np.float64]:
    """Compute observables of showers, in slices that keep memory small.

    Columns of one family are computed together.

    Arguments:
        shapes: What to compute.
        showers: ``(n, cell)``, of any number type.

    Returns:
        One column an observable, ``(n, observable)``.
    """
    result = np.empty((len(showers), len(shapes)))
    step = max(1, _CHUNK_NUMBERS // max(1, showers.shape[1]))
    for start in range(0, len(showers), step):
        part = np.asarray(showers[start : start + step], dtype=np.float64)
        known: dict[int, NDArray[np.float64]] = {}
        for k, shape in enumerate(shapes):
            compute = shape.compute
            if isinstance(compute, Column):
                key = id(compute.family)
                if key not in known:
                    known[key] = compute.family(part)
                values = known[key][:, compute.index]
            else:
                values = compute(part)
            result[start : start + step, k] = values
    return result
