"""Figures of a trained model on the validation side of its training particles.

Studies that choose settings use them: test showers are not touched.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    Array = NDArray[np.float64]
    Rows = NDArray[np.int64]

REPEATS = 6
MANY = 16  # for differences between runs: fewer draws leave 0.1 photons of noise in the score
BOOTSTRAPS = 100


@dataclass(frozen=True)
class Responses:
    """Full simulation and generated showers of the same particles, as numbers a shower.

    Attributes:
        reference: Channel sums, ``(n, channel)``.
        generated: The same of repeated showers, ``(n, repeat, channel)``.
        reference_shape: Lit cells and mean width in cm, ``(n, 2)``.
        generated_shape: ``(n, repeat, 2)``.
        incident: Incident particle, ``(n,)``.
        scores: Energy score of each shower in photons, ``(n,)``.
    """

    reference: Array
    generated: Array
    reference_shape: Array
    generated_shape: Array
    incident: Rows
    scores: Array

    def pairs(self) -> Rows:
        """Rows of the particles that have two showers, ``(particle, 2)``."""
        _, group, counts = np.unique(self.incident, return_inverse=True, return_counts=True)
        twice = np.flatnonzero(counts[group] == 2)
        return twice[np.argsort(group[twice], kind="stable")].reshape(-1, 2)

    def figures(self) -> dict[str, float]:
        """The figures that `judge` describes, and the floors that 245 pairs give.

        ``score_pairs``, ``w1_pairs``, ``width_w1``: on the first showers of particles that
        have two; the second ones in place of generated showers give the ``_floor``.
        """
        pairs = self.pairs()
        first, second = self.reference[pairs[:, 0]], self.reference[pairs[:, 1]]
        made = self.generated[pairs[:, 0]]
        reference_sd = np.sqrt(((first - second) ** 2 / 2).mean(axis=0))
        generated_sd = np.sqrt(made.var(axis=1, ddof=1).mean(axis=0))
        lit, width = self.generated_shape.mean(axis=(0, 1)) / self.reference_shape.mean(axis=0)
        widths, made_widths = self.reference_shape[:, 1], self.generated_shape[:, :, 1]
        return {
            "w1": _w1(self.reference, self.generated),
            "score": float(self.scores.mean()),
            "spread": float((generated_sd / reference_sd).mean()),
            "lit": float(lit),
            "width": float(width),
            "score_pairs": float(self.scores[pairs].mean()),
            "score_floor": float(np.linalg.norm(first - second, axis=1).mean() / 2),
            "w1_pairs": _w1(first, made),
            "w1_floor": _w1(first, second[:, None]),
            "width_w1": _w1(widths[pairs[:, 0], None], made_widths[pairs[:, 0], :, None]),
            "width_w1_floor": _w1(widths[pairs[:, 0], None], widths[pairs[:, 1], None, None]),
        }

    def resampled(self, rng: np.random.Generator) -> Responses:
        """Draw the particles anew, with replacement; each keeps its showers."""
        _, group = np.unique(self.incident, return_inverse=True)
        order = np.argsort(group, kind="stable")
        start = np.searchsorted(group[order], np.arange(group.max() + 2))
        drawn = rng.integers(group.max() + 1, size=group.max() + 1)
        rows = [order[start[k] : start[k + 1]] for k in drawn]
        sizes = [len(part) for part in rows]
        chosen = np.concatenate(rows)
        return Responses(
            self.reference[chosen],
            self.generated[chosen],
            self.reference_shape[chosen],
            self.generated_shape[chosen],
            np.repeat(np.arange(len(rows)), sizes),
            self.scores[chosen],
        )


def _w1(reference: Array, generated: Array) -> float:
    """Mean W1 of each column, ``(n, k)`` against ``(n, repeat, k)``."""
    apart = np.sort(generated, axis=0) - np.sort(reference, axis=0)[:, None]
    return float(np.abs(apart).mean())


def shower_scores(reference: Array, generated: Array) -> Array:
    """Energy score of each shower, ``(n, channel), (n, repeat, channel) -> (n,)``."""
    i, j = np.triu_indices(generated.shape[1], 1)
    to_reference = np.linalg.norm(generated - reference[:, None], axis=2)
    between = np.linalg.norm(generated[:, i] - generated[:, j], axis=2)
    scores: Array = to_reference.mean(axis=1) - between.mean(axis=1) / 2
    return scores


def responses(bundle: Path, repeats: int = REPEATS) -> Responses:
    """Generate showers for each validation shower of a bundle; shapes of `REPEATS` of them."""
    from caloforge.generation.simulation import load
    from caloforge.metrics.shower.catalogue import measure, observables
    from caloforge.training.preparation import prepare

    simulation = load(bundle)
    sample = prepare(simulation.bundle.run).validation.sample
    channels = sample.geometry.channels()
    made = simulation.generate(sample.particles, repeats=repeats, seed=1)
    some = made.showers.reshape(len(sample), repeats, -1)[:, :REPEATS]
    known = {one.name: one for one in observables(sample.geometry)}
    names = ("lit_cells", "width_x", "width_y")

    def shape(showers: NDArray) -> Array:
        lit, x, y = measure([known[name] for name in names], showers).T
        return np.stack((lit, (x + y) / 2), axis=1)

    reference = channels.sums(sample.showers)
    generated = channels.sums(made.showers).reshape(len(sample), repeats, -1)
    return Responses(
        reference,
        generated,
        shape(sample.showers),
        shape(some.reshape(len(sample) * REPEATS, -1)).reshape(len(sample), REPEATS, -1),
        sample.particles.incident,
        shower_scores(reference, generated),
    )


def judge(bundle: Path) -> dict[str, float]:
    """Figures of the channel sums on the validation side.

    ``w1``: mean over channels, in photons. ``score``: energy score of the vector of channel
    sums given the particle, in photons; proper, so that it falls only with a better conditional
    distribution. ``spread``: standard deviation of repeated showers over that of full
    simulation, mean over channels. ``lit``: lit cells over those of full simulation.
    """
    found = responses(bundle).figures()
    return {name: found[name] for name in ("w1", "score", "spread", "lit")}


def judged(bundle: Path, baseline: Responses | None = None) -> dict[str, dict[str, float]]:
    """All figures with their bootstrap errors by incident particle.

    With those of another model for the same showers, ``worse`` is the mean difference of the
    score from it: its error is free of what the choice of showers does to both.
    """
    found = responses(bundle, MANY)
    rng = np.random.default_rng(0)
    again = [found.resampled(rng).figures() for _ in range(BOOTSTRAPS)]
    figures = {
        name: {"value": value, "error": float(np.std([one[name] for one in again], ddof=1))}
        for name, value in found.figures().items()
    }
    if baseline is not None:
        apart = found.scores - baseline.scores
        _, group = np.unique(found.incident, return_inverse=True)
        error = float(np.sqrt((np.bincount(group, apart - apart.mean()) ** 2).sum()))
        figures["worse"] = {"value": float(apart.mean()), "error": error / len(apart)}
    return figures
