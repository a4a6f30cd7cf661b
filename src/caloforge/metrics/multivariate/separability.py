"""AUC and Jensen-Shannon divergence of out-of-fold scores, in every resampling."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy.stats import rankdata

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array = NDArray[np.float64]
    Counts = NDArray[np.int64]

_BLOCK = 16


def ranks_within(scores: Array, fold: NDArray[np.int64]) -> Array:
    """Replace scores by their ranks within a fold, from 0 to 1.

    Each fold has its own classifier, so that raw scores of different folds do not compare.
    """
    result = np.empty(len(scores))
    for k in np.unique(fold):
        member = fold == k
        result[member] = (rankdata(scores[member]) - 0.5) / member.sum()
    return result


def auc(scores: Array, generated: NDArray[np.bool_], counts: Counts) -> Array:
    """Area under the ROC curve in every resampling.

    The probability that a generated shower scores higher than one of the reference; equal
    scores count half.

    Arguments:
        scores: ``(n,)``, high for generated.
        generated: Whether each shower is generated, ``(n,)``.
        counts: How often each shower counts, ``(resampling, n)``.

    Returns:
        ``(resampling,)``; not a number where a class is empty.
    """
    order = np.argsort(scores, kind="stable")
    ordered = scores[order]
    start = np.flatnonzero(np.concatenate(([True], ordered[1:] != ordered[:-1])))
    label = generated[order]
    result = np.empty(len(counts))
    for first in range(0, len(counts), _BLOCK):
        part = slice(first, first + _BLOCK)
        weights = counts[part][:, order].astype(np.float64)
        positive = np.add.reduceat(weights * label, start, axis=1)
        negative = np.add.reduceat(weights * ~label, start, axis=1)
        below = np.cumsum(negative, axis=1) - negative / 2
        pairs = positive.sum(axis=1) * negative.sum(axis=1)
        won = (positive * below).sum(axis=1)
        result[part] = np.where(pairs > 0, won / np.where(pairs > 0, pairs, 1.0), np.nan)
    return result


def calibrated(scores: Array, generated: NDArray[np.bool_], fold: NDArray[np.int64]) -> Array:
    """Probability of being generated, by isotonic regression on the other folds, ``(n,)``."""
    result = np.full(len(scores), 0.5)
    for k in np.unique(fold):
        member = fold == k
        result[member] = transferred(scores[~member], generated[~member], scores[member])
    return result


def transferred(scores: Array, generated: NDArray[np.bool_], others: Array) -> Array:
    """Probability of being generated of other showers, by isotonic regression on these.

    Both classes count alike. Probabilities are kept 1 / (2 + n) away from 0 and 1.

    Arguments:
        scores: ``(n,)``, high for generated.
        generated: Whether each shower is, ``(n,)``.
        others: Scores of showers with no part in the regression, ``(m,)``.

    Returns:
        ``(m,)``; 1/2 where there is nothing to learn from.
    """
    from sklearn.isotonic import IsotonicRegression

    if len(np.unique(generated)) < 2:
        return np.full(len(others), 0.5)
    edge = 1 / (2 + len(scores))
    curve = IsotonicRegression(y_min=edge, y_max=1 - edge, out_of_bounds="clip")
    share = generated.mean()
    weight = np.where(generated, 0.5 / share, 0.5 / (1 - share))
    curve.fit(scores, generated.astype(np.float64), sample_weight=weight)
    probability: Array = curve.predict(others)
    return probability


def jensen_shannon(probability: Array, generated: NDArray[np.bool_], counts: Counts) -> Array:
    r"""Jensen-Shannon divergence in bits that a calibrated classifier attests.

    .. math:: 1 + \tfrac12 \langle \log_2 p \rangle_\mathrm{generated}
              + \tfrac12 \langle \log_2 (1 - p) \rangle_\mathrm{reference}

    a lower bound of the true divergence for any probabilities :math:`p` that were not fitted to
    these showers. It is not cut at 0.

    Arguments:
        probability: Of being generated, ``(n,)``.
        generated: Whether each shower is, ``(n,)``.
        counts: How often each shower counts, ``(resampling, n)``.
    """
    gain = np.log2(np.where(generated, probability, 1 - probability))
    total = np.ones(len(counts))
    for side in (generated, ~generated):
        weights = counts[:, side].astype(np.float64)
        n = weights.sum(axis=1)
        mean = weights @ gain[side] / np.where(n > 0, n, 1.0)
        total += np.where(n > 0, mean / 2, np.nan)
    return total
