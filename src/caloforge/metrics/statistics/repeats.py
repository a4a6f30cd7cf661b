"""Showers of one particle, where particles have different numbers of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from caloforge.metrics.statistics.floor import MAX_REPEATS

if TYPE_CHECKING:
    from numpy.typing import NDArray

_MOST = MAX_REPEATS + 1


class Repeats(NamedTuple):
    """Which showers belong to which particle.

    Attributes:
        particle: Particle of each shower, ``(n,)``.
        n: Showers of each particle, ``(particle,)``.
    """

    particle: NDArray[np.int64]
    n: NDArray[np.int64]

    @classmethod
    def of(cls, particle: NDArray[np.int64], n_particles: int) -> Repeats:
        """Count the showers of each particle."""
        return cls(particle, np.bincount(particle, minlength=n_particles))

    def shuffled(
        self, kept: NDArray[np.int64], rng: np.random.Generator, most: int = _MOST
    ) -> NDArray[np.int64]:
        """Rows of the showers of some particles, in random order within the particle.

        Arguments:
            kept: The particles, each with a shower.
            rng: Source of the order.
            most: Most showers of a particle.

        Returns:
            Rows ``(kept, most)``, or as many as the particle with most showers has; the row of
            a particle with fewer goes on with its last shower.
        """
        order = np.lexsort((rng.random(self.particle.size), self.particle))
        start = np.cumsum(self.n) - self.n
        width = min(most, int(self.n[kept].max()))
        place = np.minimum(np.arange(width), self.n[kept][:, None] - 1)
        rows: NDArray[np.int64] = order[start[kept][:, None] + place]
        return rows
