"""What a check says: nothing to complain of, a warning, or an error."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from caloforge.inspection.evidence import Evidence

Severity = Literal["ok", "not judged", "warning", "error"]

SEVERITIES: tuple[Severity, ...] = ("ok", "not judged", "warning", "error")
"""From harmless to bad."""


@dataclass(frozen=True)
class Finding:
    """One thing that a check has to say.

    Attributes:
        severity: ``"ok"`` and ``"not judged"`` are for information.
        text: One sentence: what was found, with numbers.
        count: How many showers (or cells, where the text says so) are concerned.
        shower: Number of the first shower concerned, if any.
        cure: What to do; by default that of the check.
    """

    severity: Severity
    text: str
    count: int = 0
    shower: int | None = None
    cure: str = ""


@dataclass(frozen=True)
class Check:
    """One kind of mistake that is looked for.

    Attributes:
        name: Short name, as in ``inspection.json``.
        title: Name for people.
        finds: What it looks for.
        matters: Why it matters.
        cure: What to do where it finds something.
        judge: Draws findings from what was counted; none means that all is well.
    """

    name: str
    title: str
    finds: str
    matters: str
    cure: str
    judge: Callable[[Evidence], Iterable[Finding]]


@dataclass(frozen=True)
class Outcome:
    """What a check found in a file.

    Attributes:
        check: The check.
        findings: Its findings, worst first.
    """

    check: Check
    findings: tuple[Finding, ...]

    @property
    def severity(self) -> Severity:
        """Worst of the findings, ``"ok"`` if there is none."""
        return self.findings[0].severity if self.findings else "ok"

    def cure(self, finding: Finding) -> str:
        """What to do about a finding, ``""`` if nothing is wrong."""
        return (finding.cure or self.check.cure) if is_bad(finding.severity) else ""

    def as_dict(self) -> dict[str, Any]:
        """Return plain strings, numbers, lists and tables."""
        return {
            "check": self.check.name,
            "verdict": self.severity,
            "findings": [
                {
                    "severity": f.severity,
                    "text": f.text,
                    "count": f.count,
                    "first_shower": f.shower,
                    "cure": self.cure(f),
                }
                for f in self.findings
            ],
        }


def some(count: int, noun: str, single: str, plural: str) -> str:
    """Count things that do something: ``"1 shower is"``, ``"2 showers are"``."""
    return f"{count:,} {noun} {single}" if count == 1 else f"{count:,} {noun}s {plural}"


def percent(share: float) -> str:
    """Write a share with two digits or so: ``"0.16 %"``, ``"97.4 %"``, ``"100 %"``."""
    return f"{100 * share:.3g} %" if share < 0.9995 else f"{100 * share:.5g} %"


def is_bad(severity: Severity) -> bool:
    """Whether something is wrong, or may be."""
    return SEVERITIES.index(severity) >= SEVERITIES.index("warning")


def outcome(check: Check, evidence: Evidence, needs: Sequence[str] = ()) -> Outcome:
    """Run a check on what was counted, unless a column is missing that it needs."""
    missing = [name for name in needs if name in evidence.columns.missing]
    if missing:
        text = f"the particles have no {', '.join(missing)}, which this check needs"
        return Outcome(check, (Finding("not judged", text),))
    found = sorted(check.judge(evidence), key=lambda f: -SEVERITIES.index(f.severity))
    return Outcome(check, tuple(found))
