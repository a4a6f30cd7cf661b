"""Showers as batches for training: seeded, reflected, in the model's frame of cells."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
import torch
from torch.utils.data import IterableDataset

from caloforge.data.feeding.ahead import ahead
from caloforge.data.feeding.assembly import Cells, DeviceCells, HostCells, lines, moved
from caloforge.data.feeding.oversampling import Kinds, repeated_order
from caloforge.data.reflections import Reflections
from caloforge.data.transforms import CellFrame
from caloforge.types import ShowerBatch

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from numpy.typing import NDArray
    from torch import Tensor

    from caloforge.data.features import ConditionSet
    from caloforge.data.feeding.stream import StreamedShowers
    from caloforge.data.files.shower_file import ShowerSample
    from caloforge.geometry import DetectorGeometry

T = TypeVar("T")

# Showers are held by a GPU if they take at most this share of its free memory.
GPU_SHARE = 0.25


@dataclass(frozen=True, eq=False)
class ShowerDataset:
    """Showers of one side of the split in memory, ready to be cut into batches.

    Attributes:
        sample: The showers.
        conditions: Fitted features.
        centre_on_impact: Whether models see cells relative to the cell that was hit.
        reflect: Whether `batch` may be asked for reflected showers.
        device: Where the cells are held and batches are made; ``None`` for the CPU.
    """

    sample: ShowerSample
    conditions: ConditionSet
    centre_on_impact: bool = False
    reflect: bool = False
    device: torch.device | None = None
    _cells: Cells = field(init=False, repr=False)
    _frame: CellFrame = field(init=False, repr=False)

    def __post_init__(self) -> None:
        showers = self.sample.showers
        cells = HostCells(showers) if self.device is None else DeviceCells(showers, self.device)
        object.__setattr__(self, "_cells", cells)
        frame = CellFrame(self.sample.geometry, self.centre_on_impact)
        object.__setattr__(self, "_frame", frame)

    def __len__(self) -> int:
        """Return the number of showers."""
        return len(self.sample)

    @property
    def geometry(self) -> DetectorGeometry:
        """The detector."""
        return self.sample.geometry

    def on(self, device: torch.device) -> ShowerDataset:
        """Return the same showers, held by a device; its batches are the same."""
        return replace(self, device=device)

    def held_by(self, device: torch.device) -> ShowerDataset:
        """Return the same showers, held by a GPU if they take little enough of its memory."""
        if self.device is not None or device.type != "cuda":
            return self
        free, _ = torch.cuda.mem_get_info(device)
        return self.on(device) if self.sample.showers.nbytes <= GPU_SHARE * free else self

    def batch(
        self,
        rows: NDArray[np.int64],
        rng: np.random.Generator | None = None,
        *,
        flags: NDArray[np.int64] | None = None,
    ) -> ShowerBatch:
        """Collect showers, their conditions and their incident particles.

        Arguments:
            rows: Which showers, ``(batch,)``.
            rng: Draws the reflections; ``None`` reflects nothing.
            flags: Reflections that were drawn before, see `Reflections.drawn`.

        Returns:
            Float32 tensors on the CPU, or on the device that holds the cells.
        """
        particles = self.sample.particles.select(rows)
        reflections = Reflections(self.sample.geometry)
        if self.reflect and rng is not None:
            flags = reflections.drawn(len(rows), rng)
        if flags is not None:
            particles = reflections.particles(particles, flags)
        cells = self._cells.rows(rows)
        where = lines(self._frame, particles, flags)
        if where is None:
            if flags is not None:
                cells = reflections.showers(cells, flags)
            # One number that stands for all: nothing is written for 40,000 cells a shower.
            near = torch.ones((), device=cells.device).expand(cells.shape)
        else:
            cells, near = moved(cells, where)
        conditions = self.conditions.scaled(particles, self.sample.geometry)
        return ShowerBatch(
            showers=cells,
            conditions=self._beside(conditions),
            incident=self._beside(particles.incident),
            near=near,
        )

    def stream(self, batch_size: int, **options: Any) -> BatchStream:  # noqa: ANN401
        """Return training batches; options as of `Steps`."""
        return BatchStream(self, batch_size, **options)

    def in_order(
        self, size: int, make: Callable[[ShowerDataset, NDArray[np.int64]], T]
    ) -> Iterator[T]:
        """Go through the showers in their order.

        Arguments:
            size: Showers at a time; the last may be fewer.
            make: What to make of some showers, given as rows of a data set in memory.
        """
        for start in range(0, len(self), size):
            yield make(self, np.arange(start, min(start + size, len(self))))

    def _beside(self, array: NDArray[np.float32] | NDArray[np.int64]) -> Tensor:
        """Return an array as a tensor on the device of the cells."""
        tensor = torch.from_numpy(array)
        return tensor if self.device is None else tensor.to(self.device, non_blocking=True)


@dataclass(frozen=True)
class Steps:
    """Which batches are wanted, and how they are made; they are the same for any workers.

    Attributes:
        seed: Seed of order and reflections.
        start: First step.
        stop: One past the last step; ``None`` never stops.
        pair_repeats: Keep repeated showers of a particle together, so that a batch holds
            them both (but for those cut at its end).
        oversample_kinds: Exponent of `Kinds.shares`: above 0 rare kinds come more often.
        rank: Number of this process, of `world_size`: each takes its share of every batch.
        world_size: Number of processes.
        workers: Threads that make batches ahead; 0 makes each when it is asked for.
        pin: Whether to put batches into pinned memory, from which a GPU copies them while it
            computes.
    """

    seed: int
    start: int = 0
    stop: int | None = None
    pair_repeats: bool = False
    oversample_kinds: float = 0.0
    rank: int = 0
    world_size: int = 1
    workers: int = 0
    pin: bool = False

    def flags(
        self, dataset: ShowerDataset | StreamedShowers, step: int, size: int
    ) -> NDArray[np.int64] | None:
        """Draw the reflections of this process's share of a batch of ``size`` showers."""
        if not dataset.reflect:
            return None
        rng = np.random.default_rng((self.seed, 1, step, 0))
        flags = Reflections(dataset.geometry).drawn(size, rng)
        return None if flags is None else flags[self.rank :: self.world_size]


