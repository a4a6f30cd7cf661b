"""Pickles: told by their content, and refused, because to open one is to run a program.

Nothing here unpickles. The opcodes of a pickle are read, not executed, and of a compressed file
only the first few kilobytes are expanded.
"""

from __future__ import annotations

import bz2
import io
import lzma
import tarfile
import warnings
import zipfile
import zlib
from itertools import islice
from pathlib import Path
from pickletools import genops
from typing import IO, TYPE_CHECKING, Any, NoReturn

import numpy as np

from caloforge.errors import DataFormatError
from caloforge.formats.format import Format

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager

    from caloforge.formats.format import ReadOptions, ShowerSource

_START = 1 << 16  # bytes that tell what they are
_RAW = 1 << 20  # compressed bytes that surely expand to some: a block of bz2 is 0.9 MB
_MEMBERS = 1000  # members of an archive that are looked at
_ENOUGH = 4  # valid opcodes after which the start of a binary pickle is one
_ENOUGH_TEXT = 16  # the same of protocols 0 and 1, which have no signature
_MARK = "mark"

# Modules that a pickle names, and the program that writes such a file.
_MAKERS = ("joblib", "torch", "pandas", "numpy")

_COMPRESSED: dict[bytes, tuple[str, Callable[[bytes], bytes]]] = {
    b"\x1f\x8b": ("gzip", lambda raw: zlib.decompressobj(31).decompress(raw, _START)),
    b"BZh": ("bz2", lambda raw: bz2.BZ2Decompressor().decompress(raw, _START)),
    b"\xfd7zXZ\x00": ("xz", lambda raw: lzma.LZMADecompressor().decompress(raw, _START)),
    b"\x5d\x00\x00": ("lzma", lambda raw: lzma.LZMADecompressor().decompress(raw, _START)),
    b"\x28\xb5\x2f\xfd": ("zstd", lambda raw: _expanded(raw, "zstd")),
    b"\x04\x22\x4d\x18": ("lz4", lambda raw: _expanded(raw, "lz4")),
    **{
        bytes((0x78, level)): ("zlib", lambda raw: zlib.decompressobj().decompress(raw, _START))
        for level in (0x01, 0x5E, 0x9C, 0xDA)
    },
}


def pickle_kind(path: Path) -> str:
    """Say what kind of pickle a file is or holds, ``""`` if none.

    Arguments:
        path: Any file or folder; a few kilobytes of it are read, none of it is executed.

    Returns:
        E.g. ``"a gzip-compressed pickle of pandas"`` or ``"a zip whose member 'x.npy' is a
        pickled array of objects"``.
    """
    if not path.is_file():
        return ""
    try:
        with path.open("rb") as file:
            if file.read(4) in {b"PK\x03\x04", b"PK\x05\x06"}:
                return _in_zip(file)
            file.seek(0)
            return _kind(file.read(_RAW))
    except OSError:
        return ""


def _kind(start: bytes) -> str:
    """Say what kind of pickle begins with these bytes, ``""`` if none."""
    for magic, (name, expand) in _COMPRESSED.items():
        if start.startswith(magic):
            try:
                inside = expand(start)
            except (OSError, EOFError, ValueError, zlib.error, lzma.LZMAError):
                return ""
            if any(inside.startswith(other) for other in _COMPRESSED):  # no one does that twice
                return ""
            kind = _kind(inside)
            return f"{kind} ({name}-compressed)" if kind else ""
    if start.startswith(b"\x93NUMPY"):
        return "an array of objects, pickled by numpy" if _holds_objects(start) else ""
    if start[257:262] == b"ustar":
        return _in_tar(start)
    return _pickled(start[:_START])


def _in_zip(file: IO[bytes]) -> str:
    """Say whether a zip holds a pickle: torch's files, npz with objects, pandas' .pkl.zip."""
    try:
        with zipfile.ZipFile(file) as archive:
            for member in archive.infolist()[:_MEMBERS]:
                with archive.open(member) as part:
                    start = part.read(_START)
                    if start.startswith(tuple(_COMPRESSED)):
                        start += part.read(_RAW)
                    kind = _kind(start)
                name = member.filename
                if kind and name.endswith(".pkl") and not name.startswith("numpy"):
                    folder = name.rpartition("/")[0]
                    if folder and f"{folder}/version" in archive.namelist():
                        return "a pickle of torch"
                if kind:
                    return f"a zip whose member '{name}' is {kind}"
    # A zip that cannot be read is the business of whoever takes it for a format.
    except (zipfile.BadZipFile, NotImplementedError, RuntimeError, OSError, EOFError):
        return ""
    except (zlib.error, lzma.LZMAError, ValueError):
        return ""
    return ""


