"""Who is who among incident particles: what they are counts, not where they stand.

Only the `PARTICLE_COLUMNS` count. Further columns may say something of the shower or of the
event (its number, a weight), and two showers of one particle may differ in them.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

import numpy as np

from caloforge.data.columns import PARTICLE_COLUMNS

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

# The order of the split's hash is that of the alphabet. Neither may change: particles would
# change side, and files that were merged earlier would not agree with those of today.
_SORTED = tuple(sorted(PARTICLE_COLUMNS))
_BLOCK_ROWS = 65536
_SPLIT_KEY, _NUMBER_KEY = b"caloforge", b"caloforge incident"


def identities(columns: Mapping[str, NDArray[Any]]) -> NDArray[np.bytes_]:
    """Return a fingerprint of each row's physical properties.

    Rows are equal exactly when all ten `PARTICLE_COLUMNS` are. The fingerprint depends on
    nothing else: not on the row's place, the other rows, further columns, or the order of the
    columns. (Two different particles agree by chance once in 10^38.)

    Arguments:
        columns: Properties by name, each ``(n,)``.

    Returns:
        ``(n,)`` of 16 bytes.
    """
    start = hashlib.blake2b("\n".join(_SORTED).encode(), digest_size=16, key=_SPLIT_KEY)
    return np.array(_digests(columns, _SORTED, start), dtype="S16")


def incident_numbers(columns: Mapping[str, NDArray[Any]]) -> NDArray[np.int64]:
    """Number particles by a hash of their physical properties.

    Equal particles, in the sense of `identities`, have equal numbers in every file, so that
    nothing need be remembered and merged files agree. (Of a million particles, two different
    ones share a number by chance once in 20 million files.)

    Arguments:
        columns: Properties by name, each ``(n,)``.

    Returns:
        Numbers from 0 to 2^63 - 1, ``(n,)``.

    Example:
        >>> columns = {name: np.array([1.0, 2.0, 1.0]) for name in PARTICLE_COLUMNS}
        >>> first, other, again = incident_numbers(columns)
        >>> bool(first == again), bool(first == other)
        (True, False)
    """
    start = hashlib.blake2b(digest_size=8, key=_NUMBER_KEY)
    digests = _digests(columns, tuple(PARTICLE_COLUMNS), start)
    numbers = np.frombuffer(b"".join(digests), dtype="<u8")
    return (numbers >> np.uint64(1)).astype(np.int64)


def _digests(
    columns: Mapping[str, NDArray[Any]], names: Sequence[str], start: hashlib.blake2b
) -> list[bytes]:
    """Hash some columns of each row; in a block, rows that are alike are hashed once."""
    digests: list[bytes] = []
    for first in range(0, len(columns[names[0]]), _BLOCK_ROWS):
        part = [np.asarray(columns[name][first : first + _BLOCK_ROWS], "<f8") for name in names]
        # Adding zero turns -0.0 into 0.0, the same number and so the same bytes.
        table = np.ascontiguousarray(np.stack(part, axis=1) + 0.0)
        rows = table.view(f"V{8 * len(names)}").ravel().tolist()
        known: dict[bytes, bytes] = {}
        for row in rows:
            if row not in known:
                state = start.copy()
                state.update(row)
                known[row] = state.digest()
        digests += [known[row] for row in rows]
    return digests
