r"""Whether the spread of a particle's showers is right: ranks and intervals.

The rank of a full-simulation shower among generated showers of the *same* particle,

.. math::
    u = \frac{\#\{g < r\} + U \, (\#\{g = r\} + 1)}{m + 1}, \qquad U \text{ uniform in } (0, 1),

is uniform on (0, 1) for any number m of generated showers if these follow the same distribution
(probability integral transform, PIT; ties, as between counts, are broken at random). Heaps at 0
and 1 mean too little spread, a heap in the middle too much, a slope a shift.

One shower of each particle is ranked in a draw. The floor ranks it among as many *other*
showers of the full simulation. Particles need three reference showers and two generated ones.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from caloforge.metrics.bootstrap import draw_counts
from caloforge.metrics.draws import make_figures
from caloforge.metrics.figures import Curve, Definition, Figure, Finding
from caloforge.metrics.floor import MAX_REPEATS, Distances
from caloforge.metrics.repeats import Repeats

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from caloforge.metrics.settings import Settings
    from caloforge.metrics.trial import Trial

    Array = NDArray[np.float64]

N_BINS = 10
LEVELS = (0.5, 0.68, 0.9)
MAX_PANELS = 6

_SOURCE = (
    "Rank histogram: T. M. Hamill, Mon. Weather Rev. 129 (2001) 550; PIT: T. Gneiting et al., "
    "J. R. Stat. Soc. B 69 (2007) 243"
)
_BLIND = (
    "Correlations of channels and cells. With few repeats a rank is coarse and part of it is "
    "chance: a wrong spread shows less than it would with many."
)
DEVIATION = Definition(
    name="pit_deviation",
    label="PIT deviation",
    group="conditional",
    unit="",
    ideal="floor",
    range="0 to 1.8",
    meaning="Mean over ten bins of |density - 1| of the rank of a full-simulation shower among "
    "generated showers of the same particle; without target: mean over the channels.",
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
    draws: list[list[_Statistics]] = []
    for _ in range(settings.n_draws):
        tables = [r.shuffled(kept, rng) for r in repeats]
        ranked = values[0][tables[0][:, 0]]
        members = [(values[0], tables[0][:, 1:]), *zip(values[1:], tables[1:], strict=True)]
        draws.append(
            [_Statistics.of(ranks(ranked, x, rows, size, rng), counts) for x, rows in members]
        )
    n = int(kept.size)
    means = [
        _Statistics(*(np.mean(parts, axis=0) for parts in zip(*side, strict=True)))
        for side in zip(*draws, strict=True)
    ]
    # Over many draws every shower is ranked among the others, which is flat by symmetry: the
    # floor of what is no distance is that of one draw.
    means[0] = draws[0][0]._replace(deviation=means[0].deviation)
    figures = _figures(trial, names, means, n)
    return Finding(figures=figures, curves=_curves(trial, names, means))


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
    def of(cls, u: Array, counts: NDArray[np.int64]) -> _Statistics:
        n, n_columns = u.shape
        bin_of = np.minimum((u * N_BINS).astype(np.int64), N_BINS - 1)
        inside = bin_of[:, :, None] == np.arange(N_BINS)
        covered = np.abs(u - 0.5)[:, :, None] <= np.array(LEVELS) / 2
        shares = [
            (counts @ table.reshape(n, -1) / n).reshape(len(counts), n_columns, -1)
            for table in (inside.astype(np.float64), covered.astype(np.float64))
        ]
        density = shares[0] * N_BINS
        return cls(density, np.abs(density - 1).mean(axis=2), shares[1])


def _figures(
    trial: Trial, names: Sequence[str], means: Sequence[_Statistics], n: int
) -> list[Figure]:
    def with_mean(table: Array) -> Array:
        channels = table[:, 1:] if table.shape[1] > 1 else table
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


def _curves(trial: Trial, names: Sequence[str], means: Sequence[_Statistics]) -> list[Curve]:
    few = np.unique(np.linspace(0, len(names) - 1, min(len(names), MAX_PANELS)).round())
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
        for k in few.astype(int)
        for sample, mean in zip(samples, means, strict=True)
    ]


def _undefined(trial: Trial, names: Sequence[str]) -> list[Figure]:
    return [
        Figure(definition.name, target, side.name, None, None, 0, note="needs repeats")
        for definition in DEFINITIONS
        for side in trial.generated
        for target in ("", *names)
    ]
