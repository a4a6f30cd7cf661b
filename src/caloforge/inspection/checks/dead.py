"""Cells and groups of cells that are never lit, or far too often or too brightly."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from caloforge.geometry import CylinderLayout, GridLayout
from caloforge.inspection.finding import Check, Finding, percent, some

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from caloforge.inspection.evidence import Evidence
    from caloforge.inspection.finding import Severity

# Chance of one false alarm in a file. Hits of a cell are one a shower, independent but for
# repeats, so Poisson with half of what the neighbours have at least (profiles bend).
_CHANCE = 1e-3
_SHARE = 0.5
# A cell with a fifth of its neighbours' hits, where 50 were certain, was off for a while.
_WEAK = 0.2
_WEAK_HITS = 100
# Factor over the brightest neighbour, beyond five standard deviations.
_HOT = 3.0
_SIGMAS = 5.0
_HITS_FOR_MEAN = 30
# Where a good part of the particles enter, a cell may well be brighter than its neighbours.
_AIMED = 0.2
# Impacts in a channel that make one without a hit dead.
_IMPACTS = 50
_ROUNDS = 50
# Of the neighbours: beside a dead region, three of eight are alive.
_UPPER, _MIDDLE = 0.75, 0.5


class Cells(NamedTuple):
    """Verdict on each cell.

    Attributes:
        expected: Hits to expect by the neighbours, ``(cell,)``; NaN where that cannot be said.
        dead: Never lit, ``(cell,)``.
        weak: Lit far too seldom, ``(cell,)``.
        hot: Lit far too often, or too brightly, ``(cell,)``.
        least: Expected hits that a cell needs to be judged.
    """

    expected: NDArray[np.float64]
    dead: NDArray[np.bool_]
    weak: NDArray[np.bool_]
    hot: NDArray[np.bool_]
    least: float


def judge_cells(evidence: Evidence) -> Cells:
    """Compare every cell with its neighbours."""
    cells, layout, n = evidence.cells, evidence.geometry.layout, evidence.n_showers
    hits = cells.hits.astype(np.float64)
    repeats = max(1.0, min(evidence.repeats, _mean_repeats(evidence)))
    least = np.log(len(hits) / _CHANCE) / _SHARE * repeats
    dead = np.zeros(len(hits), dtype=bool)
    filled = hits.copy()
    for _ in range(_ROUNDS):  # a dead region is found from its edge inwards
        beside = _typical(filled, layout, _UPPER)
        more = (hits == 0) & (beside >= least) & ~dead
        if not more.any():
            break
        dead |= more
        filled[dead] = beside[dead]
    expected = _typical(filled, layout, _MIDDLE)
    weak_least = max(least, _WEAK_HITS * repeats)
    weak = (hits > 0) & (hits < _WEAK * expected) & (expected >= weak_least)
    stuck = (hits == n) & (cells.squares * hits <= cells.sums**2 * (1 + 1e-9))
    stuck &= (n >= 10) & (evidence.repeats < n) & (expected < n)
    return Cells(expected, dead, weak, stuck | _hot(evidence, repeats), float(least))


def _mean_repeats(evidence: Evidence) -> float:
    """Showers a particle as the file numbers them: those of a gun are independent."""
    return evidence.n_showers / len(evidence.identity.numbers)


def _judge(evidence: Evidence) -> Iterator[Finding]:
    if not evidence.cells.hits.any():
        yield Finding("not judged", "no cell is lit in any shower")
        return
    found = judge_cells(evidence)
    names = _names(evidence)
    severities: tuple[tuple[NDArray[np.bool_], str, Severity], ...] = (
        (found.dead, "dead: never lit, though the neighbours are", "error"),
        (found.weak, "weak: lit far less often than the neighbours", "warning"),
        (found.hot, "hot: lit far more often, or brighter, than the neighbours", "error"),
    )
    for chosen, what, severity in severities:
        if chosen.any():
            number = int(chosen.sum())
            text = f"{some(number, 'cell', 'is', 'are')} {what}: {_list(chosen, names)}"
            yield Finding(severity, text, number)
    yield from _groups(evidence, found)
    known = np.isfinite(found.expected)
    judged = known & (found.expected >= found.least)
    share = judged.mean()
    text = f"{percent(share)} of the cells are lit often enough to tell a dead one"
    if share < 0.95:
        typical = np.quantile(found.expected[known], 0.05) if known.any() else 0.0
        needed = found.least / max(typical, 0.5) * evidence.n_showers
        more = "more than " if typical < 0.5 else ""
        text += f"; for 95 % of them {more}{_rounded(needed)} showers are needed"
    yield Finding("ok" if judged.any() else "not judged", text)


def _groups(evidence: Evidence, found: Cells) -> Iterator[Finding]:
    """Channels and layers without any hit."""
    geometry, hits = evidence.geometry, evidence.cells.hits
    impacts = evidence.impacts / max(evidence.repeats, 1.0)
    for convention in geometry.convention_names:
        channels = geometry.channels(convention)
        sums = channels.masks @ hits
        for k in np.flatnonzero(sums == 0).tolist():
            mask = channels.masks[k]
            if isinstance(geometry.layout, CylinderLayout):
                beside = [sums[j] for j in (k - 1, k + 1) if 0 <= j < len(sums)]
                missing = len(beside) == 2 and min(beside) >= found.least
            else:
                missing = impacts[mask].sum() >= _IMPACTS
            if missing and not found.dead[mask].all():
                text = f"{channels.names[k]} ({convention}) is dead: {int(mask.sum())} cells"
                yield Finding("error", text, int(mask.sum()))


def _typical(
    hits: NDArray[np.float64], layout: GridLayout | CylinderLayout, share: float
) -> NDArray[np.float64]:
    """Quantile of the neighbours in a grid; median of the same ring's angles in a cylinder."""
    if isinstance(layout, GridLayout):
        if min(layout.cells) < 3:
            return np.full(len(hits), np.nan)
        return _quantile(_neighbours(hits, layout), share)
    typical = []
    for part in layout.shaped(hits[None]):
        rings = np.full(part.shape[1:], np.nan)
        if part.shape[1] >= 4:
            rings[:] = np.median(part[0], axis=0)
        typical.append(rings.ravel())
    return np.concatenate(typical)


