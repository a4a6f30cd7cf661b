"""Fingerprints of showers and of incident particles, 64 bits each."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from caloforge.data import PARTICLE_COLUMNS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray


def shower_hashes(
    cells: NDArray[np.int64], values: NDArray[Any], lit: NDArray[np.int64]
) -> NDArray[np.uint64]:
    r"""Fingerprint of each shower's content.

    The sum modulo :math:`2^{64}` of a mixed (cell, value) for every lit cell; values count as
    float32, so that the same shower has the same fingerprint whatever type it is stored in. Two
    different showers agree by chance once in :math:`2^{64}`.

    Arguments:
        cells: Number of each lit cell, shower by shower, ``(lit cell,)``.
        values: Their responses, ``(lit cell,)``.
        lit: Number of lit cells of each shower, ``(n,)``.

    Returns:
        ``(n,)``; 0 for an empty shower.
    """
    bits = (values.astype(np.float32) + np.float32(0)).view(np.uint32)
    mixed = _mix((cells.astype(np.uint64) << np.uint64(32)) | bits)
    # Differences of the running sum: modulo 2^64 they are exact.
    total = np.concatenate((np.zeros(1, np.uint64), np.cumsum(mixed, dtype=np.uint64)))
    ends = np.cumsum(lit)
    return np.asarray(total[ends] - total[ends - lit], dtype=np.uint64)


def particle_hashes(columns: Mapping[str, NDArray[np.float64]]) -> NDArray[np.uint64]:
    """Fingerprint of each row's physical properties, ``(n,)``.

    Made of `PARTICLE_COLUMNS` as float32, so that a particle is known again in a file of
    lower precision (the exact fingerprint, by which files are split, is
    `caloforge.data.identity`'s, of the same columns); further columns do not count.
    """
    n = len(next(iter(columns.values())))
    state = np.zeros(n, dtype=np.uint64)
    for name in PARTICLE_COLUMNS:
        values = columns[name]
        with np.errstate(over="ignore"):
            # Adding zero turns -0.0 into 0.0. Kinds of ions have ten digits: keep them all.
            bits = (
                values.astype(np.float64).view(np.uint64)
                if name == "pdg"
                else (values.astype(np.float32) + np.float32(0)).view(np.uint32)
            )
        state = _mix(state ^ bits.astype(np.uint64)) + np.uint64(1)
    return state


def _mix(state: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """Mix bits: SplitMix64 of Steele, Lea and Flood (2014)."""
    mixed = state + np.uint64(0x9E3779B97F4A7C15)
    mixed = (mixed ^ (mixed >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return np.asarray(mixed ^ (mixed >> np.uint64(31)), dtype=np.uint64)
