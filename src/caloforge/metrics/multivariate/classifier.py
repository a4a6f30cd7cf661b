"""Can a classifier tell generated showers from full simulation? AUC and JSD, with their floor.

The classifier sees the incident particle beside the shower, so a generator that ignores its
conditions is found out. Folds are by incident particle: no shower is scored by a rule that saw
a shower of its particle.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from caloforge.metrics.figures import Definition, Figure, Finding, Scores
from caloforge.metrics.multivariate.classifier_networks import (
    Examples,
    boosted_trees,
    small_network,
)
from caloforge.metrics.multivariate.separability import (
    auc,
    calibrated,
    jensen_shannon,
    ranks_within,
)
from caloforge.metrics.multivariate.standard import conditions, raw
from caloforge.metrics.statistics.bootstrap import draw_counts
from caloforge.metrics.statistics.distances import Measured

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from caloforge.metrics.samples.trial import Side, Trial
    from caloforge.metrics.settings import Settings

    Array = NDArray[np.float64]
    Learner = Callable[[Examples, NDArray[Any], int], Array]

_SOURCE_AUC = "Krause and Shih (2021), arXiv 2106.05285; CaloChallenge, arXiv 2410.21611"
AUC = Definition(
    name="classifier_auc",
    label="Classifier AUC",
    group="multivariate",
    unit="",
    ideal="floor",
    range="0 to 1; 0.5 cannot be told apart, 1 is always told apart",
    meaning=(
        "Probability that a classifier scores a generated shower higher than one of full "
        "simulation, out of fold; large is bad. Values below 0.5 are left as they are."
    ),
    source=_SOURCE_AUC,
    bias=(
        "Towards 0.5 for few showers: the classifier then learns less. Its error leaves out "
        "that other training showers would give another classifier."
    ),
    blind="What this classifier cannot learn from so many showers; which cells are wrong.",
    headline=True,
)
SCORES = Definition(
    name="classifier_scores",
    label="Classifier scores",
    group="tests",
    unit="",
    ideal="floor",
    range="-1/2 to 1/2; only large values count",
    meaning=(
        "Area under the ROC curve minus 1/2 of scores of all showers, each fold of particles "
        "scored by a classifier of the folds before it."
    ),
    source="ours; permutation tests as of Westfall and Young (1993)",
    bias="labels exchanged within the particle: p-values are exact for any sample size",
    blind="what the classifier cannot learn from the showers of the folds before",
)
JSD = Definition(
    name="classifier_jsd",
    label="Classifier JSD",
    group="multivariate",
    unit="bit",
    ideal="floor",
    range="0 to 1; estimates scatter around 0, also below",
    meaning=(
        "Jensen-Shannon divergence attested by the classifier after isotonic calibration on "
        "the other folds; large is bad."
    ),
    source=_SOURCE_AUC,
    bias="Downwards: a lower bound of the true divergence, tight for a perfect classifier.",
    blind="As the AUC; more sensitive to regions that only one of the samples reaches.",
)
DEFINITIONS = (AUC, JSD, SCORES)

TREES, NETWORK = "boosted trees", "small network"
MAX_TREE_CELLS = 400
MAX_TREE_SHOWERS = 2000


@dataclass(frozen=True, eq=False)
class Task:
    """One classifier on one kind of input.

    Attributes:
        target: Name, e.g. ``"observables, boosted trees"``.
        learner: Maps training examples, inputs and a seed to scores.
        inputs: One row a shower, of the reference and of each generated side.
        n_seeds: Trainings, each with its own draw of showers and folds.
        n_folds: Folds by incident particle.
        max_showers: Most showers on either side.
        scores: Whether to score all showers too.
    """

    target: str
    learner: Learner
    inputs: tuple[NDArray[Any], ...]
    n_seeds: int
    n_folds: int
    max_showers: int | None = None
    scores: bool = False


class OutOfFold(NamedTuple):
    """Scores of showers by rules that did not see their particles.

    Attributes:
        rank: Score as rank within the fold, from 0 to 1, high for generated.
        fold: Fold of each shower.
    """

    rank: Array
    fold: NDArray[np.int64]


def out_of_fold(
    task: Task,
    inputs: NDArray[Any],
    generated: NDArray[np.bool_],
    particle: NDArray[np.int64],
    rng: np.random.Generator,
) -> OutOfFold:
    """Score every shower by a rule learnt from other particles."""
    particles, number = np.unique(particle, return_inverse=True)
    n_folds = max(2, min(task.n_folds, len(particles)))
    fold = (rng.permutation(len(particles)) % n_folds)[number]
    scores = np.zeros(len(inputs))
    for k in range(n_folds):
        member = fold == k
        seed = int(rng.integers(2**31))
        train = Examples(inputs[~member], generated[~member])
        if member.any() and len(train.inputs):
            scores[member] = task.learner(train, inputs[member], seed)
    return OutOfFold(ranks_within(scores, fold), fold)


def one_way(
    task: Task,
    inputs: NDArray[Any],
    generated: NDArray[np.bool_],
    particle: NDArray[np.int64],
    rng: np.random.Generator,
) -> Array:
    """Score showers for a permutation test: fold k by a rule learnt from folds before it.

    In `out_of_fold` two particles score each other. Even for equal distributions their results
    are then correlated, and permutations of the labels with the scores held fixed would
    understate the spread of the rank sum, by up to a root of 2. Here labels of a particle only
    reach the scores of later ones. The first fold is not scored: all its showers have 1/2.
    """
    particles, number = np.unique(particle, return_inverse=True)
    n_folds = max(2, min(task.n_folds, len(particles)))
    fold = (rng.permutation(len(particles)) % n_folds)[number]
    scores = np.full(len(inputs), 0.5)
    for k in range(1, n_folds):
        member, before = fold == k, fold < k
        seed = int(rng.integers(2**31))
        if member.any() and before.any():
            train = Examples(inputs[before], generated[before])
            found = task.learner(train, inputs[member], seed)
            scores[member] = ranks_within(found, fold[member])
    return scores


def run(trial: Trial, settings: Settings, task: Task, rng: np.random.Generator) -> Finding:
    """AUC and JSD of one classifier against its floor, and scores of all showers if asked."""
    counts = draw_counts(trial.n_particles, settings.n_bootstrap, rng)
    others = 1 + len(trial.generated)
    found = np.empty((2, task.n_seeds, others, len(counts)))
    n, scoring = 0, int(rng.integers(2**31))
    for seed in range(task.n_seeds):
        folding = int(rng.integers(2**31))
        draw = trial.draw(rng, task.max_showers)
        n = len(draw.reference)
        own = task.inputs[0][draw.reference]
        particle = np.concatenate((draw.particle, draw.other_particle))
        generated = np.arange(2 * n) >= n
        weights = counts[:, particle]
        for k, rows in enumerate((draw.other, *draw.generated)):
            both = np.concatenate((own, task.inputs[k][rows]))
            # The same folds for the floor and every sample.
            folds = np.random.default_rng(folding)
            held = out_of_fold(task, both, generated, particle, folds)
            found[0, seed, k] = auc(held.rank, generated, weights)
            probability = calibrated(held.rank, generated, held.fold)
            found[1, seed, k] = jensen_shannon(probability, generated, weights)
    note = f"{task.n_folds} folds by particle, seeds: {task.n_seeds}"
    figures = [
        Figure(
            metric=definition.name,
            target=task.target,
            sample=side.name,
            value=with_seeds(values[:, k], definition.unit),
            floor=with_seeds(values[:, 0], definition.unit),
            n=n,
            note=note,
            replicas=values[:, k].mean(axis=0),
        )
        for definition, values in zip((AUC, JSD), found, strict=True)
        for k, side in enumerate(trial.generated, start=1)
    ]
    return Finding(figures, scores=_score_all(trial, task, scoring) if task.scores else ())


def with_seeds(replicas: Array, unit: str) -> Measured | None:
    """Mean over seeds; bootstrap error and error of the mean over seeds in quadrature.

    Arguments:
        replicas: Estimate and resampled estimates of each training, ``(seed, 1 + resampling)``.
        unit: Unit of the figure.
    """
    mean = replicas.mean(axis=0)
    if not np.isfinite(mean[0]):
        return None
    resampled = mean[1:][np.isfinite(mean[1:])]
    error = float(resampled.std(ddof=1)) if resampled.size > 1 else 0.0
    n_seeds = len(replicas)
    between = float(replicas[:, 0].std(ddof=1)) / np.sqrt(n_seeds) if n_seeds > 1 else 0.0
    return Measured(float(mean[0]), float(np.hypot(error, between)), unit)


def _score_all(trial: Trial, task: Task, seed: int) -> list[Scores]:
    """Score every shower; a sample's scores do not depend on the other samples."""
    n = len(trial.reference)
    result = []
    for side, inputs in zip(trial.generated, task.inputs[1:], strict=True):
        both = np.concatenate((task.inputs[0], inputs))
        particle = np.concatenate((trial.reference.particle, side.particle))
        rng = np.random.default_rng(seed)
        found = one_way(task, both, np.arange(len(both)) >= n, particle, rng)
        result.append(
            Scores(SCORES.name, task.target, side.name, found[:n].copy(), found[n:].copy())
        )
    return result


