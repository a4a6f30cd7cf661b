"""Damaged files: what libraries raise over them, said in one line."""

from __future__ import annotations

import struct
import tokenize
import zipfile
import zlib
from contextlib import contextmanager
from typing import TYPE_CHECKING

from caloforge.errors import CaloforgeError, DataFormatError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

UNREADABLE: tuple[type[Exception], ...] = (
    OSError,
    RuntimeError,
    NotImplementedError,
    ValueError,
    KeyError,
    TypeError,
    EOFError,
    SyntaxError,
    OverflowError,
    struct.error,
    tokenize.TokenError,
    zipfile.BadZipFile,
    zlib.error,
)
"""What h5py, zipfile and NumPy have been seen to raise over files with some bytes changed."""


@contextmanager
def damage(where: str | Path) -> Iterator[None]:
    """Turn what libraries raise over a damaged file into an error that names it.

    Nothing but reading shall be inside of the ``with`` statement.

    Arguments:
        where: The file, and the part of it.

    Raises:
        DataFormatError: Instead of those errors.
    """
    try:
        yield
    except CaloforgeError:
        raise
    except PermissionError as error:
        msg = f"{where}: may not be read; ask its owner for permission"
        raise DataFormatError(msg) from error
    except UNREADABLE as error:
        reason = " ".join(str(error).split())[:100] or type(error).__name__
        msg = f"{where}: damaged ({reason}); copy or make the file again"
        raise DataFormatError(msg) from error
