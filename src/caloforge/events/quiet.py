"""Silence for C++ libraries that print on their own."""

from __future__ import annotations

import ctypes
import os
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

_OUTPUTS = (1, 2)  # file descriptors of the standard output and the standard error


@contextmanager
def quiet() -> Iterator[None]:
    """Throw away what compiled code prints; restored on every way out.

    It works on the descriptors of the process: what other threads print meanwhile is lost too,
    so keep it short. A descriptor that is closed is left alone.
    """
    _flush()
    saved: list[tuple[int, int]] = []
    nowhere = os.open(os.devnull, os.O_WRONLY)
    try:
        for output in _OUTPUTS:
            with suppress(OSError):
                saved.append((output, os.dup(output)))
                os.dup2(nowhere, output)
        yield
    finally:
        _flush()  # what still waits in the library's buffer belongs to the silence
        for output, before in saved:
            os.dup2(before, output)
            os.close(before)
        os.close(nowhere)


def _flush() -> None:
    """Write out the buffers of the C library, which C++ shares."""
    with suppress(OSError, TypeError, AttributeError):  # no such library on Windows
        ctypes.CDLL(None).fflush(None)
