"""What can go wrong, by name.

Every message is one line: ``"{where}: {found}, expected {expected}; {cure}"``. The command line
prints it without a traceback and ends with ``exit_code``: 2 for bad usage or bad input, 1 for a
failure while working.
"""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """Return a hint for a name that is not known."""
    known = list(known)
    close = difflib.get_close_matches(name, known, n=1)
    return f"did you mean '{close[0]}'?" if close else f"known: {', '.join(known)}"


class CaloforgeError(Exception):
    """Base of everything that caloforge raises on purpose."""

    exit_code = 1


class DataFormatError(CaloforgeError, ValueError):
    """A file or array does not hold what it should."""

    exit_code = 2


class GeometryError(CaloforgeError, ValueError):
    """A detector description is unusable, or does not fit the data."""

    exit_code = 2


class ConfigError(CaloforgeError, ValueError):
    """A run file or option is wrong."""

    exit_code = 2


class BundleError(CaloforgeError, ValueError):
    """A trained model cannot be used: damaged, foreign, newer, or for other data."""

    exit_code = 2


class OutputError(CaloforgeError, OSError):
    """A result cannot be written: it exists, or the place is full or not writable."""

    exit_code = 2


class TrainingError(CaloforgeError, RuntimeError):
    """Training cannot go on, e.g. because a loss is not finite."""


class SimulationError(CaloforgeError, RuntimeError):
    """Full simulation cannot go on: Geant4, a worker or the cluster failed."""


class FetchError(CaloforgeError, OSError):
    """Public data cannot be downloaded."""


class MissingExtraError(CaloforgeError, ImportError):
    """An optional package is not installed, or the data that it needs."""

    exit_code = 2
