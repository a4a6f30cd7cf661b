r"""Frechet distance of features: FPD of observables, FID of a network's features.

.. math::
    F = \lVert \mu_1 - \mu_2 \rVert^2
        + \mathrm{Tr}\big(\Sigma_1 + \Sigma_2 - 2 (\Sigma_1 \Sigma_2)^{1/2}\big)

It is the squared Wasserstein-2 distance of two Gaussian distributions with the moments of the
samples, and sees nothing but these moments. For finite samples it is too large by about c/n.
All resamplings are computed at once, from sums over the showers of each particle.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from caloforge.metrics.figures import Definition, Figure, Finding
from caloforge.metrics.multivariate.standard import scaled_by_largest, standardised
from caloforge.metrics.shower.columns import draw_size
from caloforge.metrics.statistics.bootstrap import draw_counts
from caloforge.metrics.statistics.distances import Measured
from caloforge.metrics.statistics.draws import draw_chance, make_figures, mean_of_draws
from caloforge.metrics.statistics.floor import Distances

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from caloforge.metrics.samples.trial import Trial
    from caloforge.metrics.settings import Settings

    Array = NDArray[np.float64]
    Counts = NDArray[np.int64]

PUBLISHED = "published scaling"
MIN_EXTRAPOLATED = 10_000
MIN_PER_COLUMN = 10

FPD = Definition(
    name="fpd",
    label="FPD",
    group="multivariate",
    unit="",
    ideal="floor",
    range="0 upwards",
    meaning=(
        "Frechet distance of observables and channels, in squared standard deviations of the "
        "reference; large is bad. Target 'published scaling': each divided by its largest size "
        "in the reference, as in JetNet and the CaloChallenge."
    ),
    source="Kansal et al. (2022), arXiv 2211.10295",
    bias="Upwards, about c/n with the same c for floor and generator: compare at equal n only.",
    blind="Everything beyond means and covariances of the observables; conditions.",
    headline=True,
)
FPD_INFINITY = Definition(
    name="fpd_infinity",
    label="FPD, n to infinity",
    group="multivariate",
    unit="",
    ideal="0",
    range="0 upwards; estimates scatter around 0, also below",
    meaning=(
        "FPD extrapolated linearly in 1/n from n, n/2, n/3 and n/4 showers to infinitely many; "
        "only given from 10,000 showers up. Large is bad."
    ),
    source="Kansal et al. (2022), arXiv 2211.10295; Chong and Forsyth (2020), arXiv 1911.07023",
    bias="Small, of the order 1/n^2; the fit is not kept from negative values.",
    blind="Everything beyond means and covariances of the observables; conditions.",
)
DEFINITIONS = (FPD, FPD_INFINITY)

_PARTS = (1, 2, 3, 4)
_SHUFFLES = 4
_GROUPS = 20
_BLOCK = 512


class Moments(NamedTuple):
    """Moments of a sample in every resampling.

    Attributes:
        n: Number of showers, ``(resampling,)``.
        mean: ``(resampling, d)``.
        covariance: Unbiased, ``(resampling, d, d)``.
    """

    n: Array
    mean: Array
    covariance: Array


def moments(values: Array, particle: NDArray[np.int64], counts: Counts) -> Moments:
    """Mean and covariance of a sample in every resampling of its particles.

    Arguments:
        values: ``(n, d)``.
        particle: Particle of each row, from 0 to ``particle - 1``, ``(n,)``.
        counts: How often each particle counts, ``(resampling, particle)``.

    Returns:
        Moments; of fewer than two showers the covariance is 0.
    """
    d = values.shape[1]
    shift = values.mean(axis=0)
    upper = np.triu_indices(d)
    order = np.argsort(particle, kind="stable")
    ordered, owner = values[order] - shift, particle[order]
    sums = np.zeros((len(counts), 1 + d + upper[0].size))
    n_particles = counts.shape[1]
    for first in range(0, n_particles, _BLOCK):
        block = np.arange(first, min(first + _BLOCK, n_particles))
        low, high = np.searchsorted(owner, (block[0], block[-1] + 1))
        rows = ordered[low:high]
        if not len(rows):
            continue
        found, start = np.unique(owner[low:high], return_index=True)
        terms = np.concatenate(
            (np.ones((len(rows), 1)), rows, rows[:, upper[0]] * rows[:, upper[1]]), axis=1
        )
        sums += counts[:, found].astype(np.float64) @ np.add.reduceat(terms, start, axis=0)
    n = sums[:, 0]
    mean = sums[:, 1 : 1 + d] / np.maximum(n, 1)[:, None]
    covariance = np.zeros((len(counts), d, d))
    covariance[:, upper[0], upper[1]] = sums[:, 1 + d :]
    covariance[:, upper[1], upper[0]] = sums[:, 1 + d :]
    covariance -= n[:, None, None] * mean[:, :, None] * mean[:, None, :]
    covariance /= np.maximum(n - 1, 1)[:, None, None]
    return Moments(n, mean + shift, covariance)


def frechet_distance(first: Moments, second: Moments) -> Array:
    r"""Frechet distance in every resampling, in squared units of the columns.

    The trace of the root is the sum of the roots of the eigenvalues of
    :math:`\Sigma_1^{1/2} \Sigma_2 \Sigma_1^{1/2}`, which is symmetric: singular covariances
    need no regularisation.

    Returns:
        ``(resampling,)``, from 0 upwards.
    """
    values, vectors = np.linalg.eigh(first.covariance)
    scaled = vectors * np.sqrt(np.maximum(values, 0.0))[:, None, :]
    inner = np.swapaxes(scaled, 1, 2) @ second.covariance @ scaled
    roots = np.sqrt(np.maximum(np.linalg.eigvalsh(inner), 0.0)).sum(axis=1)
    traces = np.trace(first.covariance, axis1=1, axis2=2)
    traces = traces + np.trace(second.covariance, axis1=1, axis2=2)
    difference = ((first.mean - second.mean) ** 2).sum(axis=1)
    result: Array = np.maximum(difference + traces - 2 * roots, 0.0)
    return result


class Pair(NamedTuple):
    """Rows of two samples, with the particle of each row."""

    first: Array
    second: Array
    of_first: NDArray[np.int64]
    of_second: NDArray[np.int64]

    def distance(self, counts: Counts) -> tuple[Array, Array]:
        """Distance and 1/n in every resampling."""
        first = moments(self.first, self.of_first, counts)
        second = moments(self.second, self.of_second, counts)
        inverse = (1 / np.maximum(first.n, 1) + 1 / np.maximum(second.n, 1)) / 2
        return frechet_distance(first, second), inverse


def frechet_pairs(
    trial: Trial, values: Sequence[Array], rng: np.random.Generator, limit: int | None = None
) -> list[Pair]:
    """One draw: reference against other showers of it, then against each generated side."""
    draw = trial.draw(rng, limit)
    own = values[0][draw.reference]
    others = [values[0][draw.other]]
    others += [table[rows] for table, rows in zip(values[1:], draw.generated, strict=True)]
    return [Pair(own, other, draw.particle, draw.other_particle) for other in others]


def frechet_replicas(
    trial: Trial,
    values: Sequence[Array],
    counts: Counts,
    *,
    n_draws: int,
    rng: np.random.Generator,
) -> Distances:
    """Frechet distance in every resampling, mean over draws, of one target."""
    draws: list[list[Array]] = [[] for _ in values]
    for _ in range(n_draws):
        for found, pair in zip(draws, frechet_pairs(trial, values, rng), strict=True):
            found.append(pair.distance(counts)[0][:, None])
    chance = draw_chance(n_draws, len(counts), rng)
    means = [mean_of_draws(found, chance, distance=True) for found in draws]
    return Distances(means[0], tuple(means[1:]))


def extrapolated(pair: Pair, n_particles: int, rng: np.random.Generator) -> Measured:
    """Frechet distance for infinitely many showers, by a straight line in 1/n.

    The particles are cut into 1, 2, 3 and 4 equal random parts, four times; the distance at n/m
    showers is the mean over the parts. The error is that of a jackknife over 20 groups of
    particles, which leaves out a group everywhere in turn.
    """
    group = rng.permutation(n_particles) % _GROUPS
    rows: list[NDArray[np.bool_]] = []
    sizes: list[int] = []
    left_out: list[int] = []
    for _ in range(_SHUFFLES):
        order = rng.permutation(n_particles)
        for parts in _PARTS:
            for part in range(parts):
                member = order % parts == part
                rows += [member, *(member & (group != g) for g in range(_GROUPS))]
                sizes += [parts] * (1 + _GROUPS)
                left_out += range(-1, _GROUPS)
    distance, inverse = pair.distance(np.array(rows, dtype=np.int64))
    size, left = np.array(sizes), np.array(left_out)
    intercepts = []
    for g in range(-1, _GROUPS):
        chosen = [(left == g) & (size == parts) for parts in _PARTS]
        x = [inverse[these].mean() for these in chosen]
        y = [distance[these].mean() for these in chosen]
        intercepts.append(float(np.polynomial.Polynomial.fit(x, y, 1)(0.0)))
    without = np.array(intercepts[1:])
    error = np.sqrt((_GROUPS - 1) * without.var())
    return Measured(intercepts[0], float(error), "")


def fewer_draws(trial: Trial, settings: Settings) -> int:
    """Draws to average over: two are enough for large samples."""
    large = len(trial.reference) > MIN_EXTRAPOLATED
    return min(settings.n_draws, 2) if large else settings.n_draws


def frechet_section(trial: Trial, settings: Settings, rng: np.random.Generator) -> Finding:
    """FPD in both scalings, and extrapolated where there are enough showers.

    Covariances need showers: with fewer than `MIN_PER_COLUMN` for each column it is that of the
    headline observables, and with fewer for each of those there is none.
    """
    counts = draw_counts(trial.n_particles, settings.n_bootstrap, rng)
    n_draws = fewer_draws(trial, settings)
    figures: list[Figure] = []
    n = draw_size(trial)
    for target, scaled in (("", standardised), (PUBLISHED, scaled_by_largest)):
        values, what = scaled(trial), "observables and channels"
        if n < MIN_PER_COLUMN * values[0].shape[1]:
            values, what = scaled(trial, headline=True), "headline observables"
        columns = f"{values[0].shape[1]} {what}"
        if n < MIN_PER_COLUMN * values[0].shape[1]:
            lack = f"{n} showers for {columns}"
            figures += [
                Figure(FPD.name, target, side.name, None, None, n, note=lack)
                for side in trial.generated
            ]
            continue
        found = frechet_replicas(trial, values, counts, n_draws=n_draws, rng=rng)
        note = f"{n_draws} draws of showers, {columns}"
        figures += make_figures(FPD, trial, found, [target], [""], n=n, note=note)
        if n >= MIN_EXTRAPOLATED:
            pairs = frechet_pairs(trial, values, rng)
            floor, *limits = (extrapolated(p, trial.n_particles, rng) for p in pairs)
            figures += [
                Figure(FPD_INFINITY.name, target, side.name, value, floor, n, note=columns)
                for side, value in zip(trial.generated, limits, strict=True)
            ]
    return Finding(figures)
