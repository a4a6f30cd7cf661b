"""Response per GeV by kind and energy of the particle; and energy that is gained."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from caloforge.inspection.defects import Defect

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from caloforge.geometry import DetectorGeometry
    from caloforge.inspection.view import View

TO_GEV = {"eV": 1e-9, "keV": 1e-6, "MeV": 1e-3, "GeV": 1.0, "TeV": 1e3}
"""Units of energy that a detector may give."""

ENERGY_BINS_PER_DECADE = 4
RESPONSE_BINS_PER_DECADE = 20
_ENERGY_DECADES = (-4, 6)
_RESPONSE_DECADES = (-9, 9)
_MOST_KINDS = 64  # further ones are counted together, as kind 0
# Raw deposits never exceed the total energy (but an antiparticle brings twice its mass); a
# response scaled to the energy does by its resolution: five times a stochastic term of 60 %.
_SPREAD = 3.0
_MOST_RUNS = 32


class Bin(NamedTuple):
    """Showers of one kind and energy.

    Attributes:
        kind: PDG number, 0 for the rest.
        energy_gev: Middle of the bin.
        histogram: Showers in bins of log10 of the response per GeV.
        first: First shower of each of those bins, -1 where there is none.
    """

    kind: int
    energy_gev: float
    histogram: NDArray[np.int64]
    first: NDArray[np.int64]


class ResponseTally:
    """Histograms of the response per GeV of all showers that are not empty.

    Attributes:
        centres: Response per GeV in the middle of each bin.
        gained: Showers whose sum is more than the particle's energy allows, in a detector that
            measures energy.
        empty: Showers without response.
    """

    def __init__(self, geometry: DetectorGeometry) -> None:
        self._gev = None if geometry.counts else TO_GEV.get(geometry.unit)
        low, high = _RESPONSE_DECADES
        self._n = (high - low) * RESPONSE_BINS_PER_DECADE
        self.centres = 10 ** (low + (np.arange(self._n) + 0.5) / RESPONSE_BINS_PER_DECADE)
        self._bins: dict[tuple[int, int], tuple[NDArray[np.int64], NDArray[np.int64]]] = {}
        self._kinds: set[int] = set()
        self.gained = Defect()
        self.empty = Defect()
        self._runs: list[tuple[int, int]] = []
        self._run = (0, 0)

    def add(self, view: View) -> None:
        """Count a piece."""
        energy, sums = view.columns["energy_gev"], view.sums
        empty = view.lit == 0
        self.empty.add(empty, view.start, sums)
        self._follow(empty, view.start)
        usable = (sums > 0) & (energy > 0) & np.isfinite(energy)
        if self._gev is not None:
            antimatter = np.where(view.columns["pdg"] < 0, 2e-3, 0.0)
            brought = energy + antimatter * np.abs(np.nan_to_num(view.columns["mass_mev"]))
            limit = 1 + _SPREAD / np.sqrt(np.maximum(energy, 1e-6))
            with np.errstate(invalid="ignore"):
                gained = usable & (sums * self._gev > limit * brought)
            self.gained.add(gained, view.start, sums)
        rows = np.flatnonzero(usable)
        if not len(rows):
            return
        kind = np.nan_to_num(view.columns["pdg"][rows]).astype(np.int64)
        for pdg in np.unique(kind).tolist():
            if pdg not in self._kinds:
                if len(self._kinds) < _MOST_KINDS:
                    self._kinds.add(pdg)
                else:
                    kind[kind == pdg] = 0
        e_bin = _bins(energy[rows], _ENERGY_DECADES, ENERGY_BINS_PER_DECADE)
        r_bin = _bins(sums[rows] / energy[rows], _RESPONSE_DECADES, RESPONSE_BINS_PER_DECADE)
        n_energies = (_ENERGY_DECADES[1] - _ENERGY_DECADES[0]) * ENERGY_BINS_PER_DECADE
        kinds, k = np.unique(kind, return_inverse=True)
        groups, where = np.unique(k * n_energies + e_bin, return_inverse=True)
        places = where * self._n + r_bin
        table = np.bincount(places, minlength=len(groups) * self._n).reshape(-1, self._n)
        filled, earliest = np.unique(places, return_index=True)
        first = np.full(table.size, -1, dtype=np.int64)
        first[filled] = rows[earliest] + view.start
        first = first.reshape(table.shape)
        for g, group in enumerate(groups.tolist()):
            key = (int(kinds[group // n_energies]), group % n_energies)
            if key not in self._bins:
                self._bins[key] = (table[g].copy(), first[g].copy())
                continue
            histogram, earlier = self._bins[key]
            histogram += table[g]
            np.copyto(earlier, first[g], where=earlier < 0)

    def bins(self) -> list[Bin]:
        """Return the histograms, sorted by kind and energy."""
        low = _ENERGY_DECADES[0]
        return [
            Bin(kind, 10 ** (low + (e + 0.5) / ENERGY_BINS_PER_DECADE), *self._bins[kind, e])
            for kind, e in sorted(self._bins)
        ]

    def median(self, histogram: NDArray[np.int64], share: float = 0.5) -> float:
        """Response per GeV below which a share of a histogram lies."""
        total = np.cumsum(histogram)
        return float(self.centres[np.searchsorted(total, share * total[-1])])

    @property
    def runs(self) -> list[tuple[int, int]]:
        """Longest runs of empty showers, longest first: length and first shower."""
        return sorted([*self._runs, self._run], key=lambda run: -run[0])[:_MOST_RUNS]

    def _follow(self, empty: NDArray[np.bool_], start: int) -> None:
        """Follow runs of empty showers, also from piece to piece."""
        edges = np.flatnonzero(np.diff(np.concatenate(([False], empty, [False]))))
        found = [
            (end - begin, start + begin)
            for begin, end in zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True)
        ]
        length, first = self._run
        if length and len(empty):
            if empty[0]:
                found[0] = (length + found[0][0], first)
            else:
                found.insert(0, self._run)
            self._run = (0, 0)
        if found and empty[-1]:
            self._run = found.pop()
        self._runs = sorted([*self._runs, *found], key=lambda run: -run[0])[:_MOST_RUNS]


def _bins(
    values: NDArray[np.float64], decades: tuple[int, int], per_decade: int
) -> NDArray[np.int64]:
    place = (np.log10(values) - decades[0]) * per_decade
    last = (decades[1] - decades[0]) * per_decade - 1
    return np.asarray(np.clip(place, 0, last), dtype=np.int64)