def _quantile(around: NDArray[np.float64], share: float) -> NDArray[np.float64]:
    """Quantile over the first axis of what is not NaN."""
    ordered = np.sort(around, axis=0)  # NaN comes last
    place = share * ((~np.isnan(ordered)).sum(axis=0) - 1)
    low = np.floor(place).astype(np.int64)
    lower, upper = (
        np.take_along_axis(ordered, k[None], axis=0)[0]
        for k in (low, np.ceil(place).astype(np.int64))
    )
    return np.asarray(lower + (place - low) * (upper - lower))


def _neighbours(cells: NDArray[np.float64], layout: GridLayout) -> NDArray[np.float64]:
    """Return the eight cells around each in its plane, ``(8, cell)``; NaN beyond the edge."""
    nx, ny = layout.cells
    planes = cells.reshape(layout.planes, nx, ny)
    padded = np.pad(planes, ((0, 0), (1, 1), (1, 1)), constant_values=np.nan)
    shifts = [(i, j) for i in range(3) for j in range(3) if (i, j) != (1, 1)]
    return np.stack([padded[:, i : i + nx, j : j + ny].ravel() for i, j in shifts])


def _hot(evidence: Evidence, repeats: float) -> NDArray[np.bool_]:
    """Cells lit too often, or too brightly where they are lit."""
    cells, layout, n = evidence.cells, evidence.geometry.layout, evidence.n_showers
    hits = cells.hits.astype(np.float64)
    enough = hits >= _HITS_FOR_MEAN * repeats
    with np.errstate(invalid="ignore", divide="ignore"):
        mean = np.where(enough, cells.sums / hits, np.nan)
        variance = np.maximum(cells.squares / hits - mean**2, 0.0)
        error = np.sqrt(variance / hits * repeats)
    if isinstance(layout, GridLayout):
        if min(layout.cells) < 3:
            return np.zeros(len(hits), dtype=bool)
        often = np.nanmax(_neighbours(hits, layout), axis=0)
        near = _neighbours(evidence.impacts, layout)
        aimed = np.nansum(near, axis=0) + evidence.impacts > _AIMED * n
        bright = _largest(_neighbours(mean, layout))
    else:
        position = evidence.impact_cm
        if np.nanmax(np.abs(position), initial=0.0) > 0:
            return np.zeros(len(hits), dtype=bool)  # off the axis, sectors may differ
        often = _typical(hits, layout, _MIDDLE)
        bright = _typical(np.nan_to_num(mean), layout, _MIDDLE)
        bright[bright == 0] = np.nan
        aimed = np.zeros(len(hits), dtype=bool)
    with np.errstate(invalid="ignore"):
        noisy = hits > _HOT * often + _SIGMAS * np.sqrt(repeats * (often + 1)) + 10 * repeats
        glaring = enough & (mean > _HOT * bright + _SIGMAS * error)
    return np.asarray((noisy | glaring) & ~aimed)


def _largest(around: NDArray[np.float64]) -> NDArray[np.float64]:
    """Largest of the neighbours that are known; NaN if none is."""
    known = np.where(np.isnan(around), -np.inf, around).max(axis=0)
    return np.where(np.isfinite(known), known, np.nan)


def _names(evidence: Evidence) -> list[str]:
    layout = evidence.geometry.layout
    if isinstance(layout, GridLayout):
        of_plane = [f"{name} " for name in layout.plane_names] if layout.planes > 1 else [""]
        return [f"{plane}({i}, {j})" for plane in of_plane for i, j in np.ndindex(layout.cells)]
    return [
        f"(layer {k}, angle {a}, ring {r})"
        for k, layer in enumerate(layout.layers)
        for a, r in np.ndindex(layer.shape)
    ]


def _list(chosen: NDArray[np.bool_], names: list[str]) -> str:
    places = np.flatnonzero(chosen).tolist()
    text = ", ".join(names[k] for k in places[:5])
    return text + (", ..." if len(places) > 5 else "")


def _rounded(number: float) -> str:
    digits = max(int(np.floor(np.log10(max(number, 1.0)))) - 1, 0)
    return f"{int(-(-number // 10**digits) * 10**digits):,}"


DEAD = Check(
    name="dead-cells",
    title="Dead and hot cells",
    finds="cells, channels and layers that are never lit, or far too often or too brightly, "
    "compared with their neighbours",
    matters="a model learns the defect of one file as if it were physics",
    cure="look at the map: mask the cells in the simulation's output, or simulate again",
    judge=_judge,
)
