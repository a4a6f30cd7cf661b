"""Bytes of a chunk of HDF5, as its filters `shuffle` and `deflate` make them.

The result is what any HDF5 library reads and writes; only the library that deflates is another,
and all of it runs without Python's lock, so that threads work side by side.
"""

from __future__ import annotations

import zlib
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray


class DamagedChunkError(Exception):
    """A chunk does not hold what it should."""


def inflated(packed: bytes, size: int) -> bytes:
    """Expand a zlib stream.

    Arguments:
        packed: The stream.
        size: Bytes that it stands for.

    Raises:
        DamagedChunkError: If it is damaged, or stands for another number of bytes.
    """
    try:
        plain = zlib.decompress(packed, bufsize=size)
    except zlib.error as error:
        raise DamagedChunkError(str(error)) from error
    if len(plain) != size:
        msg = f"found {len(plain)} bytes, expected {size}"
        raise DamagedChunkError(msg)
    return plain


def unshuffle(plain: bytes, out: NDArray[Any], rows: slice | NDArray[np.intp]) -> None:
    """Put the bytes of numbers together that lie in planes: all first bytes, all second, ...

    Arguments:
        plain: Bytes of a whole chunk, ``itemsize * n_rows * n_cells``.
        out: Where the rows asked for go, contiguous, ``(n, ...)``.
        rows: Which rows of the chunk.
    """
    width = int(np.prod(out.shape[1:], dtype=int))
    planes = np.frombuffer(plain, dtype=np.uint8).reshape(out.itemsize, -1, width)
    target = out.view(np.uint8).reshape(len(out), width, out.itemsize)
    for k, plane in enumerate(planes):
        target[:, :, k] = plane[rows]


def unpack(plain: bytes, out: NDArray[Any], rows: slice | NDArray[np.intp]) -> None:
    """Copy rows of a chunk that is not shuffled; arguments as of `unshuffle`."""
    out[:] = np.frombuffer(plain, dtype=out.dtype).reshape(-1, *out.shape[1:])[rows]
