r"""Encoded against generated codes: the aggregate posterior against the prior.

For each shower of full simulation a code is encoded, and one is generated for its incident
particle. If the prior is right the two sets cannot be told apart, for any kind of particle.
Two numbers say how well they can be:

* the sliced first Wasserstein distance, the mean of :math:`W_1` over random directions, in
  units of the standard deviation of the encoded codes;
* the area under the ROC curve of boosted trees that see the code and the particle's conditions,
  out of fold, folds by incident particle: 0.5 if they cannot be told apart.

Beside both stands the floor: the same between the codes of two independent showers of full
simulation of the same particles (without repeats: of different particles, `unmatched floor`).

Cannot see: whether a code means anything to the decoder. The distance alone does not see codes
that are generated for the wrong particle; the classifier does.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from scipy import stats

from caloforge.metrics import Measured
from caloforge.metrics.statistics.permutation import permuted_labels

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from caloforge.explain.subject import Subject

    Array = NDArray[np.float64]
    Rows = NDArray[np.int64]

N_DIRECTIONS = 64
N_BOOTSTRAP = 60
N_PERMUTATIONS = 999
N_FOLDS = 5
_TREES = {"max_iter": 60, "max_leaf_nodes": 12, "learning_rate": 0.1, "early_stopping": False}


@dataclass(frozen=True, eq=False)
class Codes:
    """Codes of the showers of a sample, in its order.

    Attributes:
        encoded: From the showers, as training draws them, ``(n, latent)``.
        probable: From the showers without noise, ``(n, latent)``.
        generated: From noise and the showers' incident particles, ``(n, latent)``.
        conditions: Scaled conditions, ``(n, condition)``.
        particle: Number of the incident particle, from 0, ``(n,)``.
    """

    encoded: Array
    probable: Array
    generated: Array
    conditions: Array
    particle: Rows

    @property
    def scaled(self) -> tuple[Array, Array]:
        """Both in units of the standard deviation of the encoded ones, from their mean."""
        spread = self.encoded.std(axis=0)
        spread = np.where(spread > 0, spread, 1.0)
        mean = self.encoded.mean(axis=0)
        return (self.encoded - mean) / spread, (self.generated - mean) / spread

    @property
    def dimensions(self) -> float:
        r"""Dimensions that the showers' codes spread over, 1 to latent; 0 if they are equal.

        The participation ratio :math:`(\sum \lambda)^2 / \sum \lambda^2` of the variances
        along the principal components of the most probable codes: noise does not count.
        """
        apart = self.probable - self.probable.mean(axis=0)
        variance = np.linalg.svd(apart, compute_uv=False) ** 2
        square = float((variance**2).sum())
        return float(variance.sum()) ** 2 / square if square > 0 else 0.0

    @classmethod
    def of(cls, subject: Subject, rng: np.random.Generator) -> Codes:
        """Encode every shower of a subject's sample, and generate a code for its particle."""
        particles = subject.sample.particles
        n = len(particles)
        return cls(
            encoded=subject.encoded(np.arange(n), rng).astype(np.float64),
            probable=subject.encoded(np.arange(n)).astype(np.float64),
            generated=subject.drawn_codes(particles, subject.noise(n, rng)).astype(np.float64),
            conditions=subject.bundle.conditions.scaled(particles, subject.geometry).astype(
                np.float64
            ),
            particle=subject.particle,
        )


class Match(NamedTuple):
    """How well encoded and generated codes match.

    Attributes:
        distance: Sliced Wasserstein distance, in standard deviations of the encoded codes.
        distance_floor: The same between two sets of encoded codes.
        auc: Area under the ROC curve of a classifier.
        auc_floor: The same between two sets of encoded codes.
        p: P-value of the classifier's scores: labels permuted within the incident particle.
        n: Codes on either side.
        matched: Whether the floor is of the same particles.
    """

    distance: Measured
    distance_floor: Measured
    auc: Measured
    auc_floor: Measured
    p: float
    n: int
    matched: bool

    def as_dict(self) -> dict[str, Any]:
        """Return plain numbers and tables, for JSON."""
        return {
            k: v.as_dict() if isinstance(v, Measured) else v for k, v in self._asdict().items()
        }


class _Sides(NamedTuple):
    """Rows of three sets of codes, a particle's at the same places in each."""

    encoded: Rows
    other: Rows
    generated: Rows
    unit: Rows  # what the bootstrap resamples and the folds keep together
    matched: bool


