"""The report in plain words: one paragraph a generated sample."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from caloforge.metrics import Measured
from caloforge.report.numbers import cell, number, p_text, signed
from caloforge.report.tables import caution, sentences, sizes

if TYPE_CHECKING:
    from collections.abc import Sequence

    from caloforge.metrics.assessment import Region, Test, Verdict
    from caloforge.report.content import Content

N_WORST = 3


@dataclass(frozen=True)
class Summary:
    """What is said of one generated sample.

    Attributes:
        sample: Its name.
        verdict: ``"compatible with full simulation"`` or ``"worse than full simulation by X
            floors"``; empty if there were no tests.
        compatible: The same as yes or no.
        lines: Sentences.
        size: Particles and showers that the verdict rests on.
        caution: What must be said beside a verdict of few particles, else empty.
        warning: How its selection differs from that of the reference, else empty.
    """

    sample: str
    verdict: str
    compatible: bool | None
    lines: tuple[str, ...]
    size: str = ""
    caution: str = ""
    warning: str = ""


def summaries(content: Content) -> list[Summary]:
    """Say of every generated sample whether it is full simulation, and where it is not."""
    outcome, comparison = content.outcome, content.evaluation.comparison
    words = dict(sentences(content.evaluation))
    found = []
    for sample in content.samples:
        verdict = next((v for v in outcome.verdicts if v.sample == sample), None)
        lines = []
        if verdict is not None:
            lines.append(
                tests_in_words(verdict, [t for t in outcome.tests if t.sample == sample])
            )
            regions = [r for r in outcome.regions if r.sample == sample]
            lines += _regions_in_words(regions, verdict.level, content)
        lines.append(words[sample])
        lines += speed_in_words(content, sample)
        found.append(
            Summary(
                sample=sample,
                verdict="" if verdict is None else verdict.text,
                compatible=None if verdict is None else verdict.compatible,
                lines=tuple(lines),
                size=sizes(comparison, sample),
                caution="" if verdict is None else caution(verdict, comparison),
                warning=content.evaluation.warnings.get(sample, ""),
            )
        )
    return found


def tests_in_words(verdict: Verdict, tests: Sequence[Test]) -> str:
    """How many tests reject a sample, and the worst of them."""
    level = f"at a family-wise level of {verdict.level:g}"
    if verdict.compatible:
        least = min((t.p_adjusted for t in tests), default=1.0)
        return (
            f"None of {verdict.n_tests} permutation tests tells it from full simulation "
            f"{level} (smallest p: {p_text(least)})."
        )
    rejected = [t for t in tests if t.p_adjusted <= verdict.level]
    ordered = sorted(rejected, key=lambda t: (-t.excess, t.p_adjusted))[:N_WORST]
    named = "; ".join(f"{t.label} ({signed(t.excess, 1)} floors)" for t in ordered)
    return (
        f"{verdict.n_rejected} of {verdict.n_tests} permutation tests tell it from full "
        f"simulation {level}." + (f" Most: {named}." if named else "")
    )


def _regions_in_words(regions: Sequence[Region], level: float, content: Content) -> list[str]:
    worst = [r for r in regions if r.p_adjusted <= level]
    if not regions:
        return []
    if not worst:
        what = "label" if regions[0].images else "kind and energy"
        return [f"No {what} stands out in the total response."]
    region = max(worst, key=lambda r: r.score)
    parts = []
    if region.ratio is not None:
        floor = content.evaluation.comparison.floor_label
        parts.append(f"W1 of the total response is {cell(region.ratio)} {floor}s")
    if region.bias is not None:
        percent = Measured(100 * region.bias.value, 100 * region.bias.error)
        parts.append(f"its mean is off by {cell(percent, signed=True)} %")
    return [f"It fails most for {region.label}: {', '.join(parts)}."]


def speed_in_words(content: Content, sample: str) -> list[str]:
    """How much faster a sample was made than full simulation, if both files state it."""
    seconds = content.evaluation.cpu_seconds
    full, own = seconds.get("reference"), seconds.get(sample)
    if not full or not own:
        return []
    factor = full / own
    if factor < 1:
        words = f"{_round(1 / factor)} times slower than"
    elif factor < 1.05:
        words = "as fast as"
    else:
        words = f"{_round(factor)} times faster than"
    times = f"{number(own, 2)} s against {number(full, 2)} s".replace(" × ", "\u00a0×\u00a0")
    return [f"On one core it is {words} full simulation ({times})."]


def _round(factor: float) -> str:
    """Two significant digits, with commas."""
    return f"{float(f'{factor:.2g}'):,.10g}"
