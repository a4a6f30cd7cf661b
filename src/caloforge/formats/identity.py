"""Numbers for incident particles that follow from what they are, not from where they stand."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

import numpy as np

from caloforge.data.columns import PARTICLE_COLUMNS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

_KEY = b"caloforge incident"


def incident_numbers(columns: Mapping[str, NDArray[Any]]) -> NDArray[np.int64]:
    """Number particles by a hash of their physical properties.

    Equal particles have equal numbers in every file, so that nothing need be remembered and
    merged files agree. (Of a million particles, two different ones share a number by chance
    once in 20 million files.)

    Arguments:
        columns: Properties by name, each ``(n,)``; only the `PARTICLE_COLUMNS` count, as others
            may say something of the shower.

    Returns:
        Numbers from 0 to 2^63 - 1, ``(n,)``.

    Example:
        >>> columns = {name: np.array([1.0, 2.0, 1.0]) for name in PARTICLE_COLUMNS}
        >>> first, other, again = incident_numbers(columns)
        >>> bool(first == again), bool(first == other)
        (True, False)
    """
    # Adding zero turns -0.0 into 0.0, the same number and so the same bytes.
    table = np.stack([np.asarray(columns[c], "<f8") + 0.0 for c in PARTICLE_COLUMNS], axis=1)
    rows = np.ascontiguousarray(table).view(f"V{8 * table.shape[1]}").ravel().tolist()
    start = hashlib.blake2b(digest_size=8, key=_KEY)
    known: dict[bytes, bytes] = {}
    for row in rows:
        if row not in known:
            state = start.copy()
            state.update(row)
            known[row] = state.digest()
    numbers = np.frombuffer(b"".join([known[row] for row in rows]), dtype="<u8")
    return (numbers >> np.uint64(1)).astype(np.int64)
