"""One seed for each shower, so that any of them can be made again alone."""

from __future__ import annotations

import hashlib


def shower_seed(run_seed: int, shower: int) -> int:
    """Return the seed of one shower.

    The first 8 bytes of BLAKE2b over both numbers: it depends on nothing else, and two showers
    of a run of a million share a seed with a probability below 10^-7.

    Arguments:
        run_seed: Seed of the run, 0 to 2^63 - 1.
        shower: Number of the shower in the run, from 0.

    Returns:
        Number from 0 to 2^64 - 1.

    Example:
        >>> shower_seed(0, 1) == shower_seed(0, 1), shower_seed(0, 1) == shower_seed(1, 0)
        (True, False)
    """
    key = run_seed.to_bytes(8, "little") + shower.to_bytes(8, "little")
    digest = hashlib.blake2b(key, digest_size=8, person=b"caloforge-shower"[:16])
    return int.from_bytes(digest.digest(), "little")
