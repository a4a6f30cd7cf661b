"""Inspect a file of showers, alone or against another."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from caloforge import __version__
from caloforge.data.sample import resolve
from caloforge.errors import CaloforgeError
from caloforge.formats.format import ReadOptions
from caloforge.formats.registry import format_named, open_showers, recognised
from caloforge.inspection.checks import checks_of
from caloforge.inspection.checks.needs import NEEDS
from caloforge.inspection.evidence import Evidence, gather
from caloforge.inspection.finding import Outcome, outcome

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from caloforge.formats.format import ShowerSource

    Progress = Callable[[str, int, int], None]


@dataclass(frozen=True)
class Inspection:
    """What is wrong with a file.

    Attributes:
        evidence: What was counted.
        outcomes: What each check found.
    """

    evidence: Evidence
    outcomes: tuple[Outcome, ...]

    @property
    def verdict(self) -> str:
        """``"ok"``, ``"warnings"`` or ``"errors"``."""
        found = {o.severity for o in self.outcomes}
        return "errors" if "error" in found else "warnings" if "warning" in found else "ok"

    @property
    def unmade(self) -> tuple[Outcome, ...]:
        """Checks that could not be made, for want of showers or of columns."""
        asked = self.evidence.other is not None
        return tuple(
            o for o in self.outcomes
            if o.severity == "not judged" and (asked or o.check.name != "leak")
        )  # fmt: skip

    def number(self, severity: str) -> int:
        """How many findings there are of a severity."""
        return sum(f.severity == severity for o in self.outcomes for f in o.findings)

    def as_dict(self) -> dict[str, Any]:
        """Return plain strings, numbers, lists and tables."""
        evidence = self.evidence
        return {
            "file": evidence.source,
            "against": None if evidence.other is None else evidence.other.source,
            "detector": evidence.geometry.name,
            "showers": evidence.n_showers,
            "particles": len(evidence.identity.distinct),
            "verdict": self.verdict,
            "errors": self.number("error"),
            "warnings": self.number("warning"),
            "not_judged": [o.check.name for o in self.unmade],
            "checks": [o.as_dict() for o in self.outcomes],
            "caloforge": __version__,
        }


def inspect_source(
    source: ShowerSource,
    name: str,
    *,
    other: Evidence | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Inspection:
    """Inspect an open file in one pass.

    Arguments:
        source: The file.
        name: What to call it.
        other: A file that it must not share showers or particles with.
        progress: Told how many showers are done, and of how many.

    Raises:
        DataFormatError: If it cannot be read.
        GeometryError: If the showers do not have the cells of the geometry.
    """
    evidence = replace(gather(source, name, progress), other=other)
    found = (
        outcome(check, evidence, NEEDS.get(check.name, ())) for check in checks_of(evidence)
    )
    return Inspection(evidence, tuple(found))


def inspect_files(
    paths: Sequence[str | Path],
    *,
    against: Sequence[str | Path] = (),
    format_name: str | None = None,
    options: ReadOptions | None = None,
    progress: Progress | None = None,
) -> Inspection:
    """Inspect a file of any format that `caloforge.formats` reads.

    The memory needed is that of some thousand showers and 32 bytes for each.

    Arguments:
        paths: The file, or files that belong together, or the name of a sample.
        against: A second file that must share no shower and no particle with it.
        format_name: Format; ``None`` recognises it by the content, and so does a second file
            that is not of this format.
        options: What the files do not say themselves.
        progress: Told what is read, how many showers are done, and of how many.

    Raises:
        DataFormatError: If a file cannot be read.
        GeometryError: If its detector is unknown, or has other cells.
        ConfigError: If the format is unknown.

    Example:
        >>> inspect_files(["zn-test"]).verdict
        'ok'
    """

    def told(name: str) -> Callable[[int, int], None] | None:
        if progress is None:
            return None
        return lambda done, total: progress(name, done, total)

    options, other = options or ReadOptions(), None
    if against:
        name = _name(against)
        with open_showers(against, _fitting(against, format_name), options) as source:
            other = gather(source, name, told(name))
    name = _name(paths)
    with open_showers(paths, format_name, options) as source:
        return inspect_source(source, name, other=other, progress=told(name))


def _fitting(paths: Sequence[str | Path], name: str | None) -> str | None:
    """Return the name of a format if files are of it, or of none that is recognised."""
    if name is None:
        return None
    files, named = [resolve(path) for path in paths], format_named(name)
    try:
        if all(named.recognise(file) for file in files):
            return name
        found = [recognised(file) for file in files]
    except (CaloforgeError, OSError, ValueError):
        return name  # opening it says what is wrong
    return name if named in found else None


def _name(paths: Sequence[str | Path]) -> str:
    return " + ".join(map(str, paths))
