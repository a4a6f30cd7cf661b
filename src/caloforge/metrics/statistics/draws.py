"""An estimator of the difference of two samples, its floor, and the errors of both."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from caloforge.metrics.figures import Figure
from caloforge.metrics.statistics.bootstrap import draw_counts, measured
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

    Returns:
        Replicas ``(1 + resampling, target)`` of the floor and of each generated side.
    """
    counts = draw_counts(trial.n_particles, n_bootstrap, rng)
    floor: Array | float = 0.0
    others: list[Array | float] = [0.0] * len(trial.generated)
    for _ in range(n_draws):
        draw = trial.draw(rng, max_showers)
        own = values[0][draw.reference]
        weights, other_weights = counts[:, draw.particle], counts[:, draw.other_particle]
        floor = floor + _replicas(estimator, own, values[0][draw.other], weights, other_weights)
        for k, (rows, table) in enumerate(zip(draw.generated, values[1:], strict=True)):
            others[k] = others[k] + _replicas(
                estimator, own, table[rows], weights, other_weights
            )
    return Distances(
        np.asarray(floor) / n_draws, tuple(np.asarray(o) / n_draws for o in others)
    )


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
