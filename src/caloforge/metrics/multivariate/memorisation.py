r"""Does a generator copy the showers that it was trained on?

For every shower the nearest training shower is sought, in the distance

.. math:: d(x, y) = \Big( \sum_\mathrm{cells} (\sqrt{x} - \sqrt{y})^2 \Big)^{1/2}

in which counts of every size scatter alike (by 1/2 a cell). On a grid, showers are first moved
by whole cells until their own centre of response lies at the centre: a copy that was moved is
then a copy still. The nearest distances of generated showers are compared with those of full
simulation of the same particles that was *not* trained on:

* their size :math:`d_1`: showers without variety of their own are nearer to everything;
* the contrast :math:`d_1 / d_2` to the second nearest training shower: a copy is near to one
  training shower and to no other.

References:
    | The second is the nearest-neighbour distance ratio of Lowe, Distinctive Image Features
    | from Scale-Invariant Keypoints (2004), section 7.1
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from caloforge.metrics.figures import Definition, Finding, Scores
from caloforge.metrics.multivariate.held_out import held_out_particles
from caloforge.metrics.multivariate.nearest import Nearest, centred, nearest
from caloforge.metrics.statistics.draws import make_figures, over_draws
from caloforge.metrics.statistics.permutation import permuted_labels

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from caloforge.geometry import DetectorGeometry
    from caloforge.metrics.samples.trial import Side, Trial
    from caloforge.metrics.settings import Settings

    Array = NDArray[np.float64]
    Counts = NDArray[np.int64]

LEVEL = 0.01
# Share of held-out full simulation that counts as standing out, by definition.
STANDING_OUT = 0.01

NEAREST_TRAINING = Definition(
    name="nearest_training",
    label="Distance to training showers",
    group="multivariate",
    unit="",
    ideal="1",
    range="0 upwards",
    meaning="Mean distance of generated showers to their nearest training shower, over that of "
    "full simulation that was not trained on: below 1 the generator stays too near to what it "
    "was trained on, above 1 it makes showers that full simulation does not.",
    source="distance to the closest record, as in tests of synthetic data; the square root of "
    "counts is Hellinger's",
    bias="None to first order: both sides have the same training showers and the same size.",
    blind="Copies among few, when most showers are far; showers that are near to many training "
    "showers for want of variety look like copies (see copied_showers).",
)
COPIED_SHOWERS = Definition(
    name="copied_showers",
    label="Share of copied showers",
    group="multivariate",
    unit="",
    ideal=f"{STANDING_OUT:g}",
    range="0 to 1",
    meaning="Share of generated showers that single out one training shower (distance to the "
    f"nearest over that to the second nearest) more than {1 - STANDING_OUT:.0%} of full "
    "simulation does: 1 if all are copies.",
    source="nearest-neighbour distance ratio of Lowe (2004)",
    bias="None to first order; its error is large below a few hundred showers.",
    blind="Copies of showers that the training sample holds twice; reflected copies; copies of "
    "showers with a handful of photons, which full simulation repeats, too.",
)
DEFINITIONS = (NEAREST_TRAINING, COPIED_SHOWERS)


class Memory(NamedTuple):
    """Comparison of nearest distances, generated against held-out full simulation.

    Attributes:
        ratio: Mean nearest distance, generated over held-out.
        copied: Share of generated showers that stand out as copies; of held-out ones
            `STANDING_OUT` do.
        p_near: P-value of "generated showers are not nearer to training showers".
        p_copied: P-value of "generated showers do not single out one training shower more".
        verdict: In words.
    """

    ratio: float
    copied: float
    p_near: float
    p_copied: float
    verdict: str

    @property
    def copies(self) -> bool:
        """Whether showers are copied."""
        return self.p_copied < LEVEL / 2


def check_memory(
    generated: Nearest,
    generated_particle: NDArray[np.int64],
    held_out: Nearest,
    held_out_particle: NDArray[np.int64],
    *,
    rng: np.random.Generator,
    n_permutations: int = 999,
) -> Memory:
    """Compare nearest distances of generated showers with those of held-out full simulation.

    The labels are permuted within the incident particle, where they are exchangeable if the
    generator is right and knows nothing of its training showers beyond their distribution. The
    statistics are sums of ranks, the tests one-sided, at a level of 0.01 for both together.

    Arguments:
        generated: Of the generated showers.
        generated_particle: Incident particle of each.
        held_out: Of full simulation of the same particles that was not trained on.
        held_out_particle: Incident particle of each.
        rng: Source of the permutations.
        n_permutations: Their number.
    """
    common = np.intersect1d(generated_particle, held_out_particle)
    own, other = np.isin(generated_particle, common), np.isin(held_out_particle, common)
    sides = (generated.distance[own], held_out.distance[other])
    contrasts = (generated.contrast[own], held_out.contrast[other])
    p_near, p_copied = (
        _lower_p(
            np.concatenate(values),
            np.concatenate((generated_particle[own], held_out_particle[other])),
            int(own.sum()),
            n_permutations,
            rng,
        )
        for values in (sides, contrasts)
    )
    below = float(sides[1].mean()) if sides[1].size else 0.0
    ratio = float(sides[0].mean()) / below if below > 0 else 1.0
    edge = _edge(contrasts[1])
    copied = float((contrasts[0] < edge).mean()) if contrasts[0].size else 0.0
    return Memory(ratio, copied, p_near, p_copied, _verdict(ratio, copied, p_near, p_copied))


def memorisation(trial: Trial, settings: Settings, rng: np.random.Generator) -> Finding:
    """Distances to the nearest training shower; nothing if the training showers are not given.

    Particles that were trained on are left out. Cannot see: see `DEFINITIONS`.

    Raises:
        DataFormatError: If all particles were trained on.
    """
    training = settings.training
    if training is None or not len(training):
        return Finding()
    kept = held_out_particles(trial, training)
    trained = centred(training.showers, trial.geometry)
    found = [_distances(side, kept, trained, trial.geometry) for side in trial.sides]
    edge = _edge(_known(found[0])[:, 1])
    note = f"{len(training):,} training showers ({training.source})"
    if not kept.all():
        note += f"; {(~kept).sum():,} particles that were trained on are left out"
    replicas = over_draws(
        trial,
        found,
        partial(_compared, edge=edge),
        rng=rng,
        n_draws=settings.n_draws,
        n_bootstrap=settings.n_bootstrap,
    )
    n_kept = int(kept.sum())
    figures = []
    for column, definition in enumerate(DEFINITIONS):
        part = type(replicas)(
            replicas.floor[:, column : column + 1],
            tuple(r[:, column : column + 1] for r in replicas.generated),
        )
        blind = definition is COPIED_SHOWERS and edge <= 0
        figures += make_figures(
            definition,
            trial,
            part,
            [""],
            [""],
            n=trial.repeats * n_kept if trial.matched else n_kept // 2,
            distance=False,
            note=f"{note}; full simulation has equal showers, so no copy stands out"
            if blind
            else note,
        )
    scores = [
        _scores(definition.name, side.name, found[0][:, column], table[:, column])
        for side, table in zip(trial.generated, found[1:], strict=True)
        for column, definition in enumerate(DEFINITIONS)
    ]
    return Finding(figures=figures, scores=scores)


def _distances(
    side: Side, kept: NDArray[np.bool_], trained: NDArray[Any], geometry: DetectorGeometry
) -> Array:
    """Distance and contrast of each shower, not a number for particles left out, ``(n, 2)``."""
    rows = np.flatnonzero(kept[side.particle])
    table = np.full((len(side), 2), np.nan)
    near = nearest(centred(side.showers[rows], geometry), trained)
    table[rows] = np.stack((near.distance, near.contrast), axis=1)
    return table


def _known(table: Array) -> Array:
    return table[~np.isnan(table[:, 0])]


def _compared(
    first: Array, second: Array, counts_a: Counts, counts_b: Counts, *, edge: float
) -> Array:
    """Ratio of distances and share of copies; not a number where a side has no showers."""
    use_a, use_b = ~np.isnan(first[:, 0]), ~np.isnan(second[:, 0])
    weights_a, weights_b = counts_a[use_a], counts_b[use_b]
    if not (weights_a.sum() and weights_b.sum()):
        return np.array([np.nan, np.nan])
    below = np.average(first[use_a, 0], weights=weights_a)
    above = np.average(second[use_b, 0], weights=weights_b)
    copied = np.average(second[use_b, 1] < edge, weights=weights_b)
    return np.array([above / below if below > 0 else np.nan, copied if edge > 0 else np.nan])


def _scores(metric: str, sample: str, reference: Array, generated: Array) -> Scores:
    """Scores that are high near training showers, as ranks are tested against high ones only.

    Showers of particles left out share one middle score: exchanging them changes nothing.
    """
    middle = np.nanmedian(np.concatenate((reference, generated)))
    sides = (-np.where(np.isnan(side), middle, side) for side in (reference, generated))
    return Scores(metric, "", sample, *sides)


def _edge(contrast: Array) -> float:
    """Contrast below which `STANDING_OUT` of full simulation lies."""
    return float(np.quantile(contrast, STANDING_OUT)) if contrast.size else 0.0


def _lower_p(
    values: Array,
    particle: NDArray[np.int64],
    n_generated: int,
    n_permutations: int,
    rng: np.random.Generator,
) -> float:
    """P-value of the sum of ranks of the generated values, the first ones, being so low."""
    if not values.size:
        return 1.0
    _, number = np.unique(particle, return_inverse=True)
    order = np.argsort(number, kind="stable")
    # Ties share their middle rank, so that equal values tell nothing.
    _, where, counts = np.unique(values, return_inverse=True, return_counts=True)
    rank = (np.cumsum(counts) - (counts - 1) / 2)[where][order]
    generated = (np.arange(values.size) < n_generated)[order]
    sums = permuted_labels(generated, number[order], n_permutations, rng) @ rank
    return float((sums <= sums[0] + 1e-9 * abs(sums[0])).mean())


def _verdict(ratio: float, copied: float, p_near: float, p_copied: float) -> str:
    far = f"generated showers are {ratio:.3f} times as far from training showers as held-out "
    far += f"full simulation (p = {p_near:.2g}; copies p = {p_copied:.2g})"
    if p_copied < LEVEL / 2:
        return (
            f"copies training showers: {copied:.1%} of the generated showers single out one "
            f"training shower as {STANDING_OUT:.0%} of full simulation does "
            f"(p = {p_copied:.2g})"
        )
    if p_near < LEVEL / 2:
        return f"no copies, but too little variety: {far}, and near to many of them"
    return f"no sign of memorisation: {far}"
