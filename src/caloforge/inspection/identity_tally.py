"""Fingerprints of all showers and particles: 24 bytes a shower, the only thing kept of each."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from caloforge.inspection.hashes import particle_hashes, shower_hashes

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from caloforge.geometry import DetectorGeometry
    from caloforge.inspection.view import View

# Showers of fewer lit cells are alike by chance in a large file: three photons in the core of a
# spot of 100 cells leave 10^5 pictures, ten leave 10^13. Energies are never alike by chance.
LEAST_LIT_COUNTS = 10
LEAST_LIT_ENERGIES = 2


class Copies(NamedTuple):
    """Showers that are there before.

    Attributes:
        rows: Showers that are copies of an earlier one, ``(n,)``, increasing.
        originals: The first shower of that content, ``(n,)``.
    """

    rows: NDArray[np.int64]
    originals: NDArray[np.int64]


class IdentityTally:
    """Who is who.

    Attributes:
        showers: Fingerprint of each shower, ``(n,)``; 0 if it has too few lit cells to tell.
        particles: Fingerprint of each particle's properties, ``(n,)``.
        incident: Which rows are the same particle as the file has it, ``(n,)``; ``None`` if it
            does not say.
    """

    def __init__(self, geometry: DetectorGeometry, n_showers: int) -> None:
        self.least_lit = LEAST_LIT_COUNTS if geometry.counts else LEAST_LIT_ENERGIES
        # A toy of few cells is never lit more than it has.
        self.least_lit = min(self.least_lit, max(2, geometry.n_cells // 2))
        self.showers = np.zeros(n_showers, dtype=np.uint64)
        self.particles = np.zeros(n_showers, dtype=np.uint64)
        self.incident: NDArray[np.int64] | None = None

    def add(self, view: View) -> None:
        """Take the fingerprints of a piece."""
        part = slice(view.start, view.start + len(view))
        found = shower_hashes(view.cells, view.raw, view.lit)
        self.showers[part] = np.where(view.lit >= self.least_lit, found, np.uint64(0))
        self.particles[part] = particle_hashes(view.columns)
        if view.incident is not None:
            if self.incident is None:
                self.incident = np.zeros(len(self.showers), dtype=np.int64)
            self.incident[part] = view.incident

    @cached_property
    def copies(self) -> Copies:
        """Showers whose content is there before."""
        order = np.argsort(self.showers, kind="stable")
        values = self.showers[order]
        new = np.ones(len(values), dtype=bool)
        new[1:] = values[1:] != values[:-1]
        leader = np.maximum.accumulate(np.where(new, np.arange(len(values)), 0))
        copied = ~new & (values != 0)
        rows, originals = order[copied], order[leader[copied]]
        by_row = np.argsort(rows)
        return Copies(rows[by_row], originals[by_row])

    @cached_property
    def numbers(self) -> NDArray[np.int64]:
        """Sorted numbers of showers a particle, ``(particle,)``, by `incident` if there is."""
        own: NDArray[np.int64] | NDArray[np.uint64]
        own = self.particles if self.incident is None else self.incident
        return np.sort(np.unique(own, return_counts=True)[1])

    @cached_property
    def distinct(self) -> NDArray[np.uint64]:
        """Sorted fingerprints of the particles, each once."""
        return np.unique(self.particles)

    def first_mixed(self) -> tuple[int, int | None]:
        """Count the numbers in ``incident`` that stand for different particles.

        Returns:
            How many such numbers there are, and the first shower that disagrees with an earlier
            one of its number.
        """
        if self.incident is None:
            return 0, None
        _, first, where = np.unique(self.incident, return_index=True, return_inverse=True)
        other = self.particles != self.particles[first][where]
        if not other.any():
            return 0, None
        return len(np.unique(where[other])), int(np.argmax(other))
