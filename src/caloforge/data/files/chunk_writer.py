"""Rows of several data sets, compressed by several threads."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from caloforge.data.files.chunk_codec import deflated, shuffled
from caloforge.data.files.chunk_threads import Queue

if TYPE_CHECKING:
    from collections.abc import Mapping

    import h5py
    from numpy.typing import DTypeLike, NDArray

    from caloforge.data.files.chunk_threads import Threads

# Chunks that wait to be compressed or written, so that whoever makes showers goes on meanwhile.
_WAITING_BYTES = 32 * 1024**2


class ChunkWriter:
    """Append rows to the data sets of a file; chunks are compressed by several threads.

    HDF5 itself compresses one chunk at a time. The bytes of the file depend neither on the
    number of threads nor on the pieces in which rows are appended.

    Arguments:
        file: File or group that gets the data sets.
        threads: Who compresses.
        level: Of deflate, 1 (fast) to 9 (small).
    """

    def __init__(self, file: h5py.Group, threads: Threads, level: int) -> None:
        self._file = file
        self._threads = threads
        self._level = level
        self._columns: list[_Column] = []
        self._queue: Queue | None = None

    def create(
        self,
        name: str,
        *,
        width: int | None,
        rows: int,
        dtype: DTypeLike,
        unit: str,
        shuffle: bool = True,
    ) -> None:
        """Create a data set, empty.

        Arguments:
            name: Name in the file.
            width: Numbers in a row; a number itself is a row if it is None.
            rows: Rows in a chunk.
            dtype: Type of the numbers.
            unit: Goes to the attribute of that name.
            shuffle: Whether first bytes, second bytes and so on are compressed together.
        """
        row = () if width is None else (width,)
        dataset = self._file.create_dataset(
            name,
            shape=(0, *row),
            maxshape=(None, *row),
            chunks=(rows, *row),
            dtype=dtype,
            compression="gzip",
            compression_opts=self._level,
            shuffle=shuffle,
        )
        dataset.attrs["unit"] = unit
        self._columns.append(
            _Column(name, dataset, shuffle, np.empty((rows, *row), dataset.dtype))
        )

    def append(self, values: Mapping[str, NDArray[Any]]) -> None:
        """Append rows to every data set, as many to each; the arrays may change afterwards.

        Arguments:
            values: Rows by name of the data set, ``(n, ...)``.
        """
        done = [0] * len(self._columns)
        arrays = [values[column.name] for column in self._columns]
        while True:
            # The chunk that is full after the fewest rows comes first, whatever the pieces.
            ends = [column.start + len(column.rows) for column in self._columns]
            k = int(np.argmin(ends))
            column = self._columns[k]
            if not column.take(arrays[k], done, k):
                break
            self._hand_over(column, len(column.rows))
        for k, column in enumerate(self._columns):
            column.take(arrays[k], done, k)

    def flush(self) -> None:
        """Wait until all full chunks are in the file."""
        if self._queue is not None:
            self._queue.finish()

    def finish(self) -> None:
        """Write what is left; the last chunk of a data set is filled up with zeros."""
        for column in self._columns:
            if column.filled:
                column.rows[column.filled :] = 0
                self._hand_over(column, column.filled)
        self.flush()

    def _hand_over(self, column: _Column, n: int) -> None:
        """Have a chunk compressed and written, and begin the next one."""
        if self._queue is None:
            largest = max(column.rows.nbytes for column in self._columns)
            self._queue = Queue(self._threads, _write, _WAITING_BYTES // largest)
        self._queue.add(_packed, column, column.start, n, column.rows, self._level)
        column.start += n
        column.filled = 0
        column.rows = column.free.pop() if column.free else np.empty_like(column.rows)


@dataclass
class _Column:
    """A data set with the chunk that is being filled."""

    name: str
    dataset: h5py.Dataset
    shuffle: bool
    rows: NDArray[Any]
    start: int = 0
    filled: int = 0
    free: list[NDArray[Any]] = field(default_factory=list)

    def take(self, values: NDArray[Any], done: list[int], k: int) -> bool:
        """Copy rows from ``done[k]`` on into the chunk; return whether it is full."""
        n = min(len(values) - done[k], len(self.rows) - self.filled)
        self.rows[self.filled : self.filled + n] = values[done[k] : done[k] + n]
        self.filled += n
        done[k] += n
        return self.filled == len(self.rows)


class _Packed(NamedTuple):
    """A chunk on its way to the file."""

    column: _Column
    start: int
    n: int
    rows: NDArray[Any]
    data: bytes


def _packed(column: _Column, start: int, n: int, rows: NDArray[Any], level: int) -> _Packed:
    """Compress a chunk."""
    plain = shuffled(rows) if column.shuffle else rows
    return _Packed(column, start, n, rows, deflated(plain, level))


def _write(chunk: _Packed) -> None:
    """Write a chunk; always in the same order, so that files are equal byte for byte."""
    row = chunk.rows.shape[1:]
    chunk.column.dataset.id.set_extent((chunk.start + chunk.n, *row))
    chunk.column.dataset.id.write_direct_chunk((chunk.start, *(0 for _ in row)), chunk.data)
    chunk.column.free.append(chunk.rows)
