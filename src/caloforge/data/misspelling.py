"""Columns that are missing, and those of other names that may be meant."""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING

from caloforge.data.columns import PARTICLE_COLUMNS, RESERVED

if TYPE_CHECKING:
    from collections.abc import Iterable

_ALIKE = 0.6


def likely_names(missing: Iterable[str], found: Iterable[str]) -> dict[str, str]:
    """Find the column that may be meant by each that is missing; case does not count.

    Arguments:
        missing: Names that are not there.
        found: Names that are there; those that mean something else are passed over.

    Returns:
        A name that is there for each missing one that has a likely one.

    Example:
        >>> likely_names(["x_cm", "pdg"], ["X_cm", "y_cm", "showers"])
        {'x_cm': 'X_cm'}
    """
    free = {k.lower(): k for k in found if k not in PARTICLE_COLUMNS and k not in RESERVED}
    likely = {}
    for name in missing:
        close = difflib.get_close_matches(name.lower(), free, n=1, cutoff=_ALIKE)
        if close:
            likely[name] = free.pop(close[0])
    return likely
