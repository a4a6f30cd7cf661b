"""Showers of both labels in one pot, and every statistic of them for many labellings."""

from __future__ import annotations

from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from caloforge.geometry import GridLayout
from caloforge.metrics.multivariate.kernels import permuted_energy
from caloforge.metrics.regions import energy_bins
from caloforge.metrics.statistics import contrasts

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from caloforge.metrics.figures import Scores
    from caloforge.metrics.samples.trial import Side, Trial
    from caloforge.metrics.settings import Settings

    Array = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Pooled:
    """Showers of the reference and of one generated sample, particle by particle.

    Within a particle their order is random: no statistic may know which came first.

    Attributes:
        particle: Particle of each shower, ascending, ``(n,)``.
        generated: Whether it is generated, ``(n,)``.
        names: Names of the columns of ``values``: channels, then observables.
        n_channels: How many of them are channels.
        values: Channel sums and observables, ``(n, column)``.
        levelled: The same with responses as ln(1 + 10 x / mean).
        joint: The same and conditions, each in units of its spread, ``(n, column)``.
        showers: Cells, ``(n, cell)``.
        lines: Sums along rows and columns of a grid, ``(n, line)``.
        scores: Scores by metric and target, ``(n,)`` each.
        region: Bin of kind and energy of each particle, ``(particle,)``.
    """

    particle: NDArray[np.int64]
    generated: NDArray[np.bool_]
    names: tuple[str, ...]
    n_channels: int
    values: Array
    levelled: Array
    joint: Array
    showers: NDArray[Any]
    lines: Array | None
    scores: Mapping[tuple[str, str], Array]
    region: NDArray[np.int64]

    def select(self, rows: NDArray[np.bool_]) -> Pooled:
        """Some of the showers; particles without any are left out and the others renumbered."""
        kept, particle = np.unique(self.particle[rows], return_inverse=True)
        return Pooled(
            particle=particle.astype(np.int64),
            generated=self.generated[rows],
            names=self.names,
            n_channels=self.n_channels,
            values=self.values[rows],
            levelled=self.levelled[rows],
            joint=self.joint[rows],
            showers=self.showers[rows],
            lines=None if self.lines is None else self.lines[rows],
            scores={key: column[rows] for key, column in self.scores.items()},
            region=self.region[kept],
        )


def pool(
    trial: Trial, side: Side, scores: Sequence[Scores], rng: np.random.Generator
) -> Pooled:
    """Mix the reference with one generated sample.

    Arguments:
        trial: The comparison.
        side: The generated sample.
        scores: Its scores.
        rng: Decides the order within a particle.
    """
    reference = trial.reference
    particle = np.concatenate((reference.particle, side.particle))
    order = np.lexsort((rng.random(particle.size), particle))

    def mixed(first: NDArray[Any], second: NDArray[Any]) -> NDArray[Any]:
        return np.concatenate((first, second))[order]

    shapes = [k for k, shape in enumerate(trial.shapes) if shape.headline]
    own = {trial.shapes[k].name for k in shapes}
    # Of a detector without read-out channels the only one is the total response.
    channels = [k for k, name in enumerate(trial.channels.names) if name not in own]
    values = np.concatenate(
        (
            mixed(reference.channels[:, channels], side.channels[:, channels]),
            mixed(reference.observables[:, shapes], side.observables[:, shapes]),
        ),
        axis=1,
    )
    unit = trial.geometry.unit
    response = [True] * len(channels) + [trial.shapes[k].unit == unit for k in shapes]
    mean = values.mean(axis=0)
    level = np.log1p(10 * np.abs(values) / np.where(mean > 0, mean, 1.0))
    levelled = np.where(response, level, values)
    joint = np.concatenate((levelled, trial.incoming.features()[particle[order]]), axis=1)
    spread = joint.std(axis=0)
    joint = (joint - joint.mean(axis=0))[:, spread > 0] / spread[spread > 0]
    showers = mixed(reference.showers, side.showers)
    layout, lines = trial.geometry.layout, None
    if isinstance(layout, GridLayout):
        cells = layout.shaped(showers)
        lines = np.concatenate((cells.sum(axis=2), cells.sum(axis=1)), axis=1, dtype=np.float64)
    region = np.zeros(trial.n_particles, dtype=np.int64)
    for k, part in enumerate(energy_bins(trial.incoming.kind, trial.incoming.energy_gev)):
        region[part.particles] = k + 1
    return Pooled(
        particle=particle[order],
        generated=order >= len(reference),
        names=(
            *(trial.channels.names[k] for k in channels),
            *(trial.shapes[k].name for k in shapes),
        ),
        n_channels=len(channels),
        values=values,
        levelled=levelled,
        joint=joint,
        showers=showers,
        lines=lines,
        scores={(s.metric, s.target): mixed(s.reference, s.generated) for s in scores},
        region=region,
    )


