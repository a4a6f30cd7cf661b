"""Tables of arrays as bytes: what children, workers and the journal exchange. Never pickle."""

from __future__ import annotations

import json
import math
import struct
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Protocol

    from numpy.typing import NDArray

    class Writable(Protocol):
        """What `send` writes to."""

        def write(self, data: bytes, /) -> int:
            """Write all of ``data``."""

        def flush(self) -> None:
            """Pass on what was written."""

    class Readable(Protocol):
        """What `receive` reads from."""

        def read(self, size: int, /) -> bytes:
            """Return ``size`` bytes, or fewer at the end."""


_ARRAYS = "arrays"
_LENGTH = struct.Struct("<I")
_FRAME = struct.Struct("<Q")
# Larger than any honest frame: a foreign program that prints to our pipe is found out at once.
_LIMIT = 2**36


class Frame(NamedTuple):
    """A header of plain values, and arrays.

    Attributes:
        header: Anything that JSON can hold.
        arrays: By name, of any shape and number type.
    """

    header: dict[str, Any]
    arrays: dict[str, NDArray[Any]]


def pack(header: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]] | None = None) -> bytes:
    """Return header and arrays as bytes, little endian on every machine.

    Example:
        >>> frame = unpack(pack({"shower": 3}, {"cells": np.array([1, 2], dtype=np.uint16)}))
        >>> frame.header, frame.arrays["cells"].tolist()
        ({'shower': 3}, [1, 2])
    """
    little = {
        name: np.ascontiguousarray(array, dtype=array.dtype.newbyteorder("<"))
        for name, array in (arrays or {}).items()
    }
    described = [[name, array.dtype.str, array.shape] for name, array in little.items()]
    text = json.dumps({**header, _ARRAYS: described}).encode()
    return b"".join((_LENGTH.pack(len(text)), text, *(a.tobytes() for a in little.values())))


def unpack(data: bytes | memoryview) -> Frame:
    """Read what `pack` wrote; the arrays are read-only views of ``data``.

    Raises:
        ValueError: If it was not written by `pack`.
    """
    view = memoryview(data)
    try:
        (length,) = _LENGTH.unpack_from(view)
        place = _LENGTH.size + length
        header = json.loads(bytes(view[_LENGTH.size : place]))
        arrays = {}
        for name, kind, shape in header.pop(_ARRAYS):
            dtype = np.dtype(kind)
            size = math.prod(shape)
            arrays[name] = np.frombuffer(view, dtype, size, place).reshape(shape)
            place += size * dtype.itemsize
    except (struct.error, KeyError, TypeError, AttributeError) as error:
        msg = f"no frame of caloforge ({error})"
        raise ValueError(msg) from error
    return Frame(header, arrays)


def send(
    stream: Writable,
    header: Mapping[str, Any],
    arrays: Mapping[str, NDArray[Any]] | None = None,
) -> None:
    """Write one frame to a pipe."""
    data = pack(header, arrays)
    stream.write(_FRAME.pack(len(data)))
    stream.write(data)
    stream.flush()


def receive(stream: Readable) -> Frame | None:
    """Read one frame from a pipe; None if it ends before the frame does.

    Raises:
        ValueError: If something else than a frame comes.
    """
    start = stream.read(_FRAME.size)
    if len(start) < _FRAME.size:
        return None
    (length,) = _FRAME.unpack(start)
    if length > _LIMIT:
        msg = f"no frame of caloforge: {start!r}"
        raise ValueError(msg)
    data = stream.read(length)
    return unpack(data) if len(data) == length else None
