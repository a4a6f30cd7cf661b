"""Showers of a file as batches for training, of which only a few pools are in memory."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial
from threading import Lock
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
from torch.utils.data import IterableDataset

from caloforge.data.feeding.ahead import Background, ahead
from caloforge.data.feeding.dataset import ShowerDataset, Steps, pinned
from caloforge.data.feeding.stream_order import EpochOrder
from caloforge.data.feeding.stream_pools import Pool, PoolShelf
from caloforge.data.files.shower_file import ShowerFile, ShowerSample
from caloforge.data.particles import Particles
from caloforge.types import ShowerBatch

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from concurrent.futures import Future
    from pathlib import Path

    from numpy.typing import NDArray

    from caloforge.data.features import ConditionSet
    from caloforge.data.feeding.oversampling import Kinds
    from caloforge.data.feeding.stream_order import Blocks
    from caloforge.geometry import DetectorGeometry

T = TypeVar("T")


@dataclass(frozen=True, eq=False)
class StreamedShowers:
    """Showers of one side of the split that stay in their file.

    Attributes:
        path: Shower file.
        rows: Their rows in it, increasing, ``(n,)``.
        geometry: The detector.
        conditions: Fitted features.
        blocks: The rows, cut into blocks.
        pool_rows: Showers in memory at a time; twice as many while the next are read.
        centre_on_impact: Whether models see cells relative to the cell that was hit.
        reflect: Whether batches may be reflected.
        table: Incident particles of the rows, where they are few enough to be held.
        workers: Threads that read ahead where showers are taken in order.
        kinds: Kinds of the particles, where rare ones are oversampled.
    """

    path: Path
    rows: NDArray[np.int64]
    geometry: DetectorGeometry
    conditions: ConditionSet
    blocks: Blocks
    pool_rows: int
    centre_on_impact: bool = False
    reflect: bool = False
    table: Particles | None = None
    workers: int = 0
    kinds: Kinds | None = None
    shelf: PoolShelf = field(default_factory=PoolShelf, init=False, repr=False)

    def __len__(self) -> int:
        """Return the number of showers."""
        return len(self.rows)

    def read(self, file: ShowerFile, positions: NDArray[np.int64]) -> ShowerDataset:
        """Read some of the showers into memory.

        Arguments:
            file: The shower file, open.
            positions: Which, as places in `rows`, each larger than the one before.

        Raises:
            DataFormatError: If the data are damaged.
        """
        rows = self.rows[positions]
        sample = ShowerSample(
            particles=(
                file.particles_at(rows) if self.table is None else self.table.select(positions)
            ),
            showers=file.read_rows(rows),
            geometry=self.geometry,
            cpu_seconds=None,
            provenance={},
            source=str(self.path),
        )
        return ShowerDataset(sample, self.conditions, self.centre_on_impact, self.reflect)

    def whole(self, file: ShowerFile) -> ShowerDataset:
        """Read all of the showers into memory."""
        return self.read(file, np.arange(len(self)))

    def stream(self, batch_size: int, **options: Any) -> PooledStream:  # noqa: ANN401
        """Return training batches; options as of `Steps`."""
        return PooledStream(self, batch_size, **options)

    def in_order(
        self, size: int, make: Callable[[ShowerDataset, NDArray[np.int64]], T]
    ) -> Iterator[T]:
        """Go through the showers in their order; see `ShowerDataset.in_order`."""
        lock = Lock()

        def made(positions: NDArray[np.int64]) -> T:
            with lock:
                some = self.read(file, positions)
            return make(some, np.arange(len(some)))

        with ShowerFile(self.path, threads=self.workers or None) as file:
            pieces = (
                np.arange(start, min(start + size, len(self)))
                for start in range(0, len(self), size)
            )
            yield from ahead((partial(made, piece) for piece in pieces), self.workers)


class PooledStream(IterableDataset[ShowerBatch]):
    """Training batches of a file, a pure function of (seed, step): see `EpochOrder`.

    A run that is resumed reads the pools of its next batch, and none of those before. While a
    pool is used, the next one is read by a thread, if there are workers.

    Arguments:
        dataset: Training showers.
        batch_size: Showers a batch; at most the size of the data set.
        options: As of `Steps`. Whether repeats stay together is a matter of the blocks, too.
    """

    def __init__(self, dataset: StreamedShowers, batch_size: int, **options: Any) -> None:  # noqa: ANN401
        super().__init__()
        self.dataset = dataset
        self.batch_size = min(batch_size, len(dataset))
        self.steps = Steps(**options)
        self._orders: dict[int, EpochOrder] = {}
        if self.steps.pair_repeats != (dataset.blocks.group_start is not None):
            msg = f"pair_repeats = {self.steps.pair_repeats}, but not so the blocks"
            raise ValueError(msg)
        if self.steps.oversample_kinds > 0 and dataset.kinds is None:
            msg = f"oversample_kinds = {self.steps.oversample_kinds}, but no kinds"
            raise ValueError(msg)

    @property
    def steps_per_epoch(self) -> int:
        """Whole batches in one pass over the showers."""
        return len(self.dataset) // self.batch_size

    def order(self, epoch: int) -> NDArray[np.int64]:
        """Order of the showers in one epoch, ``(showers,)`` or, with repeats, a few more."""
        order = self._epoch(epoch)
        return np.concatenate([order.pool(number) for number in range(len(order))])

    def _epoch(self, epoch: int) -> EpochOrder:
        if epoch not in self._orders:
            data = self.dataset
            seed, times = self.steps.seed, self._times(epoch)
            order = EpochOrder(data.blocks, data.pool_rows, seed=seed, epoch=epoch, times=times)
            # This epoch's and the one before: the next epoch is asked for early.
            self._orders = {e: o for e, o in self._orders.items() if e == epoch - 1}
            self._orders[epoch] = order
        return self._orders[epoch]

    def _times(self, epoch: int) -> NDArray[np.int64] | None:
        """How often each of the rows comes in an epoch, ``(n,)``; ``None`` for once."""
        exponent, kinds = self.steps.oversample_kinds, self.dataset.kinds
        if kinds is None or exponent == 0:
            return None
        start = self.dataset.blocks.group_start
        group = None if start is None else np.cumsum(start) - 1
        return kinds.times(exponent, seed=self.steps.seed, epoch=epoch, group=group)

    def __iter__(self) -> Iterator[ShowerBatch]:
        """Yield the batches of the steps from `start` to `stop`."""
        workers = self.steps.workers
        # Without workers all else waits for the reader: it may take all cores.
        with ShowerFile(self.dataset.path, threads=workers or None) as file:
            reader = Background(workers > 0)
            try:
                yield from ahead(self._jobs(file, reader), workers)
            finally:
                reader.close()
                self.dataset.shelf.tidy()

    def _jobs(
        self, file: ShowerFile, reader: Background
    ) -> Iterator[Callable[[], ShowerBatch]]:
        """What makes each batch."""
        steps, shelf = self.steps, self.dataset.shelf
        shelf.use_for(
            (
                steps.seed,
                self.batch_size,
                steps.rank,
                steps.world_size,
                steps.oversample_kinds,
            )
        )

        def wanted(epoch: int, number: int) -> Future[Pool]:
            load = partial(self._load, file, self._epoch(epoch), number)
            return shelf.get((epoch, number), load, reader)

        step = steps.start
        while steps.stop is None or step < steps.stop:
            epoch, batch = divmod(step, self.steps_per_epoch)
            edges = self._epoch(epoch).edges
            first = batch * self.batch_size
            numbers = self._epoch(epoch).pools(first, first + self.batch_size)
            shelf.forget_before((epoch, numbers[0]))
            places = np.arange(first, first + self.batch_size)[steps.rank :: steps.world_size]
            parts = []
            for number in numbers:
                low, high = np.searchsorted(places, edges[number : number + 2])
                if low < high:
                    parts.append((wanted(epoch, number), places[low:high] - edges[number]))
            # Once nothing of an older pool is needed there is room for the next one.
            if reader.is_thread and len(numbers) == 1:
                following = self._following(epoch, numbers[0])
                if following is not None:
                    wanted(*following)
            yield partial(self._made, parts, step)
            step += 1

    def _following(self, epoch: int, number: int) -> tuple[int, int] | None:
        """Epoch and number of the next pool, if a batch before the last step needs it."""
        edges = self._epoch(epoch).edges
        batch = int(edges[number + 1]) // self.batch_size
        if batch >= self.steps_per_epoch:
            epoch, number, batch = epoch + 1, -1, 0
        stop = self.steps.stop
        if stop is not None and epoch * self.steps_per_epoch + batch >= stop:
            return None
        return epoch, number + 1

    def _load(self, file: ShowerFile, order: EpochOrder, number: int) -> Pool:
        """Read what this process needs of a pool."""
        positions = order.pool(number)
        places = np.arange(order.edges[number], order.edges[number + 1])
        mine = places % self.batch_size % self.steps.world_size == self.steps.rank
        mine &= places < self.steps_per_epoch * self.batch_size
        row = np.empty(len(positions), dtype=np.int64)
        kept, row[mine] = np.unique(positions[mine], return_inverse=True)
        return Pool(self.dataset.read(file, kept), row)

    def _made(
        self,
        parts: list[tuple[Future[Pool], NDArray[np.int64]]],
        step: int,
    ) -> ShowerBatch:
        """Make a batch of rows of one pool, or of a few."""
        flags = self.steps.flags(self.dataset, step, self.batch_size)
        found = [(pool.result(), places) for pool, places in parts]
        if len(found) == 1:
            ((pool, places),) = found
            batch = pool.showers.batch(pool.row[places], flags=flags)
        else:
            joined = _joined([pool.taken(places) for pool, places in found])
            batch = joined.batch(np.arange(len(joined)), flags=flags)
        return pinned(batch) if self.steps.pin else batch


def _joined(parts: list[ShowerDataset]) -> ShowerDataset:
    """Put the rows of a few data sets one after the other."""
    first = parts[0]
    sample = ShowerSample(
        particles=Particles.concatenate([part.sample.particles for part in parts]),
        showers=np.concatenate([part.sample.showers for part in parts]),
        geometry=first.geometry,
        cpu_seconds=None,
        provenance={},
        source=first.sample.source,
    )
    return ShowerDataset(sample, first.conditions, first.centre_on_impact, first.reflect)
