r"""Whether neighbouring channels light up together, particle by particle.

.. math::
    J_k(a, b) = \frac{\#\{\text{showers of } k \text{ with } a \text{ and } b \text{ active}\}}
                     {\#\{\text{showers of } k \text{ with } a \text{ or } b \text{ active}\}},
    \qquad \Delta(a, b) = \langle | J_k^\mathrm{gen} - J_k^\mathrm{ref} | \rangle_k

over particles with either channel active on both sides. A channel is active in a shower if it
has more than its median over all showers of the full simulation.

Neighbours are consecutive layers of a cylinder, and channels of a grid with a common border.
The channel of every other cell borders on all; quadrants that meet in a point do not.

FTNF (arXiv 2608.12795) names the metric; threshold and neighbours are ours, because we know no
exact statement of theirs.
"""

from __future__ import annotations

from itertools import combinations, pairwise
from typing import TYPE_CHECKING

import numpy as np

from caloforge.geometry import CylinderLayout
from caloforge.metrics.figures import Definition, Finding
from caloforge.metrics.shower.columns import draw_size
from caloforge.metrics.statistics.bootstrap import draw_counts, ratio
from caloforge.metrics.statistics.draws import draw_chance, make_figures, mean_of_draws
from caloforge.metrics.statistics.floor import Distances

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from caloforge.metrics.samples.trial import Trial
    from caloforge.metrics.settings import Settings

    Array = NDArray[np.float64]

COACTIVATION = Definition(
    name="coactivation",
    label="Jaccard co-activation",
    group="conditional",
    unit="",
    ideal="floor",
    range="0 to 1",
    meaning="Mean over particles of the difference, full simulation to generated, of the share "
    "of showers with both of two neighbouring channels above their medians among those with "
    "either; without target: mean over pairs of neighbours.",
    source="Named by FTNF, arXiv 2608.12795; threshold and choice of neighbours are ours",
    bias="Large: with two showers a particle its share is 0, 1/2 or 1 by chance. Compare with "
    "the floor.",
    blind="How much light there is beyond the median; particles that are far from the median "
    "(always active, or never) have no say; channels that are no neighbours.",
)
DEFINITIONS = (COACTIVATION,)


def coactivation(trial: Trial, settings: Settings, rng: np.random.Generator) -> Finding:
    """Difference of the Jaccard co-activation of neighbouring channels.

    Without a pair of channels there is nothing to compute.
    """
    pairs = neighbours(trial)
    if not pairs:
        return Finding()
    first, second = (np.array(members) for members in zip(*pairs, strict=True))
    threshold = np.median(trial.reference.channels, axis=0)
    tables = []
    for side in trial.sides:
        active = side.channels > threshold
        both, either = (
            operator(active[:, first], active[:, second])
            for operator in (np.logical_and, np.logical_or)
        )
        tables.append(np.stack((both, either)).astype(np.float64))
    counts = draw_counts(trial.n_particles, settings.n_bootstrap, rng)
    draws: list[list[Array]] = [[] for _ in tables]
    for _ in range(settings.n_draws):
        draw = trial.draw(rng)
        repeats = trial.repeats
        own = _jaccard(tables[0][:, draw.reference], repeats)
        # A particle counts in a resampling as often as it was drawn; with halves, the first of
        # the two particles decides.
        weights = counts[:, draw.particle[::repeats]]
        for k, (table, rows) in enumerate(
            zip((tables[0], *tables[1:]), (draw.other, *draw.generated), strict=True)
        ):
            difference = np.abs(own - _jaccard(table[:, rows], repeats))
            known = np.isfinite(difference)
            above = (weights @ np.where(known, difference, 0.0)).astype(np.float64)
            draws[k].append(_with_mean(ratio(above, (weights @ known).astype(np.float64))))
    chance = draw_chance(settings.n_draws, len(counts), rng)
    found = [mean_of_draws(each, chance, distance=True) for each in draws]
    names = trial.channels.names
    targets = ["", *(f"{names[a]} and {names[b]}" for a, b in pairs)]
    figures = make_figures(
        COACTIVATION,
        trial,
        Distances(found[0], tuple(found[1:])),
        targets,
        [""] * len(targets),
        n=draw_size(trial),
    )
    return Finding(figures=figures)


def neighbours(trial: Trial) -> list[tuple[int, int]]:
    """Pairs of neighbouring channels.

    In a cylinder consecutive channels (layers). In a grid channels with more than two pairs of
    cells that touch at a side or a corner: quadrants that meet in a point have two at most.
    """
    masks = trial.channels.masks
    if isinstance(trial.geometry.layout, CylinderLayout):
        return list(pairwise(range(len(masks))))
    layout = trial.geometry.layout
    of_plane = masks.reshape(len(masks), layout.planes, -1)
    at_place: NDArray[np.bool_] = np.logical_or.reduce(of_plane, axis=1)
    border = _border(at_place, layout.cells)
    return [pair for pair in combinations(range(len(masks)), 2) if border[pair] > 2]


def _border(masks: NDArray[np.bool_], cells: Sequence[int]) -> NDArray[np.int64]:
    """Pairs of touching cells (at a side or a corner) of every pair of channels."""
    image = masks.reshape(len(masks), *cells).astype(np.int64)
    border = np.zeros((len(masks), len(masks)), dtype=np.int64)
    for dx, dy in ((1, 0), (0, 1), (1, 1), (1, -1)):
        here = image[:, : cells[0] - dx, max(0, -dy) : cells[1] - max(0, dy)]
        there = image[:, dx:, max(0, dy) : cells[1] + min(0, dy)]
        touching = np.einsum("aij,bij->ab", here, there)
        border += touching + touching.T
    return border


def _jaccard(table: Array, repeats: int) -> Array:
    """Share of both among either for each particle, ``(2, n, pair) -> (particle, pair)``."""
    grouped = table.reshape(2, -1, repeats, table.shape[2]).sum(axis=2)
    return ratio(grouped[0], grouped[1])


def _with_mean(pairs: Array) -> Array:
    """Mean over the pairs that are defined, then the pairs."""
    known = np.isfinite(pairs)
    total = np.where(known, pairs, 0.0).sum(axis=1)
    mean = ratio(total, known.sum(axis=1).astype(np.float64))
    return np.concatenate((mean[:, None], pairs), axis=1)
