"""Incident particles: one row of physical properties a shower."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from caloforge.data.columns import (
    PARTICLE_COLUMNS,
    RESERVED,
    Column,
    check_names,
)
from caloforge.data.front_face import front_face_point
from caloforge.data.identity import identities
from caloforge.data.images import LABEL, NO_PARTICLE
from caloforge.errors import DataFormatError, did_you_mean
from caloforge.output import new_file

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Mapping, Sequence

    from numpy.typing import ArrayLike, NDArray

__all__ = ["PARTICLE_COLUMNS", "Column", "Particles", "read_particles", "write_particles"]


@dataclass(frozen=True, eq=False)
class Particles:
    """A table of incident particles.

    Attributes:
        columns: Properties by name, each ``(n,)``: the `PARTICLE_COLUMNS` and any further ones;
            ``pdg`` is int32, all others are float64.
        incident: Which rows are the same particle, ``(n,)`` int64: rows of equal number stand
            for independent showers of one particle.

    Raises:
        DataFormatError: If a column is missing, misspelt, of another length, not a number, or
            not finite, or an energy is not positive.
    """

    columns: Mapping[str, NDArray[Any]]
    incident: NDArray[np.int64]
    _known: dict[Hashable, NDArray[np.float64]] = field(
        default_factory=dict, init=False, repr=False
    )

    def __post_init__(self) -> None:
        check_names(self.columns, source="particles")
        incident = _integers("incident", self.incident, np.int64)
        columns = {name: self.columns[name] for name in PARTICLE_COLUMNS}
        columns |= {k: v for k, v in self.columns.items() if k not in columns}
        for name, values in columns.items():
            if name in RESERVED:
                msg = f"particles: a column cannot be called '{name}'; rename it"
                raise DataFormatError(msg)
            column = (
                _integers(name, values, np.int32) if name == "pdg" else _floats(name, values)
            )
            if column.shape != incident.shape:
                msg = (
                    f"particles: column '{name}' has shape {column.shape}, expected "
                    f"{incident.shape} as 'incident'; every row needs every property"
                )
                raise DataFormatError(msg)
            columns[name] = column
        if not (columns["energy_gev"] > 0).all():
            row = int(np.argmin(columns["energy_gev"] > 0))
            msg = (
                f"particles: column 'energy_gev' has {columns['energy_gev'][row]} in row "
                f"{row}, expected more than 0; remove the row"
            )
            raise DataFormatError(msg)
        object.__setattr__(self, "columns", columns)
        object.__setattr__(self, "incident", incident)

    def __len__(self) -> int:
        """Return the number of rows."""
        return len(self.incident)

    def __getitem__(self, name: str) -> NDArray[Any]:
        """Return one column, ``(n,)``.

        Raises:
            DataFormatError: If there is none of that name.
        """
        if name not in self.columns:
            msg = f"particles: found no column '{name}'; {did_you_mean(name, self.columns)}"
            raise DataFormatError(msg)
        return self.columns[name]

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the columns, ours first."""
        return tuple(self.columns)

    def select(self, rows: ArrayLike | slice) -> Particles:
        """Return the table of some rows: indices, a mask ``(n,)``, or a slice."""
        chosen = rows if isinstance(rows, slice) else as_rows(rows)
        columns = {name: column[chosen] for name, column in self.columns.items()}
        table = self._like(columns, self.incident[chosen])
        table._known.update({key: values[chosen] for key, values in self._known.items()})
        return table

    def exchanged(self, columns: Mapping[str, NDArray[Any]]) -> Particles:
        """Return the table with some columns exchanged for valid ones of the same type.

        Nothing is checked again: batches are made of many small tables.
        """
        return self._like({**self.columns, **columns}, self.incident)

    @staticmethod
    def _like(columns: Mapping[str, NDArray[Any]], incident: NDArray[np.int64]) -> Particles:
        """Make a table of columns that were checked before."""
        table = object.__new__(Particles)
        object.__setattr__(table, "columns", columns)
        object.__setattr__(table, "incident", incident)
        object.__setattr__(table, "_known", {})
        return table

    def repeated(self, n: int) -> Particles:
        """Return each row ``n`` times, adjacent: ``n`` showers of every particle."""
        return self.select(np.repeat(np.arange(len(self)), n))

    @classmethod
    def concatenate(cls, tables: Sequence[Particles]) -> Particles:
        """Join tables with the same columns; numbers in ``incident`` keep their meaning.

        Raises:
            DataFormatError: If there is no table, or their columns differ.
        """
        if not tables:
            msg = "particles: found no table to join, expected at least one"
            raise DataFormatError(msg)
        names = tables[0].names
        for table in tables[1:]:
            if set(table.names) != set(names):
                differ = ", ".join(sorted(set(table.names) ^ set(names)))
                msg = f"particles: tables to join differ in column {differ}; make them alike"
                raise DataFormatError(msg)
        columns = {name: np.concatenate([table[name] for table in tables]) for name in names}
        return cls(columns, np.concatenate([table.incident for table in tables]))

    def front_face(self, face_cm: float | None) -> NDArray[np.float64]:
        """Impact points on a front face, ``(n, 2)`` in cm: `front_face_point`, remembered."""
        return self.remembered(
            ("front face", face_cm), lambda: front_face_point(self.columns, face_cm)
        )

    def remembered(
        self, key: Hashable, compute: Callable[[], NDArray[np.float64]]
    ) -> NDArray[np.float64]:
        """Compute something of every row once, ``(n, ...)``.

        Each row must have its value in any company: tables of some rows know it, too.

        Arguments:
            key: What it is.
            compute: Gives it.
        """
        values = self._known.get(key)
        if values is None:
            values = compute()
            values.flags.writeable = False
            self._known[key] = values
        return values

    @property
    def are_images(self) -> bool:
        """Whether no row has a particle, as images have none: all are `NO_PARTICLE`."""
        return all(
            bool((self[name] == NO_PARTICLE[name]).all()) for name in ("pdg", "energy_gev")
        )

    def kinds(self) -> NDArray[np.str_]:
        """Return the name of each row's particle kind, ``(n,)``, e.g. ``"n"`` or ``"pi+"``.

        That of an image, which has no particle, is its class: ``"label 3"``.
        """
        if LABEL in self.columns and (self["pdg"] == NO_PARTICLE["pdg"]).all():
            labels, where = np.unique(self[LABEL], return_inverse=True)
            return np.array([f"{LABEL} {label:g}" for label in labels], dtype=np.str_)[where]
        numbers, where = np.unique(self["pdg"], return_inverse=True)
        return np.array([kind_name(int(pdg)) for pdg in numbers], dtype=np.str_)[where]

    def identity(self) -> NDArray[np.bytes_]:
        """Return a fingerprint of each row's physical properties, ``(n,)`` of 16 bytes.

        Only the `PARTICLE_COLUMNS` count, see `identities`: neither ``incident`` nor further
        columns do.
        """
        return identities(self.columns)


