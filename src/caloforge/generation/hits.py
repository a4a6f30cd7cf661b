r"""From the amounts of light in a few shapes to the counts or energies of a detector.

A model that makes showers of shapes (`caloforge.types.ShapeGenerator`) gives the expected
counts :math:`a_k` of each shape. The sum of all cells is then a Poisson number of mean
:math:`\sum_k a_k`; each hit belongs to shape :math:`k` with probability
:math:`a_k / \sum a` and falls into a cell by the chances of that shape. This is the law of
independent Poisson cells of intensity :math:`\sum_k a_k \phi_k`, and takes time for the hits
alone. Under the law ``"negative-binomial"`` hits are clusters, as in
`caloforge.generation.counts`; under ``"deposits"`` each hit has an energy.

Cells are drawn by Walker's alias method (Walker, 1977): one number and two look-ups a hit.

Where numba is installed, `caloforge.generation.loops` draws the same hits in less time.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from caloforge.errors import BundleError
from caloforge.generation import random_numbers as keyed
from caloforge.generation.alias import AliasTable
from caloforge.generation.counts import check_cells, check_law, cluster_sizes, quantile
from caloforge.generation.deposits import exponential, mean_deposits
from caloforge.generation.hit_loops import HitLoops, check_hits, installed_loops
from caloforge.generation.twins import pairing
from caloforge.generation.wandering import wandering
from caloforge.types import CLUSTERED, CellLaw

if TYPE_CHECKING:
    from types import ModuleType

    from numpy.typing import NDArray

    from caloforge.data.far_light import FarRegion
    from caloforge.data.particles import Particles
    from caloforge.data.transforms import CellFrame

LAWS = ("poisson", *CLUSTERED, "deposits")

# Parts of the unit interval for which `picked` keeps a place to begin.
_GUIDE = 256


class HitDrawing:
    """Draws the hits of showers that are sums of shapes.

    Arguments:
        shapes: Chance of each of the model's cells, ``(shape, cell)``, rows sum to 1.
        law: How counts are distributed, one of `LAWS`.
        frame: The model's frame of cells.
        compiled: Whether to use numba if it is installed. The showers do not depend on it.
        table: Of the shapes, if it is there already.

    Raises:
        BundleError: If the law is another, or the shapes are no chances.
    """

    def __init__(
        self,
        shapes: NDArray[Any],
        law: CellLaw,
        frame: CellFrame,
        *,
        compiled: bool = True,
        table: AliasTable | None = None,
    ) -> None:
        check_law(law, LAWS, "hits")
        shapes = np.asarray(shapes, dtype=np.float64)
        if not (shapes >= 0).all() or not np.allclose(shapes.sum(axis=1), 1, atol=1e-3):
            msg = "model: gives shapes that do not sum to 1; the bundle is of no use"
            raise BundleError(msg)
        # Shapes of energies become those of numbers of deposits.
        self._deposit = mean_deposits(law) if law.name == "deposits" else None
        self._hits_of_shape: NDArray[np.float64] | None = None
        if self._deposit is not None:
            shapes = shapes / self._deposit
            self._hits_of_shape = shapes.sum(axis=1)
            shapes /= self._hits_of_shape[:, None]
        self.law = law
        self.frame = frame
        self.n_cells = shapes.shape[1]
        self._table = AliasTable(shapes) if table is None else table
        self._shapes = shapes.astype(np.float32)
        self._wandering = wandering(law, frame.geometry)
        self._pairing = pairing(law, frame.geometry)
        self._electromagnetic: HitDrawing | None = None
        if law.electromagnetic is not None:
            own = law.electromagnetic
            self._electromagnetic = HitDrawing(
                shapes, own, frame, compiled=compiled, table=self._table
            )
        self._drawing: HitLoops | None = None
        if compiled and self._deposit is None and installed_loops() is not None:
            self._drawing = HitLoops(self._table, self._shapes, law, frame.geometry)

    @property
    def loops(self) -> ModuleType | None:
        """`caloforge.generation.loops`, if it is used."""
        return None if self._drawing is None else installed_loops()

    def draw(
        self,
        amounts: NDArray[np.float32],
        particles: Particles,
        *,
        seed: int,
        showers: NDArray[np.int64],
        apart: NDArray[np.bool_] | None = None,
    ) -> NDArray[Any]:
        """Draw showers. A row depends on its own amounts and particle, seed and number.

        Arguments:
            amounts: Expected counts of each shape, not negative, ``(n, shape)``.
            particles: Incident particle of each shower.
            seed: Key of the random numbers.
            showers: Numbers of the showers, ``(n,)``.
            apart: Which showers follow the law of photons and electrons, ``(n,)``.

        Returns:
            Counts in the detector's order of cells, ``(n, cell)``, uint16, or uint32 where a
            cell needs it.

        Raises:
            BundleError: If an amount is negative, not a number, or out of all measure.
        """
        families = self._families(apart, len(showers))
        if self._drawing is not None:
            moved = self.frame.moved(particles)
            counts = np.zeros((len(showers), self.n_cells), dtype=np.uint16)
            if all(
                one._drawing is not None
                and one._drawing.draw(amounts, moved, seed, showers, rows, counts)
                for one, rows in families
            ):
                return counts
        both: NDArray[Any] = np.zeros((len(showers), self.n_cells), dtype=np.uint16)
        for one, rows in families:
            made = one._drawn(amounts[rows], particles.select(rows), seed, showers[rows])
            both = both.astype(np.promote_types(both.dtype, made.dtype), copy=False)
            both[rows] = made
        return both

    def _families(
        self, apart: NDArray[np.bool_] | None, n: int
    ) -> list[tuple[HitDrawing, NDArray[np.int64]]]:
        """Rows of the showers, with what draws them."""
        if apart is None or self._electromagnetic is None:
            return [(self, np.arange(n))]
        own, rest = np.flatnonzero(apart), np.flatnonzero(~apart)
        found = [(self._electromagnetic, own), (self, rest)]
        return [(drawing, rows) for drawing, rows in found if len(rows)]

    def _drawn(
        self,
        amounts: NDArray[np.float32],
        particles: Particles,
        seed: int,
        showers: NDArray[np.int64],
    ) -> NDArray[Any]:
        """Draw showers of one law by NumPy."""
        moved = self.frame.moved(particles)
        check_cells(amounts)
        edges: NDArray[np.float64] = amounts.astype(np.float64)
        if self._hits_of_shape is not None:
            edges *= self._hits_of_shape
        per_shape = edges
        edges = np.cumsum(edges, axis=1)
        totals = edges[:, -1].copy()
        far = np.zeros(len(showers)) if moved.far is None else moved.far.most
        if self._deposit is not None:
            far = far / self._deposit.mean()
        n_near, n_far = self._numbers(np.stack((totals, far), axis=1), seed, showers).T

        # Two numbers for a hit of the shapes, four for one that may be far.
        blocks = np.stack((n_near, 2 * n_far), axis=1)
        numbers = keyed.sequences(seed, showers, blocks.sum(axis=1), 2, keyed.HITS)
        edges /= np.where(totals > 0, totals, 1.0)[:, None]
        of_far = np.zeros(len(numbers), dtype=np.bool_)
        if n_far.any():
            of_far = np.repeat(np.tile([False, True], len(showers)), blocks.ravel())
        rows = np.repeat(np.arange(len(showers)), n_near)
        shapes, within = picked(edges, rows, numbers[~of_far, 0])
        cells = self._table.draw(shapes, within)
        hits = Hits(rows, cells, self._sizes(numbers[~of_far, 1], cells))
        hits = self._wandered(hits, shapes, seed, showers)
        hits = self._paired(hits, per_shape, seed, showers)
        cells, inside = moved.to_detector(hits.rows, hits.cells)
        hits = Hits(hits.rows, cells, hits.sizes).select(inside)
        if moved.far is not None and n_far.any():
            far_hits = self._far(moved.far, n_far, numbers[of_far].reshape(-1, 4))
            hits = hits.joined(far_hits)
        return self._counted(hits, len(showers))

    def _numbers(
        self, means: NDArray[np.float64], seed: int, showers: NDArray[np.int64]
    ) -> NDArray[np.int64]:
        """Numbers of hits for expected counts, ``(n, k)`` both."""
        means = means * self.law.clusters_per_count
        check_hits(means, "hits")
        once = np.ones(len(showers), dtype=np.int64)
        uniform = keyed.sequences(seed, showers, once, means.shape[1], keyed.HIT_TOTALS)
        numbers = quantile(CellLaw("poisson"), uniform.ravel(), means.ravel())
        return numbers.reshape(means.shape)

    def _sizes(
        self, numbers: NDArray[np.float64], cells: NDArray[np.int64] | None = None
    ) -> NDArray[Any]:
        """Counts or energies of hits from uniform numbers, ``(hit,)``; without cells far."""
        if self._deposit is None:
            return cluster_sizes(self.law, numbers)
        energies = exponential(numbers)
        return energies * (self._deposit.mean() if cells is None else self._deposit[cells])

    def _wandered(
        self,
        hits: Hits,
        shapes: NDArray[np.int64],
        seed: int,
        showers: NDArray[np.int64],
    ) -> Hits:
        """Let the counts of tracks wander, each in the light of its shape."""
        if self._wandering is None:
            return hits
        hits, shapes = hits.apart(), np.repeat(shapes, hits.sizes)
        counts = np.bincount(hits.rows, minlength=len(showers))
        numbers = keyed.sequences(seed, showers, counts, 2, keyed.TRACKS)
        light, first = self._shapes.ravel(), shapes * self.n_cells
        cells = self._wandering.moved(
            hits.cells, numbers, lambda which, cells: light[first[which] + cells]
        )
        return Hits(hits.rows, cells, hits.sizes)

    def _paired(
        self,
        hits: Hits,
        per_shape: NDArray[np.float64],
        seed: int,
        showers: NDArray[np.int64],
    ) -> Hits:
        """Put deposits together in pairs, in the light of all shapes, ``(n, shape)``."""
        if self._pairing is None:
            return hits
        # In double precision: a row's last digits depend on the others, and hardly matter.
        light = per_shape @ self._shapes
        kept, first, cells, numbers = self._pairing.paired(
            hits.rows,
            hits.cells,
            lambda which, cells: light[hits.rows[which], cells],
            seed=seed,
            showers=showers,
        )
        twins = Hits(hits.rows[first], cells, self._sizes(numbers, cells))
        return hits.select(kept).joined(twins)

    def _far(
        self, region: FarRegion, n_hits: NDArray[np.int64], numbers: NDArray[np.float64]
    ) -> Hits:
        """Hits of the cells that are too far from the impact point for the model.

        They are drawn evenly at the rate of the brightest of these cells; each stays with the
        chance that its own cell's rate gives it.
        """
        rows = np.repeat(np.arange(len(n_hits)), n_hits)
        cells, chance = region.draw(rows, numbers[:, 0])
        return Hits(rows, cells, self._sizes(numbers[:, 2])).select(numbers[:, 1] < chance)

    def _counted(self, hits: Hits, n: int) -> NDArray[Any]:
        """Counts or energies of the hits, ``(n, cell)``."""
        if self._deposit is not None:
            place = hits.rows * self.n_cells + hits.cells
            energies = np.bincount(place, weights=hits.sizes, minlength=n * self.n_cells)
            return energies.astype(np.float32).reshape(n, self.n_cells)
        small = np.iinfo(np.uint16)
        dtype = np.uint16 if hits.sizes.sum() <= small.max else np.uint32
        counts = np.zeros(n * self.n_cells, dtype=dtype)
        np.add.at(counts, hits.rows * self.n_cells + hits.cells, hits.sizes.astype(dtype))
        if dtype != np.uint16 and counts.max() <= small.max:
            counts = counts.astype(np.uint16)
        return counts.reshape(n, self.n_cells)


class Hits(NamedTuple):
    """Hits of some showers.

    Attributes:
        rows: Number of each hit's shower, ``(hit,)``.
        cells: Its cell, ``(hit,)``.
        sizes: Its counts or energy, ``(hit,)``.
    """

    rows: NDArray[np.int64]
    cells: NDArray[np.int64]
    sizes: NDArray[Any]

    def select(self, kept: NDArray[np.bool_]) -> Hits:
        """Return some of them."""
        return Hits(self.rows[kept], self.cells[kept], self.sizes[kept])

    def joined(self, other: Hits) -> Hits:
        """Return these and others."""
        return Hits(
            np.concatenate((self.rows, other.rows)),
            np.concatenate((self.cells, other.cells)),
            np.concatenate((self.sizes, other.sizes)),
        )

    def apart(self) -> Hits:
        """Return every count as a hit of its own."""
        rows, cells = np.repeat(self.rows, self.sizes), np.repeat(self.cells, self.sizes)
        return Hits(rows, cells, np.ones(len(rows), dtype=np.int64))


def picked(
    edges: NDArray[np.float64], rows: NDArray[np.int64], numbers: NDArray[np.float64]
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Find in which part of the unit interval each number lies, row by row.

    A guide (Chen and Asau, 1974) knows for each of `_GUIDE` equal parts of the interval where
    to begin, so that hardly a step is left to be made.

    Arguments:
        edges: Upper edges of the parts, increasing, the last of a row 1, ``(n, part)``.
        rows: Row of each number, ``(m,)``.
        numbers: Between 0 and 1, ``(m,)``.

    Returns:
        The part, and where the number lies within it, from 0 to 1, ``(m,)`` each.
    """
    n, n_parts = edges.shape
    passed = np.ceil(edges * _GUIDE).astype(np.int64)
    passed += np.arange(n)[:, None] * (_GUIDE + 1)
    guide = np.bincount(passed.ravel(), minlength=n * (_GUIDE + 1)).reshape(n, _GUIDE + 1)
    guide = np.cumsum(guide, axis=1)
    upper = edges.ravel()
    base = rows * n_parts
    first = guide.ravel()[rows * (_GUIDE + 1) + (numbers * _GUIDE).astype(np.int64)]
    place = np.minimum(first, n_parts - 1) + base
    todo = np.flatnonzero(upper[place] <= numbers)
    last = base + (n_parts - 1)
    while len(todo := todo[place[todo] < last[todo]]):
        place[todo] += 1
        todo = todo[upper[place[todo]] <= numbers[todo]]
    parts = place - base
    low = np.where(parts > 0, upper[place - 1], 0.0)
    width = upper[place] - low
    return parts, (numbers - low) / np.where(width > 0, width, 1.0)
