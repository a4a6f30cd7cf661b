"""HDF5 files of other programs: recognised and opened, with messages for people."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np

from caloforge.data.files.foreign_bytes import refuse_foreign_bytes
from caloforge.data.files.hdf5 import open_hdf5
from caloforge.errors import DataFormatError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    import h5py
    from numpy.typing import NDArray

_BLOCK_BYTES = 96 * 1024**2
_SIGNATURE = b"\x89HDF\r\n\x1a\n"


def is_hdf5(path: Path) -> bool:
    """Whether a file starts as HDF5 files do; one that is cut off does so too."""
    if not path.is_file():
        return False
    with path.open("rb") as file:
        return file.read(len(_SIGNATURE)) == _SIGNATURE


@contextmanager
def opened(path: Path) -> Iterator[h5py.File]:
    """Open an HDF5 file for reading.

    Raises:
        DataFormatError: If it is missing, cut off, damaged, no HDF5, may not be read, or points
            to other files.
    """
    with open_hdf5(
        path,
        expected="expected an HDF5 file; correct the path",
        unknown=lambda _: "not an HDF5 file, expected one; name its format with --from",
    ) as file:
        refuse_foreign_bytes(path, file)
        yield file


def row_blocks(dataset: h5py.Dataset, size: int) -> Iterator[NDArray[Any]]:
    """Go through the rows of a data set, ``size`` at a time.

    Chunks of other programs may be tall and narrow: where several pieces lie in one row of
    chunks, that row is read once, or in as few parts of 96 MiB as it has.

    HDF5 expands a chunk as a whole, with a second copy for some filters. So chunks that are
    larger than 96 MiB are refused: memory would grow with them, and each would be expanded for
    every piece. HDF5 and h5py make chunks of a MiB at most unless they are told otherwise.

    Arguments:
        dataset: Data set of two or more dimensions.
        size: Rows at a time.

    Raises:
        DataFormatError: If a chunk is larger than 96 MiB.
    """
    row_bytes = dataset.dtype.itemsize * int(np.prod(dataset.shape[1:], dtype=np.int64))
    tall = dataset.chunks[0] if dataset.chunks else 1
    _check_chunk(dataset, row_bytes)
    block = max(size, min(tall, _BLOCK_BYTES // max(row_bytes, 1)))
    for start in range(0, dataset.shape[0], block):
        rows = np.asarray(dataset[start : start + block])
        for first in range(0, len(rows), size):
            yield rows[first : first + size]


def _check_chunk(dataset: h5py.Dataset, row_bytes: int) -> None:
    """Refuse chunks that take too much memory to be expanded."""
    if dataset.chunks is None:
        return
    n_bytes = dataset.dtype.itemsize * int(np.prod(dataset.chunks, dtype=np.int64))
    if n_bytes > _BLOCK_BYTES:
        name = dataset.name.strip("/")
        rows = max(1, 1024**2 // max(row_bytes, 1))
        better = "x".join(map(str, (rows, *dataset.shape[1:])))
        msg = (
            f"{dataset.file.filename}: '{name}' lies in chunks of {n_bytes / 1024**2:.3g} MiB, "
            f"expected at most {_BLOCK_BYTES / 1024**2:.3g}, as a chunk is expanded as a "
            f"whole; store it anew: h5repack -l {name}:CHUNK={better} OLD NEW"
        )
        raise DataFormatError(msg)
