"""Validation showers with what their channel sums need."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import torch
from torch.utils.data import IterableDataset

if TYPE_CHECKING:
    from collections.abc import Iterator

    from torch import Tensor

    from caloforge.data.dataset import ShowerDataset
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
        cells = cells * self.showers.near + self.far
        return torch.zeros_like(cells).scatter_(1, self.order, cells) @ self.masks.T


class ValidationSet(IterableDataset[ValidationBatch]):
    """All validation showers in their order, batch by batch.

    Arguments:
        dataset: Validation showers.
        frame: The model's frame of cells.
        batch_size: Showers a batch.
    """

    def __init__(self, dataset: ShowerDataset, frame: CellFrame, batch_size: int) -> None:
        super().__init__()
        self.dataset = dataset
        self.batch_size = batch_size
        geometry = dataset.sample.geometry
        channels = geometry.channels()
        self.masks = torch.from_numpy(channels.masks.astype(np.float32))
        self.reference_sums = torch.from_numpy(
            channels.sums(dataset.sample.showers).astype(np.float32)
        )
        self.frame = frame

    def __iter__(self) -> Iterator[ValidationBatch]:
        """Yield every shower once."""
        for start in range(0, len(self.dataset), self.batch_size):
            rows = np.arange(start, min(start + self.batch_size, len(self.dataset)))
            particles = self.dataset.sample.particles.select(rows)
            batch = self.dataset.batch(rows)
            yield ValidationBatch(
                batch,
                torch.from_numpy(np.array(self.frame.order(particles))),
                self.masks,
                torch.from_numpy(
                    self.frame.completed(np.zeros(batch.showers.shape, np.float32), particles)
                ),
            )
