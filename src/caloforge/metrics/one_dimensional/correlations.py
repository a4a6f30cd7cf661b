r"""Correlations between observables: one matrix a sample, and how far two matrices are apart.

.. math::
    C_{ij} = \mathrm{cor}\big(F_i(o_i), F_j(o_j)\big)

with :math:`F_i` the distribution function (mid-ranks) of observable i over *all* showers of the
full simulation, the same for every side and every resampling. For the full simulation this is
Spearman's rank correlation; ranks keep a few bright showers from deciding it. An observable
that is constant has correlation 0 with every other.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from caloforge.metrics.figures import Definition, Finding
from caloforge.metrics.shower.columns import draw_size
from caloforge.metrics.statistics.draws import make_figures, over_draws
from caloforge.metrics.statistics.floor import Distances

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from caloforge.metrics.samples.trial import Side, Trial
    from caloforge.metrics.settings import Settings

    Array = NDArray[np.float64]

_SOURCE = "Usual; Spearman (1904)"
_BIAS = (
    "Upwards: about sqrt(2/n) for one pair of two independent samples without correlation. "
    "Compare with the floor."
)
RMS = Definition(
    name="correlation_rms",
    label="Correlations, rms difference",
    group="one-dimensional",
    unit="",
    ideal="floor",
    range="0 to 2",
    meaning="Root mean square over pairs of observables of the difference of their rank "
    "correlations; with an observable as target, over its pairs with all others.",
    source=_SOURCE,
    bias=_BIAS,
    blind="The distribution of each observable but for what it does to ranks, dependence that "
    "is no monotonous correlation, and whether showers belong to their particles.",
    headline=True,
)
LARGEST = Definition(
    name="correlation_max",
    label="Correlations, largest difference",
    group="one-dimensional",
    unit="",
    ideal="floor",
    range="0 to 2",
    meaning="Largest difference of a rank correlation over pairs of observables.",
    source=_SOURCE,
    bias="Upwards, more so for more pairs. Compare with the floor.",
    blind=RMS.blind,
)
DEFINITIONS = (RMS, LARGEST)


def correlation_matrix(trial: Trial, side: Side) -> Array:
    """Rank correlations of all observables, in the order of `Trial.shapes`.

    Arguments:
        trial: Its reference defines the ranks.
        side: Whose correlations.

    Returns:
        Symmetric matrix ``(observable, observable)``, 1 on the diagonal but 0 for constants.
    """
    ranks = _ranks(side.observables, trial.reference.observables)
    return _correlation(ranks, np.ones(len(ranks), dtype=np.int64))


def correlation_distances(
    trial: Trial, settings: Settings, rng: np.random.Generator
) -> Finding:
    """Difference of the correlation matrices: rms, largest, and rms of each observable."""
    names = [shape.name for shape in trial.shapes]
    found = over_draws(
        trial,
        [_ranks(side.observables, trial.reference.observables) for side in trial.sides],
        _distances,
        rng=rng,
        n_draws=settings.n_draws,
        n_bootstrap=settings.n_bootstrap,
    )
    figures = []
    n = draw_size(trial)
    for definition, part, targets in (
        (RMS, slice(0, 1 + len(names)), ["", *names]),
        (LARGEST, slice(1 + len(names), None), [""]),
    ):
        chosen = Distances(found.floor[:, part], tuple(g[:, part] for g in found.generated))
        figures += make_figures(
            definition,
            trial,
            chosen,
            targets,
            [""] * len(targets),
            n=n,
            note="rank correlation",
        )
    return Finding(figures=figures)


def _ranks(values: Array, reference: Array) -> Array:
    """Mid-ranks in the reference, 0 to 1, centred for accuracy, ``(n, observable)``."""
    ranks = np.empty_like(values)
    for k, ladder in enumerate(np.sort(reference, axis=0).T):
        below = np.searchsorted(ladder, values[:, k], "left")
        upto = np.searchsorted(ladder, values[:, k], "right")
        ranks[:, k] = (below + upto) / (2 * len(reference)) - 0.5
    return ranks


def _distances(
    first: Array, second: Array, counts: NDArray[np.int64], others: NDArray[np.int64]
) -> Array:
    if not (counts.any() and others.any()):
        return np.full(2 + first.shape[1], np.nan)
    square = (_correlation(first, counts) - _correlation(second, others)) ** 2
    np.fill_diagonal(square, 0.0)
    n = max(len(square) - 1, 1)
    of_each = square.sum(axis=1) / n
    return np.concatenate(
        ([np.sqrt(of_each.mean())], np.sqrt(of_each), [np.sqrt(square.max())])
    )


def _correlation(values: Array, counts: NDArray[np.int64]) -> Array:
    """Correlation of the columns, each row as often as told."""
    weights = counts / counts.sum()
    centred = values - weights @ values
    covariance = centred.T @ (weights[:, None] * centred)
    deviation = np.sqrt(np.diag(covariance))
    scale = np.where(deviation > 1e-9, 1 / np.where(deviation > 1e-9, deviation, 1.0), 0.0)
    matrix: Array = covariance * scale[:, None] * scale
    return matrix
