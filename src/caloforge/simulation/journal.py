"""What an unfinished simulation leaves behind: one file that only ever grows.

``OUT.h5.partial`` holds, after a line that says what it is, records of length, CRC-32 and a
frame (`caloforge.simulation.frames`). The first says what is simulated, each further one holds
the showers of one chunk, in the order in which they were finished. A record that was cut off by
a full disk, a kill or a power cut is not counted; one that was damaged is left out, and costs
none of those after it. Nothing in it is unpickled.
"""

from __future__ import annotations

import errno
import mmap
import os
import struct
import zlib
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from caloforge.errors import DataFormatError, OutputError
from caloforge.output import locked_file
from caloforge.simulation.frames import pack, unpack

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path
    from types import TracebackType
    from typing import Self

    from numpy.typing import NDArray

MAGIC = b"caloforge simulate: showers of an unfinished run, format 1\n"
_RECORD = struct.Struct("<QI")
# How the header of a chunk begins, after the length of its record, CRC-32 and its own length.
_CHUNK, _TO_CHUNK = b'{"start": ', _RECORD.size + 4
_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


class Entry(NamedTuple):
    """A finished chunk in the journal.

    Attributes:
        offset: Where its frame begins in the file.
        length: Bytes of the frame.
        stop: Place of the last shower among all of the run, plus one.
        largest: Largest cell.
        cpu_seconds: CPU time of all its showers.
    """

    offset: int
    length: int
    stop: int
    largest: float
    cpu_seconds: float


class Showers(NamedTuple):
    """Showers of a chunk, as they lie in the journal.

    Attributes:
        n_cells: Cells of the detector.
        lit: How many cells of each shower are not zero, ``(n,)``.
        cells: Which these are, one shower after the other, ``(sum of lit,)``.
        values: What they hold, in the type that the engine gave.
        cpu_seconds: CPU time of each shower, ``(n,)`` in s.
    """

    n_cells: int
    lit: NDArray[np.uint32]
    cells: NDArray[np.unsignedinteger[Any]]
    values: NDArray[Any]
    cpu_seconds: NDArray[np.float32]

    def dense(self, start: int, stop: int) -> NDArray[Any]:
        """Return all cells of some of the showers, ``(stop - start, cell)``."""
        lit = self.lit[start:stop]
        first = int(self.lit[:start].sum())
        some = slice(first, first + int(lit.sum()))
        dense = np.zeros((len(lit), self.n_cells), dtype=self.values.dtype)
        dense[np.repeat(np.arange(len(lit)), lit), self.cells[some]] = self.values[some]
        return dense


class Sparse(NamedTuple):
    """One shower by the cells that are not zero.

    Attributes:
        cells: Which, ``(lit,)`` uint32.
        values: What they hold, ``(lit,)``.
        cpu_seconds: CPU time that it took.
    """

    cells: NDArray[np.uint32]
    values: NDArray[Any]
    cpu_seconds: float


def pack_chunk(start: int, n_cells: int, showers: Sequence[Sparse]) -> bytes:
    """Return the record of a chunk, compressed.

    Arguments:
        start: Place of the first shower among all of the run.
        n_cells: Cells of the detector.
        showers: In order.
    """
    values = [shower.values for shower in showers if len(shower.values)]
    flat = np.concatenate(values) if values else np.zeros(0, dtype=np.uint32)
    cells = np.concatenate([shower.cells for shower in showers])
    inner = pack(
        {"n_cells": n_cells},
        {
            "lit": np.array([len(shower.cells) for shower in showers], dtype=np.uint32),
            "cells": cells.astype(np.uint16 if n_cells <= 2**16 else np.uint32),
            "values": flat,
            "cpu": np.array([shower.cpu_seconds for shower in showers], dtype=np.float32),
        },
    )
    about = {
        "start": start,
        "stop": start + len(showers),
        "largest": float(flat.max()) if len(flat) else 0.0,
        "cpu": float(sum(shower.cpu_seconds for shower in showers)),
    }
    return pack(about, {"showers": np.frombuffer(zlib.compress(inner, 1), dtype=np.uint8)})


def unpack_chunk(record: bytes) -> Showers:
    """Read what `pack_chunk` wrote."""
    packed = unpack(record).arrays["showers"]
    header, arrays = unpack(zlib.decompress(packed.data))
    return Showers(
        header["n_cells"], arrays["lit"], arrays["cells"], arrays["values"], arrays["cpu"]
    )


