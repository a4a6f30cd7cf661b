r"""Whether repeated showers of one particle differ as much as they should, and exact twins.

.. math::
    D = \frac{\langle d(g, g') \rangle_k}{\langle d(r, r') \rangle_k}

with the mean over particles and over pairs of different showers of a particle, generated above
and full simulation below. For an observable d is the absolute difference; for the cells it is
the light that the two showers do not share,
:math:`d(a, b) = \sum_c |a_c - b_c| / \sum_c (a_c + b_c)`, 0 for twins and 1 for showers without
a common cell.
"""

from __future__ import annotations

from itertools import combinations
from typing import TYPE_CHECKING, Any

import numpy as np

from caloforge.metrics.figures import Definition, Figure, Finding
from caloforge.metrics.statistics.bootstrap import draw_counts, ratio
from caloforge.metrics.statistics.draws import make_figures
from caloforge.metrics.statistics.floor import MAX_REPEATS, Distances
from caloforge.metrics.statistics.repeats import Repeats

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from caloforge.metrics.samples.trial import Side, Trial
    from caloforge.metrics.settings import Settings

    Array = NDArray[np.float64]

CELLS = "cells"
RARE = "empty"  # too rare in both for a ratio
_SLICE = 2048
_SOURCE = (
    "Ours, after the diversity error of the ZDC group: spread over repeated generations "
    "against that of the data"
)
RATIO = Definition(
    name="diversity_ratio",
    label="Diversity ratio",
    group="conditional",
    unit="",
    ideal="1",
    range="0 upwards",
    meaning="Mean difference of two generated showers of one particle, over that of two "
    "showers of the full simulation: of an observable, or of the cells (share of the light "
    "that the two do not have in common). Below 1: too alike.",
    source=_SOURCE,
    bias="Small: both means are unbiased for any number of repeats, so the ratio is biased by "
    "1/particles only.",
    blind="Whether the mean shower of the particle is right, and the shape of its "
    "fluctuations. Of an observable: bright particles dominate.",
)
ERROR = Definition(
    name="diversity_error",
    label="Diversity error",
    group="conditional",
    unit="",
    ideal="floor",
    range="0 upwards",
    meaning="Mean over observables and cells of |diversity ratio - 1|.",
    source=_SOURCE,
    bias="Upwards: a mean of absolute values. Compare with the floor.",
    blind="As the ratio; and which of them is off.",
    headline=True,
)
TWINS = Definition(
    name="duplicates",
    label="Duplicates",
    group="conditional",
    unit="",
    ideal="floor",
    range="0 to 1",
    meaning="Share of the non-empty showers of a sample that equal another one of the sample "
    "in every cell. The floor is the full simulation's own share in as many showers.",
    source="Ours",
    bias="Grows with the size of the sample where showers are faint: a single photon has few "
    "places. Compare with the floor, of as many showers of the same particles.",
    blind="Showers that are nearly equal; copies of training showers (memorisation check).",
)
DEFINITIONS = (RATIO, ERROR, TWINS)


def diversity(trial: Trial, settings: Settings, rng: np.random.Generator) -> Finding:
    """Diversity ratios, their error, and exact twins.

    Ratios need two showers of each particle, and their floor two others of the full simulation.
    """
    repeats = [Repeats.of(side.particle, trial.n_particles) for side in trial.sides]
    return Finding(
        figures=[
            *_ratios(trial, repeats, settings, rng),
            *_twins(trial, repeats, settings, rng),
        ]
    )


