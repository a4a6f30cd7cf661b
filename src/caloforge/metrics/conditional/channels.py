r"""How well the showers of *one* incident particle are reproduced.

A distance between whole samples cannot see a generator that ignores its particle. These metrics
compare particle by particle, on repeated showers of the same particle. All work on channel sums
``(particle, repeat, channel)`` and return one value a particle and channel, ``(particle,
channel)``, to be averaged with `bootstrap.weighted_mean`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from numpy.typing import NDArray

    Groups = Sequence[tuple[int, ...]]
    Pairs = Sequence[tuple[int, int]]

TAU = 1e-6


def repeat_weights(repeats: NDArray[np.int64]) -> NDArray[np.float64]:
    r"""Weight of a particle, :math:`p_k = \log(1 + n_k)`, from its reference showers.

    References:
        | FTNF (2026), https://arxiv.org/abs/2608.12795
    """
    return np.log1p(repeats.astype(np.float64))


def absolute_error(
    reference: NDArray[np.float64], generated: NDArray[np.float64]
) -> NDArray[np.float64]:
    r"""Mean absolute difference of single showers, :math:`\langle |r_a - g_b| \rangle_{a, b}`.

    Its mean over particles and channels is the MAE of the talk, one generated shower for each
    full-simulation shower, averaged over every way to assign them. It is smallest for a
    generator that always returns the median shower: right fluctuations *raise* it.
    """
    return _mean_over(
        (r, g) for r in reference.swapaxes(0, 1) for g in generated.swapaxes(0, 1)
    )


def absolute_error_floor(reference: NDArray[np.float64]) -> NDArray[np.float64]:
    """`absolute_error` of the reference with itself, over pairs of different repeats."""
    repeats = reference.swapaxes(0, 1)
    return _mean_over((repeats[a], repeats[b]) for a in range(len(repeats)) for b in range(a))


def conditional_error(
    reference: NDArray[np.float64],
    generated: NDArray[np.float64],
    groups: tuple[Groups, Groups],
    pairs: Pairs,
) -> NDArray[np.float64]:
    r"""Difference of a particle's means, :math:`\langle |\bar r_A - \bar g_B| \rangle_{AB}`.

    Means are over equally small groups of repeats ``A`` and ``B``, so that a sample with more
    repeats has no advantage. With the weights of `repeat_weights` its mean is the MAE_cond of
    FTNF. **Trap:** a generator without fluctuations beats full simulation itself here, since
    only one side then has statistical noise; see `squared_bias` for a figure without that flaw.

    Arguments:
        reference: Channel sums ``(particle, repeat, channel)``.
        generated: The same of the generated sample.
        groups: Groups of repeats of either sample.
        pairs: Which groups are compared.
    """
    first, second = (
        [values[:, list(group)].mean(axis=1) for group in chosen]
        for values, chosen in zip((reference, generated), groups, strict=True)
    )
    return _mean_over((first[i], second[j]) for i, j in pairs)


def squared_bias(
    reference: NDArray[np.float64], generated: NDArray[np.float64]
) -> NDArray[np.float64]:
    r"""Unbiased square of the difference of a particle's mean responses.

    .. math:: (\bar r - \bar g)^2 - s_r^2 / n_r - s_g^2 / n_g

    The last terms remove what statistical noise adds, so the expectation is the true squared
    bias for any number of repeats and any size of the fluctuations; single values may be
    negative. Not a number where a sample has no repeats.
    """
    difference = reference.mean(axis=1) - generated.mean(axis=1)
    result: NDArray[np.float64] = difference**2
    for values in (reference, generated):
        result = result - variance(values) / values.shape[1]
    return result


def variance(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Unbiased variance over repeats, ``(particle, channel)``; not a number without repeats."""
    if values.shape[1] < 2:
        return np.full((values.shape[0], values.shape[2]), np.nan)
    constant = np.ptp(values, axis=1) == 0  # exactly 0, free of rounding
    return np.where(constant, 0.0, values.var(axis=1, ddof=1))


def dispersion_discrepancy(
    reference: NDArray[np.float64],
    generated: NDArray[np.float64],
    groups: tuple[Groups, Groups],
    pairs: Pairs,
) -> NDArray[np.float64]:
    r"""Relative difference of the spread of two showers of a particle.

    .. math:: \left\langle \frac{|M_g - M_r|}{M_g + M_r + \tau} \right\rangle

    with the absolute deviation :math:`M` from the mean (for two showers also the median) and a
    tiny :math:`\tau` against 0/0. 0 is equal spread, 1 a side without any; but with two showers
    full simulation against itself is far from 0: only the difference to the floor counts.
    """
    first, second = (
        [
            np.abs(v - v.mean(axis=1, keepdims=True)).mean(axis=1)
            for v in (values[:, list(group)] for group in chosen)
        ]
        for values, chosen in zip((reference, generated), groups, strict=True)
    )
    total = np.zeros_like(first[0])
    for i, j in pairs:
        total += np.abs(first[i] - second[j]) / (first[i] + second[j] + TAU)
    mean: NDArray[np.float64] = total / len(pairs)
    return mean


def signed_root(square: NDArray[np.float64]) -> NDArray[np.float64]:
    """Square root that keeps the sign, so that noise around 0 stays around 0."""
    root: NDArray[np.float64] = np.sign(square) * np.sqrt(np.abs(square))
    return root


def _mean_over(
    pairs: Iterable[tuple[NDArray[np.float64], NDArray[np.float64]]],
) -> NDArray[np.float64]:
    mean: NDArray[np.float64] = np.mean([np.abs(a - b) for a, b in pairs], axis=0)
    return mean
