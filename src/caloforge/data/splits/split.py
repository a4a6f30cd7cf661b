"""Split showers into training and validation by incident particle, for good."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from caloforge.errors import DataFormatError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from caloforge.data.particles import Particles


class Split(NamedTuple):
    """Rows of the two sides, each increasing.

    Attributes:
        train: Rows to learn from, ``(n_train,)``.
        validation: Rows to choose the model by, ``(n_validation,)``.
    """

    train: NDArray[np.int64]
    validation: NDArray[np.int64]


def split_rows(particles: Particles, *, fraction: float, key: str = "caloforge") -> Split:
    r"""Split rows so that all showers of an incident particle are on the same side.

    A particle goes to validation if :math:`h < f`, where :math:`h \in [0, 1)` is a keyed hash
    of its physical properties and :math:`f` the fraction. Its side depends on nothing else: it
    never changes when the file grows, is re-ordered or is cut, and a larger fraction only adds
    particles to validation. The sizes fluctuate as in :math:`n` throws of a coin.

    Arguments:
        particles: Incident particle of each shower, ``n`` rows.
        fraction: Expected share of incident particles for validation, from 0 to 1.
        key: Another key gives another, independent split.

    Returns:
        Training and validation rows. Of a small sample, one side may be empty.

    Raises:
        ValueError: If the fraction is not from 0 to 1, or the key longer than 64 bytes.
        DataFormatError: If ``incident`` gives one number to particles of different properties.
    """
    if not 0 <= fraction <= 1:
        msg = f"fraction must be from 0 to 1, got {fraction}"
        raise ValueError(msg)
    number = uniforms(particles.identity(), key)
    check_numbers(particles.incident, number)
    validation = number < fraction
    return Split(np.flatnonzero(~validation), np.flatnonzero(validation))


def uniforms(digests: NDArray[np.bytes_], key: str) -> NDArray[np.float64]:
    """Map fingerprints to numbers in ``[0, 1)``, ``(n,)``; each digest is hashed once."""
    secret = key.encode()
    found, where = np.unique(digests, return_inverse=True)
    number = np.array([_uniform(digest, secret) for digest in found], dtype=np.float64)
    return number[where]


def _uniform(digest: bytes, secret: bytes) -> float:
    """Map a fingerprint to ``[0, 1)``; 53 bits, so that 1 is never reached by rounding."""
    # NumPy strips zero bytes from the end of a string: put them back.
    state = hashlib.blake2b(digest.ljust(16, b"\0"), digest_size=8, key=secret)
    return (int.from_bytes(state.digest(), "big") >> 11) / 2**53


def check_numbers(incident: NDArray[np.int64], number: NDArray[np.float64]) -> None:
    """Refuse equal incident numbers of different particles.

    Arguments:
        incident: Incident number of each row, ``(n,)``.
        number: Hash of each row's particle, ``(n,)``: equal where the particles are.

    Raises:
        DataFormatError: Naming the first such number.
    """
    order = np.argsort(incident, kind="stable")
    same = incident[order[1:]] == incident[order[:-1]]
    differ = same & (number[order[1:]] != number[order[:-1]])
    if differ.any():
        shared = np.unique(incident[order[1:]][differ])
        msg = (
            f"particles: incident {shared[0]} stands for several particles of different "
            f"properties ({len(shared)} such numbers), expected one each; renumber "
            "them, e.g. after joining files"
        )
        raise DataFormatError(msg)
