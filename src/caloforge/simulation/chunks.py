"""Pieces of work: consecutive showers of about equal cost."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

# About those of a neutron in the ZN on one core. Only proportions matter much: they hold for
# other detectors too, whose chunks then last shorter or longer.
_MICROSECONDS_PER_GEV = 9_000
_MICROSECONDS_PER_SHOWER = 5_000
# A chunk is what a killed worker has to do again and what a journal record holds ...
_LONGEST = 6_000_000
# ... but two workers shall still end together after few showers ...
_FEWEST_CHUNKS = 64
# ... unless they would then spend their time on messages.
_SHORTEST = 200_000
_MOST_SHOWERS = 1024


class Chunk(NamedTuple):
    """Some showers that are made together.

    Attributes:
        start: Place of the first among all showers of the run.
        stop: One past the last.
        cost: Expected CPU time in microseconds.
    """

    start: int
    stop: int
    cost: int


def costs(energy_gev: NDArray[np.float64], misses: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Estimate the CPU time of each shower.

    Arguments:
        energy_gev: Energy of its particle, ``(n,)``.
        misses: Whether the particle misses the detector, ``(n,)``: next to no cost.

    Returns:
        Microseconds, ``(n,)``; whole numbers, so that sums are the same on every machine.
    """
    each = np.rint(energy_gev * _MICROSECONDS_PER_GEV).astype(np.int64)
    return np.where(misses, 1, each + _MICROSECONDS_PER_SHOWER)


def cut(cost: NDArray[np.int64]) -> list[Chunk]:
    """Cut showers into chunks; it depends on nothing but their costs.

    Arguments:
        cost: As `costs` returns, ``(n,)``.

    Returns:
        All chunks, in order. None but a single shower costs more than a 64th of the whole,
        within 0.2 s and 6 s; none has more than 1024 showers.

    Example:
        >>> [tuple(chunk) for chunk in cut(np.array([10**6, 10**5, 10**5, 10**7]))]
        [(0, 1, 1000000), (1, 3, 200000), (3, 4, 10000000)]
    """
    total = np.cumsum(cost)
    n = len(total)
    whole = int(total[-1]) if n else 0
    budget = max(_SHORTEST, min(_LONGEST, whole // _FEWEST_CHUNKS))
    chunks = []
    start, before = 0, 0
    while start < n:
        stop = int(np.searchsorted(total, before + budget, side="right"))
        stop = min(max(stop, start + 1), start + _MOST_SHOWERS)
        chunks.append(Chunk(start, stop, int(total[stop - 1]) - before))
        start, before = stop, int(total[stop - 1])
    return chunks


def dearest_first(chunks: list[Chunk]) -> list[Chunk]:
    """Return chunks in the order in which to make them.

    A shower that takes minutes shall not be the last one, with all other workers idle.
    """
    return sorted(chunks, key=lambda chunk: (-chunk.cost, chunk.start))
