"""Write shower files piece by piece."""

from __future__ import annotations

import json
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import h5py
import numpy as np

from caloforge.data.checks import check_showers
from caloforge.data.columns import unit_of
from caloforge.data.files.chunk_threads import Threads
from caloforge.data.files.chunk_writer import ChunkWriter
from caloforge.data.files.shower_format import (
    CPU_SECONDS,
    FORMAT,
    INCIDENT,
    SHOWERS,
    VERSION,
)
from caloforge.errors import ConfigError, DataFormatError
from caloforge.output import SafeFile, new_file

if TYPE_CHECKING:
    from collections.abc import Mapping
    from types import TracebackType
    from typing import Self

    from numpy.typing import ArrayLike, DTypeLike, NDArray

    from caloforge.data.particles import Particles
    from caloforge.geometry import DetectorGeometry

# Measured, see docs/storage.md: half a mebibyte a chunk is about as fast and as small as any,
# and still gives one shower in a millisecond.
_CHUNK_BYTES = 512 * 1024
_COLUMN_ROWS = 4096


class ShowerWriter:
    """Write a shower file in any number of pieces, in the memory of one piece.

    Use it in a ``with`` statement: the file appears, complete, at its end. After an exception
    nothing is left, and an older file under that name is untouched.

    Several threads compress while the next piece is made. The file depends neither on their
    number nor on the sizes of the pieces.

    Arguments:
        path: File to be written.
        geometry: Detector that the showers are of.
        provenance: Where the showers come from: anything that JSON can hold.
        dtype: Type of the cells; by default uint16 for counts, else float32. Use uint32 for
            counts above 65535.
        compression: gzip level, 1 (fast) to 9 (a quarter smaller, and slower to write).
        shuffle: Whether HDF5's byte shuffle is applied to the cells before compression; by
            default to counts and not to energies, see docs/storage.md.
        force: Whether an existing file may be replaced.
        threads: Threads that compress; by default the cores that the process may use, at
            most 8.

    Raises:
        OutputError: If the file exists and ``force`` is not given, or cannot be written.
        DataFormatError: On showers that do not fit the geometry, particles whose columns differ
            from those of the first piece, or if no shower was written.
        ConfigError: If ``threads`` is below 1 or ``compression`` not 1 to 9.
    """

    def __init__(
        self,
        path: str | Path,
        geometry: DetectorGeometry,
        *,
        provenance: Mapping[str, Any],
        dtype: DTypeLike | None = None,
        compression: int = 1,
        shuffle: bool | None = None,
        force: bool = False,
        threads: int | None = None,
    ) -> None:
        self.path = Path(path)
        self.geometry = geometry
        self.n_showers = 0
        self._dtype = np.dtype(dtype or (np.uint16 if geometry.counts else np.float32))
        self._provenance = json.dumps(dict(provenance))
        if not 1 <= compression <= 9:
            msg = f"compression: found {compression}, expected 1 (fast) to 9 (small)"
            raise ConfigError(msg)
        self._compression = compression
        self._shuffle = shuffle
        self._threads = Threads(threads)
        self._force = force
        self._stack = ExitStack()
        self._names: tuple[str, ...] | None = None

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            temporary = stack.enter_context(new_file(self.path, force=self._force))
            self._safe = stack.enter_context(SafeFile(temporary, self.path))
            self._file = stack.enter_context(h5py.File(self._safe, "w"))
            stack.callback(self._threads.close)
            self._chunks = ChunkWriter(self._file, self._threads, self._compression)
            stack.push(self._finish)
            self._file.attrs["format"] = FORMAT
            self._file.attrs["version"] = VERSION
            self._file.attrs["geometry"] = self.geometry.to_json()
            self._file.attrs["provenance"] = self._provenance
            self._file.attrs["created"] = datetime.now(UTC).isoformat(timespec="seconds")
            self._stack = stack.pop_all()
        return self

    def append(
        self, particles: Particles, showers: NDArray[Any], cpu_seconds: ArrayLike | None = None
    ) -> None:
        """Write some showers.

        Arguments:
            particles: Incident particle of each shower, ``n`` rows.
            showers: Cell responses in the detector's unit, ``(n, cell)``.
            cpu_seconds: Time on one core that each took, ``(n,)`` in s; in all pieces or none.

        Raises:
            DataFormatError: As the class.
            OutputError: If the disk is full.
        """
        source = f"showers for {self.path}"
        cells = self._cells(np.asarray(showers), source)
        columns: dict[str, NDArray[Any]] = {INCIDENT: particles.incident, **particles.columns}
        if cpu_seconds is not None:
            columns[CPU_SECONDS] = np.asarray(cpu_seconds, dtype=np.float32)
        for name, column in columns.items():
            if column.shape != (len(cells),):
                msg = (
                    f"{source}: {name} has shape {column.shape}, expected ({len(cells)},) for "
                    f"{len(cells)} showers; give one row a shower"
                )
                raise DataFormatError(msg)
        if self._names is None:
            self._create(columns)
        if set(columns) != set(self._names or ()):
            differ = ", ".join(sorted(set(columns) ^ set(self._names or ())))
            msg = f"{source}: pieces differ in column {differ}; make them alike"
            raise DataFormatError(msg)
        self._chunks.append({**columns, SHOWERS: cells})
        self.n_showers += len(cells)
        self._safe.check()

    def describe(self, provenance: Mapping[str, Any]) -> None:
        """Replace the provenance, for those who know all of it only at the end.

        Arguments:
            provenance: Where the showers come from: anything that JSON can hold.

        Raises:
            OutputError: If the disk is full.
        """
        self._file.attrs["provenance"] = json.dumps(dict(provenance))
        self._safe.check()

    def flush(self) -> None:
        """Wait until all chunks that are full are compressed and written.

        Raises:
            OutputError: If the disk is full.
        """
        self._chunks.flush()
        self._safe.check()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._stack.__exit__(kind, error, traceback)

    def _finish(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,  # noqa: ARG002
        traceback: TracebackType | None,  # noqa: ARG002
    ) -> None:
        """Write what is left, unless something failed."""
        if kind is not None:
            return
        if self.n_showers == 0:
            msg = f"{self.path}: found no shower to write, expected at least one"
            raise DataFormatError(msg)
        self._chunks.finish()

    def _cells(self, showers: NDArray[Any], source: str) -> NDArray[Any]:
        """Check showers; they are converted to the type of the file chunk by chunk."""
        check_showers(showers, self.geometry, source=source, first_row=self.n_showers)
        if (
            self._dtype.kind == "u"
            and showers.size
            and not np.can_cast(showers.dtype, self._dtype)
        ):
            largest, limit = showers.max(), np.iinfo(self._dtype).max
            if largest > limit:
                msg = (
                    f"{source}: the largest cell is {largest}, expected at most {limit} in "
                    f"{self._dtype}; write with dtype='uint32'"
                )
                raise DataFormatError(msg)
        return showers

    def _create(self, columns: Mapping[str, NDArray[Any]]) -> None:
        """Create the data sets, empty, once the columns are known."""
        for name, column in columns.items():
            unit = "s" if name == CPU_SECONDS else unit_of(name)
            self._chunks.create(
                name, width=None, rows=_COLUMN_ROWS, dtype=column.dtype, unit=unit
            )
        n_cells = self.geometry.n_cells
        # Small counts are smaller shuffled: their high bytes are 0. Energies are larger, where
        # most cells are 0: each gap would be told four times.
        counts = self._dtype.kind != "f"
        rows = max(1, min(_COLUMN_ROWS, _CHUNK_BYTES // (n_cells * self._dtype.itemsize)))
        self._chunks.create(
            SHOWERS,
            width=n_cells,
            rows=rows,
            dtype=self._dtype,
            unit=self.geometry.unit,
            shuffle=counts if self._shuffle is None else self._shuffle,
        )
        self._names = tuple(columns)
