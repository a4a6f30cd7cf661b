r"""From a model's cells to the integer counts of a detector that counts.

Under the law ``"poisson"`` each cell is an independent Poisson number around its intensity.
Dim cells are drawn together: their sum is a Poisson number :math:`N`, and each of the
:math:`N` hits falls into a cell with probability proportional to its intensity, which is the
same law and costs :math:`N` random numbers rather than one a cell. Bright cells are drawn one
by one, so that the cost stays bounded whatever the intensities.

Under the law ``"negative-binomial"`` hits are clusters of counts: a negative binomial number
of mean :math:`\lambda` and Fano factor :math:`\varphi` is a Poisson number of mean
:math:`\lambda \log \varphi / (\varphi - 1)` of clusters whose sizes follow the logarithmic
law (Quenouille, 1949); under the law ``"tracks"`` the counts of a cluster wander, each for
itself (`caloforge.nn.tracks`). Under the law ``"rounding"`` a value is rounded down or up at
random, so that it is kept on average.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
import torch
from scipy.special import betainc, ndtri, pdtr

from caloforge.errors import BundleError
from caloforge.generation import random_numbers as keyed
from caloforge.types import CLUSTERED, CellLaw

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from caloforge.generation.wandering import Wandering

Number = TypeVar("Number", bound="np.number[Any]")
LAWS = ("poisson", *CLUSTERED, "rounding")

_MOST_FANO = 1000.0

# From this intensity on a cell is drawn alone: it then costs less than its photons would.
BRIGHT = 16.0


def quantile(
    law: CellLaw, probability: NDArray[np.float64], mean: NDArray[np.float64]
) -> NDArray[np.int64]:
    """Smallest number at which the distribution function of a law reaches a probability.

    As exact as SciPy's distribution functions: to the last digits, but for means above 1000 in
    the tails that one draw in a million reaches, where the number may be wrong by a tenth of
    its standard deviation.

    Arguments:
        law: ``"poisson"``, ``"negative-binomial"``, or ``"tracks"``, the same for a sum.
        probability: Above 0 and below 1, ``(n,)``.
        mean: Means of the distributions, ``(n,)``; above 0, for ``"poisson"`` also 0.

    Returns:
        The numbers, ``(n,)``: they follow the law if the probabilities are uniform.
    """

    def reached(k: NDArray[np.float64], rows: NDArray[np.int64]) -> NDArray[np.bool_]:
        if law.name in CLUSTERED:
            function = betainc(mean[rows] / (law.fano - 1), k + 1, 1 / law.fano)
        else:
            function = pdtr(k, mean[rows])
        below: NDArray[np.bool_] = function >= probability[rows]
        return below

    z = ndtri(probability)
    # Normal approximation with a correction for the skewness, and then as many steps as it
    # takes: mostly one.
    k = mean + np.sqrt(law.fano * mean) * z + (2 * law.fano - 1) * (z * z - 1) / 6
    k = np.maximum(np.floor(k), 0.0)
    todo = np.arange(len(k))
    while len(todo := todo[~reached(k[todo], todo)]):
        k[todo] += 1
    todo = np.arange(len(k))
    while len(todo := todo[k[todo] > 0]) and len(todo := todo[reached(k[todo] - 1, todo)]):
        k[todo] -= 1
    numbers: NDArray[np.int64] = k.astype(np.int64)
    return numbers


def cluster_sizes(law: CellLaw, probability: NDArray[np.float64]) -> NDArray[np.int64]:
    """Sizes of clusters, by `CellLaw.cluster_sizes`, from uniform numbers, ``(n,)`` both."""
    function = np.array(law.cluster_sizes())
    return 1 + np.searchsorted(function[:-1], probability, side="right")


def checked_law(law: CellLaw) -> CellLaw:
    """Return a law whose numbers are possible.

    Raises:
        BundleError: If they are not: the file is damaged.
    """
    for one in (law, law.electromagnetic):
        if one is None or one.name not in CLUSTERED:
            continue
        possible = 1 < one.fano <= _MOST_FANO and 0 <= one.wander <= 1
        if not (possible and 0.1 <= one.reach <= _MOST_FANO):
            msg = (
                f"model: draws clusters of Fano factor {one.fano:g}, wandering {one.wander:g}, "
                f"reach {one.reach:g}, expected above 1, 0 to 1, 0.1 or more; it is damaged"
            )
            raise BundleError(msg)
    return law


def draw_counts(
    cells: NDArray[np.float32],
    law: CellLaw,
    *,
    seed: int,
    showers: NDArray[np.int64],
    order: NDArray[np.int64],
    wandering: Wandering | None = None,
) -> NDArray[np.uint32]:
    """Draw the counts of a tile of showers.

    A row depends on its own cells, the seed, its shower's number and its place in the tile;
    not on the other rows.

    Arguments:
        cells: What the model gives, not negative, ``(n, cell)``.
        law: One of `LAWS`.
        seed: Key of the random numbers.
        showers: Numbers of the showers, ``(n,)``.
        order: Detector cell at each of the model's cells, ``(n, cell)``.
        wandering: What moves the counts of tracks; needed by the law ``"tracks"``.

    Returns:
        Counts in the detector's order of cells, ``(n, cell)``.

    Raises:
        BundleError: If a cell is not a number, or the law is not known.
    """
    check_cells(cells)
    check_law(law, LAWS, "cells")
    if law.name == "tracks" and wandering is None:
        raise TypeError
    if law.name == "rounding":
        return to_detector(_rounded(cells, seed, showers), order).astype(np.uint32)
    return _drawn(cells, law, seed, showers, order, wandering)


def check_law(law: CellLaw, laws: Sequence[str], what: str) -> None:
    """Refuse a law by which ``what`` cannot be drawn.

    Raises:
        BundleError: With those by which it can.
    """
    if law.name not in laws:
        msg = f"model: draws {what} by law '{law.name}', expected one of {', '.join(laws)}"
        raise BundleError(msg)


def check_cells(cells: NDArray[np.float32]) -> None:
    """Refuse what no detector gives: cells that are negative or not finite.

    Raises:
        BundleError: If the model gives any.
    """
    if cells.size and not (cells.min() >= 0 and cells.max() < np.inf):
        msg = (
            f"model: gives cells from {cells.min()} to {cells.max()}, expected finite numbers "
            "of 0 or more; the bundle is of no use for these particles"
        )
        raise BundleError(msg)


def to_detector(cells: NDArray[Number], order: NDArray[np.int64]) -> NDArray[Number]:
    """Bring cells from the model's order to the detector's, ``(n, cell)``."""
    result = np.empty_like(cells)
    np.put_along_axis(result, order, cells, axis=1)
    return result


def _rounded(
    cells: NDArray[np.float32], seed: int, showers: NDArray[np.int64]
) -> NDArray[np.float64]:
    n, n_cells = cells.shape
    each = np.full(n, n_cells)
    up = keyed.coarse_uniform(seed, showers, each, keyed.CELLS).reshape(n, n_cells)
    return np.floor(up + cells)


def _drawn(
    cells: NDArray[np.float32],
    law: CellLaw,
    seed: int,
    showers: NDArray[np.int64],
    order: NDArray[np.int64],
    wandering: Wandering | None,
) -> NDArray[np.uint32]:
    n, n_cells = cells.shape
    bright = cells >= BRIGHT
    row, cell = np.divmod(np.flatnonzero(bright), n_cells)
    alone = quantile(
        law,
        keyed.uniform(seed, showers[row], cell, keyed.CELLS)[:, 0],
        cells[row, cell].astype(np.float64),
    )

    dim = np.where(bright, np.float32(0), cells)
    hits, place = dim_hits(dim, law.clusters_per_count, seed, showers, order)
    sizes = None
    if law.name in CLUSTERED:
        sizes = cluster_sizes(law, keyed.coarse_uniform(seed, showers, hits, keyed.SIZES))
    bright_place = row * n_cells + order[row, cell]
    if wandering is not None:
        if sizes is not None:
            place = np.repeat(place, sizes)
        place = np.concatenate((place, np.repeat(bright_place, alone)))
        light = to_detector(cells, order)
        place = _wandered(
            place[np.argsort(place // n_cells, kind="stable")], light, wandering, seed, showers
        )
        counts = np.bincount(place, minlength=n * n_cells).astype(np.uint32)
        return counts.reshape(n, n_cells)
    hit = np.bincount(place, weights=sizes, minlength=n * n_cells)
    counts = hit.astype(np.uint32)
    counts[bright_place] += alone.astype(np.uint32)
    return counts.reshape(n, n_cells)


def dim_hits(
    cells: NDArray[np.float32],
    per_count: float,
    seed: int,
    showers: NDArray[np.int64],
    order: NDArray[np.int64],
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Draw how many hits each shower has, and where they fall.

    Arguments:
        cells: Expected values, ``(n, cell)``.
        per_count: Hits for an expected count.
        seed: Key of the random numbers.
        showers: Numbers of the showers, ``(n,)``.
        order: Detector cell at each of the model's cells, ``(n, cell)``.

    Returns:
        Numbers of hits ``(n,)``, and the place of each in the detector's cells of all showers
        one after the other, ``(hit,)``.
    """
    n, n_cells = cells.shape
    # PyTorch adds up along rows much faster than NumPy does; one element after the other, too.
    edges = torch.cumsum(torch.from_numpy(cells), dim=1, dtype=torch.float64).numpy()
    totals = edges[:, -1].copy()
    hits = quantile(
        CellLaw("poisson"),
        keyed.uniform(seed, showers, 0, keyed.TOTALS)[:, 0],
        totals * per_count,
    )
    # Row r occupies (r, r + 1] of one increasing sequence: a single search serves all rows.
    edges /= np.where(totals > 0, totals, 1.0)[:, None]
    edges[totals == 0] = 1.0
    edges += np.arange(n)[:, None]
    points = keyed.coarse_uniform(seed, showers, hits, keyed.POSITIONS)
    points += np.repeat(np.arange(n), hits)
    points.sort()  # neighbours are found in the same part of the memory
    place = np.searchsorted(edges.ravel(), points, side="right")
    return hits, np.repeat(np.arange(n) * n_cells, hits) + order.ravel()[place]


def _wandered(
    places: NDArray[np.int64],
    light: NDArray[np.float32],
    wandering: Wandering,
    seed: int,
    showers: NDArray[np.int64],
) -> NDArray[np.int64]:
    """Let the counts of tracks wander; places are those of ``light.ravel()``, row by row."""
    n, n_cells = light.shape
    row, cell = np.divmod(places, n_cells)
    of_row = np.bincount(row, minlength=n)
    numbers = keyed.sequences(seed, showers, of_row, 2, keyed.TRACKS)
    moved = wandering.moved(cell, numbers, lambda which, cells: light[row[which], cells])
    there: NDArray[np.int64] = row * n_cells + moved
    return there
