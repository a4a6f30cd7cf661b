"""Layout of shower files, as described in ``docs/shower-file.md``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from caloforge.data.files.foreign_bytes import refuse_foreign_bytes
from caloforge.data.files.hdf5 import open_hdf5
from caloforge.errors import DataFormatError

if TYPE_CHECKING:
    from pathlib import Path

    import h5py

FORMAT = "caloforge-showers"
VERSION = 1
SHOWERS, INCIDENT, CPU_SECONDS = "showers", "incident", "cpu_seconds"

# Cells that are handled at a time where a file is gone through, at four bytes each: some copies
# of them are made on the way, whatever the detector.
PIECE_BYTES = 16 * 1024**2


def piece_rows(n_cells: int) -> int:
    """Number of showers that are handled at a time: a few MiB of them, at least one."""
    return max(1, PIECE_BYTES // (4 * n_cells))


def open_file(path: Path) -> h5py.File:
    """Open a shower file for reading, or say why it is none.

    Raises:
        DataFormatError: If the file is missing, empty, cut off, of another program, newer than
            this version of caloforge, or points to other files.
    """
    what = "expected a shower file (see docs/shower-file.md)"
    if path.is_file() and path.stat().st_size == 0:
        msg = f"{path}: the file is empty, {what}"
        raise DataFormatError(msg)
    file = open_hdf5(path, expected=what, unknown=_found)
    try:
        _check_version(path, file)
        refuse_foreign_bytes(path, file)
    except DataFormatError:
        file.close()
        raise
    return file


def _found(path: Path) -> str:
    """Say what a file is that is not HDF5, and what to do."""
    with path.open("rb") as file:
        start = file.read(2)
    pickled = len(start) == 2 and start[0] == 0x80 and start[1] <= 5
    if pickled:
        return "is a pickle, which is never opened; see docs/formats/pickles.md for the way out"
    return f"not an HDF5 file, expected a shower file; {_cure(path)}"


def _cure(path: Path) -> str:
    """Say how a file of another program becomes one of ours."""
    return f"turn it into a shower file: caloforge convert {path} -o showers.h5"


def attribute(holder: h5py.HLObject, name: str) -> str:
    """Text of an attribute, ``""`` if there is none; C and Fortran write fixed-length bytes.

    Bytes that are no UTF-8 become question marks: such text could not even be printed.
    """
    value = holder.attrs.get(name, "")
    raw = value if isinstance(value, bytes) else str(value).encode("utf-8", "surrogateescape")
    return raw.decode("utf-8", "replace")


def _check_version(path: Path, file: h5py.File) -> None:
    """Refuse files of other programs and of newer versions."""
    found = attribute(file, "format")
    if found != FORMAT:
        keys = ", ".join(list(file)[:5]) or "nothing"
        msg = (
            f"{path}: an HDF5 file of another program (it holds {keys}), expected attribute "
            f"format = '{FORMAT}' (see docs/shower-file.md); {_cure(path)}"
        )
        raise DataFormatError(msg)
    version = file.attrs.get("version")
    try:
        number = int(version)
    except (TypeError, ValueError):
        number = 0
    if number > VERSION:
        msg = (
            f"{path}: written in version {number} of the format, expected {VERSION} or older; "
            "install a newer caloforge"
        )
        raise DataFormatError(msg)
    if number < 1:
        msg = f"{path}: attribute version is {version!r}, expected {VERSION}; make it again"
        raise DataFormatError(msg)