def observable_inputs(trial: Trial) -> tuple[NDArray[np.float32], ...]:
    """Observables, channels and conditions of every side; what is not finite is 0."""
    return tuple(
        np.nan_to_num(
            np.concatenate((raw(side), conditions(side)), axis=1), posinf=0.0, neginf=0.0
        ).astype(np.float32)
        for side in trial.sides
    )


def cell_inputs(trial: Trial) -> tuple[NDArray[np.float16], ...]:
    """Cells and channels as log(1 + response / s), and conditions, of every side.

    Channels are sums of cells: with a few hundred showers no network finds them by itself.

    s is 1 for counts, and else the median of the lit cells of (part of) the reference.
    """
    few = trial.reference.showers[:1000]
    lit = few[few > 0]
    scale = 1.0 if trial.geometry.counts or not lit.size else float(np.median(lit))
    return tuple(_cells(side, scale) for side in trial.sides)


def _cells(side: Side, scale: float) -> NDArray[np.float16]:
    sums = np.log1p(np.maximum(side.channels, 0) / scale)
    beside = np.concatenate((sums, conditions(side)), axis=1)
    n_cells = side.showers.shape[1]
    table = np.empty((len(side), n_cells + beside.shape[1]), dtype=np.float16)
    table[:, n_cells:] = beside
    for start in range(0, len(side), 1000):
        part = slice(start, start + 1000)
        cells = np.asarray(side.showers[part], dtype=np.float32) / np.float32(scale)
        table[part, :n_cells] = np.log1p(np.maximum(cells, 0))
    return table