class BatchStream(IterableDataset[ShowerBatch]):
    """Training batches from one step to another, a pure function of (seed, step).

    Every epoch visits each shower once, or as often as `Kinds` says, in an order set by (seed,
    epoch); what is left over at the end of an epoch is dropped. A run that is resumed at step k
    gets the batches that it would have got.

    Arguments:
        dataset: Training showers.
        batch_size: Showers a batch; at most the size of the data set.
        options: As of `Steps`.
    """

    def __init__(self, dataset: ShowerDataset, batch_size: int, **options: Any) -> None:  # noqa: ANN401
        super().__init__()
        self.dataset = dataset
        self.batch_size = min(batch_size, len(dataset))
        self.steps = Steps(**options)
        self._kinds: Kinds | None = None
        if self.steps.oversample_kinds > 0:
            self._kinds = Kinds.of([dataset.sample.particles])

    @property
    def steps_per_epoch(self) -> int:
        """Whole batches in one pass over the showers."""
        return len(self.dataset) // self.batch_size

    def order(self, epoch: int) -> NDArray[np.int64]:
        """Order of the showers in one epoch, ``(showers,)`` or, with repeats, a few more."""
        steps, group = self.steps, None
        if steps.pair_repeats:
            incident = self.dataset.sample.particles.incident
            _, group = np.unique(incident, return_inverse=True)
        times = np.ones(len(self.dataset), dtype=np.int64)
        if self._kinds is not None:
            exponent = steps.oversample_kinds
            times = self._kinds.times(exponent, seed=steps.seed, epoch=epoch, group=group)
        return repeated_order(times, np.random.default_rng((steps.seed, 0, epoch)), group)

    def __iter__(self) -> Iterator[ShowerBatch]:
        """Yield the batches of the steps from `start` to `stop`."""
        yield from ahead(self._jobs(), self.steps.workers)

    def _jobs(self) -> Iterator[Callable[[], ShowerBatch]]:
        """What makes each batch."""
        steps = self.steps
        step, epoch = steps.start, -1
        while steps.stop is None or step < steps.stop:
            if step // self.steps_per_epoch != epoch:
                epoch = step // self.steps_per_epoch
                order = self.order(epoch)
            first = step % self.steps_per_epoch * self.batch_size
            rows = order[first : first + self.batch_size]
            share = rows[steps.rank :: steps.world_size]
            yield partial(self._made, share, step)
            step += 1

    def _made(self, rows: NDArray[np.int64], step: int) -> ShowerBatch:
        flags = self.steps.flags(self.dataset, step, self.batch_size)
        batch = self.dataset.batch(rows, flags=flags)
        return pinned(batch) if self.steps.pin else batch


def pinned(batch: ShowerBatch) -> ShowerBatch:
    """Put a batch into pinned memory; what a GPU holds already stays there."""
    return ShowerBatch(*(t if t.is_cuda else t.pin_memory() for t in batch))
