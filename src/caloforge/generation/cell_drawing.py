"""From the cells that a model gives to those of the detector, by the model's law."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from caloforge.generation.counts import draw_counts
from caloforge.generation.deposits import draw_energies
from caloforge.generation.twins import pairing
from caloforge.generation.wandering import wandering

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from caloforge.geometry import DetectorGeometry
    from caloforge.types import CellLaw


class CellDrawing:
    """Draws counts or energies around what a model gives for cells.

    Arguments:
        law: How they are distributed.
        geometry: The detector.

    Raises:
        BundleError: If the law does not fit the detector.
    """

    def __init__(self, law: CellLaw, geometry: DetectorGeometry) -> None:
        self._law, self._counts = law, geometry.counts
        laws = [one for one in (law, law.electromagnetic) if one is not None]
        self._families = [(one, wandering(one, geometry)) for one in laws]
        self._pairing = pairing(law, geometry)

    def draw(
        self,
        cells: NDArray[np.float32],
        *,
        seed: int,
        showers: NDArray[np.int64],
        order: NDArray[np.int64],
        apart: NDArray[np.bool_] | None = None,
    ) -> NDArray[Any]:
        """Draw showers. A row depends on its own cells and number, and on its place.

        Arguments:
            cells: What the model gives, not negative, ``(n, cell)``.
            seed: Key of the random numbers.
            showers: Numbers of the showers, ``(n,)``.
            order: Detector cell at each of the model's cells, ``(n, cell)``.
            apart: Which showers follow the law of photons and electrons, ``(n,)``.

        Returns:
            Counts or energies in the detector's order of cells, ``(n, cell)``.

        Raises:
            BundleError: If a cell is not a number, or the law is not known.
        """
        if not self._counts:
            return draw_energies(
                cells, self._law, seed=seed, showers=showers, order=order, pairing=self._pairing
            )
        # Both laws for all: what a row gets may depend on its place.
        drawn, *own = (
            draw_counts(cells, law, seed=seed, showers=showers, order=order, wandering=moves)
            for law, moves in (self._families if apart is not None else self._families[:1])
        )
        return np.where(apart[:, None], own[0], drawn) if apart is not None else drawn
