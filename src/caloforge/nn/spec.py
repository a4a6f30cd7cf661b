"""What a network must know of the data before it can be built."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch

from caloforge.geometry import DetectorGeometry, GridLayout

if TYPE_CHECKING:
    from collections.abc import Mapping

    from torch import Tensor


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
    """

    n_cells: int
    condition_dim: int
    counts: bool
    grid: tuple[int, int] | None
    cell_scale: float
    mean: Tensor

    @classmethod
    def of(
        cls,
        geometry: DetectorGeometry,
        condition_dim: int,
        *,
        showers: Tensor | None = None,
        cell_scale: float = 1.0,
    ) -> ShowerSpec:
        """Describe showers of a detector.

        Arguments:
            geometry: The detector.
            condition_dim: Length of the condition vector.
            showers: Training showers in the model's frame, ``(n, cell)``: give mean and scale.
            cell_scale: Taken where no showers are given.
        """
        layout = geometry.layout
        mean = torch.zeros(geometry.n_cells) if showers is None else showers.mean(dim=0)
        if showers is not None:
            lit = showers[showers > 0]
            cell_scale = float(lit.mean()) if len(lit) else 1.0
        return cls(
            n_cells=geometry.n_cells,
            condition_dim=condition_dim,
            counts=geometry.counts,
            grid=layout.cells if isinstance(layout, GridLayout) else None,
            cell_scale=cell_scale,
            mean=mean,
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
