"""Pieces of showers, cut anew."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from caloforge.data.particles import Particles

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from numpy.typing import NDArray


def rebatched(
    pieces: Iterable[tuple[Particles, NDArray[Any]]], size: int
) -> Iterator[tuple[Particles, NDArray[Any]]]:
    """Join and cut pieces of any length into pieces of one length.

    Arguments:
        pieces: Particles and their showers, ``(n, cell)``.
        size: Showers in a piece.

    Yields:
        The same rows in the same order, ``size`` at a time; the last piece may be smaller.
    """
    waiting: list[tuple[Particles, NDArray[Any]]] = []
    n = 0
    for piece in pieces:
        waiting.append(piece)
        n += len(piece[1])
        if n < size:
            continue
        particles, showers = _joined(waiting)
        for start in range(0, n - n % size, size):
            part = slice(start, start + size)
            yield particles.select(part), showers[part]
        rest = slice(n - n % size, n)
        n %= size
        waiting = [(particles.select(rest), showers[rest])] if n else []
    if waiting:
        yield _joined(waiting)


def _joined(
    pieces: list[tuple[Particles, NDArray[Any]]],
) -> tuple[Particles, NDArray[Any]]:
    if len(pieces) == 1:
        return pieces[0]
    particles, showers = zip(*pieces, strict=True)
    return Particles.concatenate(particles), np.concatenate(showers)