def kind_name(pdg: int) -> str:
    """Return the name of a particle kind, ``"pdg 12345"`` if it has none.

    Example:
        >>> kind_name(2112), kind_name(211), kind_name(12345)
        ('n', 'pi+', 'pdg 12345')
    """
    if pdg == NO_PARTICLE["pdg"]:
        return "no particle"
    # Imported here: the table of all particles takes a while to load.
    from particle import InvalidParticle, Particle, ParticleNotFound

    try:
        return str(Particle.from_pdgid(pdg).name)
    except (ParticleNotFound, InvalidParticle):
        return f"pdg {pdg}"


def read_particles(path: str | Path) -> Particles:
    """Read a particle table from a shower file, a CSV file or a Parquet file.

    A CSV file has a header with the names of `PARTICLE_COLUMNS`; other columns of numbers are
    kept. Without a column ``incident``, rows that are equal in `PARTICLE_COLUMNS` are the same
    particle.

    Arguments:
        path: The file; its content says which of the three it is.

    Returns:
        One row for each row of the file (for each shower of a shower file).

    Raises:
        DataFormatError: If the file is missing, empty, none of the three, or its columns are
            unknown, incomplete, or not numbers.
    """
    path = Path(path)
    if not path.is_file():
        msg = f"{path}: found no such file, expected particles (.h5, .csv or .parquet)"
        raise DataFormatError(msg)
    with path.open("rb") as file:
        start = file.read(8)
    if not start:
        msg = f"{path}: the file is empty, expected particles (.h5, .csv or .parquet)"
        raise DataFormatError(msg)
    if start == b"\x89HDF\r\n\x1a\n":
        from caloforge.data.files.shower_file import ShowerFile  # it imports us

        with ShowerFile(path) as shower_file:
            return shower_file.particles()
    from caloforge.data.tables import read_table  # pyarrow takes a while

    columns = read_table(path, parquet=start.startswith(b"PAR1"))
    incident = columns.pop("incident", None)
    n = len(next(iter(columns.values()), ()))
    check_names(columns, source=str(path))
    if n == 0:
        msg = f"{path}: found a header but no particle, expected at least one row"
        raise DataFormatError(msg)
    try:
        particles = Particles(columns, np.arange(n) if incident is None else incident)
    except DataFormatError as error:
        msg = f"{path}: {str(error).removeprefix('particles: ')}"
        raise DataFormatError(msg) from error
    if incident is not None:
        return particles
    # Numbered in order of appearance, as a person would.
    _, first, where = np.unique(particles.identity(), return_index=True, return_inverse=True)
    return Particles(particles.columns, np.argsort(np.argsort(first))[where])


