"""Lines of numbers in a text file of any size, read in order."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any

import numpy as np

from caloforge.errors import DataFormatError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from numpy.typing import NDArray

_BLOCK_BYTES = 2 * 1024**2
_FLOAT_BYTES = (b".", b"e", b"E", b"n", b"N", b"i", b"I")


class NumberLines:
    """A table of numbers, one row a line, separated by blanks, tabs or commas.

    Empty lines and lines that start with ``#`` do not count.

    Arguments:
        path: The text file.

    Attributes:
        width: Numbers in a line.

    Raises:
        DataFormatError: If the first line with something in it holds no numbers.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self.width = first_width(path)
        if self.width == 0:
            msg = f"{path}: found no line of numbers, expected the cells of responses"
            raise DataFormatError(msg)
        self._left: list[NDArray[Any]] = []
        self._parts = self._parsed()

    def count(self) -> int:
        """Return the number of lines that count, without reading their numbers."""
        return sum(int((counts > 0).sum()) for _, _, counts in self._blocks())

    def take(self, n: int) -> NDArray[Any]:
        """Return the next ``n`` lines, ``(n, width)``, as int64 or float64; fewer at the end.

        Raises:
            DataFormatError: If a line has more or fewer numbers than the first, or others.
        """
        have = sum(map(len, self._left))
        while have < n and (part := next(self._parts, None)) is not None:
            self._left.append(part)
            have += len(part)
        if not self._left:
            return np.empty((0, self.width), dtype=np.int64)
        lines = np.concatenate(self._left) if len(self._left) > 1 else self._left[0]
        self._left = [lines[n:]] if len(lines) > n else []
        return lines[:n]

    def _parsed(self) -> Iterator[NDArray[Any]]:
        """Turn each block of text into numbers."""
        for first_line, text, counts in self._blocks():
            wrong = (counts != self.width) & (counts > 0)
            if wrong.any():
                line = int(np.argmax(wrong))
                msg = (
                    f"{self._path}: line {first_line + line} has {counts[line]} numbers, "
                    f"expected {self.width} as before; copy or make the file again"
                )
                raise DataFormatError(msg)
            n = int((counts > 0).sum())
            if n == 0:
                continue
            is_float = any(mark in text for mark in _FLOAT_BYTES)
            try:
                with warnings.catch_warnings():
                    # NumPy warns of text that is no number, and stops there.
                    warnings.simplefilter("error")
                    numbers = np.fromstring(
                        text, dtype=np.float64 if is_float else np.int64, sep=" "
                    )
                yield numbers.reshape(n, self.width)
            except (DeprecationWarning, ValueError) as error:
                raise self._no_number(text, first_line) from error

    def _blocks(self) -> Iterator[tuple[int, bytes, NDArray[np.int64]]]:
        """Cut the file at ends of lines: number of the first, text, and words in each line."""
        first_line, rest = 1, b""
        with self._path.open("rb") as file:
            while True:
                block = file.read(_BLOCK_BYTES)
                text = rest + block
                cut = text.rfind(b"\n") + 1 if block else len(text)
                text, rest = text[:cut], text[cut:]
                if text:
                    text = text.replace(b",", b" ")
                    if b"#" in text:
                        text = b"\n".join(
                            b"" if line.lstrip().startswith(b"#") else line
                            for line in text.split(b"\n")
                        )
                    counts = _words(text)
                    yield first_line, text, counts
                    first_line += len(counts)
                if not block:
                    return

    def _no_number(self, text: bytes, first_line: int) -> DataFormatError:
        """Name the first word that is no number."""
        for k, line in enumerate(text.split(b"\n")):
            for word in line.split():
                try:
                    float(word)
                except ValueError:
                    shown = word[:20].decode("utf-8", "replace")
                    return DataFormatError(
                        f"{self._path}: line {first_line + k} holds '{shown}', expected "
                        "numbers; copy or make the file again"
                    )
        return DataFormatError(
            f"{self._path}: a number after line {first_line} is too large, expected responses"
        )


def first_width(path: Path) -> int:
    """Return how many numbers stand in the first line with something in it, 0 if none do."""
    with path.open("rb") as file:
        for _ in range(1000):
            line = file.readline(_BLOCK_BYTES)
            words = line.replace(b",", b" ").split()
            if not line:
                return 0
            if words and not words[0].startswith(b"#"):
                break
        else:
            return 0
    try:
        return len([float(word) for word in words])
    except ValueError:
        return 0


def _words(text: bytes) -> NDArray[np.int64]:
    """Count the words in each line, ``(line,)``."""
    characters = np.frombuffer(text, dtype=np.uint8)
    printed = characters > 32
    starts = printed.copy()
    starts[1:] &= ~printed[:-1]
    ends = np.flatnonzero(characters == 10) + 1
    lines = np.concatenate(([0], ends[ends < len(text)]))
    return np.add.reduceat(starts, lines, dtype=np.int64)
