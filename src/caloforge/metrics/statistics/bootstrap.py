"""Errors by resampling the incident particles, in all samples alike.

Showers of one particle are not independent, so particles are resampled, not showers. The same
resamplings serve the reference, every generated sample and the floor: ratios and differences
then keep the correlation of their parts.

Results travel as *replicas*: arrays whose first row is the estimate from the samples as they
are and whose other rows are the estimates from the resamplings.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from caloforge.metrics.statistics.distances import Measured

if TYPE_CHECKING:
    from numpy.typing import NDArray


class Replicas(NamedTuple):
    """A figure in every resampling.

    Attributes:
        channels: For each channel, ``(1 + resampling, channel)``.
        mean: Over the channels, ``(1 + resampling,)``.
    """

    channels: NDArray[np.float64]
    mean: NDArray[np.float64]

    @classmethod
    def of(cls, channels: NDArray[np.float64]) -> Replicas:
        """The figure whose mean is the plain one over the channels."""
        return cls(channels, channels.mean(axis=1))


def ratio(above: NDArray[np.float64], below: NDArray[np.float64]) -> NDArray[np.float64]:
    """Quotient, not a number where the denominator is 0."""
    return np.divide(above, below, out=np.full_like(above, np.nan), where=below != 0)


def draw_counts(
    n_particles: int, n_bootstrap: int, rng: np.random.Generator
) -> NDArray[np.int64]:
    """How often each particle occurs: once in the first row, then as resampled.

    Arguments:
        n_particles: Number of incident particles.
        n_bootstrap: Number of resamplings.
        rng: Source of the resamplings.

    Returns:
        Counts ``(1 + resampling, particle)``; every row sums to ``n_particles``.
    """
    equal = np.full(n_particles, 1 / n_particles)
    drawn = rng.multinomial(n_particles, equal, size=n_bootstrap)
    return np.concatenate((np.ones((1, n_particles), dtype=np.int64), drawn))


def weighted_mean(
    values: NDArray[np.float64], weights: NDArray[np.float64], counts: NDArray[np.int64]
) -> NDArray[np.float64]:
    """Mean over particles in every resampling.

    Arguments:
        values: One value per particle and channel, ``(particle, channel)``.
        weights: Weight of each particle, ``(particle,)``.
        counts: From `draw_counts`.

    Returns:
        Replicas ``(1 + resampling, channel)``.
    """
    weighted = counts * weights
    replicas: NDArray[np.float64] = weighted @ values / weighted.sum(axis=1, keepdims=True)
    return replicas


def measured(
    replicas: NDArray[np.float64], unit: str, *, distance: bool = False
) -> Measured | None:
    """Estimate and bootstrap error from replicas ``(1 + resampling,)``.

    A resampled sample has fewer different particles, so distances close to the floor come out
    about 1.4 times too large in the resamplings, floors included, and their spread with them.
    For distances and their ratios the *relative* spread is therefore taken. In a toy of 150
    particles with 5 repeats the errors of ratios of 1, 3 and 20 then are 0.83, 0.95 and 0.99 of
    the true ones (without: 0.82, 0.70 and 0.72).

    Arguments:
        replicas: Estimate, then resampled estimates.
        unit: Unit of the figure.
        distance: Whether the figure is a Wasserstein distance or a ratio of two.

    Returns:
        ``None`` if the estimate does not exist (not finite), e.g. a spread of single showers.
    """
    value = float(replicas[0])
    if not np.isfinite(value):
        return None
    resampled = replicas[1:][np.isfinite(replicas[1:])]
    error = float(np.std(resampled, ddof=1)) if resampled.size > 1 else 0.0
    if distance and error > 0:
        error *= value / float(resampled.mean())
    return Measured(value, error, unit)
