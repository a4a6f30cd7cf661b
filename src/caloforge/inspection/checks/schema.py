"""Columns that are missing or no numbers, units that contradict the detector."""

from __future__ import annotations

from typing import TYPE_CHECKING

from caloforge.data.columns import check_names
from caloforge.data.misspelling import likely_names
from caloforge.errors import DataFormatError
from caloforge.inspection.finding import Check, Finding
from caloforge.inspection.response_tally import TO_GEV

if TYPE_CHECKING:
    from collections.abc import Iterator

    from caloforge.inspection.evidence import Evidence


def _judge(evidence: Evidence) -> Iterator[Finding]:
    columns, geometry, n = evidence.columns, evidence.geometry, evidence.n_showers
    if columns.missing:
        text = f"the particles have no {', '.join(columns.missing)}"
        likely = likely_names(columns.missing, columns.names)
        cure = "add the columns, or map them from others"
        if likely:
            meant = ", ".join(f"'{there}' for {name}" for name, there in likely.items())
            text += f"; did you mean {meant}?"
            cure = "rename what is misspelt, and add the others"
        yield Finding("error", text, n, 0, cure)
    else:
        try:
            check_names(columns.names, source="columns")
        except DataFormatError as error:
            yield Finding("error", str(error), n, 0, "rename the column")
    for name, defect in columns.not_finite.items():
        if defect.count:
            text = f"{name} is not a finite number in {_some(defect.count, n)}"
            yield Finding("error", text, defect.count, defect.first)
    for defect, what in (
        (columns.energy, "energy_gev is not above 0"),
        (columns.kind, "pdg is no particle number"),
    ):
        if defect.count and not (evidence.images and defect is columns.kind):
            text = f"{what} in {_some(defect.count, n)} (first: {defect.example})"
            yield Finding("error", text, defect.count, defect.first)
    if columns.unknown.count:
        text = (
            f"the kind of {_some(columns.unknown.count, n)} has no known mass and charge "
            f"(first: pdg {columns.unknown.example})"
        )
        yield Finding("warning", text, columns.unknown.count, columns.unknown.first)
    energy = geometry.unit in TO_GEV
    if geometry.counts and energy:
        text = f"the detector '{geometry.name}' counts, but its unit is {geometry.unit}"
        cure = "set response.counts = false, or name what is counted, in the geometry"
        yield Finding("error", text, n, 0, cure)
    if not geometry.counts and not energy:
        text = (
            f"the unit '{geometry.unit}' of the cells is no unit of energy: whether energy is "
            "conserved cannot be said"
        )
        yield Finding("not judged", text)
    types = ", ".join(sorted(map(str, evidence.cells.dtypes)))
    yield Finding(
        "ok",
        f"{n:,} showers of {geometry.n_cells:,} cells in {geometry.unit}, stored as {types}; "
        f"{len(columns.names) - len(columns.missing)} columns",
    )
    for conversion in evidence.conversions:
        yield Finding("ok", f"converted in reading: {conversion}")


def _some(count: int, n: int) -> str:
    return f"{count:,} of {n:,} showers"


SCHEMA = Check(
    name="schema",
    title="Columns and units",
    finds="columns that are missing, misspelt, NaN or infinite; energies not above 0; kinds "
    "without a number; a unit that contradicts the detector",
    matters="every later step would stop, or learn from a number that means something else",
    cure="correct the rows, or leave them out",
    judge=_judge,
)
