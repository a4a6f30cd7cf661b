"""Counts of tracks that wander to neighbouring cells; see `caloforge.nn.tracks`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from caloforge.data.track_light import steps
from caloforge.errors import BundleError
from caloforge.geometry import GridLayout

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from caloforge.geometry import DetectorGeometry
    from caloforge.types import CellLaw


class Wandering:
    """Moves counts from cell to cell of a grid without changing any mean.

    Arguments:
        law: The law ``"tracks"``.
        layout: The grid.

    Attributes:
        moves: Steps along x and y, ``(m, 2)``, and the upper edges of their chances in the
            unit interval, without the last.
    """

    def __init__(self, law: CellLaw, layout: GridLayout) -> None:
        table, chances = steps(law.reach)
        self._chance, self._layout = law.wander, layout
        self._dx, self._dy = table.T
        self._edges = np.cumsum(chances)[:-1]
        self.moves = (table, self._edges)

    def moved(
        self,
        places: NDArray[np.int64],
        numbers: NDArray[np.float64],
        light: Callable[[NDArray[np.int64], NDArray[np.int64]], NDArray[np.floating]],
    ) -> NDArray[np.int64]:
        """Let counts wander.

        Arguments:
            places: Cell of each count, ``(count,)``.
            numbers: Two uniform numbers for each, ``(count, 2)``.
            light: Expected counts in given cells for some of the counts: their numbers and
                cells, ``(m,)`` each, to ``(m,)``.

        Returns:
            Their new cells, ``(count,)``.
        """
        leaving = np.flatnonzero(numbers[:, 0] < self._chance)
        here = places[leaving]
        step = np.searchsorted(self._edges, numbers[leaving, 0] / self._chance, side="right")
        there, inside = self._layout.stepped(here, self._dx[step], self._dy[step])
        leaving, here, there = leaving[inside], here[inside], there[inside]
        stays = numbers[leaving, 1] * light(leaving, here) >= light(leaving, there)
        moved = places.copy()
        moved[leaving] = np.where(stays, here, there)
        return moved


def wandering(law: CellLaw, geometry: DetectorGeometry) -> Wandering | None:
    """Return what moves counts, for the law ``"tracks"``; for others ``None``.

    Raises:
        BundleError: If the detector is no grid.
    """
    if law.name != "tracks":
        return None
    if not isinstance(geometry.layout, GridLayout):
        msg = f"model: draws tracks in geometry '{geometry.name}', expected a grid of cells"
        raise BundleError(msg)
    return Wandering(law, geometry.layout)
