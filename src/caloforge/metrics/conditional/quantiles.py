r"""Whether the spread of a particle's showers is right: ranks and intervals.

The rank of a full-simulation shower among generated showers of the *same* particle,

.. math::
    u = \frac{\#\{g < r\} + U \, (\#\{g = r\} + 1)}{m + 1}, \qquad U \text{ uniform in } (0, 1),

is uniform on (0, 1) for any number m of generated showers if these follow the same distribution
(probability integral transform, PIT; ties, as between counts, are broken at random). Heaps at 0
and 1 mean too little spread, a heap in the middle too much, a slope a shift.

A generator that ignores its particle, but has the right spread over all, is uniform, too: that
shows in ranges of energy only, low ranks at low energies and high ranks at high ones. So the
total response is given for three ranges with equally many particles as well.

One shower of each particle is ranked in a draw. The floor ranks it among as many *other*
showers of the full simulation. Particles need three reference showers and two generated ones.
"""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from caloforge.metrics.figures import Curve, Definition, Figure, Finding
from caloforge.metrics.statistics.bootstrap import draw_counts, ratio
from caloforge.metrics.statistics.draws import draw_chance, make_figures, mean_of_draws
from caloforge.metrics.statistics.floor import MAX_REPEATS, Distances
from caloforge.metrics.statistics.repeats import Repeats

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from caloforge.metrics.samples.trial import Trial
    from caloforge.metrics.settings import Settings

    Array = NDArray[np.float64]

N_BINS = 10
LEVELS = (0.5, 0.68, 0.9)
N_ENERGIES = 3
MAX_PANELS = 5

_SOURCE = (
    "Rank histogram: T. M. Hamill, Mon. Weather Rev. 129 (2001) 550; PIT: T. Gneiting et al., "
    "J. R. Stat. Soc. B 69 (2007) 243"
)
_BLIND = (
    "A generator that ignores its particle, but for the ranges of energy. Correlations of "
    "channels and cells. With few repeats a rank is coarse and part of it is chance: a wrong "
    "spread shows less than it would with many."
)
DEVIATION = Definition(
    name="pit_deviation",
    label="PIT deviation",
    group="conditional",
    unit="",
    ideal="floor",
    range="0 to 1.8",
    meaning="Mean over ten bins of |density - 1| of the rank of a full-simulation shower among "
    "generated showers of the same particle, also in ranges of energy; without target: mean "
    "over the channels.",
    source=_SOURCE,
    bias="Upwards: about sqrt(18 / (pi n)) for n particles and the right distribution. Compare "
    "with the floor.",
    blind=_BLIND,
    headline=True,
)
INTERVALS = tuple(
    Definition(
        name=f"interval_{100 * level:.0f}",
        label=f"Coverage of the central {100 * level:.0f} %",
        group="conditional",
        unit="",
        ideal=f"{level:g}",
        range="0 to 1",
        meaning=f"Share of full-simulation showers inside the central {100 * level:.0f} % of "
        "the generated showers of their particle: less means too little spread, or a shift.",
        source=_SOURCE,
        bias="None: the expectation is exact for any number of repeats if the spread is right.",
        blind=f"The sign of a shift. {_BLIND}",
        headline=level == 0.68,
    )
    for level in LEVELS
)
DEFINITIONS = (DEVIATION, *INTERVALS)


def pit(trial: Trial, settings: Settings, rng: np.random.Generator) -> Finding:
    """PIT histograms of the total response and the channels, deviation and coverage."""
    total = trial.shapes[trial.total].name
    own = [k for k, name in enumerate(trial.channels.names) if name != total]
    names = [total, *(trial.channels.names[k] for k in own)]
    values = [
        np.concatenate((side.observables[:, [trial.total]], side.channels[:, own]), axis=1)
        for side in trial.sides
    ]
    repeats = [Repeats.of(side.particle, trial.n_particles) for side in trial.sides]
    size = np.minimum(repeats[0].n - 1, np.min([r.n for r in repeats[1:]], axis=0))
    size = np.minimum(size, MAX_REPEATS)
    kept = np.flatnonzero(size >= 2) if trial.matched else np.array([], dtype=np.int64)
    if kept.size == 0:
        return Finding(figures=_undefined(trial, names))
    size = size[kept]
    counts = draw_counts(kept.size, settings.n_bootstrap, rng)
    ranges = _energy_ranges(trial.incoming.energy_gev[kept], total)
    names += ranges
    column = [*range(len(values[0].T)), *(0 for _ in ranges)]
    member = np.stack(
        [*(np.ones(kept.size, dtype=bool) for _ in values[0].T), *ranges.values()], axis=1
    )
    draws: list[list[_Statistics]] = []
    for _ in range(settings.n_draws):
        tables = [r.shuffled(kept, rng) for r in repeats]
        ranked = values[0][tables[0][:, 0]]
        members = [(values[0], tables[0][:, 1:]), *zip(values[1:], tables[1:], strict=True)]
        draws.append(
            [
                _Statistics.of(ranks(ranked, x, rows, size, rng)[:, column], member, counts)
                for x, rows in members
            ]
        )
    n = int(kept.size)
    chance = draw_chance(settings.n_draws, len(counts), rng)
    means = [_Statistics.mean(side, chance) for side in zip(*draws, strict=True)]
    # Over many draws every shower is ranked among the others, which is flat by symmetry: the
    # floor of what is no distance is that of one draw.
    means[0] = draws[0][0]._replace(deviation=means[0].deviation)
    of_target = dict(zip(names, member.sum(axis=0).tolist(), strict=True))
    figures = [
        replace(figure, n=of_target.get(figure.target, n))
        for figure in _figures(trial, names, len(column) - len(ranges), means, n)
    ]
    curves = _curves(trial, names, len(column) - len(ranges), means)
    return Finding(figures=figures, curves=curves)


