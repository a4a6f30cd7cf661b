"""Read-out channels: sums over groups of cells."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from caloforge.errors import GeometryError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from caloforge.geometry.grid import GridLayout

PARITIES = ("all", "even", "odd")


@dataclass(frozen=True)
class Channel:
    """A rectangle of a grid's cells, of one colour of the chessboard or of both.

    Attributes:
        name: Shown in tables and pictures.
        parity: ``"even"`` or ``"odd"`` takes the cells whose ``i + j`` is so, ``"all"`` both.
        x: First cell and one past the last along x; ``None`` takes all.
        y: The same along y.
    """

    name: str
    parity: str = "all"
    x: tuple[int, int] | None = None
    y: tuple[int, int] | None = None

    def __post_init__(self) -> None:
        if self.parity not in PARITIES:
            msg = f"channel '{self.name}': found parity '{self.parity}', expected {PARITIES}"
            raise GeometryError(msg)

    def mask(self, layout: GridLayout) -> NDArray[np.bool_]:
        """Cells of this channel, ``(cell,)``, in all planes."""
        i, j = np.indices(layout.cells)
        inside = np.ones(layout.cells, dtype=bool)
        for index, bounds in ((i, self.x), (j, self.y)):
            if bounds is not None:
                inside &= (index >= bounds[0]) & (index < bounds[1])
        if self.parity != "all":
            inside &= (i + j) % 2 == ("even", "odd").index(self.parity)
        if not inside.any():
            msg = f"channel '{self.name}': found no cell in it, expected at least one"
            raise GeometryError(msg)
        return np.tile(inside.ravel(), layout.planes)

    def as_dict(self) -> dict[str, Any]:
        """Return the TOML table of this channel."""
        table: dict[str, Any] = {"name": self.name, "parity": self.parity}
        for axis in ("x", "y"):
            bounds = getattr(self, axis)
            if bounds is not None:
                table[axis] = list(bounds)
        return table

    @classmethod
    def from_dict(cls, table: Mapping[str, Any]) -> Channel:
        """Build a channel from its TOML table."""
        return cls(
            name=table["name"],
            parity=table.get("parity", "all"),
            x=tuple(table["x"]) if "x" in table else None,
            y=tuple(table["y"]) if "y" in table else None,
        )


@dataclass(frozen=True, eq=False)
class ChannelSet:
    """All channels of a detector under one convention.

    Attributes:
        convention: Name of the convention, to be stated beside every number made with it.
        names: Name of each channel.
        masks: Cells of each channel, ``(channel, cell)`` bool.
    """

    convention: str
    names: tuple[str, ...]
    masks: NDArray[np.bool_]

    def sums(self, showers: NDArray[Any]) -> NDArray[np.float64]:
        """Sum the cells of each channel, ``(n, cell) -> (n, channel)``, in the cells' unit."""
        return np.asarray(showers, dtype=np.float64) @ self.masks.T.astype(np.float64)