def _in_tar(start: bytes) -> str:
    """Say whether the first member of a tar is a pickle."""
    try:
        with tarfile.open(fileobj=io.BytesIO(start), mode="r|") as archive:
            member = archive.next()
            part = archive.extractfile(member) if member is not None else None
            if member is None or part is None:
                return ""
            kind = _pickled(start[member.offset_data :][: min(member.size, _START)])
    except (tarfile.TarError, OSError, EOFError):
        return ""
    return f"a tar whose member '{member.name}' is {kind}" if kind else ""


def _holds_objects(start: bytes) -> bool:
    """Whether the header of an npy file announces Python objects."""
    stream = io.BytesIO(start)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # "written by Python 2": so be it
            if np.lib.format.read_magic(stream) == (1, 0):
                return np.lib.format.read_array_header_1_0(stream)[2].hasobject
            return np.lib.format.read_array_header_2_0(stream)[2].hasobject
    except (ValueError, TypeError, SyntaxError, EOFError):
        return False


def _pickled(start: bytes) -> str:
    """Say whose pickle begins with these bytes, ``""`` if they are no pickle."""
    binary = len(start) > 1 and start[0] == 0x80 and start[1] in range(2, 6)
    if not binary and (not start or start[:1] not in b"(])}cISVFLNKMJGUXT"):
        return ""
    cut = len(start) >= _START
    stack: list[str] = []
    words: list[str] = []
    n_valid, stopped = 0, False
    try:
        for opcode, argument, place in _opcodes(start):
            if not _fits(opcode, stack) or (opcode.proto > 1 and not binary):
                n_valid = n_valid if binary else 0
                break
            n_valid += 1
            if isinstance(argument, str):
                words.append(argument)
            # Text that happens to begin with a number and a full stop goes on after it.
            stopped = opcode.name == "STOP" and (binary or place + 1 == len(start))
    except (ValueError, UnicodeDecodeError, OverflowError, IndexError) as error:
        # The end of what was read, or raw bytes of an array between opcodes (joblib).
        at_end = cut and "opcode" not in str(error)
        if not binary and not at_end:
            n_valid = 0
        elif binary and at_end:
            n_valid += _ENOUGH
    enough = _ENOUGH if binary else _ENOUGH_TEXT
    if not stopped and n_valid < enough:
        return ""
    # joblib writes arrays of numpy, torch tensors: the most particular name counts.
    named = {word.partition(".")[0].split(" ")[0] for word in words}
    maker = next((name for name in _MAKERS if name in named), "Python")
    # torch's older files begin with a pickled number.
    if b"l\xfc\x9cF\xf9 j\xa8P\x19." in start[:16]:
        maker = "torch"
    return f"a pickle of {maker}"


def _opcodes(start: bytes) -> Iterator[tuple[Any, Any, Any]]:
    """Go through the opcodes of a pickle without executing them."""
    return islice(genops(start), 4096)


def _fits(opcode: Any, stack: list[str]) -> bool:  # noqa: ANN401 - pickletools has no types
    """Apply an opcode to a stack of placeholders; whether the stack had what it takes."""
    takes = [item.name for item in opcode.stack_before]
    if opcode.name == "POP" and stack and stack[-1] == _MARK:
        stack.pop()
        return True
    if "mark" in takes:
        if _MARK not in stack:
            return False
        while stack.pop() != _MARK:
            pass
        takes = takes[: takes.index("mark")]
    if len(takes) > len(stack) or _MARK in stack[len(stack) - len(takes) :]:
        return False
    del stack[len(stack) - len(takes) :]
    stack.extend(_MARK if item.name == "mark" else "any" for item in opcode.stack_after)
    return True


def _expanded(raw: bytes, codec: str) -> bytes:
    """Expand the first bytes of a compressed stream with pyarrow."""
    import pyarrow as pa  # takes a while

    expanded = b""
    with pa.CompressedInputStream(pa.BufferReader(raw), codec) as stream:
        # In small steps: where it is cut off there is an error, and all before it is good.
        while len(expanded) < _START:
            try:
                piece = stream.read(256)
            except OSError:
                break
            if not piece:
                break
            expanded += piece
    return expanded


def _refusal(path: Path, kind: str) -> DataFormatError:
    return DataFormatError(
        f"{path}: found {kind}, expected plain data; a pickle runs any code of its maker when "
        "opened, so it was not opened: where you trust it, turn it into Parquet or npz with "
        "the script of docs/formats/pickles.md"
    )


def _refuse(
    paths: tuple[Path, ...],
    options: ReadOptions,  # noqa: ARG001 - no option opens a pickle
) -> AbstractContextManager[ShowerSource]:
    """Refuse, always."""
    return _raise(paths[0])


def _raise(path: Path) -> NoReturn:
    raise _refusal(path, pickle_kind(path) or "no pickle by its content, but asked for as one")


FORMAT = Format(
    name="pickle",
    title="Pickles of Python, pandas, joblib, torch, numpy: refused, never opened",
    suffixes=(),
    recognise=lambda path: bool(pickle_kind(Path(path))),
    read=_refuse,
)
