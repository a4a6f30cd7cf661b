"""Invertible transforms of showers, applied before a model sees them and undone after it.

They permute cells: in the model's frame of cells the physics looks simpler. Values stay in the
detector's unit; logarithms are the business of a model's cell head.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from caloforge.data.derived import impact_in_cells
from caloforge.data.files.shower_format import piece_rows
from caloforge.errors import ConfigError
from caloforge.geometry import GridLayout

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from caloforge.data.particles import Particles
    from caloforge.geometry import DetectorGeometry


# Distances from the impact point, in cells, at which the far light is given anew.
_FAR_BINS = (0, 24, 28, 32, 38)


@dataclass(frozen=True)
class FarLight:
    """Mean of a far cell per GeV of the incident particle, by kind and distance.

    Attributes:
        bins: Lower edges of the bins of distance from the impact point, in cells.
        per_gev: Means in the bins for each PDG code, in the detector's unit; those under 0 are
            of all kinds together, and for kinds that have none of their own.
    """

    bins: tuple[int, ...]
    per_gev: Mapping[int, tuple[float, ...]]

    def means(self, particles: Particles, distance: NDArray[np.int64]) -> NDArray[np.float64]:
        """Mean of each cell, ``(n, cell)``, at distances ``(n, cell)``."""
        table = np.array(
            [self.per_gev.get(int(pdg), self.per_gev[0]) for pdg in particles["pdg"]]
        )
        which = np.searchsorted(self.bins, distance, side="right") - 1
        means = np.take_along_axis(table, which, axis=1) * particles["energy_gev"][:, None]
        return np.asarray(means, dtype=np.float64)

    def as_dict(self) -> dict[str, Any]:
        """Return plain lists and numbers for JSON."""
        return {
            "bins": list(self.bins),
            "per_gev": {str(pdg): list(means) for pdg, means in self.per_gev.items()},
        }

    @classmethod
    def from_dict(cls, table: Mapping[str, Any]) -> FarLight:
        """Build what `as_dict` described."""
        per_gev = {int(pdg): tuple(means) for pdg, means in table["per_gev"].items()}
        return cls(tuple(table["bins"]), per_gev)

    @classmethod
    def fit(cls, frame: CellFrame, particles: Particles, showers: NDArray[Any]) -> FarLight:
        """Measure it.

        Arguments:
            frame: The model's frame of cells.
            particles: Incident particles of the training showers.
            showers: Their cells in the detector's order, ``(n, cell)``.
        """
        fit = FarLightFit(frame)
        fit.add(particles, showers)
        return fit.light()


class FarLightFit:
    """Measures far light piece by piece.

    Arguments:
        frame: The model's frame of cells.
    """

    def __init__(self, frame: CellFrame) -> None:
        self._frame = frame
        self._sums: dict[int, NDArray[np.float64]] = {}

    def add(self, particles: Particles, showers: NDArray[Any]) -> None:
        """Take in training showers, ``(n, cell)`` in the detector's order."""
        size = min(1024, piece_rows(self._frame.geometry.n_cells))
        for start in range(0, len(particles) if self._frame.centre_on_impact else 0, size):
            rows = slice(start, start + size)
            self._add(particles.select(rows), showers[rows])

    def _add(self, particles: Particles, showers: NDArray[Any]) -> None:
        geometry, n_bins = self._frame.geometry, len(_FAR_BINS)
        layout = geometry.layout
        if not isinstance(layout, GridLayout):  # unreachable: checked by the frame
            raise TypeError
        size = layout.cells
        places = self._frame.places(particles, layout)
        # Lines of cells: whether they are far, their number in the detector, and their bin.
        near = [(p >= 0) & (p < n) for p, n in zip(places, size, strict=True)]
        lines = [p % n for p, n in zip(places, size, strict=True)]
        bins = [
            np.searchsorted(_FAR_BINS, np.abs(p - p[:, n // 2, None]), "right") - 1
            for p, n in zip(lines, size, strict=True)
        ]
        # Few cells are far: all else is done for them alone.
        rows, i, j = np.nonzero(~(near[0][:, :, None] & near[1][:, None, :]))
        cells = showers[rows, lines[0][rows, i] * size[1] + lines[1][rows, j]]
        which = np.maximum(bins[0][rows, i], bins[1][rows, j])
        exposure = particles["energy_gev"][rows]
        kinds = particles["pdg"][rows]
        for pdg in (0, *np.unique(particles["pdg"]).tolist()):
            chosen = slice(None) if pdg == 0 else kinds == pdg
            sums = [
                np.bincount(which[chosen], weights=values[chosen], minlength=n_bins)
                for values in (cells, exposure)
            ]
            self._sums[pdg] = self._sums.get(pdg, np.zeros((2, n_bins))) + np.stack(sums)

    def light(self) -> FarLight:
        """Return what was measured."""
        per_gev = {
            pdg: tuple((cells / np.maximum(exposure, 1e-300)).tolist())
            for pdg, (cells, exposure) in self._sums.items()
        }
        return FarLight(_FAR_BINS, {0: (0.0,) * len(_FAR_BINS)} | per_gev)


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
        size = np.asarray(layout.cells)
        hit = np.floor(impact_in_cells(particles, self.geometry)).astype(np.int64)
        shift = np.clip(hit, 0, size - 1) - size // 2
        return np.arange(size[0]) + shift[:, :1], np.arange(size[1]) + shift[:, 1:]
