"""Encode and decode: what of a shower its code holds."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from caloforge.metrics.statistics.bootstrap import draw_counts, measured, ratio

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from caloforge.explain.subject import Subject
    from caloforge.metrics import Measured

    Array = NDArray[np.float64]

N_EXAMPLES = 6
N_BOOTSTRAP = 200


class Errors(NamedTuple):
    """Errors of showers that stand for true ones, one a shower.

    Attributes:
        response: Their total response and the true one, ``(n, 2)``.
        centroid_cm: Distance of the centroids in cm, ``(n,)``; not a number if one is dark.
        cells: Distance of the square roots of the cells, ``(n,)``.
        particle: Number of the incident particle, ``(n,)``.
    """

    response: Array
    centroid_cm: Array
    cells: Array
    particle: NDArray[np.int64]

    @property
    def total(self) -> Array:
        """Total response over the true one, minus 1, ``(n,)``; not a number of dark showers."""
        return ratio(*self.response.T) - 1

    def measured(self, rng: np.random.Generator) -> dict[str, Measured]:
        """Bias of the summed response, medians and mean, by name.

        The bias is that of the sums over all showers. A mean of the ratios of single showers
        would be too large by the relative variance of the showers that it divides by.

        Arguments:
            rng: Source of the bootstrap over incident particles.
        """
        _, particle = np.unique(self.particle, return_inverse=True)
        counts = draw_counts(int(particle.max()) + 1, N_BOOTSTRAP, rng)
        rows = [np.repeat(np.arange(particle.size), count[particle]) for count in counts]
        columns: dict[str, tuple[Array, Callable[[Array], float], str]] = {
            "total response, bias of the sum": (self.response, _bias, ""),
            "total response, median relative error": (np.abs(self.total), _median, ""),
            "centroid, median distance": (self.centroid_cm, _median, "cm"),
            "cells, mean distance of square roots": (self.cells, _mean, ""),
        }
        found = {}
        for name, (values, figure, unit) in columns.items():
            one = measured(np.array([figure(values[r]) for r in rows]), unit)
            if one is not None:
                found[name] = one
        return found


class Reconstruction(NamedTuple):
    """Full simulation, decoded from its own codes and from codes generated for its particles.

    Attributes:
        own: Errors with the codes of the showers.
        drawn: Errors with generated codes: what knowing the particle alone gives.
        floor: Errors of another shower of full simulation of the same particle, of disjoint
            pairs; ``None`` without repeats.
        lit: Showers with a response, ``(m,)``.
        examples: Rows of some showers, energy growing, ``(example,)``.
        decoded: Their expected cells, ``(example, cell)``.
        counts: The same with counts drawn.
    """

    own: Errors
    drawn: Errors
    floor: Errors | None
    lit: NDArray[np.int64]
    examples: NDArray[np.int64]
    decoded: NDArray[np.float32]
    counts: NDArray[Any]


def reconstruct(subject: Subject, rng: np.random.Generator, seed: int) -> Reconstruction:
    """Decode the most probable code of every shower, and one generated for its particle."""
    particles = subject.sample.particles
    n = len(particles)
    own = subject.decoded(subject.encoded(np.arange(n)), particles)
    drawn = subject.expected(particles, subject.noise(n, rng))
    lit = np.flatnonzero(subject.observed["total"] > 0)
    energy = particles["energy_gev"]
    order = lit[np.argsort(energy[lit], kind="stable")]
    places = np.linspace(0.1, 0.98, min(N_EXAMPLES, lit.size)) * (lit.size - 1)
    examples = order[np.unique(places.round().astype(np.int64))]
    return Reconstruction(
        own=_errors(subject, own, np.arange(n)),
        drawn=_errors(subject, drawn, np.arange(n)),
        floor=_floor(subject, rng),
        lit=lit,
        examples=examples,
        decoded=own[examples],
        counts=subject.counts(own[examples], seed=seed),
    )


def _floor(subject: Subject, rng: np.random.Generator) -> Errors | None:
    """Showers in disjoint pairs of one particle, at random: one stands for the other."""
    particle = subject.particle
    order = np.lexsort((rng.random(particle.size), particle))
    start = np.searchsorted(particle[order], particle[order])
    place = np.arange(particle.size) - start  # of a shower among those of its particle
    repeats = np.bincount(particle)[particle[order]]
    first = np.flatnonzero((place % 2 == 0) & (place + 1 < repeats))
    if not first.size:
        return None
    return _errors(subject, subject.sample.showers[order[first]], order[first + 1])


def _errors(subject: Subject, cells: NDArray[Any], rows: NDArray[np.int64]) -> Errors:
    """Errors of cells ``(n, cell)`` that stand for rows of the sample, ``(n,)``."""
    shapes, true = subject.shapes(cells), subject.observed
    response = np.stack((shapes["total"], true["total"][rows]), axis=1)
    apart = [shapes[name] - true[name][rows] for name in ("centroid_x", "centroid_y")]
    distance = np.empty(len(cells))
    for start in range(0, len(cells), 1024):
        part = slice(start, start + 1024)
        showers = subject.sample.showers[rows[part]].astype(np.float64)
        roots = np.sqrt(cells[part].astype(np.float64)) - np.sqrt(showers)
        distance[part] = np.linalg.norm(roots, axis=1)
    return Errors(
        response=response,
        centroid_cm=np.where((response > 0).all(axis=1), np.hypot(*apart), np.nan),
        cells=distance,
        particle=subject.particle[rows],
    )


def _bias(response: Array) -> float:
    expected, true = response.sum(axis=0)
    return float(expected / true - 1) if true > 0 else np.nan


def _median(values: Array) -> float:
    known = values[np.isfinite(values)]
    return float(np.median(known)) if known.size else np.nan


def _mean(values: Array) -> float:
    return float(values.mean())
