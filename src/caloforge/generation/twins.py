"""Pairs of deposits of one particle; see `caloforge.data.deposit_twins`."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from caloforge.data.deposit_twins import STEPS, signed_chances
from caloforge.errors import BundleError
from caloforge.generation import random_numbers as keyed
from caloforge.geometry import CylinderLayout

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from caloforge.geometry import DetectorGeometry
    from caloforge.types import CellLaw


# Chances that were rounded for storage may sum to a little more than 1: the last is cut.
_MOST = 1.05


class Paired(NamedTuple):
    """What becomes of deposits that were drawn cell by cell.

    Attributes:
        kept: Which of them stay, ``(m,)``.
        first: Those that have a twin, ``(pair,)``.
        cells: The twin's cell, ``(pair,)``.
        numbers: A uniform number for the twin's energy, ``(pair,)``.
    """

    kept: NDArray[np.bool_]
    first: NDArray[np.int64]
    cells: NDArray[np.int64]
    numbers: NDArray[np.float64]


class Pairing:
    r"""Puts deposits together in pairs, so that each cell's number stays Poisson's.

    A deposit of a cell looks for a twin a step away with the chance :math:`\kappa` of that
    step. With :math:`a = \min(1, \lambda' / \lambda)` of the two cells' expected numbers, it
    gets one with the chance :math:`a / 2`, is left out with :math:`a / 2`, as its place is that
    of a twin of the other cell's deposits, and else stays alone. From either cell together
    there are :math:`\kappa \min(\lambda, \lambda')` pairs; as many deposits are gained as are
    lost.

    Arguments:
        law: A law with twins.
        geometry: The detector.

    Raises:
        BundleError: If it is no cylinder, or the chances are not possible.
    """

    def __init__(self, law: CellLaw, geometry: DetectorGeometry) -> None:
        layout = geometry.layout
        if not isinstance(layout, CylinderLayout) or law.twins is None:
            msg = f"model: draws twins in geometry '{geometry.name}', expected a cylinder"
            raise BundleError(msg)
        chances = law.twins.double().cpu().numpy()
        rings = max(layer.shape[1] for layer in layout.layers)
        possible = chances.shape == (len(STEPS), rings) and np.isfinite(chances).all()
        steps, signed = signed_chances(chances) if possible else ([], np.full((1, 1), np.nan))
        if not ((signed >= 0).all() and (signed.sum(axis=0) <= _MOST).all()):
            msg = "model: draws twins of deposits by chances that are none; it is damaged"
            raise BundleError(msg)
        self._layout = layout
        self._steps = np.array(steps, dtype=np.int64)
        edges = np.minimum(np.cumsum(signed, axis=0).T, 1.0)  # (ring, step)
        self._totals = edges[:, -1]
        # Ring r occupies (r, r + 1] of one increasing sequence: a single search serves all.
        self._edges = (edges + np.arange(rings)[:, None]).ravel()

    def paired(
        self,
        rows: NDArray[np.int64],
        cells: NDArray[np.int64],
        light: Callable[[NDArray[np.int64], NDArray[np.int64]], NDArray[np.floating]],
        *,
        seed: int,
        showers: NDArray[np.int64],
    ) -> Paired:
        """Draw which deposits have twins.

        Arguments:
            rows: Shower of each deposit, rising, ``(m,)``.
            cells: Its cell, ``(m,)``.
            light: Expected numbers in cells, for some of the deposits: their numbers and cells,
                ``(k,)`` each, to ``(k,)``.
            seed: Key of the random numbers.
            showers: Numbers of the showers, ``(n,)``.
        """
        counts = np.bincount(rows, minlength=len(showers))
        numbers = keyed.sequences(seed, showers, counts, 3, keyed.TRACKS)
        rings = self._layout.ring_of_cell[cells]
        looking = np.flatnonzero(numbers[:, 0] < self._totals[rings])
        ring = rings[looking]
        place = np.searchsorted(self._edges, ring + numbers[looking, 0], side="right")
        # Rounded up to the end of its ring, a number belongs to the last step.
        step = np.minimum(place - ring * len(self._steps), len(self._steps) - 1)
        here = cells[looking]
        there, inside = self._layout.stepped(here, *self._steps[step].T)
        ratio = light(looking, there) / np.maximum(light(looking, here), 1e-30)
        shared = np.where(inside, np.minimum(ratio, 1.0), 0.0)
        chance = numbers[looking, 1]
        kept = np.ones(len(rows), dtype=np.bool_)
        kept[looking[(chance >= shared / 2) & (chance < shared)]] = False
        twin = chance < shared / 2
        first = looking[twin]
        return Paired(kept, first, there[twin], numbers[first, 2])


def pairing(law: CellLaw, geometry: DetectorGeometry) -> Pairing | None:
    """Return what pairs deposits, for a law with twins; for others ``None``."""
    return None if law.twins is None else Pairing(law, geometry)
