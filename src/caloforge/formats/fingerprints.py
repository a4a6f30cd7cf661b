"""Sizes and checksums of input files, computed while they are converted."""

from __future__ import annotations

import hashlib
from concurrent.futures import ThreadPoolExecutor
from threading import Event
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path
    from types import TracebackType
    from typing import Self

_BLOCK = 1024**2


class Fingerprints:
    """SHA-256 of files, by a thread of its own; use it in a ``with`` statement.

    The files are being read at the same time, so that the disk gives them once. A folder is
    one input: the checksum is of the names and contents of its files, in their order.

    Arguments:
        paths: The files, and folders.
    """

    def __init__(self, paths: Sequence[Path]) -> None:
        self._stop = Event()
        self._pool = ThreadPoolExecutor(1)
        self._tables = self._pool.submit(self._compute, tuple(paths))

    def tables(self) -> list[dict[str, Any]]:
        """Wait for them; return path, bytes and SHA-256 of each file.

        Raises:
            OSError: If a file cannot be read.
        """
        return self._tables.result()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._stop.set()
        self._pool.shutdown()

    def _compute(self, paths: tuple[Path, ...]) -> list[dict[str, Any]]:
        """Read the files, unless it is all over before."""
        tables = []
        for path in paths:
            digest, size = hashlib.sha256(), 0
            folder = path.is_dir()
            for member in _files(path) if folder else [path]:
                if self._stop.is_set():
                    break
                if folder:
                    digest.update(f"{member.relative_to(path).as_posix()}\0".encode())
                with member.open("rb") as file:
                    while not self._stop.is_set() and (block := file.read(_BLOCK)):
                        digest.update(block)
                        size += len(block)
            tables.append({"path": str(path), "bytes": size, "sha256": digest.hexdigest()})
        return tables


def _files(folder: Path) -> list[Path]:
    """All files in a folder, hidden ones aside, in the order of their names."""
    return sorted(
        path
        for path in folder.rglob("*")
        if path.is_file() and not any(p.startswith(".") for p in path.relative_to(folder).parts)
    )
