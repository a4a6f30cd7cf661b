"""Rows of one branch of a ROOT tree, a few at a time, however large its baskets are.

A tree keeps each branch in *baskets* of many rows. A program that writes a whole array at once
makes one basket of it, up to 2 GB: such baskets are expanded block by block here, as ROOT
compresses in blocks of at most 16 MiB.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from caloforge.formats.mapping.cells import Rows

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from numpy.typing import NDArray

_LARGE_BYTES = 16 * 1024**2
_RUN_BYTES = 4 * 1024**2
# Of ROOT's TKey and TBasket, big endian: as in uproot/models/TBasket.py.
_KEY = struct.Struct(">ihiIhh")
_BASKET = struct.Struct(">Hiiii")
_BLOCK_HEADER_BYTES = 9
_NUMBERS = "iufb"


class UnreadableBranchError(ValueError):
    """A branch holds something else than numbers or lists of numbers."""


class BranchReader:
    """Reads the rows of one branch in order, once.

    Arguments:
        path: The ROOT file.
        branch: Branch of a tree in it, of uproot.
    """

    def __init__(self, path: Path, branch: Any) -> None:  # noqa: ANN401 - uproot has no types
        self._path, self._branch = path, branch
        self._layout = _layout(branch)
        self._runs = self._read()
        self._left: list[Rows] = []

    def take(self, n: int) -> Rows:
        """Return the next ``n`` rows, fewer only at the end.

        Raises:
            UnreadableBranchError: If they are no numbers or lists of numbers.
            ValueError: If the file is damaged; uproot raises others, too.
        """
        have = sum(map(len, self._left))
        while have < n and (run := next(self._runs, None)) is not None:
            self._left.append(run)
            have += len(run)
        taken: list[Rows] = []
        while n > 0 and self._left:
            run = self._left.pop(0)
            if len(run) > n:
                cut = int(run.counts[:n].sum())
                self._left.insert(0, Rows(run.values[cut:], run.counts[n:]))
                run = Rows(run.values[:cut], run.counts[:n])
            n -= len(run)
            taken.append(run)
        if len(taken) == 1:
            return taken[0]
        if not taken:
            return Rows(np.empty(0), np.empty(0, dtype=np.int64))
        return Rows(
            np.concatenate([run.values for run in taken]),
            np.concatenate([run.counts for run in taken]),
        )

    def _read(self) -> Iterator[Rows]:
        """Go through the baskets."""
        branch, layout = self._branch, self._layout
        n_normal = branch.num_baskets - len(branch.embedded_baskets)
        for number in range(branch.num_baskets):
            start, stop = map(int, branch.basket_entry_start_stop(number))
            if stop <= start:
                continue
            if layout is None:
                yield _any_rows(branch, start, stop)
                continue
            if number < n_normal:
                large = _LargeBasket(self._path, branch, number)
                if large.n_bytes > _LARGE_BYTES:
                    yield from self._large(large, layout, start, stop)
                    continue
            basket = branch.basket(number)
            offsets = basket.byte_offsets
            if layout.jagged and offsets is None:
                offsets = self._offsets(layout, start, stop)
            yield layout.rows(basket.data, offsets)

    def _large(
        self, basket: _LargeBasket, layout: _Layout, start: int, stop: int
    ) -> Iterator[Rows]:
        """Go through a basket that is too large to be expanded at once."""
        if not layout.jagged:
            width = layout.dtype.itemsize
            offsets = np.arange(stop - start + 1, dtype=np.int64) * width
        elif basket.border < basket.n_bytes:
            offsets = basket.offsets()
        else:
            offsets = self._offsets(layout, start, stop)
        stream = basket.stream(0, int(offsets[-1]))
        row = 0
        while row < stop - start:
            last = int(np.searchsorted(offsets, offsets[row] + _RUN_BYTES, side="right")) - 1
            last = min(max(last, row + 1), stop - start)
            data = stream.read(int(offsets[last] - offsets[row]))
            yield layout.rows(data, offsets[row : last + 1] - offsets[row])
            row = last

    def _offsets(self, layout: _Layout, start: int, stop: int) -> NDArray[np.int64]:
        """Where each row starts, from the branch that counts the numbers of each row."""
        counter = self._branch.count_branch
        if counter is None:
            msg = f"branch '{self._branch.name}' does not say how long its rows are"
            raise UnreadableBranchError(msg)
        counts = counter.array(entry_start=start, entry_stop=stop, library="np")
        sizes = counts.astype(np.int64) * layout.dtype.itemsize + layout.header_bytes
        offsets = np.zeros(len(sizes) + 1, dtype=np.int64)
        np.cumsum(sizes, out=offsets[1:])
        return offsets


class _Layout(NamedTuple):
    """How the bytes of a basket become rows.

    Attributes:
        dtype: Type of one number or, of rows with equal length, of all numbers of a row.
        jagged: Whether rows differ in length.
        header_bytes: Bytes before the numbers of each row.
    """

    dtype: np.dtype[Any]
    jagged: bool
    header_bytes: int = 0

    def rows(self, data: NDArray[np.uint8], offsets: NDArray[Any] | None) -> Rows:
        """Cut bytes into rows; ``offsets`` are those of the rows and the end, if jagged."""
        base = self.dtype.base
        if offsets is None or not self.jagged:
            n = len(data) // self.dtype.itemsize
            width = self.dtype.itemsize // base.itemsize
            values = np.frombuffer(data, dtype=base, count=n * width)
            counts = np.full(n, width, dtype=np.int64)
        else:
            offsets = np.asarray(offsets, dtype=np.int64)
            if self.header_bytes:
                keep = np.ones(len(data), dtype=np.bool_)
                keep[(offsets[:-1, None] + np.arange(self.header_bytes)).ravel()] = False
                data = data[keep]
            sizes = np.diff(offsets) - self.header_bytes
            # Rows may be arrays themselves, as of branches x[n][3].
            counts = sizes // base.itemsize
            values = np.frombuffer(data, dtype=base)
        return Rows(values.astype(base.newbyteorder("=")), counts)


def _layout(branch: Any) -> _Layout | None:  # noqa: ANN401
    """Return how a branch is laid out, ``None`` if only uproot can tell."""
    from uproot.interpretation.jagged import AsJagged
    from uproot.interpretation.numerical import AsDtype

    found = branch.interpretation
    content = found.content if isinstance(found, AsJagged) else found
    # Subclasses, such as Double32, are not what their bytes are.
    if type(content) is not AsDtype or content.from_dtype.base.kind not in _NUMBERS:
        return None
    if isinstance(found, AsJagged):
        return _Layout(content.from_dtype, jagged=True, header_bytes=found.header_bytes)
    return _Layout(content.from_dtype, jagged=False)


def _any_rows(branch: Any, start: int, stop: int) -> Rows:  # noqa: ANN401
    """Let uproot read some rows, e.g. vectors of vectors, and join what is in each row."""
    import awkward as ak

    try:
        array = branch.array(entry_start=start, entry_stop=stop, library="ak")
        values = np.asarray(ak.to_numpy(ak.flatten(array, axis=None)))
    except Exception as error:  # uproot and awkward raise many kinds
        reason = " ".join(str(error).split())[:80]
        msg = f"branch '{branch.name}' of type {branch.typename} is not readable ({reason})"
        raise UnreadableBranchError(msg) from error
    if values.dtype.kind not in _NUMBERS or array.fields:
        msg = f"branch '{branch.name}' of type {branch.typename} does not hold numbers"
        raise UnreadableBranchError(msg)
    counts = array if array.ndim > 1 else ak.singletons(array)
    while counts.ndim > 2:
        counts = ak.flatten(counts, axis=2)
    return Rows(values, np.asarray(ak.to_numpy(ak.num(counts, axis=1)), dtype=np.int64))


class _LargeBasket:
    """One basket in the file, of which only some bytes are wanted at a time.

    Attributes:
        n_bytes: Size of its content once expanded.
        border: Where the numbers end and the offsets of the rows begin.
    """

    def __init__(self, path: Path, branch: Any, number: int) -> None:  # noqa: ANN401
        self._path, self._source = path, branch.file.source
        self._seek = int(branch.member("fBasketSeek")[number])
        with path.open("rb") as file:
            file.seek(self._seek)
            n_file, _, self.n_bytes, _, self._key_bytes, _ = _KEY.unpack(
                _exactly(file, _KEY.size)
            )
            file.seek(self._seek + self._key_bytes - _BASKET.size - 1)
            last = _BASKET.unpack(_exactly(file, _BASKET.size))[-1]
        self._n_packed = n_file - self._key_bytes
        self.border = last - self._key_bytes

    def offsets(self) -> NDArray[np.int64]:
        """Where each row starts, and where the last ends, ``(n + 1,)``."""
        n = self.n_bytes - self.border
        raw = np.frombuffer(self.stream(self.border, self.n_bytes).read(n), dtype=">i4")
        offsets: NDArray[np.int64] = raw[1:].astype(np.int64) - self._key_bytes
        offsets[-1] = self.border
        return offsets

    def stream(self, start: int, stop: int) -> _Stream:
        """Return the content from byte ``start`` to ``stop``, to be read in order."""
        return _Stream(self._blocks(start, stop))

    def _blocks(self, start: int, stop: int) -> Iterator[NDArray[np.uint8]]:
        """Expand the blocks of the basket that hold some of the bytes."""
        from uproot.compression import decompress
        from uproot.source.chunk import Chunk
        from uproot.source.cursor import Cursor

        at = self._seek + self._key_bytes
        with self._path.open("rb") as file:
            if self._n_packed == self.n_bytes:
                for first in range(start, stop, _RUN_BYTES):
                    file.seek(at + first)
                    size = min(_RUN_BYTES, stop - first)
                    yield np.frombuffer(_exactly(file, size), dtype=np.uint8)
                return
            position = 0
            while position < stop:
                file.seek(at)
                head = _exactly(file, _BLOCK_HEADER_BYTES)
                packed, expanded = (int.from_bytes(head[k : k + 3], "little") for k in (3, 6))
                at += _BLOCK_HEADER_BYTES + packed
                if position + expanded > start:
                    block = np.frombuffer(head + _exactly(file, packed), dtype=np.uint8)
                    data = decompress(
                        Chunk.wrap(self._source, block), Cursor(0), {}, len(block), expanded
                    ).raw_data
                    yield data[max(start - position, 0) : stop - position]
                position += expanded


class _Stream:
    """Bytes that arrive in blocks, read in any portions."""

    def __init__(self, blocks: Iterator[NDArray[np.uint8]]) -> None:
        self._blocks = blocks
        self._left = np.empty(0, dtype=np.uint8)

    def read(self, n: int) -> NDArray[np.uint8]:
        """Return the next ``n`` bytes."""
        parts, have = [self._left], len(self._left)
        while have < n:
            block = next(self._blocks, None)
            if block is None:
                msg = "a basket holds fewer bytes than rows need"
                raise ValueError(msg)
            parts.append(block)
            have += len(block)
        data = np.concatenate(parts) if len(parts) > 1 else parts[0]
        self._left = data[n:]
        return data[:n]


def _exactly(file: Any, n: int) -> bytes:  # noqa: ANN401 - a binary file
    """Read ``n`` bytes, all of them."""
    data: bytes = file.read(n)
    if len(data) < n:
        msg = "the file ends in the middle of a basket"
        raise ValueError(msg)
    return data
