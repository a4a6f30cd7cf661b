"""What a network must know of the data before it can be built."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from caloforge.geometry import DetectorGeometry, GridLayout

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from caloforge.data.deposit_twins import DepositTwins
    from caloforge.data.track_light import TrackLight
    from caloforge.types import ShowerBatch


class MeanShower(NamedTuple):
    """What a network starts from.

    Attributes:
        mean: Mean shower in the model's frame of cells, ``(cell,)``.
        cell_scale: Mean lit cell, in the detector's unit; 1 if none is lit.
    """

    mean: Tensor
    cell_scale: float

    @classmethod
    def of(cls, batches: Iterable[ShowerBatch]) -> MeanShower:
        """Average over showers in the memory of one batch.

        Arguments:
            batches: At least one. Sums over one batch are float32, over several float64.
        """
        sums, near, lit_sum, n_lit = torch.zeros(1), torch.zeros(1), 0.0, 0
        only: MeanShower | None = None
        for number, batch in enumerate(batches):
            lit = batch.showers[batch.showers > 0]
            if number == 0:
                mean = batch.showers.sum(dim=0) / batch.near.sum(dim=0).clamp_min(1)
                only = cls(mean, float(lit.mean()) if len(lit) else 1.0)
            else:
                only = None
            sums = sums + batch.showers.sum(dim=0, dtype=torch.float64)
            near = near + batch.near.sum(dim=0, dtype=torch.float64)
            lit_sum, n_lit = lit_sum + float(lit.sum(dtype=torch.float64)), n_lit + len(lit)
        if only is not None:
            return only
        mean = (sums / near.clamp_min(1)).to(torch.float32)
        return cls(mean, float(np.float32(lit_sum / n_lit)) if n_lit else 1.0)


@dataclass(frozen=True, eq=False)
class ShowerSpec:
    """Sizes of showers and conditions, and the mean shower to start from.

    Attributes:
        n_cells: Cells of a shower.
        condition_dim: Length of the condition vector.
        counts: Whether cells are counts.
        grid: Cells along x and y where the detector is a grid, else ``None``.
        cell_scale: Mean lit cell of the training showers, in the detector's unit.
        mean: Mean training shower in the model's frame of cells, ``(cell,)``; zeros when the
            weights are about to be loaded.
        regions: Coarse region of each cell, ``(cell,)``: see `regions_of`.
        maximum: Largest value that a cell can have, if there is one.
        planes: Cells at each place of a grid: its channels for convolutions.
        tracks: How the light or the deposits of one particle lie, where a model wants to know.
        rings: Rings of a cylinder, the most that a layer has; 0 of a grid.
    """

    n_cells: int
    condition_dim: int
    counts: bool
    grid: tuple[int, int] | None
    cell_scale: float
    mean: Tensor
    regions: Tensor
    maximum: float | None = None
    planes: int = 1
    tracks: TrackLight | DepositTwins | None = None
    rings: int = 0

    @classmethod
    def of(
        cls,
        geometry: DetectorGeometry,
        condition_dim: int,
        *,
        batch: ShowerBatch | None = None,
        start: MeanShower | None = None,
        cell_scale: float = 1.0,
        tracks: TrackLight | DepositTwins | None = None,
    ) -> ShowerSpec:
        """Describe showers of a detector.

        Arguments:
            geometry: The detector.
            condition_dim: Length of the condition vector.
            batch: Training showers in the model's frame: give mean and scale.
            start: Mean and scale, if they are known already.
            cell_scale: Taken where neither is given.
            tracks: As the attribute.
        """
        layout = geometry.layout
        if batch is not None:
            start = MeanShower.of([batch])
        mean, cell_scale = start or (torch.zeros(geometry.n_cells), cell_scale)
        return cls(
            n_cells=geometry.n_cells,
            condition_dim=condition_dim,
            counts=geometry.counts,
            grid=layout.cells if isinstance(layout, GridLayout) else None,
            cell_scale=cell_scale,
            mean=mean,
            regions=regions_of(geometry),
            maximum=geometry.maximum,
            planes=layout.planes if isinstance(layout, GridLayout) else 1,
            tracks=tracks,
            rings=0
            if isinstance(layout, GridLayout)
            else max(x.shape[1] for x in layout.layers),
        )

    def as_dict(self) -> dict[str, Any]:
        """Return what a bundle stores, with the geometry beside it."""
        return {"condition_dim": self.condition_dim, "cell_scale": self.cell_scale}

    @classmethod
    def from_dict(cls, table: Mapping[str, Any], geometry: DetectorGeometry) -> ShowerSpec:
        """Build what `as_dict` described, with zeros as the mean."""
        return cls.of(
            geometry, int(table["condition_dim"]), cell_scale=float(table["cell_scale"])
        )


# Rings of a grid: out to this many cells from the centre, and all the rest.
_RING_CELLS = (1, 4)


def regions_of(geometry: DetectorGeometry) -> Tensor:
    """Cut the cells into a few regions, whose sums say coarsely what a shower looks like.

    A grid is cut into quadrants and square rings around its central cell, in the model's frame
    of cells, each plane for itself; a cylinder into its layers.

    Arguments:
        geometry: The detector.

    Returns:
        Number of each cell's region, from 0, ``(cell,)`` int64.
    """
    layout = geometry.layout
    if not isinstance(layout, GridLayout):
        return torch.from_numpy(np.unique(layout.layer_of_cell(), return_inverse=True)[1])
    centre = np.array(layout.cells)[:, None, None] // 2
    offset = np.indices(layout.cells) - centre
    ring = np.searchsorted(_RING_CELLS, np.abs(offset).max(axis=0))
    quadrant = 2 * (offset[0] >= 0) + (offset[1] >= 0)
    regions = np.unique(ring * 4 + quadrant, return_inverse=True)[1].ravel()
    first = np.arange(layout.planes)[:, None] * (regions.max() + 1)
    return torch.from_numpy((first + regions).ravel())
