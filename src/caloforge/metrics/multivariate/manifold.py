"""Precision, recall, density and coverage: do generated showers lie where the real ones do?

A sample's manifold is the union of balls around its showers, each reaching to its fifth nearest
neighbour. Errors resample the particles of the showers that are judged, with the manifolds held
fixed: another manifold for each resampling would shrink, as a resampled shower is its own
neighbour.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy.spatial.distance import cdist

from caloforge.metrics.figures import Definition, Figure, Finding
from caloforge.metrics.multivariate.standard import standardised
from caloforge.metrics.statistics.bootstrap import draw_counts
from caloforge.metrics.statistics.draws import make_figures
from caloforge.metrics.statistics.floor import Distances

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from caloforge.metrics.samples.trial import Trial
    from caloforge.metrics.settings import Settings

    Array = NDArray[np.float64]

NEIGHBOURS = 5
_KYNKAANNIEMI = "Kynkaanniemi et al. (2019), arXiv 1904.06991; k = 5"
_NAEEM = "Naeem et al. (2020), arXiv 2002.09797; k = 5"
_MEANING = (
    ("precision", "Precision", "0 to 1", "generated showers inside the reference's manifold"),
    ("recall", "Recall", "0 to 1", "reference showers inside the generated manifold"),
)
PRECISION, RECALL = (
    Definition(
        name=name,
        label=label,
        group="multivariate",
        unit="",
        ideal="floor",
        range=limits,
        meaning=f"Share of {what}, in standardised observables and channels; small is bad.",
        source=_KYNKAANNIEMI,
        bias="Rises with n, and depends on k: compare with the floor at equal n.",
        blind=(
            "How many showers lie where; an outlier has a large ball that forgives much. "
            "Conditions."
        ),
    )
    for name, label, limits, what in _MEANING
)
DENSITY = Definition(
    name="density",
    label="Density",
    group="multivariate",
    unit="",
    ideal="floor",
    range="0 upwards; near 1 for equal distributions",
    meaning=(
        "Mean number of reference balls around a generated shower, divided by k; small means "
        "showers where there are none, large means too few of the rare ones."
    ),
    source=_NAEEM,
    bias="None of first order.",
    blind="Parts of the reference that are never generated; conditions.",
)
COVERAGE = Definition(
    name="coverage",
    label="Coverage",
    group="multivariate",
    unit="",
    ideal="floor",
    range="0 to 1; near 1 - 2^-k = 0.97 for equal distributions",
    meaning="Share of reference showers with a generated one in their ball; small is bad.",
    source=_NAEEM,
    bias="Hardly depends on n; depends on k.",
    blind="Showers outside the reference; how many showers lie where; conditions.",
)
DEFINITIONS = (PRECISION, RECALL, DENSITY, COVERAGE)

_BLOCK = 1024


def radii(values: Array, k: int = NEIGHBOURS) -> Array:
    """Distance of each shower to its k-th nearest other one, ``(n, d)`` to ``(n,)``."""
    k = min(k, len(values) - 1)
    result = np.zeros(len(values))
    if k < 1:
        return result
    for start in range(0, len(values), _BLOCK):
        part = slice(start, start + _BLOCK)
        # The shower itself is at distance 0, so that entry k is its k-th other one.
        result[part] = np.partition(cdist(values[part], values), k, axis=1)[:, k]
    return result


def indicators(
    reference: Array,
    generated: Array,
    of_reference: Array,
    of_generated: Array,
    k: int = NEIGHBOURS,
) -> tuple[Array, ...]:
    """What each shower adds to the four means.

    Arguments:
        reference: ``(n, d)``.
        generated: ``(m, d)``.
        of_reference: `radii` of the reference, ``(n,)``.
        of_generated: `radii` of the generated showers, ``(m,)``.
        k: Which neighbour a ball reaches to.

    Returns:
        Precision ``(m,)``, recall ``(n,)``, density ``(m,)``, coverage ``(n,)``.
    """
    around = np.zeros(len(generated))
    recall, coverage = np.zeros(len(reference)), np.zeros(len(reference))
    for start in range(0, len(reference), _BLOCK):
        part = slice(start, start + _BLOCK)
        distance = cdist(reference[part], generated)
        inside = distance <= of_reference[part, None]
        around += inside.sum(axis=0)
        coverage[part] = inside.any(axis=1)
        recall[part] = (distance <= of_generated).any(axis=1)
    k = max(1, min(k, len(reference) - 1))
    return (around > 0).astype(np.float64), recall, around / k, coverage


def manifold_section(trial: Trial, settings: Settings, rng: np.random.Generator) -> Finding:
    """Precision, recall, density and coverage of standardised observables and channels."""
    counts = draw_counts(trial.n_particles, settings.n_bootstrap, rng).astype(np.float64)
    values = standardised(trial)
    n_draws = max(1, min(settings.n_draws, 2))
    replicas = np.zeros((1 + len(trial.generated), len(counts), len(DEFINITIONS)))
    n = 0
    for _ in range(n_draws):
        draw = trial.draw(rng, settings.max_showers)
        n = len(draw.reference)
        own = values[0][draw.reference]
        own_radii = radii(own)
        weights, other_weights = counts[:, draw.particle], counts[:, draw.other_particle]
        for side, rows in enumerate((draw.other, *draw.generated)):
            other = values[side][rows]
            judged = indicators(own, other, own_radii, radii(other))
            for k, (each, weight) in enumerate(
                zip(judged, (other_weights, weights) * 2, strict=True)
            ):
                total = weight.sum(axis=1)
                replicas[side, :, k] += weight @ each / np.where(total > 0, total, np.nan)
    replicas /= n_draws
    figures: list[Figure] = []
    for k, definition in enumerate(DEFINITIONS):
        figures += make_figures(
            definition,
            trial,
            Distances(replicas[0][:, [k]], tuple(replicas[1:, :, [k]])),
            [""],
            [""],
            n=n,
            distance=False,
            note=f"k = {NEIGHBOURS}, {n_draws} draws, manifolds fixed in the errors",
        )
    return Finding(figures)
