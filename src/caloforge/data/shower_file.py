"""Read shower files, whole or piece by piece."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import h5py
import numpy as np

from caloforge.data.checks import check_showers
from caloforge.data.columns import check_names
from caloforge.data.particles import Particles, as_rows
from caloforge.data.shower_format import CPU_SECONDS, INCIDENT, SHOWERS, attribute, open_file
from caloforge.data.shower_writer import ShowerWriter
from caloforge.errors import DataFormatError
from caloforge.geometry import DetectorGeometry

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import TracebackType
    from typing import Self

    from numpy.typing import ArrayLike, NDArray

__all__ = ["ShowerFile", "ShowerSample", "ShowerWriter", "read_showers"]


@dataclass(frozen=True, eq=False)
class ShowerSample:
    """Showers in memory, with all that belongs to them.

    Attributes:
        particles: Incident particle of each shower, ``n`` rows.
        showers: Cell responses in the detector's unit, ``(n, cell)``.
        geometry: Detector that they are of.
        cpu_seconds: Time on one core that each took, ``(n,)`` in s, if known.
        provenance: Where they come from.
        source: Path or name, for messages and tables.

    Raises:
        DataFormatError: If the lengths differ, or the showers do not fit the geometry.
    """

    particles: Particles
    showers: NDArray[Any]
    geometry: DetectorGeometry
    cpu_seconds: NDArray[np.float32] | None
    provenance: dict[str, Any]
    source: str

    def __post_init__(self) -> None:
        n_cpu = len(self.showers) if self.cpu_seconds is None else len(self.cpu_seconds)
        if not len(self.particles) == len(self.showers) == n_cpu:
            msg = (
                f"{self.source}: found {len(self.showers)} showers, {len(self.particles)} "
                f"particles and {n_cpu} times, expected as many of each; give one row a shower"
            )
            raise DataFormatError(msg)
        check_showers(self.showers, self.geometry, source=self.source)

    def __len__(self) -> int:
        """Return the number of showers."""
        return len(self.showers)

    def select(self, rows: ArrayLike | slice) -> ShowerSample:
        """Return some of the showers: indices, a mask ``(n,)``, or a slice."""
        chosen = rows if isinstance(rows, slice) else as_rows(rows)
        return ShowerSample(
            particles=self.particles.select(chosen),
            showers=self.showers[chosen],
            geometry=self.geometry,
            cpu_seconds=None if self.cpu_seconds is None else self.cpu_seconds[chosen],
            provenance=self.provenance,
            source=self.source,
        )


class ShowerFile:
    """A shower file, open for reading; use it in a ``with`` statement.

    Only what is asked for is read, so that the file may be larger than the memory.

    Arguments:
        path: The file.

    Attributes:
        path: The file.
        geometry: Detector that the showers are of.
        provenance: Where the showers come from.
        created: When the file was written, ISO 8601.

    Raises:
        DataFormatError: If the file is missing, empty, cut off, of another program, newer than
            this version, or incomplete.
        GeometryError: If the geometry in it is unusable.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self._file = open_file(self.path)
        try:
            geometry, provenance = (
                attribute(self._file, key) for key in ("geometry", "provenance")
            )
            self.geometry = DetectorGeometry.from_json(
                geometry, source=f"{self.path} attribute geometry"
            )
            self.provenance = self._parsed(provenance or "{}")
            self.created = attribute(self._file, "created")
            self._check_datasets()
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def __len__(self) -> int:
        """Return the number of showers."""
        return self.n_showers

    def close(self) -> None:
        """Close the file; reading is over."""
        self._file.close()

    @property
    def n_showers(self) -> int:
        """Number of showers."""
        return int(self._file[SHOWERS].shape[0])

    @property
    def has_cpu_seconds(self) -> bool:
        """Whether the time that each shower took is stored."""
        return CPU_SECONDS in self._file

    def particles(self, start: int = 0, stop: int | None = None) -> Particles:
        """Return the incident particles of showers ``start`` to ``stop``, by default all."""
        columns = {name: self._rows(name, start, stop) for name in self._columns()}
        try:
            return Particles(columns, self._rows(INCIDENT, start, stop))
        except DataFormatError as error:
            msg = f"{self.path}: {str(error).removeprefix('particles: ')}"
            raise DataFormatError(msg) from error

    def column(self, name: str) -> NDArray[Any]:
        """Return one column of all showers, ``(n,)``, ``incident`` included."""
        if name != INCIDENT and name not in self._columns():
            msg = f"{self.path}: found no column '{name}'; known: {', '.join(self._columns())}"
            raise DataFormatError(msg)
        return self._rows(name, 0, None)

    def cpu_seconds(
        self, start: int = 0, stop: int | None = None
    ) -> NDArray[np.float32] | None:
        """Return the time on one core that each shower took, ``(n,)`` in s, if stored."""
        if not self.has_cpu_seconds:
            return None
        return self._rows(CPU_SECONDS, start, stop).astype(np.float32, copy=False)

    def read(self, start: int = 0, stop: int | None = None) -> NDArray[Any]:
        """Return showers ``start`` to ``stop``, ``(n, cell)``, in the type of the file.

        Raises:
            DataFormatError: If the data are damaged, or no showers of this geometry.
        """
        showers = self._rows(SHOWERS, start, stop)
        check_showers(showers, self.geometry, source=str(self.path), first_row=start)
        return showers

    def chunks(self, size: int = 4096) -> Iterator[tuple[int, Particles, NDArray[Any]]]:
        """Go through the file in the memory of one piece.

        Arguments:
            size: Showers in a piece; the last may be smaller.

        Yields:
            Number of the first shower, particles, and showers ``(size, cell)`` of each piece.
        """
        for start in range(0, self.n_showers, size):
            stop = min(start + size, self.n_showers)
            yield start, self.particles(start, stop), self.read(start, stop)

    def sha256(self) -> str:
        """Return the SHA-256 of the content: geometry, particles and showers.

        It is not that of the file: date, provenance, CPU times and compression do not count, so
        that the same showers made again have the same sum.
        """
        digest = hashlib.sha256(self.geometry.to_json().encode())
        for name in (INCIDENT, *sorted(self._columns())):
            digest.update(f"\n{name}\n".encode())
            digest.update(_little_endian(self._rows(name, 0, None)))
        digest.update(f"\n{SHOWERS} {self._file[SHOWERS].dtype.str[1:]}\n".encode())
        for start in range(0, self.n_showers, 4096):
            stop = min(start + 4096, self.n_showers)
            digest.update(_little_endian(self._rows(SHOWERS, start, stop)))
        return digest.hexdigest()

    def _columns(self) -> tuple[str, ...]:
        """Names of the data sets that are particle columns."""
        return tuple(n for n in self._file if n not in (SHOWERS, INCIDENT, CPU_SECONDS))

    def _rows(self, name: str, start: int, stop: int | None) -> NDArray[Any]:
        """Read some rows of a data set."""
        try:
            return np.asarray(self._file[name][start:stop])
        except (OSError, RuntimeError) as error:
            msg = f"{self.path}: '{name}' is damaged; copy or make the file again"
            raise DataFormatError(msg) from error

    def _parsed(self, provenance: str) -> dict[str, Any]:
        """Read the provenance."""
        try:
            return dict(json.loads(provenance))
        except (TypeError, ValueError) as error:
            msg = f"{self.path}: attribute provenance is not a JSON object; make it again"
            raise DataFormatError(msg) from error

    def _check_datasets(self) -> None:
        """Refuse a file without showers, without particles, or with rows missing."""
        for name in (SHOWERS, INCIDENT):
            if name not in self._file:
                msg = f"{self.path}: found no data set '{name}'; see docs/shower-file.md"
                raise DataFormatError(msg)
        check_names(self._columns(), source=str(self.path))
        shape = self._file[SHOWERS].shape
        if len(shape) != 2 or shape[1] != self.geometry.n_cells:
            msg = (
                f"{self.path}: showers have shape {shape}, expected (n, "
                f"{self.geometry.n_cells}) for geometry '{self.geometry.name}'; store them flat"
            )
            raise DataFormatError(msg)
        if shape[0] == 0:
            msg = f"{self.path}: found no shower, expected at least one; make the file again"
            raise DataFormatError(msg)
        for name, dataset in self._file.items():
            if not isinstance(dataset, h5py.Dataset) or (
                name != SHOWERS and dataset.shape != shape[:1]
            ):
                found = getattr(dataset, "shape", "a group")
                msg = (
                    f"{self.path}: '{name}' has shape {found}, expected {shape[:1]} for "
                    f"{shape[0]} showers; give one row a shower"
                )
                raise DataFormatError(msg)


def read_showers(path: str | Path) -> ShowerSample:
    """Read a whole shower file into memory.

    Raises:
        DataFormatError: As `ShowerFile`, and if a cell is negative, not finite, or not the
            integer that a counting detector gives.
    """
    with ShowerFile(path) as file:
        return ShowerSample(
            particles=file.particles(),
            showers=file.read(),
            geometry=file.geometry,
            cpu_seconds=file.cpu_seconds(),
            provenance=file.provenance,
            source=str(path),
        )


def _little_endian(array: NDArray[Any]) -> memoryview:
    """Return the bytes of an array, in the byte order of most machines."""
    return np.ascontiguousarray(array, dtype=array.dtype.newbyteorder("<")).data
