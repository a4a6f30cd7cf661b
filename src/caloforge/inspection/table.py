"""The outcome of an inspection as lines of text."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING

from caloforge.inspection.finding import is_bad, some

if TYPE_CHECKING:
    from collections.abc import Iterator

    from caloforge.inspection.inspect import Inspection

_MARKS = {"ok": "ok", "not judged": "--", "warning": "WARNING", "error": "ERROR"}
_INDENT = " " * 9


def lines(inspection: Inspection, width: int = 100) -> Iterator[str]:
    """Write every check with its verdict, and what is wrong with first shower and cure."""
    evidence = inspection.evidence
    what = f"showers of {len(evidence.identity.distinct):,} particles"
    if evidence.images:
        what = "images"
    yield f"{evidence.source}: {evidence.n_showers:,} {what}, {evidence.geometry.title}"
    yield ""
    for outcome in inspection.outcomes:
        yield f"{_MARKS[outcome.severity]:8} {outcome.check.title}"
        for finding in outcome.findings:
            bad = is_bad(finding.severity)
            text = finding.text
            if bad and finding.shower is not None:
                text += f" [first shower: {finding.shower}]"
            yield from _folded(f"{finding.severity}: {text}" if bad else text, width)
            if bad:
                yield from _folded(f"cure: {outcome.cure(finding)}", width)
    yield ""
    yield from textwrap.wrap(
        verdict_line(inspection), width, subsequent_indent="  ", break_on_hyphens=False
    )


def verdict_line(inspection: Inspection) -> str:
    """Say the verdict with the number of findings, and what could not be checked and why.

    A file without any is ``"Verdict: ok"``.
    """
    counts = [
        f"{number} {name}{'s' if number != 1 else ''}"
        for name in ("error", "warning")
        if (number := inspection.number(name))
    ]
    line = f"Verdict: {inspection.verdict}" + (f" ({', '.join(counts)})" if counts else "")
    unmade = inspection.unmade
    if not unmade:
        return line
    reasons = ", ".join(f"{o.check.title} ({o.findings[0].text})" for o in unmade)
    return f"{line}, but {some(len(unmade), 'check', 'was', 'were')} not made: {reasons}"


def _folded(text: str, width: int) -> Iterator[str]:
    yield from textwrap.wrap(
        text, width, initial_indent=_INDENT, subsequent_indent=_INDENT + "  ",
        break_long_words=False, break_on_hyphens=False,
    )  # fmt: skip
