"""Cells that no detector gives: negative, not finite, or fractions of a count."""

from __future__ import annotations

from typing import TYPE_CHECKING

from caloforge.inspection.finding import Check, Finding

if TYPE_CHECKING:
    from collections.abc import Iterator

    from caloforge.inspection.defects import CellDefect
    from caloforge.inspection.evidence import Evidence


def _say(defect: CellDefect, what: str, cure: str = "") -> Iterator[Finding]:
    if defect.count:
        cells = "1 cell is" if defect.cells == 1 else f"{defect.cells:,} cells are"
        text = f"{cells} {what} (first: {defect.example})"
        yield Finding("error", text, defect.count, defect.first, cure)


def _cells(evidence: Evidence) -> Iterator[Finding]:
    cells = evidence.cells
    yield from _say(
        cells.not_finite, "NaN or infinite", "find what divided by 0; leave the showers out"
    )
    yield from _say(cells.negative, "negative")
    if not cells.negative.count + cells.not_finite.count:
        yield Finding("ok", "all cells are finite, and none is below 0")


def _counts(evidence: Evidence) -> Iterator[Finding]:
    if evidence.geometry.counts:
        yield from _say(evidence.cells.fraction, "no integer")
        if not evidence.cells.fraction.count:
            yield Finding("ok", "all cells are integers")
    else:
        yield Finding("ok", "the detector measures energy: cells need not be integers")


CELLS = Check(
    name="cells",
    title="Values of cells",
    finds="cells that are negative, NaN or infinite",
    matters="a full simulation deposits nothing below 0, and one NaN spoils a whole training",
    cure="undo the subtraction of noise or pedestal, or the scaling: simulation has none",
    judge=_cells,
)
COUNTS = Check(
    name="counts",
    title="Counts",
    finds="cells that are no integers in a detector that counts",
    matters="the cells were scaled, smeared or taken the logarithm of: sums and Poisson "
    "statistics no longer hold",
    cure="undo scaling or logarithm (expm1 for log1p), and round only what was exact before",
    judge=_counts,
)
