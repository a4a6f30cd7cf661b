"""Showers at equal distances through the file: for pictures, and for what needs no more."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from caloforge.geometry import CylinderLayout

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from caloforge.geometry import DetectorGeometry
    from caloforge.inspection.view import View

MOST = 100_000
"""Showers that are kept at most."""


class Rows(NamedTuple):
    """Some showers, ``n`` of them.

    Attributes:
        number: Number of each shower in the file, ``(n,)``.
        columns: Properties of the particles, ``(n,)`` each.
        sums: Summed response, ``(n,)``.
        lit: Lit cells, ``(n,)``.
        centroid: Response-weighted mean position, ``(n, 2)`` in cm; NaN of an empty shower.
        swapped: The same if the cells were stored with x running fastest (grids only).
        depth: Response-weighted mean layer, ``(n,)``; 0 in a grid.
    """

    number: NDArray[np.int64]
    columns: dict[str, NDArray[np.float64]]
    sums: NDArray[np.float64]
    lit: NDArray[np.int64]
    centroid: NDArray[np.float64]
    swapped: NDArray[np.float64]
    depth: NDArray[np.float64]

    def select(self, chosen: NDArray[np.bool_]) -> Rows:
        """Return the rows of a mask."""
        columns = {name: values[chosen] for name, values in self.columns.items()}
        return Rows(
            self.number[chosen],
            columns,
            self.sums[chosen],
            self.lit[chosen],
            self.centroid[chosen],
            self.swapped[chosen],
            self.depth[chosen],
        )


class SampleTally:
    """Every k-th shower, so that at most `MOST` are kept.

    Arguments:
        geometry: Where the cells lie.
        n_showers: Showers of the file.
    """

    def __init__(self, geometry: DetectorGeometry, n_showers: int) -> None:
        self._stride = max(1, -(-n_showers // MOST))
        layout = geometry.layout
        centres = layout.centres_cm()
        self._cylinder = isinstance(layout, CylinderLayout)
        if isinstance(layout, CylinderLayout):
            self._places = [*centres.T, layout.layer_of_cell().astype(np.float64)]
        else:
            # Stored with x fastest, cell k lies at (k mod cells_x, k div cells_x).
            nx, ny = layout.cells
            j, i = np.divmod(np.arange(nx * ny), nx)
            swapped = np.tile(centres[: nx * ny].reshape(nx, ny, 2)[i, j], (layout.planes, 1))
            self._places = [*centres.T, *swapped.T]
        self._parts: list[Rows] = []

    def add(self, view: View) -> None:
        """Keep some showers of a piece."""
        chosen = np.arange(-view.start % self._stride, len(view), self._stride)
        if not len(chosen):
            return
        bright = np.where(view.sums > 0, view.sums, np.nan)
        means = [
            (view.per_shower(view.values * place[view.cells]) / bright)[chosen]
            for place in self._places
        ]
        nothing = np.zeros((len(chosen), 2))
        self._parts.append(
            Rows(
                number=chosen + view.start,
                columns={k: v[chosen] for k, v in view.columns.items()},
                sums=view.sums[chosen],
                lit=view.lit[chosen],
                centroid=np.stack(means[:2], axis=1),
                swapped=nothing if self._cylinder else np.stack(means[2:], axis=1),
                depth=means[2] if self._cylinder else nothing[:, 0],
            )
        )

    def rows(self) -> Rows:
        """Return the showers that were kept, in the order of the file."""
        parts = self._parts
        columns = {k: np.concatenate([p.columns[k] for p in parts]) for k in parts[0].columns}
        rest = [
            np.concatenate([getattr(p, name) for p in parts])
            for name in ("sums", "lit", "centroid", "swapped", "depth")
        ]
        return Rows(np.concatenate([p.number for p in parts]), columns, *rest)
