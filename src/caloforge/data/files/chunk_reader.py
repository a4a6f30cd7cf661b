"""Rows of a data set, expanded by several threads."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Any

import h5py
import numpy as np

from caloforge.data.files.chunk_codec import DamagedChunkError, inflated, unpack, unshuffle
from caloforge.data.files.chunk_threads import Queue

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from caloforge.data.files.chunk_threads import Threads

# Rows that are read at a time from a data set without chunks, or with chunks that are not ours.
_BLOCK_ROWS = 1024
_SHUFFLE, _DEFLATE = h5py.h5z.FILTER_SHUFFLE, h5py.h5z.FILTER_DEFLATE
_OURS = ((), (_SHUFFLE,), (_DEFLATE,), (_SHUFFLE, _DEFLATE))


class ChunkReader:
    """Read rows of a data set; chunks that lie side by side are expanded by several threads.

    HDF5 itself expands one chunk at a time. A data set whose chunks are not whole rows, or that
    has other filters than shuffle and deflate, is left to it.

    Arguments:
        dataset: The data set, of one or more dimensions.
        threads: Who expands.
    """

    def __init__(self, dataset: h5py.Dataset, threads: Threads) -> None:
        self._dataset = dataset
        self._threads = threads
        # Asking HDF5 each time would cost more than expanding a chunk.
        self._id, self._dtype, self._row = dataset.id, dataset.dtype, dataset.shape[1:]
        chunks = dataset.chunks
        self._filters = _filters(dataset)
        whole = chunks is not None and chunks[1:] == self._row
        numbers = self._dtype.kind in "iuf"
        self._direct = bool(whole and numbers and self._filters in _OURS)
        self._step = int(chunks[0]) if chunks is not None else _BLOCK_ROWS
        # Requests often end in the middle of a chunk, and the next one goes on there.
        self._last: tuple[int, bytes | bytearray, tuple[int, ...]] | None = None

    def read(self, start: int, stop: int) -> NDArray[Any]:
        """Return rows ``start`` to ``stop``.

        Raises:
            DamagedChunkError: If a chunk is damaged.
            OSError: If HDF5 cannot read.
        """
        if not self._direct:
            return np.asarray(self._dataset[start:stop])
        out = np.empty((max(0, stop - start), *self._row), self._dtype)
        queue = Queue(self._threads, self._keep)
        for number in range(start // self._step, -(-stop // self._step)):
            first = number * self._step
            begin, end = max(start, first), min(stop, first + self._step)
            local = slice(begin - first, end - first)
            self._add(queue, number, local, out[begin - start : end - start])
        queue.finish()
        return out

    def take(self, rows: NDArray[np.intp]) -> NDArray[Any]:
        """Return some rows, of which the numbers increase; every chunk is expanded once.

        Raises:
            DamagedChunkError: If a chunk is damaged.
            OSError: If HDF5 cannot read.
        """
        out = np.empty((len(rows), *self._row), self._dtype)
        numbers = rows // self._step
        edges = [0, *(np.flatnonzero(np.diff(numbers)) + 1).tolist(), len(rows)]
        queue = Queue(self._threads, self._keep)
        for begin, end in pairwise(edges):
            if begin == end:
                continue
            number = int(numbers[begin])
            local = rows[begin:end] - number * self._step
            where: slice | NDArray[np.intp] = local
            if local[-1] - local[0] == end - begin - 1:
                where = slice(int(local[0]), int(local[-1]) + 1)
            if self._direct:
                self._add(queue, number, where, out[begin:end])
            else:
                low, high = int(rows[begin]), int(rows[end - 1]) + 1
                out[begin:end] = self._dataset[low:high][local - local[0]]
        queue.finish()
        return out

    def _add(
        self, queue: Queue, number: int, rows: slice | NDArray[np.intp], out: NDArray[Any]
    ) -> None:
        """Have a chunk expanded, unless it is there still or was never written."""
        last = self._last
        if last is not None and last[0] == number:
            _fill(*last[1:], rows, out)
            return
        offset = (number * self._step, *(0 for _ in self._row))
        if self._id.get_chunk_info_by_coord(offset).byte_offset is None:
            out[:] = self._dataset.fillvalue
            return
        mask, packed = self._id.read_direct_chunk(offset)
        codes = tuple(c for k, c in enumerate(self._filters) if not mask >> k & 1)
        queue.add(self._expand, number, packed, codes, rows, out)

    def _expand(
        self,
        number: int,
        packed: bytes,
        codes: tuple[int, ...],
        rows: slice | NDArray[np.intp],
        out: NDArray[Any],
    ) -> tuple[int, bytes | bytearray, tuple[int, ...]]:
        """Expand a chunk and put some of its rows where they belong."""
        size = self._step * int(np.prod(out.shape[1:], dtype=int)) * out.itemsize
        plain: bytes | bytearray = packed
        if _DEFLATE in codes:
            plain = inflated(packed, size)
        if len(plain) != size:
            msg = f"found {len(plain)} bytes, expected {size}"
            raise DamagedChunkError(msg)
        _fill(plain, codes, rows, out)
        return number, plain, codes

    def _keep(self, last: tuple[int, bytes | bytearray, tuple[int, ...]]) -> None:
        """Remember the chunk that was expanded last."""
        self._last = last


def _fill(
    plain: bytes | bytearray,
    codes: tuple[int, ...],
    rows: slice | NDArray[np.intp],
    out: NDArray[Any],
) -> None:
    """Put rows of an expanded chunk where they belong."""
    (unshuffle if _SHUFFLE in codes else unpack)(plain, out, rows)


def _filters(dataset: h5py.Dataset) -> tuple[int, ...]:
    """Codes of the filters that a data set goes through, in order."""
    created = dataset.id.get_create_plist()
    return tuple(int(created.get_filter(k)[0]) for k in range(created.get_nfilters()))
