"""The order of an epoch of showers that are read from a file: blocks, pools, their shuffles.

Rows are cut into *blocks*, one for each chunk of the file. In each epoch the blocks are
permuted, as many of them as the memory holds form a *pool*, and the rows of a pool are
permuted. Batches are cut from that order. Where kinds are oversampled a row comes more often,
or not at all, and sizes count it so. The order depends on the seed, the epoch, the rows and the
sizes of blocks and pools, and on nothing else: any batch can be had again from its number.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from caloforge.data.feeding.oversampling import repeated_order

if TYPE_CHECKING:
    from numpy.typing import NDArray

# Streams of random numbers next to those of the batches; see training.
_BLOCKS, _POOLS = 3, 4


@dataclass(frozen=True, eq=False)
class Blocks:
    """Rows cut into blocks that are read together.

    Attributes:
        edges: First position of each block, and the number of positions, ``(blocks + 1,)``;
            a position is the place of a row in the list of rows.
        group_start: Whether a group of rows that stay together starts at each position,
            ``(n,)``; ``None`` if every row is for itself.
    """

    edges: NDArray[np.int64]
    group_start: NDArray[np.bool_] | None = None

    @classmethod
    def of(
        cls,
        rows: NDArray[np.int64],
        block_rows: int,
        group_start: NDArray[np.bool_] | None = None,
    ) -> Blocks:
        """Cut rows into blocks.

        Arguments:
            rows: Increasing numbers of rows in the file, ``(n,)``, at least one.
            block_rows: Rows of the file in a block: those of a chunk.
            group_start: Whether a group starts at each of the rows, ``(n,)``; a group belongs
                to the block of its first row.
        """
        number = rows // block_rows
        starts = np.flatnonzero(number[1:] != number[:-1]) + 1
        if group_start is not None:
            first = np.flatnonzero(group_start)
            starts = np.unique(np.append(first, len(rows))[np.searchsorted(first, starts)])
            starts = starts[starts < len(rows)]
        edges = np.concatenate(([0], starts, [len(rows)])).astype(np.int64)
        return cls(edges, group_start)

    def __len__(self) -> int:
        """Return the number of blocks."""
        return len(self.edges) - 1


class EpochOrder:
    """The order of the rows in one epoch.

    Arguments:
        blocks: The rows, cut into blocks.
        pool_rows: Rows of a pool: it is full with the first block that reaches this number.
        seed: Seed of the run.
        epoch: Number of the epoch.
        times: How often each position comes, ``(n,)``, equally often those of a group; ``None``
            for once.

    Attributes:
        edges: Place in the order at which each pool starts, and the number of rows,
            ``(pools + 1,)``.
    """

    def __init__(
        self,
        blocks: Blocks,
        pool_rows: int,
        *,
        seed: int,
        epoch: int,
        times: NDArray[np.int64] | None = None,
    ) -> None:
        self._blocks = blocks
        self._times = times
        self._seeds = (seed, _POOLS, epoch)
        rng = np.random.default_rng((seed, _BLOCKS, epoch))
        self._order = rng.permutation(len(blocks))
        sizes = np.diff(blocks.edges)
        if times is not None:
            sizes = np.add.reduceat(times, blocks.edges[:-1])
        starts = np.concatenate(([0], np.cumsum(sizes[self._order])))
        # Blocks of which nothing comes make no pool of their own.
        number = np.minimum(starts[:-1], starts[-1] - 1) // pool_rows
        first = np.concatenate(([0], np.flatnonzero(number[1:] != number[:-1]) + 1))
        self._first_block = np.append(first, len(blocks))
        self.edges = starts[self._first_block].astype(np.int64)

    def __len__(self) -> int:
        """Return the number of pools."""
        return len(self.edges) - 1

    def pools(self, start: int, stop: int) -> range:
        """Numbers of the pools that the places ``start`` to ``stop`` of the order lie in."""
        low, high = np.searchsorted(self.edges, (start, stop - 1), side="right") - 1
        return range(int(low), int(high) + 1)

    def pool(self, number: int) -> NDArray[np.int64]:
        """Positions of a pool in their order, ``(rows of the pool,)``; they may repeat."""
        chosen = self._order[self._first_block[number] : self._first_block[number + 1]]
        low, high = self._blocks.edges[chosen], self._blocks.edges[chosen + 1]
        sizes = high - low
        ends = np.cumsum(sizes)
        positions = np.arange(ends[-1]) + np.repeat(low - (ends - sizes), sizes)
        rng = np.random.default_rng((*self._seeds, number))
        times = np.ones_like(positions) if self._times is None else self._times[positions]
        start = self._blocks.group_start
        group = None if start is None else np.cumsum(start[positions]) - 1
        order: NDArray[np.int64] = positions[repeated_order(times, rng, group)]
        return order
