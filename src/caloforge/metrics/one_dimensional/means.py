r"""Mean of every channel and headline observable: generated minus full simulation.

.. math::
    \Delta = \frac1N \sum_k \left( \bar g_k - \bar r_k \right)

with :math:`\bar g_k` and :math:`\bar r_k` the means over *all* showers of particle k: no draws,
no weights by the number of repeats. Where no shower of the full simulation is below 0 and their
mean is clearly above 0 it is given in per cent of that mean,
:math:`100\,\Delta\,/\,\frac1N\sum_k \bar r_k`; else, as for centroids and asymmetries, in the
unit of the observable.

The floor is one half of the repeats of every particle of the full simulation against the other.
Errors: particles are resampled, in full simulation, generated showers and floor alike.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from caloforge.metrics.figures import Definition, Figure, Finding
from caloforge.metrics.statistics.bootstrap import draw_counts, measured

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from caloforge.metrics.samples.trial import Trial
    from caloforge.metrics.settings import Settings

    Array = NDArray[np.float64]

CLEAR = 3.0  # standard errors that a mean must be above 0 to be divided by

MEAN_DIFFERENCE = Definition(
    name="mean_difference",
    label="Difference of the means",
    group="one-dimensional",
    unit="target",
    ideal="0",
    range="unbounded",
    meaning="Mean over particles of the mean of their generated showers minus that of their "
    "full-simulation showers, with all repeats and all particles alike; in per cent of the "
    "full-simulation mean, but in the unit of the observable where that can be 0 or below "
    "(centroids, asymmetries). Above 0: generated showers have more.",
    source="Usual",
    bias="None; in per cent of the order of 1/n, as any ratio of means.",
    blind="Everything but the mean: opposite differences of particles cancel, widths and "
    "correlations do not count.",
)
DEFINITIONS = (MEAN_DIFFERENCE,)


class _Table(NamedTuple):
    """Channels and headline observables, ``(n, column)`` of a side."""

    names: tuple[str, ...]
    units: tuple[str, ...]
    values: tuple[Array, ...]


def mean_differences(trial: Trial, settings: Settings, rng: np.random.Generator) -> Finding:
    """Difference of the means of every channel and every headline observable.

    Without repeats of the full simulation there is no floor.
    """
    names, units, values = _table(trial)
    counts = draw_counts(trial.n_particles, settings.n_bootstrap, rng)
    means = [
        _means(table, side.particle, trial.n_particles)
        for table, side in zip(values, trial.sides, strict=True)
    ]
    resampled = [_resampled(mean, counts) for mean in means]
    halves = _halves(values[0], trial, rng) if trial.matched else None
    floor = (
        None
        if halves is None
        else _resampled(halves[1], counts) - _resampled(halves[0], counts)
    )
    relative = _divisible(values[0], means[0])
    scale = np.where(relative, resampled[0], 1.0)
    scale[scale == 0] = np.nan  # a resampling without light
    scale = np.where(relative, 100 / scale, 1.0)
    figures = []
    for side, other in zip(trial.generated, resampled[1:], strict=True):
        replicas = (other - resampled[0]) * scale
        n = min(len(trial.reference), len(side))
        for k, (name, own_unit) in enumerate(zip(names, units, strict=True)):
            unit = "%" if relative[k] else own_unit
            figures.append(
                Figure(
                    metric=MEAN_DIFFERENCE.name,
                    target=name,
                    sample=side.name,
                    value=measured(replicas[:, k], unit),
                    floor=None if floor is None else measured((floor * scale)[:, k], unit),
                    n=n,
                    note=f"all {len(side):,} showers against all {len(trial.reference):,}",
                    replicas=replicas[:, k],
                )
            )
    return Finding(figures=figures)


def _table(trial: Trial) -> _Table:
    """Channels that are no observables, then the headline observables."""
    every = [shape.name for shape in trial.shapes]
    own = [k for k, name in enumerate(trial.channels.names) if name not in every]
    shown = [k for k, shape in enumerate(trial.shapes) if shape.headline]
    return _Table(
        (*(trial.channels.names[k] for k in own), *(every[k] for k in shown)),
        (*(trial.geometry.unit for _ in own), *(trial.shapes[k].unit for k in shown)),
        tuple(
            np.concatenate((side.channels[:, own], side.observables[:, shown]), axis=1)
            for side in trial.sides
        ),
    )


def _means(values: Array, particle: NDArray[np.int64], n_particles: int) -> Array:
    """Mean over the showers of each particle, ``(particle, column)``."""
    sums = np.stack([np.bincount(particle, column, n_particles) for column in values.T], axis=1)
    mean: Array = sums / np.bincount(particle, minlength=n_particles)[:, None]
    return mean


def _halves(
    values: Array, trial: Trial, rng: np.random.Generator
) -> tuple[Array, Array] | None:
    """Means over two random halves of the repeats of every particle.

    Halves of an odd number of repeats differ by one shower; which of them is larger is chance.
    ``None`` if a particle has a single shower.
    """
    particle, n = trial.reference.particle, trial.n_particles
    repeats = np.bincount(particle, minlength=n)
    if repeats.min() < 2:
        return None
    order = np.lexsort((rng.random(particle.size), particle))
    place = np.empty(particle.size, dtype=np.int64)
    place[order] = np.arange(particle.size) - np.repeat(np.cumsum(repeats) - repeats, repeats)
    size = (repeats + rng.integers(2, size=n)) // 2
    first = place < size[particle]
    return (
        _means(values[first], particle[first], n),
        _means(values[~first], particle[~first], n),
    )


def _resampled(of_particle: Array, counts: NDArray[np.int64]) -> Array:
    """Mean over particles in every resampling, ``(1 + resampling, column)``."""
    mean: Array = counts @ of_particle / counts.shape[1]
    return mean


def _divisible(values: Array, of_particle: Array) -> NDArray[np.bool_]:
    """Columns without a negative value whose mean is clearly above 0."""
    n = len(of_particle)
    error = of_particle.std(axis=0, ddof=1) / np.sqrt(n) if n > 1 else 0.0
    mean = of_particle.mean(axis=0)
    divisible: NDArray[np.bool_] = (
        (values.min(axis=0) >= 0) & (mean > CLEAR * error) & (mean > 0)
    )
    return divisible
