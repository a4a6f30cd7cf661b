"""From points to cells and back: which cell a point lies in, where the point of a cell lies."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from caloforge.errors import DataFormatError
from caloforge.formats.format import WARNING
from caloforge.formats.units import conversion
from caloforge.geometry import CylinderLayout, GridLayout

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from caloforge.geometry import DetectorGeometry

_ENERGIES = ("eV", "keV", "MeV", "GeV", "TeV")
_MUCH = 0.01  # share of the sum outside of all cells that is more than leakage at the edges


@dataclass
class Lost:
    """Points that lie in no cell.

    Attributes:
        points: Points seen.
        outside: Those of them in no cell.
        value: Sum of all their values.
        value_outside: Sum of those outside.
    """

    points: int = 0
    outside: int = 0
    value: float = 0.0
    value_outside: float = 0.0

    def add(self, cell: NDArray[np.int64], value: NDArray[np.float64]) -> None:
        """Count points with their cell, -1 for none."""
        outside = cell < 0
        self.points += len(cell)
        self.outside += int(outside.sum())
        self.value += float(np.nansum(value))
        self.value_outside += float(np.nansum(value[outside]))

    def text(self, geometry: DetectorGeometry) -> str:
        """Say what was lost, ``""`` if nothing."""
        if not self.outside:
            return ""
        share = self.value_outside / self.value if self.value else 0.0
        text = (
            f"points outside of all cells of '{geometry.name}': {self.outside} of "
            f"{self.points} left out, with {100 * share:.3g} % of the sum"
        )
        return f"{WARNING}{text}; give the right --geometry" if share > _MUCH else text


class PointCells:
    """The cells of a geometry, as the places of points.

    A point is ``(x, y, layer, value)``: x and y in mm around the particle (cylinder) or from
    the centre of the front face (grid, a single layer 0). Values are energies in a unit of
    energy, or what the geometry counts.

    Arguments:
        geometry: The cells.
        unit: Unit of the points' values.
        source: The file, for messages.

    Attributes:
        conversions: What is converted, a sentence each.

    Raises:
        DataFormatError: If the unit of the points is not one of the geometry.
    """

    def __init__(self, geometry: DetectorGeometry, unit: str, *, source: str) -> None:
        self.geometry, self._source = geometry, source
        if unit in _ENERGIES and geometry.unit not in _ENERGIES:
            msg = (
                f"{source}: points have energies in {unit}, geometry '{geometry.name}' has "
                f"cells in {geometry.unit}, expected the same; name the geometry that made them"
            )
            raise DataFormatError(msg)
        self._unit = conversion(unit, geometry.unit, where=source)
        self.conversions = [text for text in (self._unit.text("points"),) if text]

    def sort(
        self, points: NDArray[np.float32], counts: NDArray[np.int64], first_row: int
    ) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        """Find the cell of each point.

        A point with a place, layer or value that is not finite becomes NaN in the first cell of
        its shower, for checks to find.

        Arguments:
            points: All points of some showers, ``(point, 4 or 5)``.
            counts: Number of points of each shower, ``(n,)``.
            first_row: Number of the first shower, for messages.

        Returns:
            Cell of each point, -1 where there is none; its value in the geometry's unit.

        Raises:
            DataFormatError: If a layer is no integer, or a grid is given points in layers.
        """
        x, y, layer = (points[:, k].astype(np.float64) for k in range(3))
        value = np.asarray(self._unit.apply(points[:, 3].astype(np.float64)))
        broken = ~np.isfinite(points[:, :4]).all(axis=1)
        layer = np.where(broken, 0.0, layer)
        with np.errstate(invalid="ignore"):
            number = np.rint(layer)
            wrong = ~(np.abs(layer - number) < 0.1)
        self._refuse(
            wrong,
            layer,
            counts,
            first_row,
            "expected the number of a layer; z in mm is no number",
        )
        layout = self.geometry.layout
        if isinstance(layout, GridLayout):
            cure = f"the grid '{self.geometry.name}' has layer 0 only; name one with layers"
            self._refuse(number != 0, layer, counts, first_row, cure)
            cell = _in_grid(layout, x, y)
        else:
            cell = _in_cylinder(layout, x, y, number)
        if broken.any():
            cell, value = np.where(broken, 0, cell), np.where(broken, np.nan, value)
        return cell, value

    def showers(
        self, cell: NDArray[np.int64], value: NDArray[np.float64], counts: NDArray[np.int64]
    ) -> NDArray[Any]:
        """Add points up in their cells, ``(n, cell)`` float32, or float64 for counts."""
        n, n_cells = len(counts), self.geometry.n_cells
        row = np.repeat(np.arange(n), counts)
        inside = cell >= 0
        total = np.bincount(
            row[inside] * n_cells + cell[inside], weights=value[inside], minlength=n * n_cells
        ).reshape(n, n_cells)
        return total if self.geometry.counts else total.astype(np.float32)

    def places(self) -> NDArray[np.float64]:
        """Return a place inside each cell, ``(cell, 3)``: x and y in mm, layer."""
        layout = self.geometry.layout
        if isinstance(layout, GridLayout):
            centres = layout.centres_cm() * 10
            return np.concatenate((centres, np.zeros((len(centres), 1))), axis=1)
        places = []
        for number, layer in enumerate(layout.layers):
            if layer.n_cells == 0:
                continue
            edges = np.asarray(layer.r_edges_mm, dtype=np.float64)
            angles = (np.arange(layer.n_angles) + 0.5) * 2 * np.pi / layer.n_angles
            # In the middle of the ring also where there is one sector: its centre, on the axis,
            # would lie in another ring.
            angle, radius = np.meshgrid(angles, (edges[1:] + edges[:-1]) / 2, indexing="ij")
            x, y = (radius * np.cos(angle)).ravel(), (radius * np.sin(angle)).ravel()
            places.append(np.stack((x, y, np.full(x.shape, float(number))), axis=1))
        return np.concatenate(places)

    def points_unit(self) -> str:
        """Unit in which points are written: GeV for energies, else the geometry's."""
        return "GeV" if self.geometry.unit in _ENERGIES else self.geometry.unit

    def _refuse(
        self,
        wrong: NDArray[np.bool_],
        layer: NDArray[np.float64],
        counts: NDArray[np.int64],
        first_row: int,
        cure: str,
    ) -> None:
        """Name the first point in a wrong layer, if there is one."""
        if not wrong.any():
            return
        point = int(np.argmax(wrong))
        row = int(np.searchsorted(np.cumsum(counts), point, side="right"))
        msg = (
            f"{self._source}: shower {first_row + row} has a point at z = {layer[point]:.6g}, "
        )
        raise DataFormatError(msg + cure)


