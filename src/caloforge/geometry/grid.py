"""Cells on a rectangular grid across the particle's direction."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from caloforge.errors import GeometryError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

SYMMETRIES = ("mirror_x", "mirror_y", "transpose")
_MOST_PLANES = 64
_COLOURS = ("red", "green", "blue")


@dataclass(frozen=True)
class GridLayout:
    """A grid of ``cells[0]`` x ``cells[1]`` cells, centred on the origin.

    Cell ``(i, j)`` has ``i`` along x and ``j`` along y, and is stored flat at
    ``i * cells[1] + j``. Colour images have several planes, one after another: cell
    ``(plane, i, j)`` is stored at ``(plane * cells[0] + i) * cells[1] + j``.

    Attributes:
        cells: Number of cells along x and y.
        pitch_cm: Size of a cell along x and y, in cm.
        symmetries: Reflections under which the detector maps onto itself, out of ``mirror_x``,
            ``mirror_y`` and ``transpose`` (swap x and y): training may use them to see a shower
            from other sides.
        planes: Cells at each place: 1, or 3 for red, green and blue.
    """

    cells: tuple[int, int]
    pitch_cm: tuple[float, float] = (1.0, 1.0)
    symmetries: tuple[str, ...] = ()
    planes: int = 1

    kind = "grid"

    def __post_init__(self) -> None:
        if len(self.cells) != 2 or min(self.cells) < 1:
            msg = f"geometry [grid] cells: found {self.cells}, expected two numbers above 0"
            raise GeometryError(msg)
        if len(self.pitch_cm) != 2 or not all(1e-6 < p < 1e6 for p in self.pitch_cm):
            msg = (
                f"geometry [grid] pitch_cm: found {self.pitch_cm}, expected two lengths above 0"
            )
            raise GeometryError(msg)
        if not isinstance(self.planes, int) or not 1 <= self.planes <= _MOST_PLANES:
            msg = (
                f"geometry [grid] planes: found {self.planes}, expected 1 to {_MOST_PLANES}; "
                "take 3 for colours"
            )
            raise GeometryError(msg)
        for name in self.symmetries:
            if name not in SYMMETRIES:
                msg = (
                    f"geometry [grid] symmetries: found '{name}', expected some of "
                    f"{', '.join(SYMMETRIES)}"
                )
                raise GeometryError(msg)
        square = self.cells[0] == self.cells[1] and self.pitch_cm[0] == self.pitch_cm[1]
        if "transpose" in self.symmetries and not square:
            msg = "geometry [grid] symmetries: 'transpose' needs a square grid; leave it out"
            raise GeometryError(msg)

    @property
    def n_cells(self) -> int:
        """Number of cells, of all planes."""
        return self.planes * self.cells[0] * self.cells[1]

    @property
    def plane_names(self) -> tuple[str, ...]:
        """What the planes are called."""
        if self.planes == len(_COLOURS):
            return _COLOURS
        return tuple(f"plane {k}" for k in range(self.planes))

    @property
    def half_width_cm(self) -> tuple[float, float]:
        """Half of the detector's width along x and y, in cm."""
        return self.cells[0] * self.pitch_cm[0] / 2, self.cells[1] * self.pitch_cm[1] / 2

    def shaped(self, showers: NDArray[Any]) -> NDArray[Any]:
        """View flat showers ``(n, cell)`` as ``(n, x, y)``; the sum over planes, if several."""
        if self.planes == 1:
            return showers.reshape(len(showers), *self.cells)
        wide = np.int64 if showers.dtype.kind in "bui" else showers.dtype
        summed: NDArray[Any] = self.by_plane(showers).sum(axis=1, dtype=wide)
        return summed

    def by_plane(self, showers: NDArray[Any]) -> NDArray[Any]:
        """View flat showers ``(n, cell)`` as ``(n, plane, x, y)``."""
        return showers.reshape(len(showers), self.planes, *self.cells)

    def upright(self, showers: NDArray[Any]) -> NDArray[Any]:
        """View flat showers ``(n, cell)`` as pictures ``(n, row, column)``.

        As people look at them: x to the right, y upwards, the first row on top. Of several
        planes the result is ``(n, row, column, plane)``, as programs for pictures want it.
        """
        pictures = self.by_plane(showers).transpose(0, 3, 2, 1)[:, ::-1]
        return pictures[..., 0] if self.planes == 1 else pictures

    def flat(self, pictures: NDArray[Any]) -> NDArray[Any]:
        """Undo `upright`: pictures to flat showers ``(n, cell)``."""
        rows = pictures[..., None] if self.planes == 1 else pictures
        return rows[:, ::-1].transpose(0, 3, 2, 1).reshape(len(pictures), self.n_cells)

    def centres_cm(self) -> NDArray[np.float64]:
        """Centres of the cells, ``(cell, 2)``: x and y in cm; alike in all planes."""
        axes = [
            (np.arange(n) + 0.5) * pitch - half
            for n, pitch, half in zip(
                self.cells, self.pitch_cm, self.half_width_cm, strict=True
            )
        ]
        x, y = np.meshgrid(*axes, indexing="ij")
        return np.tile(np.stack((x.ravel(), y.ravel()), axis=1), (self.planes, 1))

    @cached_property
    def _lines(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Place of each cell of a plane along x and along y, ``(cell,)`` each."""
        x, y = np.indices(self.cells)
        return x.ravel(), y.ravel()

    def stepped(
        self, cells: NDArray[np.int64], dx: NDArray[np.int64], dy: NDArray[np.int64]
    ) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
        """Go some steps from cells of a plane, ``(n,)`` each.

        Returns:
            The cells there, of no meaning outside, and whether they are inside the grid.
        """
        nx, ny = self.cells
        # Look-ups in small tables are faster than divisions.
        x, y = self._lines[0][cells] + dx, self._lines[1][cells] + dy
        # Negative numbers become enormous ones: two comparisons do.
        inside = (x.astype(np.uint64) < nx) & (y.astype(np.uint64) < ny)
        return x * ny + y, inside

    def as_dict(self) -> dict[str, Any]:
        """Return the TOML table of this layout."""
        table: dict[str, Any] = {"cells": list(self.cells), "pitch_cm": list(self.pitch_cm)}
        if self.symmetries:
            table["symmetries"] = list(self.symmetries)
        if self.planes != 1:
            table["planes"] = self.planes
        return table

    @classmethod
    def from_dict(cls, table: Mapping[str, Any]) -> GridLayout:
        """Build the layout from its TOML table."""
        return cls(
            cells=tuple(table["cells"]),
            pitch_cm=tuple(map(float, table.get("pitch_cm", (1.0, 1.0)))),  # type: ignore[arg-type]
            symmetries=tuple(table.get("symmetries", ())),
            planes=table.get("planes", 1),
        )
