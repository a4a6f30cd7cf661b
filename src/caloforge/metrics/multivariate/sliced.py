r"""Sliced W1: mean first Wasserstein distance over random directions.

.. math:: \big\langle W_1(\theta \cdot x, \theta \cdot y) \big\rangle_\theta

with :math:`\theta` uniform on the sphere, in standardised observables and channels.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from caloforge.metrics.figures import Definition, Finding
from caloforge.metrics.multivariate.standard import standardised
from caloforge.metrics.statistics.draws import make_figures, over_draws

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from caloforge.metrics.samples.trial import Trial
    from caloforge.metrics.settings import Settings

    Array = NDArray[np.float64]
    Counts = NDArray[np.int64]

SLICED_W1 = Definition(
    name="sliced_w1",
    label="Sliced W1",
    group="multivariate",
    unit="",
    ideal="floor",
    range="0 upwards",
    meaning=(
        "W1 of observables and channels along random directions, mean over 64 directions, in "
        "standard deviations of the reference; large is bad."
    ),
    source="Rabin et al. (2012), Wasserstein barycenter and its application to texture mixing",
    bias="Upwards, falls as about 1/sqrt(n): compare with the floor at equal n.",
    blind=(
        "Differences in few of many observables are diluted by the others; conditions; cells "
        "beyond the observables."
    ),
)
DEFINITIONS = (SLICED_W1,)
N_DIRECTIONS = 64
_MAX_SHOWERS = 4000


def directions(d: int, n: int, rng: np.random.Generator) -> Array:
    """Unit vectors, uniform on the sphere, ``(d, n)``."""
    vectors = rng.standard_normal((d, n))
    unit: Array = vectors / np.linalg.norm(vectors, axis=0)
    return unit


def weighted_w1(first: Array, second: Array, counts: Counts, other_counts: Counts) -> Array:
    """Mean over columns of W1 between two samples whose rows count differently.

    Arguments:
        first: ``(n, column)``.
        second: ``(m, column)``.
        counts: How often each row of ``first`` counts, ``(n,)``.
        other_counts: The same for ``second``, ``(m,)``.

    Returns:
        One number, ``(1,)``; not a number where a sample is empty.
    """
    first, second = (
        np.repeat(values, often, axis=0)
        for values, often in ((first, counts), (second, other_counts))
    )
    if not len(first) or not len(second):
        return np.array([np.nan])
    first, second = np.sort(first, axis=0), np.sort(second, axis=0)
    if len(first) != len(second):  # quantiles of the longer at those of the shorter
        n = max(len(first), len(second))
        at = (np.arange(n) + 0.5) / n
        first, second = (
            values[np.minimum((at * len(values)).astype(np.int64), len(values) - 1)]
            for values in (first, second)
        )
    return np.array([np.abs(first - second).mean()])


def sliced_section(trial: Trial, settings: Settings, rng: np.random.Generator) -> Finding:
    """Sliced W1 with floor."""
    tables = standardised(trial)
    along = directions(tables[0].shape[1], N_DIRECTIONS, rng)
    limit = min(settings.max_showers, _MAX_SHOWERS)
    found = over_draws(
        trial,
        [table @ along for table in tables],
        weighted_w1,
        rng=rng,
        n_draws=1,
        n_bootstrap=min(settings.n_bootstrap, 50),
        max_showers=limit,
    )
    n = len(trial.draw(rng, limit).reference)
    note = f"{N_DIRECTIONS} directions, 1 draw of showers"
    return Finding(make_figures(SLICED_W1, trial, found, [""], [""], n=n, note=note))
