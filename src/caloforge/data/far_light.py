"""Light of the cells that are too far from the impact point for a model to answer for.

See `caloforge.data.transforms.CellFrame`: a model's frame of cells is the detector rolled as on
a torus, and the cells that were rolled over an edge are far.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from caloforge.data.files.shower_format import piece_rows
from caloforge.geometry import GridLayout

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from caloforge.data.particles import Particles
    from caloforge.data.transforms import CellFrame

# Distances from the impact point, in cells, at which the far light is given anew.
_FAR_BINS = (0, 24, 28, 32, 38)


@dataclass(frozen=True)
class FarLight:
    """Mean of a far cell per GeV of the incident particle, by kind and distance.

    Attributes:
        bins: Lower edges of the bins of distance from the impact point, in cells.
        per_gev: Means in the bins for each PDG code, in the detector's unit; those under 0 are
            of all kinds together, also for kinds that have none of their own.
    """

    bins: tuple[int, ...]
    per_gev: Mapping[int, tuple[float, ...]]

    def __post_init__(self) -> None:
        rows = list(self.per_gev.values())
        edges = all(isinstance(edge, int) for edge in self.bins) and self.bins[:1] == (0,)
        known = 0 in self.per_gev and all(len(row) == len(self.bins) for row in rows)
        values = [value for row in rows for value in row]
        if not (edges and list(self.bins) == sorted(set(self.bins)) and known) or not all(
            isinstance(value, int | float) and 0 <= value < math.inf for value in values
        ):
            msg = "far light: found no increasing bins from 0 with a mean of 0 or more in each"
            raise ValueError(msg)

    @cached_property
    def edges(self) -> NDArray[np.int64]:
        """The bins as an array."""
        return np.array(self.bins, dtype=np.int64)

    def means(self, particles: Particles, distance: NDArray[np.int64]) -> NDArray[np.float64]:
        """Mean of each cell, ``(n, cell)``, at distances ``(n, cell)``."""
        which = np.searchsorted(self.bins, distance, side="right") - 1
        means = np.take_along_axis(self.rates(particles), which, axis=1)
        return np.asarray(means, dtype=np.float64)

    def rates(self, particles: Particles) -> NDArray[np.float64]:
        """Mean of a far cell of each bin of distance, ``(n, bin)``."""
        codes, table = self._table
        pdg = particles["pdg"]
        where = np.minimum(np.searchsorted(codes, pdg), len(codes) - 1)
        known = codes[where] == pdg
        rates: NDArray[np.float64] = (
            table[np.where(known, where, len(codes))] * particles["energy_gev"][:, None]
        )
        return rates

    @cached_property
    def _table(self) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        """PDG codes in order, and their means; those of all kinds follow at the end."""
        codes = sorted(self.per_gev)
        means = [self.per_gev[pdg] for pdg in (*codes, 0)]
        return np.array(codes, dtype=np.int64), np.array(means, dtype=np.float64)

    def as_dict(self) -> dict[str, Any]:
        """Return plain lists and numbers for JSON."""
        return {
            "bins": list(self.bins),
            "per_gev": {str(pdg): list(means) for pdg, means in self.per_gev.items()},
        }

    @classmethod
    def from_dict(cls, table: Mapping[str, Any]) -> FarLight:
        """Build what `as_dict` described."""
        per_gev = {int(pdg): tuple(means) for pdg, means in table["per_gev"].items()}
        return cls(tuple(table["bins"]), per_gev)

    @classmethod
    def fit(cls, frame: CellFrame, particles: Particles, showers: NDArray[Any]) -> FarLight:
        """Measure it.

        Arguments:
            frame: The model's frame of cells.
            particles: Incident particles of the training showers.
            showers: Their cells in the detector's order, ``(n, cell)``.
        """
        fit = FarLightFit(frame)
        fit.add(particles, showers)
        return fit.light()


class FarLightFit:
    """Measures far light piece by piece.

    Arguments:
        frame: The model's frame of cells.
    """

    def __init__(self, frame: CellFrame) -> None:
        self._frame = frame
        self._sums: dict[int, NDArray[np.float64]] = {}

    def add(self, particles: Particles, showers: NDArray[Any]) -> None:
        """Take in training showers, ``(n, cell)`` in the detector's order."""
        size = min(1024, piece_rows(self._frame.geometry.n_cells))
        for start in range(0, len(particles) if self._frame.centre_on_impact else 0, size):
            rows = slice(start, start + size)
            self._add(particles.select(rows), showers[rows])

    def _add(self, particles: Particles, showers: NDArray[Any]) -> None:
        geometry, n_bins = self._frame.geometry, len(_FAR_BINS)
        layout = geometry.layout
        if not isinstance(layout, GridLayout):  # unreachable: checked by the frame
            raise TypeError
        size = layout.cells
        places = self._frame.places(particles, layout)
        # Lines of cells: whether they are far, their number in the detector, and their bin.
        near = [(p >= 0) & (p < n) for p, n in zip(places, size, strict=True)]
        lines = [p % n for p, n in zip(places, size, strict=True)]
        bins = [
            np.searchsorted(_FAR_BINS, np.abs(p - p[:, n // 2, None]), "right") - 1
            for p, n in zip(lines, size, strict=True)
        ]
        # Few cells are far: all else is done for them alone.
        rows, i, j = np.nonzero(~(near[0][:, :, None] & near[1][:, None, :]))
        cells = showers[rows, lines[0][rows, i] * size[1] + lines[1][rows, j]]
        which = np.maximum(bins[0][rows, i], bins[1][rows, j])
        exposure = particles["energy_gev"][rows]
        kinds = particles["pdg"][rows]
        for pdg in (0, *np.unique(particles["pdg"]).tolist()):
            chosen = slice(None) if pdg == 0 else kinds == pdg
            sums = [
                np.bincount(which[chosen], weights=values[chosen], minlength=n_bins)
                for values in (cells, exposure)
            ]
            self._sums[pdg] = self._sums.get(pdg, np.zeros((2, n_bins))) + np.stack(sums)

    def light(self) -> FarLight:
        """Return what was measured: of all kinds where a kind has no cell in a bin."""
        none = np.zeros((2, len(_FAR_BINS)))
        of_all = _ratio(self._sums.get(0, none), none[0])
        rates = {pdg: _ratio(sums, of_all) for pdg, sums in self._sums.items()}
        per_gev = {
            pdg: tuple(of_kind.tolist()) for pdg, of_kind in ({0: of_all} | rates).items()
        }
        return FarLight(_FAR_BINS, per_gev)


def _ratio(sums: NDArray[np.float64], of_none: NDArray[np.float64]) -> NDArray[np.float64]:
    """Light over exposure, ``(2, bin) -> (bin,)``; ``of_none`` where there was no exposure."""
    cells, exposure = sums
    return np.asarray(
        np.divide(cells, exposure, out=of_none.copy(), where=exposure > 0), dtype=np.float64
    )


class FarRegion:
    """The far cells of some showers, to draw hits from.

    They are a band along one edge in x and a band along one edge in y; `shift` says which, and
    how wide.

    Arguments:
        light: Means of far cells.
        cells: Cells along x and y.
        particles: Incident particle of each shower.
        shift: By how many cells the model's frame is moved, ``(n, 2)``.

    Attributes:
        bins: Lower edges of the bins of distance from the impact point, in cells.
        rates: Mean of a far cell in them, ``(n, bin)``.
    """

    def __init__(
        self,
        light: FarLight,
        cells: tuple[int, int],
        particles: Particles,
        shift: NDArray[np.int64],
    ) -> None:
        self.bins, self._cells, self._shift = light.edges, cells, shift
        self.rates = light.rates(particles)

    @property
    def most(self) -> NDArray[np.float64]:
        """Counts that all far cells would hold at the rate of the brightest bin, ``(n,)``."""
        counts: NDArray[np.float64] = self.rates.max(axis=1) * self._n_far
        return counts

    @cached_property
    def _n_far(self) -> NDArray[np.int64]:
        """How many cells are far, ``(n,)``."""
        near = np.asarray(self._cells) - np.abs(self._shift)
        return np.asarray(self._cells[0] * self._cells[1] - np.prod(near, axis=1))

    @cached_property
    def _share(self) -> NDArray[np.float64]:
        """Rate of each bin over that of the brightest, ``(n, bin)``."""
        brightest = self.rates.max(axis=1)
        share: NDArray[np.float64] = (
            self.rates / np.where(brightest > 0, brightest, 1.0)[:, None]
        )
        return share

    def draw(
        self, rows: NDArray[np.int64], numbers: NDArray[np.float64]
    ) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        """Pick far cells evenly.

        Arguments:
            rows: Number of each hit's shower, ``(hit,)``.
            numbers: Uniform numbers in (0, 1), ``(hit,)``.

        Returns:
            Detector cells, and the ratio of each one's rate to that of the brightest bin.
        """
        (nx, ny), (dx, dy) = self._cells, self._shift[rows].T
        place = (numbers * self._n_far[rows]).astype(np.int64)
        # The band in x has whole columns; that in y what is left of the others.
        in_x = place < np.abs(dx) * ny
        i, j = np.divmod(place, ny)
        k, m = np.divmod(place - np.abs(dx) * ny, np.maximum(np.abs(dy), 1))
        i = np.where(in_x, i + np.where(dx < 0, nx + dx, 0), k + np.maximum(dx, 0))
        j = np.where(in_x, j, m + np.where(dy < 0, ny + dy, 0))
        distance = np.maximum(np.abs(i - nx // 2 - dx), np.abs(j - ny // 2 - dy))
        which = np.searchsorted(self.bins, distance, side="right") - 1
        return i * ny + j, self._share[rows, which]
