"""Empty showers, and cells that pile up at a largest value."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

from caloforge.geometry import GridLayout
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
# Showers of the kind on either side in energy that tell how often one is empty.
_BESIDE = 20
_OFTEN = 0.5
# Cells at the largest value, at least, and against the mean of the values just below.
_PILE = 5
_PILE_FACTOR = 3.0
_TIES = 0.1
# Largest cell this close to a limit, and cells beyond it that should be there.
_NEAR = 0.95
_MISSED = 12
_WRAPPED = "write a wider type (uint16, uint32): larger values were wrapped round, or left out"
LIMITS = (127, 255, 511, 1023, 2047, 4095, 8191, 16383, 32767, 65535)
"""Largest values of converters and types."""


def _empty(evidence: Evidence) -> Iterator[Finding]:
    empty, n = evidence.response.empty, evidence.n_showers
    share = empty.count / n
    if empty.count == n:
        yield Finding("error", "all showers are empty", n, 0, "read the right data set")
        return
    for length, first in evidence.response.runs:
        if length >= _SHORTEST_RUN and unwritten(evidence, length, first):
            text = f"{length:,} showers in a row are empty"
            cure = "this part of the file was never written: make or copy the file again"
            yield Finding("error", text, length, first, cure)
            break
    else:
        if share > _MANY_EMPTY and empty.count >= _SOME_EMPTY:
            text = f"{percent(share)} of the showers are empty"
            yield Finding("warning", text, empty.count, empty.first)
    lit = evidence.cells.hits.sum() / (n * evidence.geometry.n_cells)
    yield Finding(
        "ok", f"{percent(share)} of the showers and {percent(1 - lit)} of the cells are empty"
    )


def unwritten(evidence: Evidence, length: int, first: int) -> bool:
    """Whether chance does not leave a run of empty showers, by others of kind and energy."""
    sample, n = evidence.sample, evidence.n_showers
    if any(
        (np.diff(x) >= 0).all() or (np.diff(x) <= 0).all() for x in (sample.sums, sample.lit)
    ):
        return False  # sorted by response: the empty ones stand together
    within = (sample.number >= first) & (sample.number < first + length)
    kinds, empty = sample.columns["pdg"], sample.lit == 0
    with np.errstate(invalid="ignore", divide="ignore"):
        energy = np.log(sample.columns["energy_gev"])
    ordinary = within & np.isfinite(energy)
    layout = evidence.geometry.layout
    if isinstance(layout, GridLayout):
        ordinary &= (np.abs(evidence.impact_cm) <= layout.half_width_cm).all(axis=1)
    chance = 0.0
    for kind in np.unique(kinds[ordinary]).tolist():
        others = ~within & (kinds == kind) & np.isfinite(energy)
        order = np.argsort(energy[others])
        total = np.concatenate(([0], np.cumsum(empty[others][order])))
        place = np.searchsorted(energy[others][order], energy[ordinary & (kinds == kind)])
        # Beyond the energies of the others nothing is known.
        place = place[(place >= _BESIDE) & (place <= len(order) - _BESIDE)]
        below = total[place] - total[place - _BESIDE]
        above = total[place + _BESIDE] - total[place]
        rate = (np.maximum(below, above) + 1) / (_BESIDE + 2)
        # In a file sorted by energy a run ends where showers begin to be lit: no news.
        chance += float(np.log(rate[rate < _OFTEN]).sum())
    # Repeats of one particle that misses are empty together; the sample may be every k-th.
    stride = max(1.0, n / len(sample.number))
    return bool(chance * stride / max(evidence.repeats, 1.0) + np.log(n) < np.log(_CHANCE))


def _saturation(evidence: Evidence) -> Iterator[Finding]:
    cells = evidence.cells
    if not cells.top:
        yield Finding("not judged", "no cell has a response above 0")
        return
    maximum = evidence.geometry.maximum
    if maximum is not None:
        yield from _bounded(evidence, maximum)
        return
    limit = next((k for k in LIMITS if k == cells.top), None)
    where = f"{some(cells.n_top, 'cell', 'is', 'are')} at the largest value, {cells.top:.6g}"
    if _piles_up(evidence) or (limit is not None and cells.n_top > 1):
        known = f" (the limit of {int(np.log2(limit + 1))} bits)" if limit else ""
        yield Finding("warning", where + known, cells.n_top, cells.first_top)
        return
    missing, bits = _cut_off(evidence)
    if missing > _MISSED:
        text = (
            f"the spectrum of the cells ends at {cells.top:.6g}, the limit of {bits} bits, "
            f"where about {missing:.0f} brighter ones are to be expected"
        )
        yield Finding("warning", text, round(missing), cells.first_top, _WRAPPED)
        return
    yield Finding("ok", f"largest cell {cells.top:.6g} {evidence.geometry.unit}")


def _bounded(evidence: Evidence, maximum: float) -> Iterator[Finding]:
    """Cells that have a largest value by design reach it, and do not exceed it."""
    cells = evidence.cells
    if cells.top > maximum:
        text = f"the largest cell is {cells.top:.6g}, expected at most {maximum:.6g}"
        cure = "correct maximum under [response] of the geometry, or the cells"
        yield Finding("error", text, cells.n_top, cells.first_top, cure)
        return
    reached = f", reached by {cells.n_top:,} cells" if cells.top == maximum else ""
    yield Finding("ok", f"largest cell {cells.top:.6g} of {maximum:.6g}{reached}")


def _cut_off(evidence: Evidence) -> tuple[float, int]:
    """Cells that are missing beyond a limit of bits, and the bits: values taken modulo it."""
    counts, top = evidence.cells.counts, evidence.cells.top
    limit = next((k + 1 for k in LIMITS if k * _NEAR <= top <= k), 0)
    if not limit or limit > len(counts):
        return 0.0, 0
    # Three stretches up to the limit: their ratios fall, and go on falling at the same rate.
    edges = [limit * k // 4 for k in (1, 2, 3, 4)]
    a, b, c = (float(counts[i:j].sum()) for i, j in pairwise(edges))
    if not a or not b:
        return 0.0, 0
    before, last = b / a, c / b
    expected = last * min(1.0, last / before) if before else 0.0
    return c * min(expected, 1.0), int(np.log2(limit))


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
        below = cells.counts[max(1, top - max(1, top // 4)) : top].mean()
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