def statistics(
    pooled: Pooled,
    labels: NDArray[np.bool_],
    settings: Settings,
    rng: np.random.Generator,
) -> dict[tuple[str, str], Array]:
    """Every statistic under every labelling, ``(labelling,)``, by metric and target.

    Arguments:
        pooled: The showers.
        labels: True for generated, ``(labelling, n)``.
        settings: Largest sample for distances between all showers.
        rng: Chooses showers where there are too many.
    """
    start = np.searchsorted(pooled.particle, np.arange(pooled.region.size))
    labelling = contrasts.Labelling(labels, start)
    _ = labelling.weights  # once, before threads ask for it
    first, second = rng.spawn(2)
    # NumPy lets go of Python's lock in what takes the time: two threads use two cores.
    with ThreadPoolExecutor(max_workers=2) as threads:
        run = threads.submit
        distances = run(contrasts.wasserstein, labelling, pooled.values)
        shifts = run(contrasts.shifts, labelling, pooled.levelled, pooled.region)
        spread = run(contrasts.spread, labelling, pooled.levelled)
        tables: dict[str, Future[Array | None]] = {
            "cell_shift": run(contrasts.cell_shift, labelling, pooled.showers),
            "diversity_shift": run(contrasts.diversity, labelling, pooled.showers, first),
            "joint_shift": run(_energy_distance, labelling, pooled.joint, settings, second),
            "twins": run(contrasts.twins, labelling, pooled.showers),
            "copies": run(contrasts.copies, labelling, pooled.showers),
        }
        if pooled.lines is not None:
            tables["line_shift"] = run(contrasts.cell_shift, labelling, pooled.lines)
    n = pooled.n_channels
    columns = [
        ("w1", pooled.names[:n], distances.result()[:, :n]),
        ("w1_observable", pooled.names[n:], distances.result()[:, n:]),
        ("mean_shift", pooled.names, shifts.result().overall),
        ("particle_shift", pooled.names, shifts.result().particle),
        ("region_shift", pooled.names, shifts.result().group),
        ("spread_shift", pooled.names, spread.result()),
        *((name, ("",), table.result()) for name, table in tables.items()),
        *(
            (metric, (target,), contrasts.rank_shift(labelling, column))
            for (metric, target), column in pooled.scores.items()
        ),
    ]
    return {
        (metric, target): column
        for metric, targets, table in columns
        if table is not None
        for target, column in zip(targets, table.T, strict=True)
    }


def _energy_distance(
    labelling: contrasts.Labelling, values: Array, settings: Settings, rng: np.random.Generator
) -> Array:
    """Square root of the energy distance, of some whole particles if there are too many."""
    limit = 2 * settings.max_showers
    rows = np.arange(len(values))
    if rows.size > limit:
        n_particles = labelling.start.size
        chosen = rng.permutation(n_particles)[: max(1, n_particles * limit // rows.size)]
        kept = np.isin(np.arange(n_particles), chosen)
        rows = np.flatnonzero(np.repeat(kept, labelling.n))
        # Few particles of many showers: some of those, whatever their label.
        rows = np.sort(rng.permutation(rows)[:limit])
    weights = labelling.weights[:, rows].astype(np.float64)
    for sign in (1, -1):
        side = np.where(sign * weights > 0, weights, 0.0)
        total = np.abs(side.sum(axis=1, keepdims=True))
        weights = np.where(sign * weights > 0, weights / np.maximum(total, 1e-300), weights)
    found: Array = permuted_energy(values[rows], weights)
    return np.sqrt(np.maximum(found, 0.0))[:, None]