def brightest_cells(tables: tuple[NDArray[Any], ...], n_cells: int) -> tuple[NDArray[Any], ...]:
    """Keep the cells that fluctuate most in the reference, and what stands beside the cells."""
    spread = tables[0][:, :n_cells].std(axis=0, dtype=np.float32)
    kept = np.sort(np.argsort(-spread, kind="stable")[:MAX_TREE_CELLS])
    columns = np.concatenate((kept, np.arange(n_cells, tables[0].shape[1])))
    return tuple(table[:, columns].astype(np.float32) for table in tables)


def observables_classifier_section(
    trial: Trial, settings: Settings, rng: np.random.Generator
) -> Finding:
    """Boosted trees on observables, channels and conditions; scores of all showers."""
    task = Task(
        target=f"observables, {TREES}",
        learner=boosted_trees,
        inputs=observable_inputs(trial),
        n_seeds=settings.n_seeds,
        n_folds=settings.n_folds,
        max_showers=settings.max_showers,
        scores=True,
    )
    return run(trial, settings, task, rng)


def networks_classifier_section(
    trial: Trial, settings: Settings, rng: np.random.Generator
) -> Finding:
    """Small network on observables and on cells, boosted trees on cells.

    The networks score all showers on cells. The trees see the 400 cells that fluctuate most, of
    at most 2,000 showers a side.
    """
    folds, seeds = min(settings.n_folds, 3), min(settings.n_seeds, 2)
    limit = settings.max_showers
    observables = observable_inputs(trial)
    cells = cell_inputs(trial)
    cell_network = partial(small_network, n_cells=trial.geometry.n_cells)
    tasks = [
        Task(f"observables, {NETWORK}", small_network, observables, seeds, folds, limit),
        Task(f"cells, {NETWORK}", cell_network, cells, seeds, folds, limit, scores=True),
        Task(
            f"cells, {TREES}",
            boosted_trees,
            brightest_cells(cells, trial.geometry.n_cells),
            n_seeds=1,
            n_folds=folds,
            max_showers=min(limit, MAX_TREE_SHOWERS),
        ),
    ]
    findings = [run(trial, settings, task, rng) for task in tasks]
    return Finding(
        [figure for finding in findings for figure in finding.figures],
        scores=[scores for finding in findings for scores in finding.scores],
    )
