"""Showers as batches for training: seeded, reflected, in the model's frame of cells."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch.utils.data import IterableDataset

from caloforge.data.reflections import Reflections
from caloforge.data.transforms import CellFrame
from caloforge.types import ShowerBatch

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from caloforge.data.features import ConditionSet
    from caloforge.data.shower_file import ShowerSample


@dataclass(frozen=True, eq=False)
class ShowerDataset:
    """Showers of one side of the split, ready to be cut into batches.

    Attributes:
        sample: The showers.
        conditions: Fitted features.
        centre_on_impact: Whether models see cells relative to the cell that was hit.
        reflect: Whether `batch` may be asked for reflected showers.
    """

    sample: ShowerSample
    conditions: ConditionSet
    centre_on_impact: bool = False
    reflect: bool = False

    def __len__(self) -> int:
        """Return the number of showers."""
        return len(self.sample)

    def batch(
        self, rows: NDArray[np.int64], rng: np.random.Generator | None = None
    ) -> ShowerBatch:
        """Collect showers, their conditions and their incident particles.

        Arguments:
            rows: Which showers, ``(batch,)``.
            rng: Draws the reflections; ``None`` reflects nothing.

        Returns:
            Float32 tensors on the CPU.
        """
        geometry = self.sample.geometry
        particles = self.sample.particles.select(rows)
        cells = self.sample.showers[rows]
        reflections = Reflections(geometry)
        if self.reflect and rng is not None and reflections.names:
            flags = rng.random((len(rows), len(reflections.names))) < 0.5
            particles = reflections.particles(particles, flags)
            cells = np.take_along_axis(cells, reflections.order(flags), axis=1)
        frame = CellFrame(geometry, self.centre_on_impact)
        near = frame.near(particles).astype(np.float32)
        if self.centre_on_impact:
            cells = np.take_along_axis(cells, frame.order(particles), axis=1) * near
        return ShowerBatch(
            showers=torch.from_numpy(cells.astype(np.float32)),
            conditions=torch.from_numpy(self.conditions.scaled(particles, geometry)),
            incident=torch.from_numpy(particles.incident),
            near=torch.from_numpy(near),
        )


class BatchStream(IterableDataset[ShowerBatch]):
    """Training batches from one step to another, a pure function of (seed, step).

    Every epoch visits each shower once, in an order set by (seed, epoch); what is left over at
    the end of an epoch is dropped. A run that is resumed at step k gets the batches that it
    would have got.

    Arguments:
        dataset: Training showers.
        batch_size: Showers a batch; at most the size of the data set.
        seed: Seed of order and reflections.
        start: First step.
        stop: One past the last step; ``None`` never stops.
        pair_repeats: Keep repeated showers of a particle together, so that a batch holds
            them both (but for those cut at its end).
        rank: Number of this process, of `world_size`: each takes its share of every batch.
        world_size: Number of processes.
    """

    def __init__(
        self,
        dataset: ShowerDataset,
        batch_size: int,
        *,
        seed: int,
        start: int = 0,
        stop: int | None = None,
        pair_repeats: bool = False,
        rank: int = 0,
        world_size: int = 1,
    ) -> None:
        super().__init__()
        self.dataset = dataset
        self.batch_size = min(batch_size, len(dataset))
        self.seed = seed
        self.start = start
        self.stop = stop
        self.pair_repeats = pair_repeats
        self.rank = rank
        self.world_size = world_size

    @property
    def steps_per_epoch(self) -> int:
        """Whole batches in one pass over the showers."""
        return len(self.dataset) // self.batch_size

    def order(self, epoch: int) -> NDArray[np.int64]:
        """Order of the showers in one epoch, ``(showers,)``."""
        rng = np.random.default_rng((self.seed, 0, epoch))
        if not self.pair_repeats:
            return rng.permutation(len(self.dataset))
        incident = self.dataset.sample.particles.incident
        _, group = np.unique(incident, return_inverse=True)
        rank = rng.permutation(group.max() + 1)[group]
        return np.lexsort((rng.random(len(group)), rank))

    def __iter__(self) -> Iterator[ShowerBatch]:
        """Yield the batches of the steps from `start` to `stop`."""
        step, epoch = self.start, -1
        while self.stop is None or step < self.stop:
            if step // self.steps_per_epoch != epoch:
                epoch = step // self.steps_per_epoch
                order = self.order(epoch)
            first = step % self.steps_per_epoch * self.batch_size
            rows = order[first : first + self.batch_size]
            rng = np.random.default_rng((self.seed, 1, step, self.rank))
            yield self.dataset.batch(rows[self.rank :: self.world_size], rng)
            step += 1