def _ratios(
    trial: Trial, repeats: list[Repeats], settings: Settings, rng: np.random.Generator
) -> list[Figure]:
    shapes = [
        k for k, shape in enumerate(trial.shapes) if shape.headline and shape.name != RARE
    ]
    targets = [*(trial.shapes[k].name for k in shapes), CELLS]
    fewest = [int(r.n.min()) for r in repeats]
    size = min(MAX_REPEATS, max(2, trial.repeats))
    if not trial.matched or min(fewest) < 2:
        return [
            Figure(definition.name, target, side.name, None, None, 0, note="needs repeats")
            for definition, names in ((RATIO, targets), (ERROR, [""]))
            for side in trial.generated
            for target in names
        ]
    kept = _some_particles(trial, size, settings, rng)
    counts = draw_counts(kept.size, settings.n_bootstrap, rng)
    has_floor = fewest[0] >= 2 * size
    replicas = [np.zeros((len(counts), len(targets))) for _ in trial.sides]
    errors = [np.zeros(len(counts)) for _ in trial.sides]
    first_floor = np.empty_like(replicas[0])
    for draw in range(settings.n_draws):
        rows = [r.shuffled(kept, rng, most=2 * size) for r in repeats]
        chosen = [(trial.reference, rows[0][:, :size])]
        if has_floor:
            chosen.append((trial.reference, rows[0][:, size : 2 * size]))
        chosen += [(s, r[:, :size]) for s, r in zip(trial.generated, rows[1:], strict=True)]
        below, *above = [counts @ _differences(side, r, shapes) for side, r in chosen]
        if not has_floor:
            above.insert(0, np.full_like(below, np.nan))
        for k, table in enumerate(above):
            ratios = ratio(table, below)
            known = np.isfinite(ratios)
            off = np.where(known, np.abs(np.where(known, ratios, 1.0) - 1), 0.0)
            replicas[k] += ratios
            if draw == k == 0:
                first_floor = ratios
            errors[k] += ratio(off.sum(axis=1), known.sum(axis=1).astype(np.float64))
    n = kept.size * size
    # Over many draws, which exchange the two, the ratio of the floor tends to 1 by symmetry.
    ratios_found = [first_floor, *(total / settings.n_draws for total in replicas[1:])]
    errors_found = [total[:, None] / settings.n_draws for total in errors]
    return [
        figure
        for definition, found, names in (
            (ERROR, errors_found, [""]),
            (RATIO, ratios_found, targets),
        )
        for figure in make_figures(
            definition,
            trial,
            Distances(found[0], tuple(found[1:])),
            names,
            [""] * len(names),
            n=n,
            distance=definition is ERROR,
            note=f"{size} showers of each particle",
        )
    ]


def _some_particles(
    trial: Trial, size: int, settings: Settings, rng: np.random.Generator
) -> NDArray[np.int64]:
    """Particles whose cells are read: a random part of many."""
    most = max(2, settings.max_showers // size)
    return np.sort(rng.permutation(trial.n_particles)[:most])


def _differences(side: Side, rows: NDArray[np.int64], shapes: list[int]) -> Array:
    """Mean over pairs of showers of each particle, ``(particle, observable + 1)``."""
    values = side.observables[:, shapes][rows]  # (particle, repeat, observable)
    pairs = list(combinations(range(rows.shape[1]), 2))
    result = np.zeros((len(rows), len(shapes) + 1))
    for a, b in pairs:
        result[:, :-1] += np.abs(values[:, a] - values[:, b])
    for start in range(0, len(rows), _SLICE // rows.shape[1] + 1):
        part = slice(start, start + _SLICE // rows.shape[1] + 1)
        showers = side.showers[rows[part]].astype(np.float64)
        total = showers.sum(axis=2)
        for a, b in pairs:
            result[part, -1] += unshared(
                showers[:, a], showers[:, b], total[:, a] + total[:, b]
            )
    return result / len(pairs)


def unshared(first: Array, second: Array, total: Array) -> Array:
    """Share of the light of two showers that they do not share; 0 for two empty ones.

    Arguments:
        first: Showers, ``(n, cell)``.
        second: Showers to compare with, row by row.
        total: Response of both together, ``(n,)``.
    """
    apart = np.abs(first - second).sum(axis=1)
    share: Array = np.where(total > 0, apart / np.where(total > 0, total, 1.0), 0.0)
    return share


def _twins(
    trial: Trial, repeats: list[Repeats], settings: Settings, rng: np.random.Generator
) -> list[Figure]:
    size = min(MAX_REPEATS, *(int(r.n.min()) for r in repeats))
    everything = np.arange(trial.n_particles)
    counts = draw_counts(trial.n_particles, settings.n_bootstrap, rng)
    identities = [_identities(side.showers) for side in trial.sides]
    shares = []
    for identity, own in zip(identities, repeats, strict=True):
        total = np.zeros(len(counts))
        for _ in range(settings.n_draws):
            found = identity[own.shuffled(everything, rng)[:, :size]]
            lit = found >= 0
            frequency = np.bincount(found[lit], minlength=1)
            twin = lit & (frequency[np.maximum(found, 0)] > 1)
            total += ratio(
                counts @ twin.sum(axis=1).astype(np.float64),
                counts @ lit.sum(axis=1).astype(np.float64),
            )
        shares.append(total[:, None] / settings.n_draws)
    return make_figures(
        TWINS,
        trial,
        Distances(shares[0], tuple(shares[1:])),
        [""],
        [""],
        n=trial.n_particles * size,
        distance=False,
        note="floor: the full simulation itself",
    )


def _identities(showers: NDArray[Any]) -> NDArray[np.int64]:
    """A number that showers share if they are equal in every cell, -1 for empty ones."""
    numbers: dict[bytes, int] = {}
    result = np.full(len(showers), -1)
    for row in np.flatnonzero(showers.any(axis=1)):
        key = np.ascontiguousarray(showers[row]).tobytes()
        result[row] = numbers.setdefault(key, len(numbers))
    return result
