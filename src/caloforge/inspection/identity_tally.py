"""Fingerprints of all showers and particles: 32 bytes a shower, the only thing kept of each."""

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
# A picture says enough if among all pairs of showers chance makes two alike once in 2^16 files.
_SPARE_BITS = 16.0
# Cells in which a photon of a given particle may well be found; and energies looked at.
_CORE = 40
_VALUES = 2**17
_MOST_BITS = 20.0


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
        showers: Fingerprint of each shower, ``(n,)``; 0 if it has too few lit cells.
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
        self._counting, self._n_cells = geometry.counts, geometry.n_cells
        self._places = np.zeros(n_showers, dtype=np.float32)
        self._lit = np.zeros(n_showers, dtype=np.int32)
        self._values: list[NDArray[np.float32]] = []
        self._n_values = 0
        self.incident: NDArray[np.int64] | None = None

    def add(self, view: View) -> None:
        """Take the fingerprints of a piece."""
        part = slice(view.start, view.start + len(view))
        found = shower_hashes(view.cells, view.raw, view.lit)
        self.showers[part] = np.where(view.lit >= self.least_lit, found, np.uint64(0))
        self.particles[part] = particle_hashes(view.columns)
        self._weigh(view, part)
        if view.incident is not None:
            if self.incident is None:
                self.incident = np.zeros(len(self.showers), dtype=np.int64)
            self.incident[part] = view.incident

    def _weigh(self, view: View, part: slice) -> None:
        """Note how much a picture says: by its places, by its counts, by its energies."""
        lit = view.lit.astype(np.float64)
        self._lit[part] = view.lit
        bits = _ways(lit, self._n_cells)
        if self._counting:
            # Two Poisson numbers of mean v are equal once in 2 sqrt(pi v).
            bits += view.per_shower(1 + 0.5 * np.log2(np.pi * np.maximum(view.values, 1)))
        elif self._n_values < _VALUES:
            some = view.values[: _VALUES - self._n_values].astype(np.float32)
            self._values.append(some)
            self._n_values += len(some)
        self._places[part] = bits

    @cached_property
    def telling(self) -> NDArray[np.bool_]:
        """Showers that say so much that chance does not make two alike, ``(n,)``."""
        bits = self._places
        if not self._counting and self._values:
            _, often = np.unique(np.concatenate(self._values), return_counts=True)
            n = int(often.sum())
            alike = max(float((often * (often - 1.0)).sum()), 1.0) / max(n * (n - 1.0), 1.0)
            bits = bits + self._lit * min(-np.log2(alike), _MOST_BITS)
        needed = 2 * np.log2(max(len(self.showers), 2)) + _SPARE_BITS
        return np.asarray((bits >= needed) & (self.showers != 0))

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


def _ways(lit: NDArray[np.float64], n_cells: int) -> NDArray[np.float64]:
    """Log2 of the ways to choose lit cells from those of a shower, ``(n,)``."""
    from scipy.special import gammaln

    cells = np.maximum(np.minimum(n_cells, np.maximum(_CORE, 2 * lit)), lit)
    ways = gammaln(cells + 1) - gammaln(lit + 1) - gammaln(cells - lit + 1)
    return np.asarray(ways / np.log(2))
