"""The condition ``label``: one-hot of the classes of images, or of whatever has classes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from caloforge.data.images import LABEL
from caloforge.errors import ConfigError, DataFormatError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from caloforge.data.particles import Particles

MOST_LABELS = 1000
"""More classes are no classes: the column is something else."""


def label_codes(values: NDArray[Any]) -> set[int]:
    """Return the classes in a column ``(n,)``.

    Raises:
        ConfigError: If they are no integers.
    """
    found = np.unique(values)
    wrong = found != np.floor(found)
    if wrong.any() or (np.abs(found) >= 2**53).any():
        value = found[int(np.argmax(wrong))]
        msg = (
            f"conditions: column '{LABEL}' has {value:.6g}, expected an integer a class; "
            "rename the column to use it as a number"
        )
        raise ConfigError(msg)
    return set(found.astype(np.int64).tolist())


def one_hot_labels(names: Sequence[str], codes: set[int]) -> tuple[int, ...]:
    """Classes of the one-hot ``label`` among some features, increasing; empty without it.

    Raises:
        ConfigError: If there are more than `MOST_LABELS`.
    """
    if LABEL not in names:
        return ()
    if len(codes) > MOST_LABELS:
        msg = (
            f"conditions: column '{LABEL}' has {len(codes):,} different values, expected at "
            f"most {MOST_LABELS:,} classes; rename the column to use it as a number"
        )
        raise ConfigError(msg)
    return tuple(sorted(codes))


def labels_of(names: Sequence[str], particles: Particles) -> set[int]:
    """Return the classes of a table if ``label`` is among some features, else nothing."""
    return label_codes(particles[LABEL]) if LABEL in names else set()


def label_columns(values: NDArray[Any], labels: Sequence[int]) -> NDArray[np.float64]:
    """Return the one-hot: 1 for the class of each row, ``(n, len(labels))``.

    Raises:
        DataFormatError: If a class is not among them.
    """
    unknown = np.setdiff1d(values, labels)
    if unknown.size:
        known = ", ".join(map(str, labels[:20])) + (", ..." if len(labels) > 20 else "")
        n = int(np.isin(values, unknown).sum())
        msg = (
            f"particles: found label {unknown[0]:.6g} (in {n:,} rows), expected one of those "
            f"trained on: {known}; leave such rows out"
        )
        raise DataFormatError(msg)
    columns: NDArray[np.float64] = (values[:, None] == np.asarray(labels)).astype(np.float64)
    return columns
