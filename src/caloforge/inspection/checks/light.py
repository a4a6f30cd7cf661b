"""Empty showers, and cells that pile up at a largest value."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from caloforge.inspection.cell_tally import BINS_PER_DECADE, DECADES
from caloforge.inspection.finding import Check, Finding, percent, some

if TYPE_CHECKING:
    from collections.abc import Iterator

    from caloforge.inspection.evidence import Evidence

# The embedded samples have 0.2 %; ALICE's productions, which hold grazing particles, far more.
_MANY_EMPTY = 0.2
_SOME_EMPTY = 10
# A run that chance makes once in a million files is a piece of file that was never written.
_CHANCE = 1e-6
_SHORTEST_RUN = 5
# Cells at the largest value, at least, and against the mean of the values just below.
_PILE = 5
_PILE_FACTOR = 3.0
_TIES = 0.1
LIMITS = (127, 255, 511, 1023, 2047, 4095, 8191, 16383, 32767, 65535)
"""Largest values of converters and types."""


def _empty(evidence: Evidence) -> Iterator[Finding]:
    empty, n = evidence.response.empty, evidence.n_showers
    share = empty.count / n
    if empty.count == n:
        yield Finding("error", "all showers are empty", n, 0, "read the right data set")
        return
    length, first = evidence.response.longest
    rest = max((empty.count - length) / max(n - length, 1), 1 / n)
    # Repeats of one particle that misses are empty together.
    independent = length / max(evidence.repeats, 1.0)
    if length >= _SHORTEST_RUN and n * rest**independent < _CHANCE:
        text = f"{length:,} showers in a row are empty"
        cure = "this part of the file was never written: make or copy the file again"
        yield Finding("error", text, length, first, cure)
    elif share > _MANY_EMPTY and empty.count >= _SOME_EMPTY:
        yield Finding(
            "warning", f"{percent(share)} of the showers are empty", empty.count, empty.first
        )
    lit = evidence.cells.hits.sum() / (n * evidence.geometry.n_cells)
    yield Finding(
        "ok", f"{percent(share)} of the showers and {percent(1 - lit)} of the cells are empty"
    )


def _saturation(evidence: Evidence) -> Iterator[Finding]:
    cells = evidence.cells
    if not cells.top:
        yield Finding("not judged", "no cell has a response above 0")
        return
    limit = next((k for k in LIMITS if k == cells.top), None)
    where = f"{some(cells.n_top, 'cell', 'is', 'are')} at the largest value, {cells.top:.6g}"
    if _piles_up(evidence) or (limit is not None and cells.n_top > 1):
        known = f" (the limit of {int(np.log2(limit + 1))} bits)" if limit else ""
        yield Finding("warning", where + known, cells.n_top, cells.first_top)
        return
    yield Finding("ok", f"largest cell {cells.top:.6g} {evidence.geometry.unit}")


def _piles_up(evidence: Evidence) -> bool:
    """Whether the spectrum rises at its end instead of falling."""
    cells = evidence.cells
    if cells.n_top < _PILE:
        return False
    if len(cells.counts) and cells.top < len(cells.counts):
        top = int(cells.top)
        if top == 1:
            # Every lit cell holds one photon: so it is in very dim showers only.
            return bool(cells.hits.sum() > 10 * evidence.n_showers)
        below = cells.counts[max(1, top - max(1, top // 10)) : top].mean()
        return bool(cells.n_top > _PILE_FACTOR * below)
    place = int((np.log10(cells.top) - DECADES[0]) * BINS_PER_DECADE)
    near = cells.spectrum[max(0, place - 1) : place + 1].sum() - cells.n_top
    return bool(cells.n_top > _TIES * near)


EMPTY = Check(
    name="empty",
    title="Empty showers",
    finds="many empty showers, or long runs of them, as a production leaves that was cut off",
    matters="a model spends its capacity on nothing, and metrics compare nothing with nothing",
    cure="leave them out with a cut on the sum, and state it, or classify them before",
    judge=_empty,
)
SATURATION = Check(
    name="saturation",
    title="Saturation",
    finds="cells that pile up at one largest value: clipped, saturated, or scaled to a maximum",
    matters="the tail is cut: sums are too low for the brightest showers",
    cure="write a wider type (uint16, uint32, float32), or undo the clipping",
    judge=_saturation,
)
