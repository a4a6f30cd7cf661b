"""HDF5 files of other programs: recognised and opened, with messages for people."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from caloforge.data.shower_format import CACHE_BYTES
from caloforge.errors import DataFormatError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    import h5py

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
        DataFormatError: If it is missing, cut off, damaged, no HDF5, or may not be read.
    """
    import h5py

    if not path.is_file():
        found = "a folder" if path.is_dir() else "no such file"
        msg = f"{path}: found {found}, expected an HDF5 file; correct the path"
        raise DataFormatError(msg)
    try:
        file = h5py.File(path, "r", locking="best-effort", rdcc_nbytes=CACHE_BYTES)
    except PermissionError as error:
        msg = f"{path}: may not be read; ask its owner for permission"
        raise DataFormatError(msg) from error
    except (OSError, RuntimeError) as error:
        if "truncated" in str(error):
            msg = f"{path}: the file is cut off; copy or make it again"
        elif not is_hdf5(path):
            msg = f"{path}: not an HDF5 file, expected one; name its format with --from"
        else:
            msg = f"{path}: the HDF5 file is damaged; copy or make it again"
        raise DataFormatError(msg) from error
    with file:
        yield file
