"""Cells in layers of rings and sectors around the particle's direction, as in CaloChallenge."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from itertools import groupby, pairwise
from typing import TYPE_CHECKING, Any

import numpy as np

from caloforge.errors import GeometryError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray


@dataclass(frozen=True)
class CylinderLayer:
    """One layer, cut into rings and sectors.

    Attributes:
        r_edges_mm: Edges of the rings, increasing, in mm; fewer than two make an empty layer.
        n_angles: Number of equal sectors in the angle.
    """

    r_edges_mm: tuple[float, ...]
    n_angles: int = 1

    def __post_init__(self) -> None:
        if any(outer <= inner for inner, outer in pairwise(self.r_edges_mm)):
            msg = f"geometry [[layers]] r_edges_mm: found {self.r_edges_mm}, expected a rise"
            raise GeometryError(msg)
        if not all(0 <= edge < 1e7 for edge in self.r_edges_mm):
            msg = f"geometry [[layers]] r_edges_mm: found {self.r_edges_mm}, expected 0 or more"
            raise GeometryError(msg)
        if self.n_angles < 1:
            msg = f"geometry [[layers]] n_angles: found {self.n_angles}, expected 1 or more"
            raise GeometryError(msg)

    @property
    def shape(self) -> tuple[int, int]:
        """Sectors and rings."""
        return self.n_angles, max(len(self.r_edges_mm) - 1, 0)

    @property
    def n_cells(self) -> int:
        """Number of cells in the layer."""
        return self.shape[0] * self.shape[1]


@dataclass(frozen=True)
class CylinderLayout:
    """Layers along the particle's direction, each with its own rings and sectors.

    Showers are flat with the radius fastest, then the angle, then the layer. Layers may differ
    and may be empty.

    Attributes:
        layers: From the front face inwards.
    """

    layers: tuple[CylinderLayer, ...]

    kind = "cylinder"

    def __post_init__(self) -> None:
        if self.n_cells == 0:
            msg = "geometry [[layers]]: found no cell, expected a layer with two r_edges_mm"
            raise GeometryError(msg)

    @property
    def n_cells(self) -> int:
        """Number of cells in all layers."""
        return sum(layer.n_cells for layer in self.layers)

    @cached_property
    def sectors(self) -> int:
        """By how many parts of a full turn all layers map onto themselves: 1 if by none."""
        return math.gcd(*(layer.n_angles for layer in self.layers if layer.n_angles > 1)) or 1

    @property
    def symmetries(self) -> tuple[str, ...]:
        """Reflections and turns of the cells; the material may have fewer."""
        return ("mirror_y", "turn") if any(x.n_angles > 1 for x in self.layers) else ()

    @cached_property
    def slices(self) -> tuple[slice, ...]:
        """Where each layer lies in a flat shower."""
        ends = np.cumsum([0, *(layer.n_cells for layer in self.layers)]).tolist()
        return tuple(slice(start, stop) for start, stop in pairwise(ends))

    def shaped(self, showers: NDArray[Any]) -> list[NDArray[Any]]:
        """Cut flat showers ``(n, cell)`` into one ``(n, angle, radius)`` array a layer."""
        return [
            showers[:, part].reshape(len(showers), *layer.shape)
            for part, layer in zip(self.slices, self.layers, strict=True)
        ]

    def layer_of_cell(self) -> NDArray[np.int64]:
        """Layer number of each cell, ``(cell,)``."""
        return np.repeat(np.arange(len(self.layers)), [layer.n_cells for layer in self.layers])

    def centres_cm(self) -> NDArray[np.float64]:
        """Centres of the cells across the shower axis, ``(cell, 2)``: x and y in cm.

        A full ring has its centre on the axis.
        """
        centres = []
        for layer in self.layers:
            edges = np.asarray(layer.r_edges_mm, dtype=np.float64)
            if layer.n_cells == 0:
                continue
            radii = (edges[1:] + edges[:-1]) / 20  # mm to cm
            angles = (np.arange(layer.n_angles) + 0.5) * 2 * np.pi / layer.n_angles
            if layer.n_angles == 1:
                radii = np.zeros_like(radii)
            angle, radius = np.meshgrid(angles, radii, indexing="ij")
            centres.append(
                np.stack(
                    ((radius * np.cos(angle)).ravel(), (radius * np.sin(angle)).ravel()), axis=1
                )
            )
        return np.concatenate(centres)

    @cached_property
    def turned(self) -> NDArray[np.int64]:
        """Original cell at each cell, not mirrored and mirrored, then turned.

        Returns:
            ``(2, sector, cell)``: with or without ``"mirror_y"``, then turned by so many
            sectors, in the direction of rising angles.
        """
        found = np.empty((2, self.sectors, self.n_cells), dtype=np.int64)
        for part, layer in zip(self.slices, self.layers, strict=True):
            cells = np.arange(part.start, part.stop).reshape(layer.shape)
            for steps in range(self.sectors):
                by = steps * layer.n_angles // self.sectors
                for mirrored, plain in enumerate((cells, cells[::-1])):
                    found[mirrored, steps, part] = np.roll(plain, by, axis=0).ravel()
        return found

    def stepped(
        self,
        cells: NDArray[np.int64],
        layers: NDArray[np.int64],
        sectors: NDArray[np.int64],
        rings: NDArray[np.int64],
    ) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
        """Go some layers, sectors and rings on, sectors around the axis.

        Arguments:
            cells: Where from, ``(n,)``.
            layers: How many layers, ``(n,)``.
            sectors: How many sectors, ``(n,)``.
            rings: How many rings, ``(n,)``.

        Returns:
            Cells, and whether there is one: a step to a layer of other cells, or to the same
            cell around the axis, is none. Cells that are not there are those of the start.
        """
        layer, sector, ring = (column[cells] for column in self._places)
        starts, n_sectors, n_rings = self._sizes
        last = len(self.layers) - 1
        to = np.clip(layer + layers, 0, last)
        inside = (to == layer + layers) & (n_sectors[to] == n_sectors[layer])
        inside &= (n_rings[to] == n_rings[layer]) & (ring + rings >= 0)
        # Once around is no step.
        whole = (sectors != 0) & (sectors % np.maximum(n_sectors[layer], 1) == 0)
        inside &= (ring + rings < n_rings[layer]) & ~whole
        around = (sector + sectors) % np.maximum(n_sectors[layer], 1)
        there = starts[to] + around * n_rings[layer] + ring + rings
        return np.where(inside, there, cells), inside

    @cached_property
    def _sizes(self) -> tuple[NDArray[np.int64], ...]:
        """First cell, sectors and rings of each layer."""
        first = [part.start for part in self.slices]
        shapes = np.array([layer.shape for layer in self.layers]).reshape(-1, 2)
        return np.array(first), shapes[:, 0], shapes[:, 1]

    @cached_property
    def ring_of_cell(self) -> NDArray[np.int64]:
        """Ring of each cell within its layer, from the axis, ``(cell,)``."""
        return self._places[2]

    @cached_property
    def _places(self) -> tuple[NDArray[np.int64], ...]:
        """Layer, sector and ring of each cell."""
        layer = self.layer_of_cell()
        starts, _, n_rings = self._sizes
        sector, ring = np.divmod(np.arange(self.n_cells) - starts[layer], n_rings[layer])
        return layer, sector, ring

    def as_dict(self) -> list[dict[str, Any]]:
        """Return the TOML tables of this layout; equal layers in a row share one."""
        tables: list[dict[str, Any]] = []
        for layer, equal in groupby(self.layers):
            tables.append({"r_edges_mm": list(layer.r_edges_mm), "n_angles": layer.n_angles})
            if (repeat := len(list(equal))) > 1:
                tables[-1]["repeat"] = repeat
        return tables

    @classmethod
    def from_dict(cls, tables: list[Mapping[str, Any]]) -> CylinderLayout:
        """Build the layout from its TOML tables."""
        return cls(
            tuple(
                CylinderLayer(tuple(map(float, t["r_edges_mm"])), int(t.get("n_angles", 1)))
                for t in tables
                for _ in range(int(t.get("repeat", 1)))
            )
        )
