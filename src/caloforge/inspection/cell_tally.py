"""What is counted of the cells: how often and how brightly each is lit, and the spectrum."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from caloforge.inspection.defects import CellDefect

if TYPE_CHECKING:
    from caloforge.geometry import DetectorGeometry
    from caloforge.inspection.view import View

_EXACT = 2**17  # counts up to here have a bin each
DECADES = (-12, 12)
BINS_PER_DECADE = 20


class CellTally:
    """Sums over all showers, cell by cell.

    Attributes:
        hits: Showers in which a cell is lit, ``(cell,)``.
        sums: Summed response, ``(cell,)``.
        squares: Summed square of the response, ``(cell,)``.
        negative: Cells below 0.
        not_finite: Cells that are NaN or infinite.
        fraction: Cells that are no integers, in a detector that counts.
        counts: How often each count occurs, ``(2^17,)``; empty where cells are no counts.
        spectrum: Lit cells in bins of log10 of the response, over `DECADES`.
        top: Largest response.
        n_top: How many cells have it.
        first_top: First shower that has it.
        dtypes: Types that cells are stored in.
    """

    def __init__(self, geometry: DetectorGeometry) -> None:
        n = geometry.n_cells
        self._counting = geometry.counts
        self.hits = np.zeros(n, dtype=np.int64)
        self.sums = np.zeros(n)
        self.squares = np.zeros(n)
        self.negative, self.not_finite, self.fraction = (CellDefect() for _ in range(3))
        self.counts = np.zeros(_EXACT if geometry.counts else 0, dtype=np.int64)
        bins = (DECADES[1] - DECADES[0]) * BINS_PER_DECADE
        self.spectrum = np.zeros(bins, dtype=np.int64)
        self.top, self.n_top, self.first_top = 0.0, 0, 0
        self.dtypes: set[np.dtype[np.generic]] = set()

    def add(self, view: View) -> None:
        """Count a piece."""
        self.dtypes.add(view.dtype)
        n = len(self.hits)
        values, cells = view.values, view.cells
        if view.dtype.kind != "u":
            self._defects(view)
        self.hits += np.bincount(cells, minlength=n)
        self.sums += np.bincount(cells, values, minlength=n)
        self.squares += np.bincount(cells, values * values, minlength=n)
        self._spectrum(view)

    def _defects(self, view: View) -> None:
        where = (view.start, view.rows, view.cells, view.raw)
        if view.dtype.kind == "f":
            self.not_finite.add(~np.isfinite(view.raw), *where)
        self.negative.add(view.values < 0, *where)
        if self._counting and view.dtype.kind == "f":
            self.fraction.add(view.values != np.floor(view.values), *where)

    def _spectrum(self, view: View) -> None:
        values = view.values[view.values > 0]
        if not len(values):
            return
        if len(self.counts):
            exact = np.minimum(values, _EXACT - 1).astype(np.int64)
            self.counts += np.bincount(exact, minlength=_EXACT)
        place = (np.log10(values) - DECADES[0]) * BINS_PER_DECADE
        bins = np.clip(place, 0, len(self.spectrum) - 1).astype(np.int64)
        self.spectrum += np.bincount(bins, minlength=len(self.spectrum))
        top = float(values.max())
        if top >= self.top:
            equal = view.values == top
            if top > self.top:
                self.top, self.n_top = top, 0
                self.first_top = view.start + int(view.rows[np.argmax(equal)])
            self.n_top += int(np.count_nonzero(equal))
