r"""From a model's cells to the energies of a detector that measures them.

Under the law ``"deposits"`` a cell is a Poisson number of exponential energies around its
expected energy. Dim cells are drawn together, deposit by deposit, as hits are in
`caloforge.generation.counts`; of a bright cell the number of deposits is drawn, and their sum,
which follows a gamma law. Under the law ``"rounding"`` energies stay as the model gives them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy.special import gammaincinv

from caloforge.errors import BundleError
from caloforge.generation import random_numbers as keyed
from caloforge.generation.counts import (
    BRIGHT,
    check_cells,
    check_law,
    dim_hits,
    quantile,
    to_detector,
)
from caloforge.generation.hit_loops import check_hits
from caloforge.types import CellLaw

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from caloforge.generation.twins import Pairing

LAWS = ("rounding", "deposits")


def draw_energies(
    cells: NDArray[np.float32],
    law: CellLaw,
    *,
    seed: int,
    showers: NDArray[np.int64],
    order: NDArray[np.int64],
    pairing: Pairing | None = None,
) -> NDArray[np.float32]:
    """Draw the energies of a tile of showers. A row does not depend on the others.

    Arguments:
        cells: What the model gives, not negative, ``(n, cell)``.
        law: One of `LAWS`.
        seed: Key of the random numbers.
        showers: Numbers of the showers, ``(n,)``.
        order: Detector cell at each of the model's cells, ``(n, cell)``.
        pairing: What puts deposits together in pairs; needed by a law with twins.

    Returns:
        Energies in the detector's order of cells, ``(n, cell)``.

    Raises:
        BundleError: If a cell is not a number, or the law is not known.
    """
    check_cells(cells)
    check_law(law, LAWS, "energies")
    if law.name == "rounding":
        return to_detector(cells, order)
    n, n_cells = cells.shape
    deposit = mean_deposits(law)
    expected = (cells / deposit).astype(np.float32)
    if law.twins is not None:
        return _with_twins(expected, deposit, seed, showers, order, pairing)
    bright = expected >= BRIGHT
    row, cell = np.divmod(np.flatnonzero(bright), n_cells)
    chance = keyed.uniform(seed, showers[row], cell, keyed.CELLS)
    means = expected[row, cell].astype(np.float64)
    numbers = quantile(CellLaw("poisson"), chance[:, 0], means)

    dim = np.where(bright, np.float32(0), expected)
    hits, place = dim_hits(dim, 1.0, seed, showers, order)
    sizes = exponential(keyed.coarse_uniform(seed, showers, hits, keyed.SIZES))
    deposits = np.bincount(place, weights=sizes, minlength=n * n_cells).astype(np.float64)
    sums = np.where(numbers > 0, gammaincinv(np.maximum(numbers, 1), chance[:, 1]), 0.0)
    deposits[row * n_cells + order[row, cell]] += sums
    there = to_detector(np.broadcast_to(deposit, cells.shape), order)
    return (deposits.reshape(n, n_cells) * there).astype(np.float32)


def _with_twins(
    expected: NDArray[np.float32],
    deposit: NDArray[np.float64],
    seed: int,
    showers: NDArray[np.int64],
    order: NDArray[np.int64],
    pairing: Pairing | None,
) -> NDArray[np.float32]:
    """Draw deposit by deposit."""
    if pairing is None:
        msg = "a law with twins needs what pairs them"
        raise TypeError(msg)
    n, n_cells = expected.shape
    check_hits(expected.sum(axis=1, dtype=np.float64), "deposits")
    hits, place = dim_hits(expected, 1.0, seed, showers, order)
    rows = np.repeat(np.arange(n), hits)
    light = to_detector(expected, order)
    kept, first, cells, numbers = pairing.paired(
        rows,
        place - rows * n_cells,
        lambda which, cells: light[rows[which], cells],
        seed=seed,
        showers=showers,
    )
    sizes = keyed.coarse_uniform(seed, showers, hits, keyed.SIZES)
    sizes = exponential(np.concatenate((sizes[kept], numbers)))
    place = np.concatenate((place[kept], rows[first] * n_cells + cells))
    deposits = np.bincount(place, weights=sizes, minlength=n * n_cells).reshape(n, n_cells)
    there = to_detector(np.broadcast_to(deposit, expected.shape), order)
    return (deposits * there).astype(np.float32)


def mean_deposits(law: CellLaw) -> NDArray[np.float64]:
    """Mean energy of a deposit in each of the model's cells, ``(cell,)``.

    Raises:
        BundleError: If there is none, or not above 0: the file is damaged.
    """
    found = np.empty(0) if law.deposit is None else law.deposit.double().cpu().numpy()
    if not len(found) or not (found > 0).all() or not np.isfinite(found).all():
        msg = "model: draws deposits without an energy above 0; the bundle is damaged"
        raise BundleError(msg)
    return found


def exponential(uniform: NDArray[np.float64]) -> NDArray[np.float64]:
    """Exponential numbers of mean 1 from uniform ones above 0, ``(n,)`` both."""
    return -np.log(uniform)
