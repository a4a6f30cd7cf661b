"""One idx file, plain or gzip: images or labels, as MNIST is published."""

from __future__ import annotations

import gzip
import hashlib
import struct
import zlib
from contextlib import contextmanager
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING, cast

import numpy as np

from caloforge.errors import DataFormatError
from caloforge.formats.damage import damage

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from numpy.typing import NDArray

_GZIP = b"\x1f\x8b"
_BYTES = 8  # idx code of unsigned bytes
_TYPES = {8: "bytes", 9: "signed bytes", 11: "int16", 12: "int32", 13: "float", 14: "double"}
_BLOCK = 1024**2
_LARGEST_SIDE = 65536


@dataclass(frozen=True)
class IdxFile:
    """An idx file of unsigned bytes whose size has been checked.

    Attributes:
        path: The file.
        shape: ``(n, row, column)`` of images, ``(n,)`` of labels.
        md5: Checksum of the unpacked content.
        sha256: The same by a stronger rule.
    """

    path: Path
    shape: tuple[int, ...]
    md5: str
    sha256: str

    @classmethod
    def surveyed(cls, path: Path) -> IdxFile:
        """Go through a file once.

        Raises:
            DataFormatError: If it is no idx file of images or labels, cut off, or too long.
        """
        with _unpacked(path) as file:
            start, shape = _header(file, path)
            md5, sha256 = hashlib.md5(start, usedforsecurity=False), hashlib.sha256(start)
            expected, found = int(np.prod(shape, dtype=object)), 0
            while block := _read(file, _BLOCK, path):
                md5.update(block)
                sha256.update(block)
                found += len(block)
                if found > expected:
                    break
        if found != expected:
            what = f"{found:,} bytes" if found < expected else "more"
            cure = "it is cut off: copy" if found < expected else "it is damaged: copy"
            size = " x ".join(f"{n:,}" for n in shape)
            msg = f"{path}: found {what} after the header, expected {size}; {cure} it again"
            raise DataFormatError(msg)
        return cls(path, shape, md5.hexdigest(), sha256.hexdigest())

    @property
    def are_images(self) -> bool:
        """Whether these are images; else labels."""
        return len(self.shape) == 3

    def rows(self, size: int) -> Iterator[NDArray[np.uint8]]:
        """Go through images or labels, ``size`` at a time, ``(size, ...)``."""
        each = int(np.prod(self.shape[1:]))
        with _unpacked(self.path) as file:
            _header(file, self.path)
            for start in range(0, self.shape[0], size):
                n = min(size, self.shape[0] - start)
                part = _read(file, n * each, self.path)
                if len(part) != n * each:
                    msg = f"{self.path}: has changed while it was read; convert it again"
                    raise DataFormatError(msg)
                yield np.frombuffer(part, dtype=np.uint8).reshape(n, *self.shape[1:])


def axes_of(path: Path) -> int:
    """Number of axes of an idx file, 0 if it does not begin as one, whatever it holds."""
    with path.open("rb") as raw:
        start = raw.read(4)
    if start.startswith(_GZIP):
        try:
            with gzip.open(path) as file:
                start = file.read(4)
        except (OSError, EOFError, zlib.error):
            return 0
    known = len(start) == 4 and start[:2] == b"\0\0" and start[2] in _TYPES
    return start[3] if known else 0


@contextmanager
def _unpacked(path: Path) -> Iterator[IO[bytes]]:
    """Open a file, by gzip if it is packed."""
    with damage(path):
        raw = path.open("rb")
    with raw:
        packed = raw.read(2) == _GZIP
        raw.seek(0)
        if packed:
            with gzip.GzipFile(fileobj=raw) as file:
                yield cast("IO[bytes]", file)
        else:
            yield raw


def _read(file: IO[bytes], n: int, path: Path) -> bytes:
    """Read up to ``n`` bytes; packed files that are cut off or damaged say so."""
    parts, left = [], n
    with damage(path):
        while left and (part := file.read(left)):
            parts.append(part)
            left -= len(part)
    return b"".join(parts)


def _header(file: IO[bytes], path: Path) -> tuple[bytes, tuple[int, ...]]:
    """Read the header; return its bytes and the sizes."""
    start = _read(file, 4, path)
    if len(start) < 4 or start[:2] != b"\0\0" or start[2] not in _TYPES:
        msg = (
            f"{path}: starts with {start.hex(' ') or 'nothing'}, expected 00 00 08 03 (images) "
            "or 00 00 08 01 (labels); name an idx file"
        )
        raise DataFormatError(msg)
    if start[2] != _BYTES or start[3] not in {1, 3}:
        msg = (
            f"{path}: idx file of {_TYPES[start[2]]} along {start[3]} axes, expected bytes "
            "along 3 (images) or 1 (labels); save it so"
        )
        raise DataFormatError(msg)
    sizes = _read(file, 4 * start[3], path)
    if len(sizes) < 4 * start[3]:
        msg = f"{path}: ends within its header; copy it again"
        raise DataFormatError(msg)
    shape = struct.unpack(f">{start[3]}I", sizes)
    if not 0 < shape[0] < 2**31 or not all(0 < n <= _LARGEST_SIDE for n in shape[1:]):
        size = " x ".join(map(str, shape))
        msg = f"{path}: header says {size}, expected images or labels; copy it again"
        raise DataFormatError(msg)
    return start + sizes, shape
