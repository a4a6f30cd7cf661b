"""Arrays of npz and npy files, read row by row: never a whole array, never a pickle."""

from __future__ import annotations

import zipfile
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING, Any

import numpy as np

from caloforge.errors import DataFormatError
from caloforge.formats.damage import UNREADABLE, damage

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from numpy.typing import NDArray

_ZIP, _NPY = b"PK\x03\x04", b"\x93NUMPY"
# Texts and single numbers that lie beside the arrays are read whole, up to this size.
_SMALL_BYTES = 4 * 1024**2


@dataclass(frozen=True)
class StoredArray:
    """An array in a file, not yet read.

    Attributes:
        path: File that it lies in.
        name: Name within an npz file; ``""`` in an npy file.
        shape: Shape.
        dtype: Type of its numbers.
        fortran: Whether the last axis is the slowest, so that rows are not in one piece.
    """

    path: Path
    name: str
    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    fortran: bool

    @property
    def where(self) -> str:
        """Name for messages."""
        return f"{self.path}['{self.name}']" if self.name else str(self.path)

    def rows(self, size: int) -> Iterator[NDArray[Any]]:
        """Go through the rows, ``size`` at a time.

        Raises:
            DataFormatError: If the file is cut off or damaged, or stored by columns.
        """
        if self.fortran and len(self.shape) > 1:
            msg = (
                f"{self.where}: stored with the last axis slowest, so that it cannot be read "
                "row by row; save np.ascontiguousarray(array) instead"
            )
            raise DataFormatError(msg)
        if self.dtype.hasobject:
            msg = (
                f"{self.where}: holds pickled objects, which can run any program when read, "
                "expected numbers; where you trust the file, save array.astype(float) again"
            )
            raise DataFormatError(msg)
        row_bytes = self.dtype.itemsize * int(np.prod(self.shape[1:], dtype=np.int64))
        with _stream(self.path, self.name) as stream:
            _header(stream, self.where)
            for start in range(0, self.shape[0], size):
                n = min(size, self.shape[0] - start)
                raw = _read(stream, n * row_bytes, self.where)
                yield np.frombuffer(raw, dtype=self.dtype).reshape(n, *self.shape[1:])

    def whole(self) -> NDArray[Any]:
        """Read a small array, e.g. a text.

        Raises:
            DataFormatError: If it is large, or as `rows`.
        """
        flat = StoredArray(
            self.path, self.name, (int(np.prod(self.shape)),), self.dtype, fortran=False
        )
        if flat.shape[0] * self.dtype.itemsize > _SMALL_BYTES:
            msg = f"{self.where}: found shape {self.shape}, expected something small; remove it"
            raise DataFormatError(msg)
        return np.concatenate([np.empty(0, self.dtype), *flat.rows(flat.shape[0] or 1)])


def is_npz(path: Path) -> bool:
    """Whether a file is an npz archive, or a single npy array."""
    if not path.is_file():
        return False
    with path.open("rb") as file:
        start = file.read(len(_NPY))
    if start == _NPY:
        return True
    if not start.startswith(_ZIP):
        return False
    try:
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
    except UNREADABLE:
        return False
    return bool(names) and all(name.endswith(".npy") for name in names)


def stored_arrays(path: Path) -> list[StoredArray]:
    """List the arrays of a file by reading their headers.

    Raises:
        DataFormatError: If it is missing, cut off, damaged, or neither npz nor npy.
    """
    if not path.is_file():
        found = "a folder" if path.is_dir() else "no such file"
        msg = f"{path}: found {found}, expected an npz file; correct the path"
        raise DataFormatError(msg)
    with path.open("rb") as file:
        start = file.read(len(_NPY))
    if start == _NPY:
        names = [""]
    else:
        try:
            with zipfile.ZipFile(path) as archive:
                names = [n for n in archive.namelist() if n.endswith(".npy")]
        except UNREADABLE as error:
            cut = "the file is cut off" if start.startswith(_ZIP) else "not an npz file"
            msg = f"{path}: {cut} ({error}); copy or make it again"
            raise DataFormatError(msg) from error
    arrays = []
    for name in names:
        short = name.removesuffix(".npy")
        with _stream(path, short) as stream:
            shape, fortran, dtype = _header(
                stream, f"{path}['{short}']" if short else str(path)
            )
        arrays.append(StoredArray(path, short, shape, dtype, fortran))
    return arrays


@contextmanager
def _stream(path: Path, name: str) -> Iterator[IO[bytes]]:
    """Open an array's bytes."""
    if not name:
        with path.open("rb") as file:
            yield file
        return
    with ExitStack() as stack:
        with damage(f"{path}['{name}']"):
            archive = stack.enter_context(zipfile.ZipFile(path))
            member = stack.enter_context(archive.open(f"{name}.npy"))
        yield member


def _header(stream: IO[bytes], where: str) -> tuple[tuple[int, ...], bool, np.dtype[Any]]:
    """Read shape, order and type; the stream then stands at the first number."""
    with damage(where):
        version = np.lib.format.read_magic(stream)
        if version == (1, 0):
            return np.lib.format.read_array_header_1_0(stream)
        return np.lib.format.read_array_header_2_0(stream)


def _read(stream: IO[bytes], n_bytes: int, where: str) -> bytes:
    """Read exactly so many bytes."""
    parts = []
    left = n_bytes
    while left:
        with damage(where):
            part = stream.read(left)
        if not part:
            msg = f"{where}: the array is cut off; copy or make the file again"
            raise DataFormatError(msg)
        parts.append(part)
        left -= len(part)
    return parts[0] if len(parts) == 1 else b"".join(parts)
