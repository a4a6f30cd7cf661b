"""Validation showers with what their channel sums need."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import torch
from torch.utils.data import IterableDataset

from caloforge.data.feeding.dataset import ShowerDataset
from caloforge.data.files.shower_format import piece_rows

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray
    from torch import Tensor

    from caloforge.data.feeding.stream import StreamedShowers
    from caloforge.data.transforms import CellFrame
    from caloforge.types import ShowerBatch


class ValidationBatch(NamedTuple):
    """Showers in the model's frame of cells, and the way back to the read-out channels.

    Attributes:
        showers: Showers and conditions.
        order: Detector cell at each of the model's cells, ``(batch, cell)``.
        masks: Cells of each channel in the detector's frame, ``(channel, cell)``.
        far: What far cells hold, 0 for the others, ``(batch, cell)``.
    """

    showers: ShowerBatch
    order: Tensor
    masks: Tensor
    far: Tensor

    def channel_sums(self, cells: Tensor) -> Tensor:
        """Channel sums of cells in the model's frame, ``(batch, cell) -> (batch, channel)``."""
        return self.detector_cells(cells) @ self.masks.T

    def detector_cells(self, cells: Tensor) -> Tensor:
        """Cells in the detector's order, with those that are far, ``(batch, cell)``."""
        cells = cells * self.showers.near + self.far
        return torch.zeros_like(cells).scatter_(1, self.order, cells)


class ValidationSet(IterableDataset[ValidationBatch]):
    """All validation showers in their order, batch by batch.

    Arguments:
        dataset: Validation showers.
        frame: The model's frame of cells.
        batch_size: Showers a batch.
    """

    def __init__(
        self,
        dataset: ShowerDataset | StreamedShowers,
        frame: CellFrame,
        batch_size: int,
    ) -> None:
        super().__init__()
        self.dataset = dataset
        self.batch_size = batch_size
        self.frame = frame
        channels = dataset.geometry.channels()
        self.masks = torch.from_numpy(channels.masks.astype(np.float32))
        if isinstance(dataset, ShowerDataset):
            # They are float64 on the way: not all of them at a time.
            showers, size = dataset.sample.showers, piece_rows(dataset.geometry.n_cells)
            parts = (showers[k : k + size] for k in range(0, len(showers), size))
            sums = np.concatenate([channels.sums(part) for part in parts])
        else:
            pieces = dataset.in_order(batch_size, lambda some, _: some.sample.showers)
            sums = np.concatenate([channels.sums(part) for part in pieces])
        self.reference_sums = torch.from_numpy(sums.astype(np.float32))

    def __iter__(self) -> Iterator[ValidationBatch]:
        """Yield every shower once."""
        yield from self.dataset.in_order(self.batch_size, self._made)

    def _made(self, dataset: ShowerDataset, rows: NDArray[np.int64]) -> ValidationBatch:
        particles = dataset.sample.particles.select(rows)
        batch = dataset.batch(rows)
        shape = batch.showers.shape
        if not self.frame.centre_on_impact:  # all cells stay; nothing is written for them
            order = torch.arange(shape[1]).expand(shape)
            return ValidationBatch(batch, order, self.masks, torch.zeros(()).expand(shape))
        return ValidationBatch(
            batch,
            torch.from_numpy(np.array(self.frame.order(particles))),
            self.masks,
            torch.from_numpy(self.frame.completed(np.zeros(shape, np.float32), particles)),
        )