def ranks(
    ranked: Array,
    values: Array,
    rows: NDArray[np.int64],
    size: NDArray[np.int64],
    rng: np.random.Generator,
) -> Array:
    """Randomised rank of one shower a particle among others of that particle.

    Arguments:
        ranked: What is ranked, ``(particle, column)``.
        values: All showers to rank among, ``(n, column)``.
        rows: Rows of ``values``, of each particle, ``(particle, most)``.
        size: How many of them count, ``(particle,)``.
        rng: Breaks ties.

    Returns:
        Ranks in (0, 1), ``(particle, column)``.
    """
    below, equal = np.zeros_like(ranked), np.zeros_like(ranked)
    for k in range(int(size.max())):
        counts = (size > k)[:, None]
        other = values[rows[:, min(k, rows.shape[1] - 1)]]
        below += counts & (other < ranked)
        equal += counts & (other == ranked)
    chance = rng.random(ranked.shape)
    return (below + chance * (equal + 1)) / (size + 1)[:, None]


class _Statistics(NamedTuple):
    """Of one draw or the mean of several, in every resampling.

    Attributes:
        density: ``(1 + resampling, column, bin)``.
        deviation: ``(1 + resampling, column)``.
        coverage: ``(1 + resampling, column, level)``.
    """

    density: Array
    deviation: Array
    coverage: Array

    @classmethod
    def of(cls, u: Array, member: NDArray[np.bool_], counts: NDArray[np.int64]) -> _Statistics:
        """Statistics of ranks ``(particle, column)`` of the particles that are members."""
        bin_of = np.minimum((u * N_BINS).astype(np.int64), N_BINS - 1)
        inside = bin_of[:, :, None] == np.arange(N_BINS)
        covered = np.abs(u - 0.5)[:, :, None] <= np.array(LEVELS) / 2
        n = (counts @ member).astype(np.float64)[:, :, None]
        shares = []
        for table in (inside, covered):
            flat = (table & member[:, :, None]).reshape(len(u), -1).astype(np.float64)
            total = (counts @ flat).reshape(*n.shape[:2], -1)
            shares.append(ratio(total, np.broadcast_to(n, total.shape)))
        density = shares[0] * N_BINS
        return cls(density, np.abs(density - 1).mean(axis=2), shares[1])

    @classmethod
    def mean(cls, draws: Sequence[_Statistics], chance: Array) -> _Statistics:
        """Mean over draws, with its scatter in the resampled statistics."""
        parts = zip(*draws, strict=True)
        return cls(
            *(
                mean_of_draws(part, chance, distance=name == "deviation")
                for name, part in zip(cls._fields, parts, strict=True)
            )
        )


def _energy_ranges(energy_gev: Array, total: str) -> dict[str, NDArray[np.bool_]]:
    """Particles in ranges of energy of equal population; none if there is one energy."""
    edges = np.unique(np.quantile(energy_gev, np.linspace(0, 1, N_ENERGIES + 1)))
    inner = np.searchsorted(edges[1:-1], energy_gev, "right")
    if edges.size < 3 or np.bincount(inner).min() == 0:
        return {}
    return {
        f"{total}, {low:.3g}-{high:.3g} GeV": inner == k
        for k, (low, high) in enumerate(pairwise(edges))
    }


def _figures(
    trial: Trial, names: Sequence[str], n_columns: int, means: Sequence[_Statistics], n: int
) -> list[Figure]:
    def with_mean(table: Array) -> Array:
        channels = table[:, 1:n_columns] if n_columns > 1 else table[:, :1]
        return np.concatenate((channels.mean(axis=1, keepdims=True), table), axis=1)

    targets, units = ["", *names], [""] * (1 + len(names))
    deviations = [with_mean(m.deviation) for m in means]
    figures = make_figures(
        DEVIATION, trial, Distances(deviations[0], tuple(deviations[1:])), targets, units, n=n
    )
    for k, definition in enumerate(INTERVALS):
        found = [with_mean(m.coverage[:, :, k]) for m in means]
        figures += make_figures(
            definition,
            trial,
            Distances(found[0], tuple(found[1:])),
            targets,
            units,
            n=n,
            distance=False,
        )
    return figures


def _curves(
    trial: Trial, names: Sequence[str], n_columns: int, means: Sequence[_Statistics]
) -> list[Curve]:
    channels = np.linspace(1, n_columns - 1, min(n_columns - 1, MAX_PANELS)).round().astype(int)
    panels = [0, *range(n_columns, len(names)), *channels.tolist()]
    edges = tuple(float(x) for x in np.linspace(0, 1, N_BINS + 1))
    samples = ["floor", *(side.name for side in trial.generated)]
    return [
        Curve(
            name="pit",
            title="Is the spread per particle right?",
            caption="Rank of a full-simulation shower among generated showers of the same "
            "particle. Flat is right; heaps at both ends: too little spread; in the middle: "
            "too much; a slope: a shift. The floor ranks it among other showers of the "
            "full simulation.",
            panel=names[k],
            sample=sample,
            x=edges,
            y=tuple(float(v) for v in mean.density[0, k]),
            error=tuple(float(v) for v in mean.density[1:, k].std(axis=0)),
            x_label="rank",
            y_label="density",
            style="steps",
        )
        for k in panels
        for sample, mean in zip(samples, means, strict=True)
    ]


def _undefined(trial: Trial, names: Sequence[str]) -> list[Figure]:
    return [
        Figure(definition.name, target, side.name, None, None, 0, note="needs repeats")
        for definition in DEFINITIONS
        for side in trial.generated
        for target in ("", *names)
    ]