class Journal:
    """The file of an unfinished run, locked; use it in a ``with`` statement.

    An older run stays as it is until `begin`, and for good if that is never called. At the end
    of the block the file stays if a chunk is in it, unless `remove` was called.

    Arguments:
        path: The file.
        resume: Whether finished chunks that are in it are taken over.
        force: Whether an unfinished run that is in it may be dropped.

    Attributes:
        path: The file.
        settings: What is simulated; None until `begin`, unless a run is taken over.
        entries: Finished chunks by the place of their first shower.
        damaged: How many records, which no one cut off, are damaged and left out.

    Raises:
        OutputError: If another run writes it, if it holds a run and neither ``resume`` nor
            ``force`` is given, or if it cannot be written.
        DataFormatError: If it is the file of another program, or it is damaged where it says
            what is simulated.
    """

    def __init__(self, path: Path, *, resume: bool, force: bool) -> None:
        self.path = path
        self.settings: dict[str, Any] | None = None
        self.entries: dict[int, Entry] = {}
        self.damaged = 0
        self._fd = locked_file(path)
        self._end = os.fstat(self._fd).st_size  # of what is whole; a next record begins here
        self._is_new = self._end == 0
        try:
            if not self._is_new:
                if resume:
                    self._scan()
                elif not force:
                    msg = (
                        f"{path}: an interrupted run lies there; --resume to go on with it, "
                        "--force to start again"
                    )
                    raise OutputError(msg)  # noqa: TRY301 - one place closes the file
        except BaseException:
            os.close(self._fd)
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._fd < 0:
            return
        if self._is_new and not self.entries:
            self.remove()  # nothing in it that a next run could need
            return
        os.fsync(self._fd)
        os.close(self._fd)
        self._fd = -1

    @property
    def n_showers(self) -> int:
        """How many showers are in it."""
        return sum(entry.stop - start for start, entry in self.entries.items())

    def begin(self, settings: Mapping[str, Any]) -> None:
        """Say what is simulated, and drop an older run that was not taken over."""
        self._is_new, self._end = True, 0
        self._write(MAGIC)
        self._record(pack(settings))
        self.settings = dict(settings)

    def append(self, record: bytes) -> None:
        """Write a finished chunk, as `pack_chunk` gives it.

        Raises:
            OutputError: If the disk is full.
        """
        offset = self._record(record)
        self._index(record, offset)

    def read(self, start: int) -> Showers:
        """Return the showers of the finished chunk that begins at ``start``.

        Raises:
            DataFormatError: If the file has been damaged since it was opened.
        """
        entry = self.entries[start]
        try:
            return unpack_chunk(os.pread(self._fd, entry.length, entry.offset))
        except (OSError, ValueError, KeyError, zlib.error) as error:
            msg = (
                f"{self.path}: damaged at byte {entry.offset} ({error}); --resume makes its "
                "showers again"
            )
            raise DataFormatError(msg) from error

    def remove(self) -> None:
        """Delete the file, and let go of it."""
        self.path.unlink(missing_ok=True)  # before the lock goes, or it might be another run's
        os.close(self._fd)
        self._fd = -1

    def _scan(self) -> None:
        """Find all whole records; what follows them is cut off by the next one."""
        size = os.fstat(self._fd).st_size
        start = os.pread(self._fd, len(MAGIC), 0)
        if start != MAGIC[: len(start)]:
            msg = f"{self.path}: not written by this version of caloforge; move it away"
            raise DataFormatError(msg)
        place = min(len(MAGIC), size)
        while place < size:
            record = self._whole(place, size)
            if record is None:
                after = self._after_damage(place, size)
                if after is None:
                    break
                if self.settings is None:
                    msg = (
                        f"{self.path}: damaged where it says what is simulated; move it away, "
                        "or --force without --resume to start again"
                    )
                    raise DataFormatError(msg)
                self.damaged += 1
                place = after
                continue
            if self.settings is None:
                self.settings = unpack(record).header
            else:
                self._index(record, place + _RECORD.size)
            place += _RECORD.size + len(record)
        self._end = place

    def _whole(self, place: int, size: int) -> bytes | None:
        """Return the record at ``place`` of a file of ``size`` bytes, if it is whole."""
        if place + _RECORD.size > size:
            return None
        length, crc = _RECORD.unpack(os.pread(self._fd, _RECORD.size, place))
        offset = place + _RECORD.size
        if not 0 < length <= size - offset:
            return None
        record = os.pread(self._fd, length, offset)
        return record if zlib.crc32(record) == crc else None

    def _after_damage(self, place: int, size: int) -> int | None:
        """Return where to go on after a bad record; None if it was cut off.

        That is where its length says, if a chunk begins there or the file ends, else the next
        whole record of a chunk.
        """
        if place + _RECORD.size <= size:
            length, _ = _RECORD.unpack(os.pread(self._fd, _RECORD.size, place))
            after: int = place + _RECORD.size + length
            if length and after <= size:
                start = os.pread(self._fd, len(_CHUNK), after + _TO_CHUNK)
                if start == _CHUNK or (after == size and self.settings is not None):
                    return after
        with mmap.mmap(self._fd, size, access=mmap.ACCESS_READ) as data:
            found = data.find(_CHUNK, place + _TO_CHUNK + 1)
            while found >= 0:
                if self._whole(found - _TO_CHUNK, size) is not None:
                    return found - _TO_CHUNK
                found = data.find(_CHUNK, found + 1)
        return None

    def _index(self, record: bytes, offset: int) -> None:
        about = unpack(record).header
        self.entries[about["start"]] = Entry(
            offset, len(record), about["stop"], about["largest"], about["cpu"]
        )

    def _record(self, record: bytes) -> int:
        """Write one record; return where its frame begins."""
        place = self._end
        self._write(_RECORD.pack(len(record), zlib.crc32(record)) + record)
        return place + _RECORD.size

    def _write(self, data: bytes) -> None:
        """Append all of ``data``, or nothing."""
        size = self._end
        view = memoryview(data)
        done = 0
        os.ftruncate(self._fd, size)
        try:
            while done < len(view):
                done += os.pwrite(self._fd, view[done:], size + done)
        except OSError as error:
            os.ftruncate(self._fd, size)
            reason = os.strerror(error.errno) if error.errno else str(error)
            result = OutputError(f"{self.path}: cannot be written ({reason}); free some space")
            result.exit_code = 1  # no fault of the command line
            raise result from error
        except BaseException:
            os.ftruncate(self._fd, size)  # Ctrl-C in the middle of a record
            raise
        self._end = size + len(view)
