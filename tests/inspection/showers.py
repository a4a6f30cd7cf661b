"""Showers in memory that look like a file, to be broken in one way at a time."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from caloforge.formats.format import Piece
from caloforge.geometry import DetectorGeometry
from caloforge.inspection import Inspection, inspect_source
from caloforge.inspection.evidence import gather
from caloforge.inspection.finding import is_bad


@dataclass
class Showers:
    """A file of showers in memory, as raw as a foreign one."""

    geometry: DetectorGeometry
    columns: dict[str, Any]
    incident: Any
    showers: Any
    conversions: tuple[str, ...] = ()
    provenance: dict[str, Any] = field(default_factory=dict)
    n: int | None = None

    @property
    def n_showers(self) -> int:
        return len(self.showers) if self.n is None else self.n

    def pieces(self, size: int) -> Iterator[Piece]:
        for start in range(0, len(self.showers), size):
            part = slice(start, start + size)
            yield Piece(
                {name: values[part] for name, values in self.columns.items()},
                None if self.incident is None else self.incident[part],
                self.showers[part],
            )

    def rows(self, rows: Any) -> Showers:
        return Showers(
            self.geometry,
            {name: values[rows] for name, values in self.columns.items()},
            None if self.incident is None else self.incident[rows],
            self.showers[rows],
        )

    def inspect(self, against: Showers | None = None) -> Inspection:
        other = None if against is None else gather(against, "other.h5")
        return inspect_source(self, "file.h5", other=other)


def bad(inspection: Inspection) -> dict[str, str]:
    """Checks that complain, with how badly."""
    return {o.check.name: o.severity for o in inspection.outcomes if is_bad(o.severity)}


def texts(inspection: Inspection, check: str) -> str:
    """All that a check says that is wrong."""
    (found,) = [o for o in inspection.outcomes if o.check.name == check]
    return "; ".join(
        f"{f.text} [{f.count}, {f.shower}] {found.cure(f)}"
        for f in found.findings
        if is_bad(f.severity)
    )
