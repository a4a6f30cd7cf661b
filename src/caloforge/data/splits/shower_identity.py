"""Fingerprints of showers: of the incident particle and the cells, and of nothing else."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

_KEY = b"caloforge shower"


def shower_identity(particles: NDArray[np.bytes_], showers: NDArray[Any]) -> NDArray[np.bytes_]:
    """Return a fingerprint of each shower, ``(n,)`` of 16 bytes.

    Only cells that are not zero are hashed, as 64-bit numbers: the type in which a file stores
    them does not matter.

    Arguments:
        particles: Fingerprints of the incident particles, `Particles.identity`, ``(n,)``.
        showers: Cells, ``(n, cell)``.
    """
    rows, cells = np.nonzero(showers)
    values = showers[rows, cells].astype("<f8").tobytes()
    places = cells.astype("<u4").tobytes()
    ends = np.cumsum(np.bincount(rows, minlength=len(showers)))
    start = hashlib.blake2b(digest_size=16, key=_KEY)
    digests = np.empty(len(showers), dtype="S16")
    first = 0
    for k, end in enumerate(ends.tolist()):
        state = start.copy()
        state.update(particles[k].ljust(16, b"\0"))
        state.update(places[4 * first : 4 * end])
        state.update(values[8 * first : 8 * end])
        digests[k] = state.digest()
        first = end
    return digests


class EmptyShowers:
    """Showers without a lit cell, which all look alike.

    Were they split by their content, all empty showers of a particle would be on one side. So
    they are numbered, particle by particle: the first, the second, ... Which row has which
    number does not matter, since they are equal.
    """

    def __init__(self) -> None:
        self._rows: list[NDArray[np.int64]] = []
        self._particles: list[NDArray[np.bytes_]] = []

    def add(self, start: int, particles: NDArray[np.bytes_], showers: NDArray[Any]) -> None:
        """Take in a piece.

        Arguments:
            start: Number of its first row.
            particles: Fingerprints of the incident particles, ``(n,)``.
            showers: Cells, ``(n, cell)``.
        """
        rows = np.flatnonzero(~showers.any(axis=1))
        self._rows.append(rows + start)
        self._particles.append(particles[rows])

    def numbered(self) -> tuple[NDArray[np.int64], NDArray[np.bytes_]]:
        """Return the rows of all empty showers, and a fingerprint of each with its number."""
        rows = np.concatenate([np.empty(0, dtype=np.int64), *self._rows])
        particles = np.concatenate([np.empty(0, dtype="S16"), *self._particles])
        order = np.argsort(particles, kind="stable")
        ordered = particles[order]
        digests = np.empty(len(rows), dtype="S16")
        number, before = 0, None
        for k, particle in zip(order.tolist(), ordered.tolist(), strict=True):
            number = number + 1 if particle == before else 0
            before = particle
            state = hashlib.blake2b(particle.ljust(16, b"\0"), digest_size=16, key=_KEY)
            state.update(f"empty {number}".encode())
            digests[k] = state.digest()
        return rows, digests
