r"""An estimator of the difference of two samples, its floor, and the errors of both.

Which repeats a draw takes is chance, so the mean over D draws scatters by :math:`s/\sqrt D`, s
the standard deviation between draws. `mean_of_draws` lets the resampled estimates carry that:
errors, and errors of differences between samples, then have it in quadrature.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from caloforge.metrics.figures import Figure
from caloforge.metrics.statistics.bootstrap import draw_counts, measured, ratio
from caloforge.metrics.statistics.floor import Distances

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from caloforge.metrics.figures import Definition
    from caloforge.metrics.samples.trial import Trial

    Array = NDArray[np.float64]
    Counts = NDArray[np.int64]
    Estimator = Callable[[Array, Array, Counts, Counts], Array]


def over_draws(
    trial: Trial,
    values: Sequence[Array],
    estimator: Estimator,
    *,
    rng: np.random.Generator,
    n_draws: int = 4,
    n_bootstrap: int = 100,
    max_showers: int | None = None,
    distance: bool = True,
) -> Distances:
    """Apply an estimator to reference against generated, and to reference against reference.

    The mean is taken over random draws of showers (`Trial.draw`). The incident particles are
    resampled, the same in numerator and floor, in all samples.

    Arguments:
        trial: What is compared.
        values: One row a shower, ``(n, column)``: the reference's, then each generated side's.
        estimator: Maps values ``(n, column)`` of the reference and of the other sample, and how
            often each row counts, ``(n,)`` integers from 0 upwards, to targets ``(target,)``.
        rng: Source of the draws and of the resamplings.
        n_draws: Draws that are averaged.
        n_bootstrap: Resamplings.
        max_showers: Most showers on either side.
        distance: Whether resampling inflates it (see `bootstrap.measured`).

    Returns:
        Replicas ``(1 + resampling, target)`` of the floor and of each generated side.
    """
    counts = draw_counts(trial.n_particles, n_bootstrap, rng)
    floors: list[Array] = []
    others: list[list[Array]] = [[] for _ in trial.generated]
    for _ in range(n_draws):
        draw = trial.draw(rng, max_showers)
        own = values[0][draw.reference]
        weights, other_weights = counts[:, draw.particle], counts[:, draw.other_particle]
        floors.append(_replicas(estimator, own, values[0][draw.other], weights, other_weights))
        for found, rows, table in zip(others, draw.generated, values[1:], strict=True):
            found.append(_replicas(estimator, own, table[rows], weights, other_weights))
    chance = draw_chance(n_draws, len(counts), rng)
    means = [mean_of_draws(found, chance, distance=distance) for found in (floors, *others)]
    return Distances(means[0], tuple(means[1:]))


def draw_chance(n_draws: int, n_replicas: int, rng: np.random.Generator) -> Array:
    """Factors that give a mean over draws its scatter; one set serves all samples.

    Returns:
        ``(replica, draw)``: 0 in the first row, then normal of variance
        1 / (draws (draws - 1)). All 0 for a single draw, whose scatter is not known.
    """
    chance = rng.standard_normal((n_replicas, n_draws))
    chance[0] = 0.0
    return chance / np.sqrt(n_draws * (n_draws - 1)) if n_draws > 1 else 0.0 * chance


def mean_of_draws(draws: Sequence[Array], chance: Array, *, distance: bool) -> Array:
    """Mean over draws; its scatter is added to the resampled estimates.

    Arguments:
        draws: Replicas ``(1 + resampling, ...)`` of each draw.
        chance: From `draw_chance`, the same for all that is to be compared.
        distance: Whether resampling inflates it. Then the scatter is inflated, too, because
            `bootstrap.measured` takes the relative spread.

    Returns:
        Replicas ``(1 + resampling, ...)``; the first is the plain mean.
    """
    table = np.stack(draws)
    mean: Array = table.mean(axis=0)
    scatter = np.tensordot(chance, table[:, 0] - mean[0], axes=1)
    if distance:
        known = np.isfinite(mean[1:])
        resampled = np.where(known, mean[1:], 0.0).sum(axis=0)
        inflation = ratio(resampled, known.sum(axis=0) * mean[0])
        scatter = scatter * np.where(inflation > 0, inflation, 1.0)
    return mean + scatter


def make_figures(
    definition: Definition,
    trial: Trial,
    found: Distances,
    targets: Sequence[str],
    units: Sequence[str],
    *,
    n: int,
    distance: bool = True,
    note: str = "",
) -> list[Figure]:
    """One figure for each generated sample and target.

    Arguments:
        definition: The metric.
        trial: What is compared.
        found: From `over_draws`.
        targets: Names of the columns of its replicas.
        units: Their units.
        n: Showers on either side of the estimator.
        distance: Whether resampling inflates it (see `bootstrap.measured`).
        note: What else must be said.
    """
    return [
        Figure(
            metric=definition.name,
            target=target,
            sample=side.name,
            value=measured(replicas[:, k], unit, distance=distance),
            floor=measured(found.floor[:, k], unit, distance=distance),
            n=n,
            note=note,
            replicas=replicas[:, k],
        )
        for side, replicas in zip(trial.generated, found.generated, strict=True)
        for k, (target, unit) in enumerate(zip(targets, units, strict=True))
    ]


def _replicas(
    estimator: Estimator, first: Array, second: Array, weights: Counts, other_weights: Counts
) -> Array:
    return np.stack(
        [
            np.asarray(estimator(first, second, w, v), dtype=np.float64)
            for w, v in zip(weights, other_weights, strict=True)
        ]
    )
