"""Invertible transforms of showers, applied before a model sees them and undone after it.

They permute cells: in the model's frame of cells the physics looks simpler. Values stay in the
detector's unit; logarithms are the business of a model's cell head.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from caloforge.data.derived import impact_in_cells
from caloforge.data.far_light import FarLight, FarRegion
from caloforge.data.files.shower_format import piece_rows
from caloforge.errors import ConfigError
from caloforge.geometry import GridLayout

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from caloforge.data.particles import Particles
    from caloforge.geometry import DetectorGeometry


@dataclass(frozen=True)
class CellFrame:
    """The order in which a model sees the cells of a shower.

    With ``centre_on_impact`` the grid is rolled, as on a torus, until the cell that the
    particle hits lies at its centre. The core of a shower is then always at the same place,
    and a network need not learn the same peak for each of its thousands of positions.

    Cells that are rolled over an edge are *far*: they lie more than half of the grid from the
    impact point, next to cells of a quite different distance. Models neither see them nor say
    what is in them; they hold the little light that far cells hold on average
    (`FarLight`).

    Attributes:
        geometry: The detector.
        centre_on_impact: Whether to roll.
        far_light: What far cells hold on average.

    Raises:
        ConfigError: If a geometry that is no grid, or one of several planes, is to be rolled.
    """

    geometry: DetectorGeometry
    centre_on_impact: bool = False
    far_light: FarLight | None = None

    def __post_init__(self) -> None:
        if self.centre_on_impact and not isinstance(self.geometry.layout, GridLayout):
            msg = (
                f"centre_on_impact: geometry '{self.geometry.name}' is a {self.geometry.kind}, "
                "expected a grid; set data.centre_on_impact = false"
            )
            raise ConfigError(msg)
        layout = self.geometry.layout
        if self.centre_on_impact and isinstance(layout, GridLayout) and layout.planes > 1:
            msg = (
                f"centre_on_impact: geometry '{self.geometry.name}' has "
                f"{layout.planes} planes, expected 1: images have no impact "
                "point; set data.centre_on_impact = false"
            )
            raise ConfigError(msg)

    def order(self, particles: Particles) -> NDArray[np.int64]:
        """Detector cell at each of the model's cells, ``(n, cell)``: a permutation a shower.

        ``model = np.take_along_axis(showers, order, 1)`` goes to the model's frame, and
        ``np.put_along_axis(showers, order, model, 1)`` back.
        """
        n, cells = len(particles), self.geometry.n_cells
        layout = self.geometry.layout
        if not self.centre_on_impact or not isinstance(layout, GridLayout):
            return np.broadcast_to(np.arange(cells), (n, cells))
        i, j = self.places(particles, layout)
        i, j = i % layout.cells[0], j % layout.cells[1]
        order: NDArray[np.int64] = i[:, :, None] * layout.cells[1] + j[:, None, :]
        return order.reshape(n, cells)

    def near(self, particles: Particles) -> NDArray[np.bool_]:
        """Which of the model's cells are not far, ``(n, cell)``."""
        n, cells = len(particles), self.geometry.n_cells
        layout = self.geometry.layout
        if not self.centre_on_impact or not isinstance(layout, GridLayout):
            return np.broadcast_to(np.True_, (n, cells))
        i, j = self.places(particles, layout)
        inside = ((i >= 0) & (i < layout.cells[0]))[:, :, None] & (
            (j >= 0) & (j < layout.cells[1])
        )[:, None, :]
        return inside.reshape(n, cells)

    def completed(
        self, cells: NDArray[np.float32], particles: Particles
    ) -> NDArray[np.float32]:
        """Put into the far cells of a model's showers what far cells hold, ``(n, cell)``."""
        if not self.centre_on_impact or self.far_light is None:
            return cells
        completed, size = cells.copy(), max(1, piece_rows(cells.shape[1]) // 32)
        for start in range(0, len(cells), size):  # a mean takes several times a cell's memory
            rows = slice(start, start + size)
            some = particles.select(rows)
            means = self.far_light.means(some, self.distance(some)).astype(np.float32)
            np.copyto(completed[rows], means, where=~self.near(some))
        return completed

    def distance(self, particles: Particles) -> NDArray[np.int64]:
        """Distance of the model's cells from the one that was hit, in cells, ``(n, cell)``.

        It is the larger of the distances along x and y.
        """
        layout = self.geometry.layout
        if not isinstance(layout, GridLayout):  # unreachable: checked by the constructor
            raise TypeError
        along = []
        for axis, places in enumerate(self.places(particles, layout)):
            hit = places[:, layout.cells[axis] // 2, None]
            along.append(np.abs(places % layout.cells[axis] - hit))
        distance: NDArray[np.int64] = np.maximum(along[0][:, :, None], along[1][:, None, :])
        return distance.reshape(len(particles), -1)

    def places(
        self, particles: Particles, layout: GridLayout
    ) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Place of the model's lines of cells along x and y, before rolling over edges."""
        shift = self._shift(particles, layout)
        x, y = (np.arange(n) + shift[:, axis, None] for axis, n in enumerate(layout.cells))
        return x, y

    def _shift(self, particles: Particles, layout: GridLayout) -> NDArray[np.int64]:
        """Cells by which the frame is moved along x and y, ``(n, 2)``."""
        size = np.asarray(layout.cells)
        hit = np.floor(impact_in_cells(particles, self.geometry)).astype(np.int64)
        shift: NDArray[np.int64] = np.minimum(np.maximum(hit, 0), size - 1) - size // 2
        return shift

    def moved(self, particles: Particles) -> MovedCells:
        """How single cells go from the model's frame to the detector's."""
        layout = self.geometry.layout
        if not self.centre_on_impact or not isinstance(layout, GridLayout):
            return MovedCells()
        shift, far = self._shift(particles, layout), None
        if self.far_light is not None:
            far = FarRegion(self.far_light, layout.cells, particles, shift)
        return MovedCells(layout, shift, far)


@dataclass(frozen=True, eq=False)
class MovedCells:
    """Where single cells of the model's frame lie in the detector, shower by shower.

    Attributes:
        layout: The grid, if the frame is moved.
        shift: By how many cells it is moved along x and y, ``(n, 2)``.
        far: The cells that the model does not answer for, if there are any with light.
    """

    layout: GridLayout | None = None
    shift: NDArray[np.int64] | None = None
    far: FarRegion | None = None

    def to_detector(
        self, rows: NDArray[np.int64], cells: NDArray[np.int64]
    ) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
        """Move hits.

        Arguments:
            rows: Number of each hit's shower, ``(hit,)``.
            cells: The model's cell that is hit, ``(hit,)``.

        Returns:
            The detector's cells, and whether they are in the detector at all.
        """
        if self.layout is None or self.shift is None:
            return cells, np.broadcast_to(np.True_, cells.shape)
        return self.layout.stepped(cells, *self.shift[rows].T)
