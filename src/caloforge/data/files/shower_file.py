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
from caloforge.data.files.chunk_codec import DamagedChunkError
from caloforge.data.files.chunk_reader import ChunkReader
from caloforge.data.files.chunk_threads import Threads
from caloforge.data.files.shower_format import (
    CPU_SECONDS,
    INCIDENT,
    SHOWERS,
    attribute,
    open_file,
    piece_rows,
)
from caloforge.data.files.shower_writer import ShowerWriter
from caloforge.data.particles import Particles, as_rows
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

    Only what is asked for is read, so that the file may be larger than the memory. Several
    threads expand what was compressed.

    Arguments:
        path: The file.
        threads: How many of them; by default the cores that the process may use, at most 8.

    Attributes:
        path: The file.
        geometry: Detector that the showers are of.
        provenance: Where the showers come from.
        created: When the file was written, ISO 8601.

    Raises:
        DataFormatError: If the file is missing, empty, cut off, of another program, newer than
            this version, or incomplete.
        GeometryError: If the geometry in it is unusable.
        ConfigError: If ``threads`` is below 1.
    """

    def __init__(self, path: str | Path, *, threads: int | None = None) -> None:
        self.path = Path(path)
        self._threads = Threads(threads)
        self._readers: dict[str, ChunkReader] = {}
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
            others = (SHOWERS, INCIDENT, CPU_SECONDS)
            self._columns = tuple(name for name in self._file if name not in others)
            self._check_datasets()
            self._n_showers = int(self._file[SHOWERS].shape[0])
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
        self._threads.close()
        self._readers.clear()
        self._file.close()

    @property
    def n_showers(self) -> int:
        """Number of showers."""
        return self._n_showers

    @property
    def has_cpu_seconds(self) -> bool:
        """Whether the time that each shower took is stored."""
        return CPU_SECONDS in self._file

    def particles(self, start: int = 0, stop: int | None = None) -> Particles:
        """Return the incident particles of showers ``start`` to ``stop``, by default all."""
        return self._table(slice(start, stop))

    def particles_at(self, rows: ArrayLike) -> Particles:
        """Return the incident particles of some showers; arguments as of `read_rows`."""
        return self._table(self._checked(rows))

    def column(self, name: str) -> NDArray[Any]:
        """Return one column of all showers, ``(n,)``, ``incident`` included."""
        if name != INCIDENT and name not in self._columns:
            msg = f"{self.path}: found no column '{name}'; known: {', '.join(self._columns)}"
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
        first, stop, _ = slice(start, stop).indices(self.n_showers)
        showers = self._rows(SHOWERS, first, stop)
        check_showers(showers, self.geometry, source=str(self.path), first_row=first)
        return showers

    def read_rows(self, rows: ArrayLike) -> NDArray[Any]:
        """Return some showers, ``(n, cell)``, in the type of the file.

        Every chunk that holds one of them is expanded once.

        Arguments:
            rows: Numbers of the showers, ``(n,)`` integers, each larger than the one before.

        Raises:
            DataFormatError: If the numbers are not increasing or not in the file, the data are
                damaged, or no showers of this geometry.

        Example:
            >>> from caloforge.data import sample_path
            >>> with ShowerFile(sample_path("zn-test")) as file:
            ...     file.read_rows([3, 14, 1592]).shape
            (3, 1936)
        """
        chosen = self._checked(rows)
        showers = self._values(SHOWERS, chosen)
        check_showers(showers, self.geometry, source=str(self.path), rows=chosen)
        return showers

    def chunks(self, size: int | None = None) -> Iterator[tuple[int, Particles, NDArray[Any]]]:
        """Go through the file in the memory of one piece.

        Arguments:
            size: Showers in a piece; the last may be smaller. By default as many as take a few
                MiB: 2,166 of ZN, 103 of CaloChallenge data set 3.

        Yields:
            Number of the first shower, particles, and showers ``(size, cell)`` of each piece.
        """
        size = size or piece_rows(self.geometry.n_cells)
        for start in range(0, self.n_showers, size):
            stop = min(start + size, self.n_showers)
            yield start, self.particles(start, stop), self.read(start, stop)

    def sha256(self) -> str:
        """Return the SHA-256 of the content: geometry, particles and showers.

        It is not that of the file: date, provenance, CPU times and compression do not count, so
        that the same showers made again have the same sum.
        """
        digest = hashlib.sha256(self.geometry.to_json().encode())
        for name in (INCIDENT, *sorted(self._columns), SHOWERS):
            is_cells = name == SHOWERS
            kind = f" {self._file[SHOWERS].dtype.str[1:]}" if is_cells else ""
            digest.update(f"\n{name}{kind}\n".encode())
            size = piece_rows(self.geometry.n_cells if is_cells else 1)
            for start in range(0, self.n_showers, size):
                stop = min(start + size, self.n_showers)
                digest.update(_little_endian(self._rows(name, start, stop)))
        return digest.hexdigest()

    def _table(self, rows: slice | NDArray[np.intp]) -> Particles:
        """Read the incident particles of some rows."""
        columns = {name: self._values(name, rows) for name in self._columns}
        try:
            return Particles(columns, self._values(INCIDENT, rows))
        except DataFormatError as error:
            msg = f"{self.path}: {str(error).removeprefix('particles: ')}"
            raise DataFormatError(msg) from error

    def _rows(self, name: str, start: int, stop: int | None) -> NDArray[Any]:
        """Read rows of a data set that follow one another."""
        return self._values(name, slice(start, stop))

    def _values(self, name: str, rows: slice | NDArray[np.intp]) -> NDArray[Any]:
        """Read some rows of a data set."""
        try:
            if name not in self._readers:
                self._readers[name] = ChunkReader(self._file[name], self._threads)
            if isinstance(rows, slice):
                return self._readers[name].read(*rows.indices(self.n_showers)[:2])
            return self._readers[name].take(rows)
        except (OSError, RuntimeError, DamagedChunkError) as error:
            msg = f"{self.path}: '{name}' is damaged; copy or make the file again"
            raise DataFormatError(msg) from error

    def _checked(self, rows: ArrayLike) -> NDArray[np.intp]:
        """Refuse numbers of rows that do not increase or are not in the file."""
        chosen = np.asarray(rows)
        if chosen.size == 0 and chosen.ndim == 1:
            return np.empty(0, dtype=np.intp)
        wrong = chosen.ndim != 1 or chosen.dtype.kind not in "iu"
        if wrong or (chosen[1:] <= chosen[:-1]).any():
            msg = (
                f"{self.path}: rows are {chosen.dtype} of shape {chosen.shape}, expected "
                "integers, each larger than the one before; sort them"
            )
            raise DataFormatError(msg)
        if chosen[0] < 0 or chosen[-1] >= self.n_showers:
            msg = (
                f"{self.path}: rows go from {chosen[0]} to {chosen[-1]}, expected 0 to "
                f"{self.n_showers - 1}; the file has no others"
            )
            raise DataFormatError(msg)
        return chosen.astype(np.intp, copy=False)

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
        check_names(self._columns, source=str(self.path))
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