def _in_grid(
    layout: GridLayout, x: NDArray[np.float64], y: NDArray[np.float64]
) -> NDArray[np.int64]:
    """Cell of each place in mm, -1 outside."""
    inside = np.ones(len(x), dtype=bool)
    index = []
    for axis, place in enumerate((x, y)):
        k = (place / 10 + layout.half_width_cm[axis]) / layout.pitch_cm[axis]
        with np.errstate(invalid="ignore"):
            inside &= (k >= 0) & (k < layout.cells[axis])
        index.append(np.floor(np.where(inside, k, 0)).astype(np.int64))
    return np.where(inside, index[0] * layout.cells[1] + index[1], -1)


def _in_cylinder(
    layout: CylinderLayout,
    x: NDArray[np.float64],
    y: NDArray[np.float64],
    number: NDArray[np.float64],
) -> NDArray[np.int64]:
    """Cell of each place in mm and layer, -1 outside."""
    radius = np.hypot(x, y)  # a place that is no number lies beyond all rings
    turn = np.nan_to_num(np.arctan2(y, x) / (2 * np.pi) % 1.0)
    cell = np.full(len(x), -1, dtype=np.int64)
    # Small integers are sorted fast; all layers behind the last are as one.
    number = np.clip(number, -1, len(layout.layers)).astype(np.int16)
    order = np.argsort(number, kind="stable")
    ends = np.searchsorted(number[order], np.arange(len(layout.layers) + 1))
    for k, (layer, part) in enumerate(zip(layout.layers, layout.slices, strict=True)):
        here = order[ends[k] : ends[k + 1]]
        if layer.n_cells == 0 or not len(here):
            continue
        ring = np.searchsorted(layer.r_edges_mm, radius[here], side="right") - 1
        inside = (ring >= 0) & (ring < layer.shape[1])
        sector = np.minimum((turn[here] * layer.n_angles).astype(np.int64), layer.n_angles - 1)
        cell[here[inside]] = (part.start + sector * layer.shape[1] + ring)[inside]
    return cell
