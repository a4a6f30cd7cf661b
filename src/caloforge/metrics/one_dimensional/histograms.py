r"""Histograms of every channel and observable: separation power, Kolmogorov-Smirnov, chi2/ndf.

Bins hold equally much of the full simulation: their edges are quantiles of all its showers, 20
bins, or as few as leave 20 showers of a side in each. Columns of whole numbers have their edges
between the numbers. A value that is more frequent than that has a bin of its own with what
lies between it and the next edge. The first and the last bin are open, so every shower counts.
The bins are the same for the floor, every sample and every resampling.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from caloforge.metrics.figures import Definition, Finding
from caloforge.metrics.shower.columns import columns, draw_size
from caloforge.metrics.statistics.draws import make_figures, over_draws
from caloforge.metrics.statistics.floor import Distances

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from caloforge.metrics.samples.trial import Trial
    from caloforge.metrics.settings import Settings

    Array = NDArray[np.float64]

N_BINS = 20
PER_BIN = 20

SEPARATION = Definition(
    name="separation_power",
    label="Separation power",
    group="one-dimensional",
    unit="",
    ideal="floor",
    range="0 to 1",
    meaning="Half the sum over bins of (p - q)^2 / (p + q), p and q the shares of showers in a "
    "bin of equal population in full simulation: 0 for equal histograms, 1 for disjoint ones.",
    source="CaloChallenge (arXiv 2410.21611), there in equally wide bins; also known as "
    "triangular discrimination",
    bias="Upwards: about (bins - 1) / 2n for two equal distributions. Compare with the floor.",
    blind="Differences within a bin, how far light moved between bins, correlations, and "
    "whether showers belong to their particles.",
    headline=True,
)
KOLMOGOROV = Definition(
    name="ks",
    label="KS distance",
    group="one-dimensional",
    unit="",
    ideal="floor",
    range="0 to 1",
    meaning="Largest distance of the two cumulative distributions; no bins.",
    source="Kolmogorov (1933), Smirnov (1948)",
    bias="Upwards: about 0.87 sqrt(2/n) for two equal continuous distributions of independent "
    "showers. Compare with the floor.",
    blind="Tails, which change the cumulative distribution little; correlations, and whether "
    "showers belong to their particles.",
)
CHI2 = Definition(
    name="chi2_ndf",
    label="chi2/ndf",
    group="one-dimensional",
    unit="",
    ideal="floor",
    range="0 upwards",
    meaning="Pearson's chi2 of the homogeneity of two histograms with their Poisson errors, "
    "over the number of filled bins less one. 1 is expected of two independent samples; those "
    "of the same particles are more alike than that, so the floor is below 1 and the number "
    "has no p-value of the chi2 distribution.",
    source="N. D. Gagunashvili, Nucl. Instrum. Meth. A 614 (2010) 287, for unweighted events",
    bias="Grows with n for any true difference. In equal bins and for equal n it is "
    "2n / (bins - 1) times the separation power. Compare with the floor at the same n.",
    blind="As the separation power.",
)
DEFINITIONS = (SEPARATION, KOLMOGOROV, CHI2)


def histogram_distances(trial: Trial, settings: Settings, rng: np.random.Generator) -> Finding:
    """Separation power, KS distance and chi2/ndf of every channel and observable.

    Cost: linear in the showers, and proportional to columns, draws and resamplings.
    """
    names, _, values = columns(trial)
    n = draw_size(trial)
    n_bins = max(2, min(N_BINS, n // PER_BIN))
    edges = [bin_edges(column, n_bins) for column in values[0].T]
    ladder = [
        np.unique(np.concatenate(column)) for column in zip(*(v.T for v in values), strict=True)
    ]
    coarse = _Bins([e.size + 1 for e in edges])
    fine = _Bins([step.size for step in ladder])
    codes = [
        np.concatenate(
            (
                coarse.place(
                    [np.searchsorted(e, v, "right") for e, v in zip(edges, t.T, strict=True)]
                ),
                fine.place([np.searchsorted(s, v) for s, v in zip(ladder, t.T, strict=True)]),
            ),
            axis=1,
        )
        for t in values
    ]
    k = len(names)

    def estimate(
        first: Array, second: Array, counts: NDArray[np.int64], others: NDArray[np.int64]
    ) -> Array:
        n_first, n_second = float(counts.sum()), float(others.sum())
        if n_first == 0 or n_second == 0:
            return np.full(3 * k, np.nan)
        p, q = coarse.fill(first[:, :k], counts), coarse.fill(second[:, :k], others)
        r, s = fine.fill(first[:, k:], counts), fine.fill(second[:, k:], others)
        return np.concatenate(
            (
                coarse.total(separation_terms(p, q, n_first, n_second)),
                fine.largest(r / n_first - s / n_second),
                _over_ndf(*(coarse.total(x) for x in chi2_terms(p, q, n_first, n_second))),
            )
        )

    found = over_draws(
        trial,
        codes,
        estimate,
        rng=rng,
        n_draws=settings.n_draws,
        n_bootstrap=settings.n_bootstrap,
    )
    figures = []
    for place, definition in enumerate(DEFINITIONS):
        part = slice(place * k, (place + 1) * k)
        figures += make_figures(
            definition,
            trial,
            Distances(found.floor[:, part], tuple(g[:, part] for g in found.generated)),
            names,
            [""] * k,
            n=n,
        )
    bins = {name: f"{e.size + 1} bins" for name, e in zip(names, edges, strict=True)}
    return Finding(
        figures=[
            figure
            if figure.metric == KOLMOGOROV.name
            else replace(figure, note=bins[figure.target])
            for figure in figures
        ]
    )


def bin_edges(values: Array, n_bins: int) -> Array:
    """Inner edges of bins of equal population, fewer where values coincide.

    Arguments:
        values: All showers of the full simulation, ``(n,)``.
        n_bins: Most bins.

    Returns:
        Rising edges ``(bins - 1,)``; a value on an edge belongs to the bin above. Whole numbers
        have edges half-way between numbers.
    """
    quantiles = np.quantile(values, np.arange(1, n_bins) / n_bins)
    if (values == np.round(values)).all():
        quantiles = np.ceil(quantiles) - 0.5
    edges = np.unique(quantiles)
    edges = edges[(edges > values.min()) & (edges <= values.max())]
    if edges.size == 0 and np.ptp(values) > 0:  # nearly all have the smallest value
        edges = np.array([values[values > values.min()].min()])
    return np.asarray(edges, dtype=np.float64)


def separation_terms(p: Array, q: Array, n: float, m: float) -> Array:
    r"""Half of :math:`(p/n - q/m)^2 / (p/n + q/m)` of every bin, 0 for empty ones."""
    a, b = p / n, q / m
    both = a + b
    terms: Array = (a - b) ** 2 / np.where(both > 0, both, 1.0) / 2
    return terms


def chi2_terms(p: Array, q: Array, n: float, m: float) -> tuple[Array, Array]:
    r"""Chi2 of every bin, :math:`(m p - n q)^2 / (n m (p + q))`, and whether it is filled."""
    both = p + q
    terms = (m * p - n * q) ** 2 / (float(n) * float(m) * np.where(both > 0, both, 1.0))
    return terms, (both > 0).astype(np.float64)


class _Bins:
    """Bins of many columns in one row."""

    def __init__(self, n_bins: Sequence[int]) -> None:
        self._start = np.concatenate(([0], np.cumsum(n_bins)))

    def place(self, columns: Sequence[NDArray[np.int64]]) -> Array:
        """Number of the bin among all bins, ``(n, column)``; exact in float64."""
        return (np.stack(columns, axis=1) + self._start[:-1]).astype(np.float64)

    def fill(self, places: Array, counts: NDArray[np.int64]) -> Array:
        """Weight in every bin, ``(bin,)``."""
        weights = np.repeat(counts.astype(np.float64), places.shape[1])
        flat = places.astype(np.int64).ravel()
        return np.bincount(flat, weights, int(self._start[-1])).astype(np.float64, copy=False)

    def total(self, bins: Array) -> Array:
        """Sum over the bins of each column."""
        sums: Array = np.add.reduceat(bins, self._start[:-1])
        return sums

    def largest(self, differences: Array) -> Array:
        """Largest absolute cumulated value of each column; every column sums to 0."""
        largest: Array = np.maximum.reduceat(np.abs(np.cumsum(differences)), self._start[:-1])
        return largest


def _over_ndf(chi2: Array, filled: Array) -> Array:
    """Quotient, not a number where there is one bin only."""
    ndf = filled - 1
    return np.where(ndf > 0, chi2 / np.where(ndf > 0, ndf, 1.0), np.nan)
