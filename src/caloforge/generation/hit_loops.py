"""Hits drawn by loops that numba compiles, where it is installed."""

from __future__ import annotations

import logging
from functools import cache
from importlib import import_module
from threading import Timer
from typing import TYPE_CHECKING

import numpy as np

from caloforge.errors import BundleError
from caloforge.generation import random_numbers as keyed
from caloforge.generation.wandering import wandering
from caloforge.geometry import GridLayout

if TYPE_CHECKING:
    from types import ModuleType

    from numpy.typing import NDArray

    from caloforge.data.transforms import MovedCells
    from caloforge.generation.alias import AliasTable
    from caloforge.geometry import DetectorGeometry
    from caloforge.types import CellLaw

# A shower of more hits is a fault of the model, and would fill the memory.
MOST_HITS = 1e7

# Reading what was compiled before takes less than a second.
_COMPILING_S = 2.0

_STREAMS = (keyed.HIT_TOTALS, keyed.HITS, keyed.TRACKS)


def check_hits(means: NDArray[np.float64], what: str) -> None:
    """Refuse showers of more than `MOST_HITS`.

    Arguments:
        means: Expected numbers of hits, of any shape.
        what: What the hits are called.

    Raises:
        BundleError: If there are any, or numbers that are none.
    """
    if not (means <= MOST_HITS).all():
        msg = (
            f"model: gives showers of {means.max():.3g} {what}, expected less than "
            f"{MOST_HITS:g}; the bundle is of no use for these particles"
        )
        raise BundleError(msg)


@cache
def installed_loops() -> ModuleType | None:
    """Return `caloforge.generation.loops` where numba (extra ``fast``) is installed and works.

    It is compiled here, which the logger of this module tells, or read from where numba keeps
    what was compiled. If that fails, as on a full disk or with a damaged file, NumPy does the
    work.
    """
    try:
        loops = import_module("caloforge.generation.loops")
        compiling = Timer(_COMPILING_S, _tell)
        compiling.daemon = True
        compiling.start()
        try:
            loops.warm_up()
        finally:
            compiling.cancel()
    except Exception:  # noqa: BLE001 - what numba kept on disk may break in any way
        return None
    return loops


def _tell() -> None:
    logging.getLogger(__name__).info(
        "compiling the loops over hits: 10 to 40 s, once for an installation"
    )


class HitLoops:
    """Hands to the loops what does not change from shower to shower.

    Arguments:
        table: Draws cells.
        shapes: Chance of each of the model's cells, ``(shape, cell)``.
        law: How counts are distributed.
        geometry: The detector.
    """

    def __init__(
        self,
        table: AliasTable,
        shapes: NDArray[np.float32],
        law: CellLaw,
        geometry: DetectorGeometry,
    ) -> None:
        n_cells = shapes.shape[1]
        sizes = np.array(law.cluster_sizes()[:-1])
        moves = wandering(law, geometry)
        light, steps = shapes[:0], (np.zeros((0, 2), dtype=np.int64), np.empty(0))
        if moves is not None:
            light, steps = shapes, moves.moves
        self._law = (law.clusters_per_count, law.wander, MOST_HITS)
        layout = geometry.layout
        self._grid = (n_cells, 1)
        if isinstance(layout, GridLayout) and layout.planes == 1:
            self._grid = layout.cells
        self._tables = (sizes, table.keep, table.alias, light, steps, self._grid)
        self._nothing_far = (np.empty(0, dtype=np.int64), np.empty((0, 0)))

    def draw(
        self,
        amounts: NDArray[np.float32],
        moved: MovedCells,
        seed: int,
        showers: NDArray[np.int64],
        rows: NDArray[np.int64],
        counts: NDArray[np.uint16],
    ) -> bool:
        """Draw some of the showers.

        Arguments:
            amounts: Expected counts of each shape, ``(n, shape)``.
            moved: How cells go from the model's frame to the detector's.
            seed: Key of the random numbers.
            showers: Numbers of the showers, ``(n,)``.
            rows: Which are drawn, ``(m,)``.
            counts: Receives the counts in the detector's order of cells, ``(n, cell)``, zeros
                before.

        Returns:
            Whether it was done: not if an amount is no amount, there are too many hits, or a
            cell needs more than 16 bits.
        """
        n = len(showers)
        shift = np.zeros((n, 2), dtype=np.int64) if moved.shift is None else moved.shift
        far = self._nothing_far if moved.far is None else (moved.far.bins, moved.far.rates)
        loops = installed_loops()
        if loops is None:  # unpickled where numba is not
            return False
        answer = loops.draw_hits(
            amounts,
            np.uint64(seed),
            showers,
            rows,
            _STREAMS,
            self._law,
            *self._tables,
            shift,
            far,
            counts,
        )
        return bool(answer == loops.DRAWN)
