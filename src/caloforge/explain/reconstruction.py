"""Encode and decode: what of a shower its code holds."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from caloforge.explain.subject import Subject

    Array = NDArray[np.float64]

N_EXAMPLES = 6


class Errors(NamedTuple):
    """Errors of decoded showers, one a shower.

    Attributes:
        total: Expected over true total response, minus 1, ``(n,)``; of lit showers only.
        centroid_cm: Distance of the centroids in cm, ``(n,)``; of lit showers only.
        cells: Distance of the square roots of the cells, ``(n,)``.
    """

    total: Array
    centroid_cm: Array
    cells: Array

    def as_dict(self) -> dict[str, float]:
        """Return root mean square, medians and mean, for JSON and tables."""
        return {
            "total response, bias": float(np.mean(self.total)),
            "total response, median relative error": float(np.median(np.abs(self.total))),
            "centroid, median distance in cm": float(np.median(self.centroid_cm)),
            "cells, mean distance of square roots": float(np.mean(self.cells)),
        }


class Reconstruction(NamedTuple):
    """Full simulation, decoded from its own codes and from codes generated for its particles.

    Attributes:
        own: Errors with the codes of the showers.
        drawn: Errors with generated codes: what knowing the particle alone gives.
        energy_gev: Energy of each lit shower's particle, ``(n,)``.
        examples: Rows of some showers, energy growing, ``(example,)``.
        decoded: Their expected cells, ``(example, cell)``.
        counts: The same with counts drawn.
    """

    own: Errors
    drawn: Errors
    energy_gev: Array
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
        own=_errors(subject, own, lit),
        drawn=_errors(subject, drawn, lit),
        energy_gev=energy[lit],
        examples=examples,
        decoded=own[examples],
        counts=subject.counts(own[examples], seed=seed),
    )


def _errors(subject: Subject, cells: NDArray[np.float32], lit: NDArray[np.int64]) -> Errors:
    shapes, true = subject.shapes(cells), subject.observed
    apart = [(shapes[name] - true[name])[lit] for name in ("centroid_x", "centroid_y")]
    distance = np.empty(len(cells))
    for start in range(0, len(cells), 1024):
        part = slice(start, start + 1024)
        showers = subject.sample.showers[part].astype(np.float64)
        roots = np.sqrt(cells[part].astype(np.float64)) - np.sqrt(showers)
        distance[part] = np.linalg.norm(roots, axis=1)
    return Errors(
        total=shapes["total"][lit] / true["total"][lit] - 1,
        centroid_cm=np.hypot(*apart),
        cells=distance,
    )
