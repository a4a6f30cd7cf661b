r"""Permutation p-values: labels exchanged within the incident particle, all tests at once.

If the generator is right, a generated shower and a full-simulation shower of the same particle
are exchangeable. So the labels "generated" and "full simulation" are shuffled within every
particle, and each statistic is computed for every shuffle: the observed one must not stand out.
That needs no repeats (with one shower on either side the two are swapped), no formula for the
distribution, and holds although showers of one particle are alike.

Many statistics are looked at, so p-values are adjusted: the chance that *any* test of a right
generator falls below the level is at most the level (Westfall and Young, step-down max-T). For
this the statistics are brought to one scale: the tail probability of a Pearson type III
distribution with the mean, spread and skewness of the *other* permutations. Every value, also
the observed one, is treated alike, so the level holds exactly whatever the distributions are.

References:
    | Resampling-Based Multiple Testing (Westfall and Young, 1993), algorithm 4.1
    | Permutation P-values Should Never Be Zero (Phipson and Smyth, 2010)
    | https://arxiv.org/abs/1603.05766
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from scipy import stats

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array = NDArray[np.float64]

TIE = 1e-9


def permuted_labels(
    generated: NDArray[np.bool_],
    particle: NDArray[np.int64],
    n_permutations: int,
    rng: np.random.Generator,
) -> NDArray[np.bool_]:
    """Shuffle labels within every particle.

    Arguments:
        generated: Whether each shower is generated, ``(n,)``.
        particle: Particle of each shower, ``(n,)``, in ascending order.
        n_permutations: Shuffles.
        rng: Source of the shuffles.

    Returns:
        Labels ``(1 + permutation, n)``; the first row is as given. Every row has as many
        generated showers of each particle as the first.
    """
    labels = np.empty((1 + n_permutations, generated.size), dtype=bool)
    labels[0] = generated
    for row in labels[1:]:
        # Sorting by particle plus a fraction shuffles within particles, in one sort.
        row[:] = generated[np.argsort(particle + rng.random(particle.size))]
    return labels


class PValues(NamedTuple):
    """P-values of a family of tests.

    Attributes:
        raw: Of each test alone, ``(test,)``, from ``1 / (1 + permutation)`` upwards.
        adjusted: For the whole family, ``(test,)``, not below the raw ones.
    """

    raw: Array
    adjusted: Array


def p_values(statistics: Array) -> PValues:
    """P-values of tests that share their permutations.

    Arguments:
        statistics: Larger is more different; ``(test, 1 + permutation)``, the observed value
            first.

    Raises:
        ValueError: If there is no test, no permutation, or a value is not finite.
    """
    if statistics.ndim != 2 or min(statistics.shape) < 1 or statistics.shape[1] < 2:
        msg = f"statistics: found shape {statistics.shape}, expected (test, 1 + permutation)"
        raise ValueError(msg)
    if not np.isfinite(statistics).all():
        msg = "statistics: found values that are not finite, expected numbers"
        raise ValueError(msg)
    # Equal values of one statistic may differ in their last digits: they are ties.
    slack = TIE * np.abs(statistics[:, :1])
    raw = (statistics >= statistics[:, :1] - slack).mean(axis=1)
    surprise = common_scale(statistics)
    order = np.argsort(-surprise[:, 0], kind="stable")
    # The largest surprise among a test and all less surprising ones, in every permutation.
    largest = np.maximum.accumulate(surprise[order][::-1], axis=0)[::-1]
    own = surprise[order, :1]
    stepwise = (largest >= own - TIE * np.abs(own)).mean(axis=1)
    adjusted = np.empty_like(raw)
    adjusted[order] = np.maximum.accumulate(stepwise)
    return PValues(raw, np.maximum(adjusted, raw))


def common_scale(statistics: Array) -> Array:
    r"""Surprise :math:`-\log p` of every value among all others of its statistic.

    :math:`p` is the upper tail of a Pearson type III distribution (a shifted gamma
    distribution; the normal one without skewness) with the moments of the other values; a
    negative skewness counts as none. The same shape as ``statistics``.
    """
    x = _compressed(statistics)
    n = x.shape[1] - 1
    mean, square, cube = (((x**k).sum(axis=1, keepdims=True) - x**k) / n for k in (1, 2, 3))
    variance = np.maximum(square - mean**2, 0.0)
    spread = np.sqrt(np.where(variance > 1e-12, variance, 1.0))
    skewness = (cube - 3 * mean * square + 2 * mean**3) / spread**3
    surprise: Array = -_log_tail((x - mean) / spread, np.clip(skewness, 0.0, 6.0))
    return surprise


def _compressed(statistics: Array) -> Array:
    """Values from their median in units of their usual distance to it, logarithmic beyond 1000.

    Any rising function of a statistic makes the same test; this one keeps a single enormous
    value from drowning the others in rounding errors.
    """
    x = statistics - np.median(statistics, axis=1, keepdims=True)
    size = np.abs(x)
    # Mean without the largest: neither one enormous value nor many zeros decide the scale.
    usual = (size.sum(axis=1, keepdims=True) - size.max(axis=1, keepdims=True)) / size.shape[1]
    usual = np.where(usual > 0, usual, size.mean(axis=1, keepdims=True))
    x, size = (np.divide(v, usual, out=np.zeros_like(v), where=usual > 0) for v in (x, size))
    far = np.sign(x) * (1000 + np.log(np.maximum(size, 1000) / 1000))
    compressed: Array = np.where(size > 1000, far, x)
    return compressed


def _log_tail(z: Array, skewness: Array) -> Array:
    """Logarithm of the upper tail of a standardised Pearson type III distribution."""
    normal = skewness < 1e-3
    shape = 4 / np.where(normal, 1.0, skewness) ** 2
    x = np.maximum(shape + z * np.sqrt(shape), 0.0)
    with np.errstate(divide="ignore"):
        gamma = stats.gamma.logsf(x, shape)
    # Where the tail underflows: its leading term.
    far = ~np.isfinite(gamma)
    leading = (shape - 1) * np.log(np.maximum(x, 1.0)) - x
    gamma = np.where(far, leading, gamma)
    tail: Array = np.where(normal, stats.norm.logsf(z), gamma)
    return tail
