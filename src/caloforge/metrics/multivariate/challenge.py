"""The CaloChallenge's classifiers: its network, its training, its inputs.

One network is trained on the cells (low level) and one on the observables (high level), on 60 %
of the incident particles; 20 % choose the epoch and calibrate, 20 % are scored. Three things
differ from the challenge: the split is by incident particle, not by shower; all conditions are
inputs, not the energy alone; and the floor is measured.

Where all judged showers are told apart resampling changes nothing. The error is then that of a
share of all, by Laplace's rule of succession: n of n judged particles are like n + 1 of n + 2.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from caloforge.metrics.figures import Definition, Figure, Finding
from caloforge.metrics.multivariate.classifier import with_seeds
from caloforge.metrics.multivariate.classifier_networks import Examples, challenge_network
from caloforge.metrics.multivariate.separability import auc, jensen_shannon, transferred
from caloforge.metrics.multivariate.standard import conditions
from caloforge.metrics.statistics.bootstrap import draw_counts

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from caloforge.metrics.samples.trial import Side, Trial
    from caloforge.metrics.settings import Settings
    from caloforge.metrics.statistics.distances import Measured

    Array = NDArray[np.float64]
    Inputs = NDArray[np.float32]

ROUNDING = 1e-9

_SOURCE = "CaloChallenge, arXiv 2410.21611; network and training as there"
CHALLENGE_AUC = Definition(
    name="challenge_auc",
    label="AUC (CaloChallenge)",
    group="multivariate",
    unit="",
    ideal="floor",
    range="0 to 1; 0.5 cannot be told apart, 1 is always told apart",
    meaning=(
        "AUC of the CaloChallenge's 2 x 2048 network on held-out particles; large is bad. Low "
        "level: cells over incident energy; high level: observables and channels."
    ),
    source=_SOURCE,
    bias=(
        "Towards 0.5 for few showers. Only comparable with published values at their size "
        "(100,000 showers a side)."
    ),
    blind="What this network cannot learn from so many showers.",
)
CHALLENGE_JSD = Definition(
    name="challenge_jsd",
    label="JSD (CaloChallenge)",
    group="multivariate",
    unit="bit",
    ideal="floor",
    range="0 to 1; estimates scatter around 0, also below",
    meaning=(
        "Jensen-Shannon divergence attested by the same network on held-out particles, after "
        "isotonic calibration on the validation particles; large is bad."
    ),
    source=_SOURCE,
    bias="Downwards: a lower bound of the true divergence.",
    blind="As the AUC.",
)
DEFINITIONS = (CHALLENGE_AUC, CHALLENGE_JSD)


def challenge_classifiers(
    trial: Trial, settings: Settings, rng: np.random.Generator
) -> Finding:
    """AUC and JSD of the challenge's networks, low and high level, with floor."""
    counts = draw_counts(trial.n_particles, settings.n_bootstrap, rng)
    figures: list[Figure] = []
    for target, make in (("low level", _low_level), ("high level", _high_level)):
        found = np.empty((2, settings.n_seeds, 1 + len(trial.generated), len(counts)))
        judged = np.zeros(0, dtype=np.int64)
        for seed in range(settings.n_seeds):
            draw = trial.draw(rng, settings.max_showers)
            n = len(draw.reference)
            own = make(trial.reference, draw.reference)
            sides = (trial.reference, *trial.generated)
            rows = (draw.other, *draw.generated)
            particle = np.concatenate((draw.particle, draw.other_particle))
            for k, (side, chosen) in enumerate(zip(sides, rows, strict=True)):
                both = np.concatenate((own, make(side, chosen)))
                found[:, seed, k], judged = _one(both, n, particle, counts, rng)
        note = f"60/20/20 % of particles, 50 epochs, seeds: {settings.n_seeds}"
        n_particles = np.unique(judged).size
        figures += [
            Figure(
                metric=definition.name,
                target=target,
                sample=side.name,
                value=_measured(values[:, k], definition.unit, n_particles),
                floor=_measured(values[:, 0], definition.unit, n_particles),
                n=len(judged) // 2,
                note=note,
                replicas=values[:, k].mean(axis=0),
            )
            for definition, values in zip(DEFINITIONS, found, strict=True)
            for k, side in enumerate(trial.generated, start=1)
        ]
    return Finding(figures)


def _one(
    inputs: Inputs,
    n: int,
    particle: NDArray[np.int64],
    counts: NDArray[np.int64],
    rng: np.random.Generator,
) -> tuple[Array, NDArray[np.int64]]:
    """AUC and JSD on the test particles in every resampling, and the particles judged.

    Returns:
        ``(2, resampling)``, and the particle of every shower of both sides that is scored.
    """
    generated = np.arange(len(inputs)) >= n
    particles, number = np.unique(particle, return_inverse=True)
    part = np.digitize(rng.permutation(len(particles)) / len(particles), (0.6, 0.8))[number]
    train, validation, test = (part == k for k in range(3))
    if not (train.any() and validation.any() and test.any()):
        return np.full((2, len(counts)), np.nan), particle[test]
    scores = challenge_network(
        Examples(inputs[train], generated[train]),
        Examples(inputs[validation], generated[validation]),
        inputs[~train],
        int(rng.integers(2**31)),
    )
    held = test[~train]
    labels = generated[~train]
    weights = counts[:, particle[test]]
    probability = transferred(scores[~held], labels[~held], scores[held])
    found = (
        auc(scores[held], labels[held], weights),
        jensen_shannon(probability, labels[held], weights),
    )
    return np.stack(found), particle[test]


def _measured(replicas: Array, unit: str, n: int) -> Measured | None:
    """Mean over seeds with the error of `with_seeds`, at the least that of n of n.

    Arguments:
        replicas: ``(seed, 1 + resampling)``.
        unit: Unit of the figure.
        n: Particles judged.
    """
    found = with_seeds(replicas, unit)
    if found is None or found.error > ROUNDING:
        return found
    share = (n + 1) / (n + 2)
    return replace(found, error=float(np.sqrt(share * (1 - share) / n)))


def _low_level(side: Side, rows: NDArray[np.int64]) -> Inputs:
    """Cells over incident energy, and conditions."""
    beside = conditions(side)[rows]
    table = np.empty((len(rows), side.showers.shape[1] + beside.shape[1]), dtype=np.float32)
    energy = side.energy_gev[rows].astype(np.float32)
    for start in range(0, len(rows), 1000):
        part = slice(start, start + 1000)
        cells: NDArray[Any] = side.showers[rows[part]]
        table[part, : cells.shape[1]] = cells / energy[part, None]
    table[:, side.showers.shape[1] :] = beside
    return table


def _high_level(side: Side, rows: NDArray[np.int64]) -> Inputs:
    """Observables, logarithm of the channels, and conditions."""
    channels = np.log10(np.maximum(side.channels[rows], 0) + 1e-8)
    table = np.concatenate((side.observables[rows], channels, conditions(side)[rows]), axis=1)
    inputs: Inputs = np.nan_to_num(table, posinf=0.0, neginf=0.0).astype(np.float32)
    return inputs
