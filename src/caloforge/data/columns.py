"""The columns that describe an incident particle."""

from __future__ import annotations

import difflib
from types import MappingProxyType
from typing import TYPE_CHECKING, NamedTuple

from caloforge.errors import DataFormatError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping


class Column(NamedTuple):
    """One property of an incident particle.

    Attributes:
        name: Name in files, with the unit as suffix.
        unit: Unit, ``""`` if none.
        description: What it is.
    """

    name: str
    unit: str
    description: str


_COLUMNS = (
    Column("pdg", "", "particle kind, Monte Carlo numbering scheme of the Particle Data Group"),
    Column("energy_gev", "GeV", "total energy"),
    Column("x_cm", "cm", "position where it enters the detector"),
    Column("y_cm", "cm", "position where it enters the detector"),
    Column("z_cm", "cm", "position where it enters the detector, along the beam"),
    Column("px_gev", "GeV/c", "momentum"),
    Column("py_gev", "GeV/c", "momentum"),
    Column("pz_gev", "GeV/c", "momentum along the beam"),
    Column("mass_mev", "MeV/c2", "mass"),
    Column("charge_e", "e", "charge"),
)

PARTICLE_COLUMNS: Mapping[str, Column] = MappingProxyType({c.name: c for c in _COLUMNS})
"""Columns that every particle table has, in the order of the condition variables."""

RESERVED = ("incident", "showers", "cpu_seconds")
"""Names that no column may take: they mean something else in a shower file."""


_LONGEST_NAME = 255

_SUFFIXES: Mapping[str, str] = MappingProxyType(
    {
        "gev": "GeV",
        "mev": "MeV",
        "kev": "keV",
        "tev": "TeV",
        "cm": "cm",
        "mm": "mm",
        "m": "m",
        "um": "um",
        "s": "s",
        "ms": "ms",
        "us": "us",
        "ns": "ns",
        "ps": "ps",
        "rad": "rad",
        "mrad": "mrad",
        "urad": "urad",
        "deg": "deg",
        "e": "e",
    }
)


def unit_of(name: str) -> str:
    """Return the unit of a column, ``""`` if none is known.

    A column that is not ours has the unit that its name ends with.

    Example:
        >>> unit_of("px_gev"), unit_of("time_ns"), unit_of("eta")
        ('GeV/c', 'ns', '')
    """
    if name in PARTICLE_COLUMNS:
        return PARTICLE_COLUMNS[name].unit
    before, _, suffix = name.rpartition("_")
    return _SUFFIXES.get(suffix, "") if before else ""


def is_storable(name: str) -> bool:
    r"""Whether a file can hold a column of this name.

    HDF5 takes a slash for a folder, a dot for the folder itself, and ends a name at a zero.

    Example:
        >>> [is_storable(name) for name in ("eta", "track.eta", "", ".", "a/b", "a\0b")]
        [True, True, False, False, False, False]
    """
    try:
        size = len(name.encode())
    except UnicodeEncodeError:
        return False
    return 0 < size <= _LONGEST_NAME and name not in (".", "..") and not {"/", "\0"} & {*name}


def check_names(names: Iterable[str], *, source: str) -> None:
    """Refuse a table whose columns are misspelt or incomplete.

    Columns of other names are allowed, unless they look like a misspelling of a known one.

    Arguments:
        names: Column names found.
        source: Where they were found, for the message.

    Raises:
        DataFormatError: If a name is close to a known one or cannot be stored, or a known one
            is missing.
    """
    names = list(names)
    missing = [name for name in PARTICLE_COLUMNS if name not in names]
    for name in names:
        if name in PARTICLE_COLUMNS:
            continue
        if not is_storable(name):
            msg = (
                f"{source}: found a column called {name[:40]!a}, which no file can hold, "
                "expected a name without '/'; rename it"
            )
            raise DataFormatError(msg)
        # Of columns that are missing, a distant likeness is enough; of others it may be chance.
        close = difflib.get_close_matches(
            name.lower(), missing, n=1, cutoff=0.6
        ) or difflib.get_close_matches(name.lower(), PARTICLE_COLUMNS, n=1, cutoff=0.8)
        if close:
            msg = f"{source}: unknown column '{name}'; did you mean '{close[0]}'?"
            raise DataFormatError(msg)
    if missing:
        msg = (
            f"{source}: found no column {', '.join(missing)}, expected "
            f"{', '.join(PARTICLE_COLUMNS)}; add what is missing"
        )
        raise DataFormatError(msg)
