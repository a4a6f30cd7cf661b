r"""Where a generator fails: kind of particle by energy, the worst first.

For each kind, energies are cut into up to `MAX_BINS` ranges of equally many particles, each
with `MIN_PARTICLES` or more; kinds that are rarer than that are put together as ``"other"``. In
each region the total response is compared: W1 over its floor (`floor`), the bias of the mean,

.. math:: \frac{\langle t_\mathrm{generated} \rangle}{\langle t_\mathrm{full} \rangle} - 1

with the means over particles of the means over their showers, and a permutation test of W1,
with all showers and the labels permuted within the particle.

Errors are one standard deviation over resamplings of the particles of the region. The p-values
of all regions of a sample are adjusted together (`permutation`), so a small ``p_adjusted`` is
news however many regions there are. Regions are ordered by ``score``: the excess over the
floor, damped by ``1 - p_adjusted`` so that a lucky small region does not lead the list.

Cannot see: anything but the total response; showers swapped between particles of one region.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from caloforge.metrics.assessment import Region
from caloforge.metrics.samples.pairing import rows_by_repeat
from caloforge.metrics.statistics.bootstrap import draw_counts, measured, ratio, weighted_mean
from caloforge.metrics.statistics.floor import MAX_REPEATS, distances_over_pairings
from caloforge.metrics.statistics.permutation import PValues, p_values

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from caloforge.metrics.samples.trial import Side, Trial
    from caloforge.metrics.settings import Settings
    from caloforge.metrics.statistics.distances import Measured

    Array = NDArray[np.float64]

MIN_PARTICLES = 20
MAX_BINS = 5
N_EXAMPLES = 5
OTHER = "other"
_CHUNK = 1_000_000  # weights that are held at a time


class Bin(NamedTuple):
    """A region before anything is compared in it.

    Attributes:
        kind: Name of the particle or ``"other"``.
        particles: Numbers of its particles, increasing.
    """

    kind: str
    particles: NDArray[np.int64]


def find_regions(trial: Trial, settings: Settings, rng: np.random.Generator) -> list[Region]:
    """Compare the total response region by region.

    Arguments:
        trial: What is compared.
        settings: ``n_bootstrap`` and ``n_permutations`` are used.
        rng: Source of resamplings and permutations.

    Returns:
        Regions of every generated sample, sample by sample, the worst of each first.
    """
    bins = energy_bins(trial.incoming.kind, trial.incoming.energy_gev)
    figures = [_figures(trial, part, settings.n_bootstrap, rng) for part in bins]
    found: list[Region] = []
    for k, side in enumerate(trial.generated):
        statistics = np.stack(
            [_permuted(trial, side, b, settings.n_permutations, rng) for b in bins], axis=1
        )
        p, excess = _significance(statistics)
        regions = []
        for j, part in enumerate(bins):
            distance, bias = figures[j][k]
            energies = trial.incoming.energy_gev[part.particles]
            above = excess[j] if distance is None else distance.value - 1
            rows = _examples(trial, side, part)
            regions.append(
                Region(
                    sample=side.name,
                    kind=part.kind,
                    low_gev=float(energies.min()),
                    high_gev=float(energies.max()),
                    n=int(part.particles.size),
                    ratio=distance,
                    bias=bias,
                    p=float(p.raw[j]),
                    p_adjusted=float(p.adjusted[j]),
                    score=float(max(above, 0.0) * (1 - p.adjusted[j])),
                    reference_rows=rows[0],
                    generated_rows=rows[1],
                    images=trial.images,
                )
            )
        found += sorted(regions, key=lambda r: (-r.score, r.p, r.kind, r.low_gev))
    return found


def energy_bins(kind: NDArray[np.str_], energy_gev: Array) -> list[Bin]:
    """Cut particles into regions; equal energies stay together.

    Rare kinds that are too few even together are left out, unless there is nothing else.

    Arguments:
        kind: Name of each particle, ``(particle,)``.
        energy_gev: Its energy.

    Returns:
        Regions by kind and energy, ``"other"`` last.
    """
    names, number = np.unique(kind, return_counts=True)
    frequent = [str(name) for name in names[number >= MIN_PARTICLES]]
    groups = [(name, np.flatnonzero(kind == name)) for name in frequent]
    rare = np.flatnonzero(~np.isin(kind, frequent))
    if rare.size >= MIN_PARTICLES or not groups:
        alone = np.unique(kind[rare]).size == 1
        groups.append((str(kind[rare[0]]) if alone else OTHER, rare))
    return [
        Bin(name, part)
        for name, particles in groups
        for part in _cut(particles, energy_gev[particles])
    ]


def _cut(particles: NDArray[np.int64], energy: Array) -> list[NDArray[np.int64]]:
    n_bins = int(np.clip(particles.size // MIN_PARTICLES, 1, MAX_BINS))
    rank = np.searchsorted(np.sort(energy), energy)  # of ties: that of the first
    number = rank * n_bins // particles.size
    parts: list[NDArray[np.int64]] = []
    for k in np.unique(number):
        part = particles[number == k]
        if parts and min(parts[-1].size, part.size) < MIN_PARTICLES:
            parts[-1] = np.sort(np.concatenate((parts[-1], part)))
        else:
            parts.append(part)
    return parts


def _figures(
    trial: Trial, part: Bin, n_bootstrap: int, rng: np.random.Generator
) -> list[tuple[Measured | None, Measured | None]]:
    """W1 over floor and bias of each generated side."""
    design = trial.design
    # In the order of the design: with halves, that decides which particle is on which side.
    order = design.kept[np.isin(design.kept, part.particles)]
    tables = []
    for side in trial.sides:
        n = int(np.bincount(side.particle, minlength=trial.n_particles)[order].min())
        n = min(n, MAX_REPEATS) if design.matched else 1
        rows = rows_by_repeat(side.particle, order, n)
        tables.append(side.observables[rows, trial.total][:, :, None])
    ratios: list[Measured | None] = [None] * len(trial.generated)
    if design.matched or order.size >= 2:
        # The region may have more repeats than the design, which is made for all particles.
        stacked = [design.stack(table) for table in tables]
        stacked[0] = stacked[0][:, : design.reference_repeats]
        units = draw_counts(len(stacked[0]), n_bootstrap, rng)
        found = distances_over_pairings(stacked[0], stacked[1:], design, units)
        ratios = [
            measured(ratio(d, found.floor)[:, 0], "", distance=True) for d in found.generated
        ]
    counts = draw_counts(order.size, n_bootstrap, rng)
    means = [
        weighted_mean(_particle_means(side, trial, order), np.ones(order.size), counts)[:, 0]
        for side in trial.sides
    ]
    biases = [measured(ratio(mean, means[0]) - 1, "") for mean in means[1:]]
    return list(zip(ratios, biases, strict=True))


def _particle_means(side: Side, trial: Trial, order: NDArray[np.int64]) -> Array:
    values = side.observables[:, trial.total]
    n = np.bincount(side.particle, minlength=trial.n_particles)[order]
    sums = np.bincount(side.particle, values, minlength=trial.n_particles)[order]
    means: Array = (sums / n)[:, None]
    return means


def _permuted(
    trial: Trial, side: Side, part: Bin, n_permutations: int, rng: np.random.Generator
) -> Array:
    """W1 with the labels as they are, then permuted within particles, ``(1 + n,)``.

    Every particle has the same weight on either side, however many showers it has.
    """
    column = trial.total
    own = [np.isin(s.particle, part.particles) for s in (trial.reference, side)]
    values = np.concatenate(
        [s.observables[o, column] for s, o in zip((trial.reference, side), own, strict=True)]
    )
    particle = np.concatenate(
        [s.particle[o] for s, o in zip((trial.reference, side), own, strict=True)]
    )
    by_particle = np.argsort(particle, kind="stable")  # the reference's showers first
    values = values[by_particle]
    by_value = np.argsort(values, kind="stable")
    gaps = np.diff(values[by_value])
    blocks = _blocks(trial.reference.particle, side.particle, part.particles)
    result = np.empty(1 + n_permutations)
    step = max(1, _CHUNK // values.size)
    for start in range(0, 1 + n_permutations, step):
        n = min(step, 1 + n_permutations - start)
        weights = np.empty((n, values.size))
        for places, template in blocks:
            shape = (n, *places.shape)
            drawn = rng.permuted(np.broadcast_to(template, shape), axis=2)
            if start == 0:
                drawn[0] = template
            weights[:, places] = drawn
        # Distribution functions of the two sides, one minus the other, between the values.
        difference = np.cumsum(weights[:, by_value], axis=1)[:, :-1]
        result[start : start + n] = np.abs(difference) @ gaps / part.particles.size
    return result


def _blocks(
    reference: NDArray[np.int64], generated: NDArray[np.int64], particles: NDArray[np.int64]
) -> list[tuple[NDArray[np.int64], Array]]:
    """Places of the showers of particles with equally many, and the weights of their labels."""
    sizes = np.stack(
        [np.bincount(p, minlength=int(particles.max()) + 1)[particles] for p in
         (reference, generated)]
    )  # fmt: skip
    start = np.concatenate(([0], np.cumsum(sizes.sum(axis=0))[:-1]))
    blocks = []
    for n_reference, n_generated in np.unique(sizes.T, axis=0):
        chosen = (sizes[0] == n_reference) & (sizes[1] == n_generated)
        places = start[chosen][:, None] + np.arange(n_reference + n_generated)
        template = np.repeat(
            (1 / n_reference, -1 / n_generated), (int(n_reference), int(n_generated))
        )
        blocks.append((places, template))
    return blocks


def _significance(statistics: Array) -> tuple[PValues, Array]:
    """P-values of all regions, and the excess over the permuted mean, ``(region,)``."""
    floor = statistics.mean(axis=0)
    excess = np.divide(statistics[0], floor, out=np.ones_like(floor), where=floor > 0) - 1
    return p_values(statistics.T), excess


def _examples(trial: Trial, side: Side, part: Bin) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """First showers of particles over the energies of the region, on both sides."""
    order = part.particles[np.argsort(trial.incoming.energy_gev[part.particles], kind="stable")]
    n = min(N_EXAMPLES, order.size)
    places = np.unique(((np.arange(n) + 0.5) / n * order.size).astype(int))
    chosen: Sequence[NDArray[np.int64]] = [
        rows_by_repeat(s.particle, order[places], 1)[:, 0] for s in (trial.reference, side)
    ]
    return tuple(map(int, chosen[0])), tuple(map(int, chosen[1]))