def write_particles(path: str | Path, particles: Particles, *, force: bool) -> None:
    """Write a particle table as Parquet if ``path`` ends so, else as CSV; exact both ways.

    Raises:
        OutputError: If the file exists and ``force`` is not given, or it cannot be written.
    """
    from caloforge.data.tables import write_table  # pyarrow takes a while

    with new_file(path, force=force) as temporary:
        columns = {"incident": particles.incident, **particles.columns}
        write_table(temporary, columns, parquet=temporary.suffix == ".parquet")


def as_rows(rows: ArrayLike) -> NDArray[Any]:
    """Return indices or a mask; an empty list selects no row."""
    array = np.asarray(rows)
    return array if array.size else array.astype(np.int64)


def _integers(name: str, values: ArrayLike, dtype: type[np.integer[Any]]) -> NDArray[Any]:
    """Convert a column to integers, refusing values that would change."""
    array = np.asarray(values)
    if array.dtype == dtype:
        return array
    numbers = _floats(name, array) if array.dtype.kind not in "iu" else array
    limits = np.iinfo(dtype)
    wrong = (numbers != np.floor(numbers)) | (numbers < limits.min) | (numbers > limits.max)
    if wrong.any():
        row = int(np.argmax(wrong))
        msg = (
            f"particles: column '{name}' has {numbers[row]} in row {row}, expected an integer "
            f"of {limits.bits} bits; correct it"
        )
        raise DataFormatError(msg)
    return numbers.astype(dtype)


def _floats(name: str, values: ArrayLike) -> NDArray[np.float64]:
    """Convert a column to finite numbers."""
    try:
        array = np.asarray(values, dtype=np.float64)
    except (TypeError, ValueError) as error:
        msg = f"particles: column '{name}' does not hold numbers ({error}); correct it"
        raise DataFormatError(msg) from error
    wrong = ~np.isfinite(array)
    if wrong.any():
        row = int(np.argmax(wrong))
        msg = (
            f"particles: column '{name}' has {array[row]} in row {row}, expected a finite "
            "number; correct or remove the row"
        )
        raise DataFormatError(msg)
    return array
