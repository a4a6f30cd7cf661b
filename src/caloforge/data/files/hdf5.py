"""Open HDF5 files, ours and those of other programs, with messages for people."""

from __future__ import annotations

from typing import TYPE_CHECKING

import h5py

from caloforge.errors import DataFormatError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

# Blocks that are written and read in one go. 16 MiB hold several chunks of every data set, so
# that a chunk is compressed and expanded once even where requests end in its middle.
CACHE_BYTES = 16 * 1024**2


def open_hdf5(path: Path, *, expected: str, unknown: Callable[[Path], str]) -> h5py.File:
    """Open an HDF5 file for reading, or say why it cannot be.

    Arguments:
        path: The file.
        expected: What was expected, for the message where there is no file.
        unknown: Says what a file is that is no HDF5.

    Raises:
        DataFormatError: If it is missing, cut off, damaged, no HDF5, or may not be read.
    """
    if not path.is_file():
        found = "a folder" if path.is_dir() else "no such file"
        msg = f"{path}: found {found}, {expected}"
        raise DataFormatError(msg)
    try:
        # Locks fail on some network file systems, and a finished shower file never changes.
        return h5py.File(path, "r", locking="best-effort", rdcc_nbytes=CACHE_BYTES)
    except PermissionError as error:
        msg = f"{path}: may not be read; ask its owner for permission"
        raise DataFormatError(msg) from error
    except (OSError, RuntimeError) as error:
        # h5py's messages are the only place that tells one from the other.
        if "truncated" in str(error):
            msg = f"{path}: the file is cut off; copy or make it again"
        elif not h5py.is_hdf5(path):
            msg = f"{path}: {unknown(path)}"
        else:
            msg = f"{path}: the HDF5 file is damaged; copy or make it again"
        raise DataFormatError(msg) from error