def match(codes: Codes, rng: np.random.Generator) -> Match:
    """Compare encoded with generated codes, and encoded ones with others of their kind."""
    sides = _split(codes.particle, rng)
    encoded, generated = codes.scaled
    directions = rng.standard_normal((encoded.shape[1], N_DIRECTIONS))
    directions /= np.linalg.norm(directions, axis=0)
    samples = {
        "": (encoded[sides.encoded], generated[sides.generated]),
        "_floor": (encoded[sides.encoded], encoded[sides.other]),
    }
    conditions = [codes.conditions[s] for s in (sides.encoded, sides.other)]
    found: dict[str, Measured] = {}
    p: dict[str, float] = {}
    for name, (first, second) in samples.items():
        projected = [side @ directions for side in (first, second)]
        values = [
            sliced_distance(projected[0][rows], projected[1][rows])
            for rows in _resampled(sides.unit, rng)
        ]
        # Resampling inflates a distance and its spread alike (see metrics.bootstrap).
        error = float(np.std(values[1:], ddof=1)) * values[0] / float(np.mean(values[1:]) or 1)
        found["distance" + name] = Measured(values[0], error, "standard deviations")
        features = [
            np.concatenate((side, c), axis=1)
            for side, c in zip((first, second), conditions, strict=True)
        ]
        scores = _classifier(features[0], features[1], sides.unit, rng)
        areas = [_auc(scores[0][rows], scores[1][rows]) for rows in _resampled(sides.unit, rng)]
        found["auc" + name] = Measured(areas[0], float(np.std(areas[1:], ddof=1)), "")
        p[name] = _swap_p(scores, sides.unit, rng)
    return Match(**found, p=p[""], n=sides.encoded.size, matched=sides.matched)


def sliced_distance(first: Array, second: Array) -> float:
    """Mean over columns of the first Wasserstein distance, ``(n, column)`` of equal ``n``."""
    return float(np.abs(np.sort(first, axis=0) - np.sort(second, axis=0)).mean())


def _split(particle: Rows, rng: np.random.Generator) -> _Sides:
    """Choose disjoint rows of the same particles, or of halves of the particles."""
    n_particles = int(particle.max()) + 1
    order = np.lexsort((rng.random(particle.size), particle))
    start = np.searchsorted(particle[order], np.arange(n_particles))
    repeats = int(np.bincount(particle).min())
    half = repeats // 2
    if half:
        units = np.arange(n_particles)
        first = order[start[:, None] + np.arange(half)].ravel()
        other = order[start[:, None] + half + np.arange(half)].ravel()
        return _Sides(first, other, other, np.repeat(units, half), True)
    places = rng.permutation(n_particles)
    size = n_particles // 2
    first, other = order[start[places[:size]]], order[start[places[size : 2 * size]]]
    return _Sides(first, other, other, np.arange(size), False)


def _resampled(unit: Rows, rng: np.random.Generator) -> list[Rows]:
    """Rows of the sample as it is, and of bootstrap resamplings of its units."""
    n, size = int(unit.max()) + 1, int(np.bincount(unit)[0])
    start = np.arange(n) * size
    chosen = [np.arange(n), *(rng.integers(n, size=n) for _ in range(N_BOOTSTRAP))]
    return [(start[c][:, None] + np.arange(size)).ravel() for c in chosen]


def _classifier(first: Array, second: Array, unit: Rows, rng: np.random.Generator) -> Array:
    """Scores of boosted trees, out of fold, ``(2, n)``."""
    from sklearn.ensemble import HistGradientBoostingClassifier

    n_units = int(unit.max()) + 1
    n_folds = min(N_FOLDS, n_units)
    fold = rng.permutation(np.arange(n_units) % n_folds)[unit]
    scores = np.zeros((2, unit.size))
    for k in range(n_folds):
        learn = fold != k
        trees = HistGradientBoostingClassifier(**_TREES, random_state=int(rng.integers(2**31)))
        trees.fit(
            np.concatenate((first[learn], second[learn])),
            np.repeat([0, 1], int(learn.sum())),
        )
        for row, side in zip(scores, (first, second), strict=True):
            row[~learn] = trees.predict_proba(side[~learn])[:, 1]
    return scores


def _swap_p(scores: Array, unit: Rows, rng: np.random.Generator) -> float:
    """P-value of the second row's sum of ranks being so large."""
    both = np.concatenate((unit, unit))
    order = np.argsort(both, kind="stable")
    rank = stats.rankdata(scores.ravel())[order]
    second = (np.arange(both.size) >= unit.size)[order]
    sums = permuted_labels(second, both[order], N_PERMUTATIONS, rng) @ rank
    return float((sums >= sums[0] - 1e-9 * sums[0]).mean())


def _auc(low: Array, high: Array) -> float:
    """Chance that a value of the second sample is larger than one of the first."""
    ordered = np.sort(low)
    below = np.searchsorted(ordered, high, "left") + np.searchsorted(ordered, high, "right")
    return float(below.mean() / (2 * low.size))
