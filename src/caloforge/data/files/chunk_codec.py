"""Bytes of a chunk of HDF5, as its filters `shuffle` and `deflate` make them.

Any HDF5 library reads and writes such bytes. Here, ISA-L compresses and libdeflate expands
them, several times as fast as the zlib of HDF5 does, see docs/storage.md. They work without
Python's lock, so that threads work side by side.
"""

from __future__ import annotations

import sys
import threading
from typing import TYPE_CHECKING, Any

import deflate
import numpy as np
from isal import isal_zlib

if TYPE_CHECKING:
    from numpy.typing import NDArray

# Numbers of these sizes are put together by shifts, which is faster than byte by byte.
_SHIFTED = (2, 4)

_MEMORY = threading.local()


class DamagedChunkError(Exception):
    """A chunk does not hold what it should."""


def deflated(plain: NDArray[Any] | bytes, level: int) -> bytes:
    """Compress bytes to a zlib stream.

    Arguments:
        plain: The bytes, contiguous.
        level: 1 (fast) to 9 (small); 1 is ISA-L's, the others are libdeflate's.
    """
    if level == 1:
        return bytes(isal_zlib.compress(plain, 1))
    return bytes(deflate.zlib_compress(plain, level))


def inflated(packed: bytes, size: int) -> bytes | bytearray:
    """Expand a zlib stream.

    Arguments:
        packed: The stream.
        size: Bytes that it stands for; no more are ever made.

    Raises:
        DamagedChunkError: If it is damaged, or stands for another number of bytes.
    """
    try:
        plain: bytes | bytearray = deflate.zlib_decompress(packed, size)
    except (deflate.DeflateError, ValueError) as error:
        raise DamagedChunkError(str(error)) from error
    if len(plain) != size:
        msg = f"found {len(plain)} bytes, expected {size}"
        raise DamagedChunkError(msg)
    return plain


def shuffled(rows: NDArray[Any]) -> NDArray[np.uint8]:
    """Return the bytes of numbers in planes: all first bytes, then all second, and so on.

    Arguments:
        rows: Numbers of any shape, contiguous.

    Returns:
        Planes, ``(itemsize, n)``; the next call in this thread overwrites them.
    """
    size = rows.itemsize
    planes = _scratch("planes", rows.nbytes).reshape(size, rows.size)
    if size in _SHIFTED and _little_endian(rows.dtype):
        numbers = rows.reshape(-1).view(f"u{size}")
        moved = _scratch("moved", rows.nbytes).view(numbers.dtype)
        for k, plane in enumerate(planes):
            np.right_shift(numbers, 8 * k, out=moved)
            np.copyto(plane, moved, casting="unsafe")
    else:
        loose = rows.reshape(-1).view(np.uint8).reshape(-1, size)
        for k, plane in enumerate(planes):
            plane[:] = loose[:, k]
    return planes


def unshuffle(
    plain: bytes | bytearray, out: NDArray[Any], rows: slice | NDArray[np.intp]
) -> None:
    """Put the bytes of numbers together that lie in planes, see `shuffled`.

    Arguments:
        plain: Bytes of a whole chunk, ``itemsize * n_rows * n_cells``.
        out: Where the rows asked for go, contiguous, ``(n, ...)``.
        rows: Which rows of the chunk.
    """
    size, width = out.itemsize, int(np.prod(out.shape[1:], dtype=int))
    planes = np.frombuffer(plain, dtype=np.uint8).reshape(size, -1, width)
    if size in _SHIFTED and _little_endian(out.dtype):
        numbers = out.view(f"u{size}").reshape(len(out), width)
        np.copyto(numbers, planes[-1][rows])
        for plane in planes[-2::-1]:
            np.left_shift(numbers, 8, out=numbers)
            np.bitwise_or(numbers, plane[rows], out=numbers)
    else:
        loose = out.view(np.uint8).reshape(len(out), width, size)
        for k, plane in enumerate(planes):
            loose[:, :, k] = plane[rows]


def unpack(plain: bytes | bytearray, out: NDArray[Any], rows: slice | NDArray[np.intp]) -> None:
    """Copy rows of a chunk that is not shuffled; arguments as of `unshuffle`."""
    out[:] = np.frombuffer(plain, dtype=out.dtype).reshape(-1, *out.shape[1:])[rows]


def _scratch(name: str, size: int) -> NDArray[np.uint8]:
    """Memory of this thread: fresh memory for every chunk would cost as much as the work."""
    memory: NDArray[np.uint8] | None = getattr(_MEMORY, name, None)
    if memory is None or len(memory) < size:
        memory = np.empty(size, dtype=np.uint8)
        setattr(_MEMORY, name, memory)
    return memory[:size]


def _little_endian(dtype: np.dtype[Any]) -> bool:
    """Whether the first byte of a number is its lowest, here and in the file."""
    return sys.byteorder == "little" and dtype.newbyteorder("<") == dtype
