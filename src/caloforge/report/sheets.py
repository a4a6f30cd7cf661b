"""Tables of the page: cells that know how to be sorted and what they say of a test."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from caloforge.metrics import Measured
from caloforge.metrics.assessment import LEVEL
from caloforge.metrics.figures import GROUPS, headlines
from caloforge.metrics.samples.trial import REFERENCE
from caloforge.report.numbers import MISSING, cell, number, p_text, signed

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from caloforge.metrics import Comparison, Figure
    from caloforge.metrics.assessment import Difference
    from caloforge.report.content import Content

PASS, FAIL = "pass", "fail"
LONG = 20  # rows from which a table gets a filter box


@dataclass(frozen=True)
class Cell:
    """One cell.

    Attributes:
        text: What is shown.
        value: What it is sorted by, a number; ``None`` for text, and for what is missing.
        note: Small second line.
        mark: ``"pass"``, ``"fail"`` or ``""``; shown as a sign, not by colour alone.
        hint: Shown when pointed at.
    """

    text: str
    value: float | None = None
    note: str = ""
    mark: str = ""
    hint: str = ""


@dataclass(frozen=True)
class Sheet:
    """One table.

    Attributes:
        name: Anchor in the page.
        title: Headline.
        head: Names of the columns.
        rows: Cells; the first of each row names it.
        text_columns: Numbers of the columns that hold words.
        caption: What must be said beside it.
    """

    name: str
    title: str
    head: Sequence[str]
    rows: Sequence[Sequence[Cell]]
    text_columns: tuple[int, ...] = (0,)
    caption: str = ""

    @property
    def long(self) -> bool:
        """Whether a filter box helps."""
        return len(self.rows) > LONG


def headline_sheet(content: Content) -> Sheet:
    """The figures that a reader looks for first, as far as these showers define them."""
    chosen = headlines(content.outcome.figures, content.definitions)
    return _figure_sheet("headline", "Figures of merit", chosen, content)


def group_sheets(content: Content) -> list[Sheet]:
    """All figures, one table a group."""
    sheets = []
    for group, title in GROUPS.items():
        figures = [f for f in content.outcome.figures if content.group(f) == group]
        if figures:
            sheets.append(_figure_sheet(f"group-{group}", title, figures, content))
    return sheets


def _figure_sheet(name: str, title: str, figures: Iterable[Figure], content: Content) -> Sheet:
    lines: dict[tuple[str, str], dict[str, Figure]] = {}
    for figure in figures:
        lines.setdefault((figure.metric, figure.target), {})[figure.sample] = figure
    several = any(target for _, target in lines)
    # Figures of full simulation itself, as its time, are no generator's.
    full = {metric: lines[metric, target] for metric, target in lines if target == REFERENCE}
    floors = any(f.floor is not None for line in lines.values() for f in line.values())
    column = content.evaluation.comparison.floor_label if floors or not full else REFERENCE
    head = ["metric", *(["of"] if several else []), column, *content.samples]
    rows = []
    for (metric, target), line in lines.items():
        known = list(line.values())
        if target == REFERENCE:
            if any(name == metric and of != REFERENCE for name, of in lines):
                continue  # stands beside the generators' figures
            line, target = {}, ""
        shared = len({_pair(f.floor) for f in known}) == 1
        unit = next((f.value.unit for f in known if f.value is not None), "")
        definition = content.definitions.get(metric)
        label = content.metric_label(metric)
        row = [Cell(label, hint="" if definition is None else definition.meaning)]
        if several:
            row.append(Cell(content.target_label(target) if target else "all"))
        row[-1] = Cell(row[-1].text, note=unit, hint=row[-1].hint)
        if metric in full:
            own = next(iter(full[metric].values()))
            note = REFERENCE if floors else ""
            row.append(_measured_cell(own.value, note, f"n = {own.n}"))
        else:
            row.append(_measured_cell(known[0].floor) if shared else Cell("see cells"))
        row += [_value_cell(line.get(s), content, floor=not shared) for s in content.samples]
        rows.append(row)
    return Sheet(
        name=name,
        title=title,
        head=head,
        rows=rows,
        text_columns=(0, 1) if several else (0,),
        caption=_sizes(lines),
    )


def _pair(measured: Measured | None) -> tuple[float, float] | None:
    return None if measured is None else (measured.value, measured.error)


def _measured_cell(measured: Measured | None, note: str = "", hint: str = "") -> Cell:
    value = None if measured is None or not math.isfinite(measured.value) else measured.value
    return Cell(cell(measured), value, note, hint=hint)


def _value_cell(figure: Figure | None, content: Content, *, floor: bool) -> Cell:
    if figure is None:
        return Cell(MISSING)
    plain = _measured_cell(figure.value)
    notes = []
    if floor and figure.floor is not None:
        notes.append(f"floor {cell(figure.floor)}")
    if figure.tolerance is not None:
        notes.append(f"tolerance {number(figure.tolerance, 3)}")
    verdicts = [content.passed(figure)]
    if figure.p_adjusted is not None:
        notes.append(f"p {p_text(figure.p_adjusted)}")
        verdicts.append(figure.p_adjusted > LEVEL)
    known = [verdict for verdict in verdicts if verdict is not None]
    mark = "" if not known else PASS if all(known) else FAIL
    hint = "; ".join([f"n = {figure.n}", *([figure.note] if figure.note else [])])
    return Cell(plain.text, plain.value, "; ".join(notes), mark, hint)


def p_cell(p: float | None, level: float = LEVEL) -> Cell:
    """A p-value and whether it rejects."""
    if p is None or not math.isfinite(p):
        return Cell(MISSING)
    return Cell(p_text(p), p, mark=FAIL if p <= level else PASS)


def _sizes(lines: dict[tuple[str, str], dict[str, Figure]]) -> str:
    figures = [f for line in lines.values() for f in line.values()]
    sizes = sorted({f.n for f in figures})
    notes = sorted({f.note for f in figures if f.note})
    n = f"n = {sizes[0]}" if len(sizes) == 1 else f"n from {sizes[0]} to {sizes[-1]}"
    return "; ".join([f"{n} showers on either side", *notes[:4]]) + "."


def test_sheet(content: Content) -> Sheet | None:
    """Every permutation test of every sample."""
    outcome = content.outcome
    if not outcome.tests:
        return None
    several = len(content.samples) > 1
    rows = [
        [
            Cell(t.label),
            *([Cell(t.sample)] if several else []),
            Cell(number(t.statistic), t.statistic),
            Cell(number(t.floor), t.floor),
            Cell(signed(t.excess, 2), t.excess),
            Cell(p_text(t.p), t.p),
            p_cell(t.p_adjusted),
        ]
        for t in sorted(outcome.tests, key=lambda t: (t.p_adjusted, t.p, -t.excess))
    ]
    head = [
        "test",
        *(["sample"] if several else []),
        "statistic",
        "permuted mean",
        "excess in floors",
        "p",
        "p, family-wise",
    ]
    return Sheet("tests", "Permutation tests", head, rows, (0, 1) if several else (0,))


test_sheet.__test__ = False  # type: ignore[attr-defined] # not a test of pytest's


def difference_sheet(content: Content) -> Sheet | None:
    """Pairs of generated samples: which is better, and is that more than chance?"""
    outcome = content.outcome
    if not outcome.differences:
        return None
    several = any(d.target for d in outcome.differences)
    rows = [
        [
            Cell(content.metric_label(d.metric), note=d.difference.unit),
            *([Cell(content.target_label(d.target) or "all")] if several else []),
            Cell(f"{d.first} − {d.second}"),
            _measured_cell(d.difference),
            Cell(p_text(d.p), d.p),
            Cell(_winner(d, content)),
        ]
        for d in outcome.differences
    ]
    of = ["of"] if several else []
    head = ["metric", *of, "samples", "difference", "p", "closer to the ideal"]
    words = (0, 1, 2, 5) if several else (0, 1, 4)
    return Sheet("differences", "Which generator is better?", head, rows, words)


def _winner(difference: Difference, content: Content) -> str:
    """Name the sample that is closer to the ideal, if that is more than chance."""
    if difference.p > LEVEL:
        return "not told apart"
    first, second = (
        content.distance(difference.metric, difference.target, sample)
        for sample in (difference.first, difference.second)
    )
    if first is None or second is None or first == second:
        return "they differ"
    return difference.first if first < second else difference.second


def region_sheet(content: Content) -> Sheet | None:
    """Regions, the worst first."""
    outcome = content.outcome
    if not outcome.regions:
        return None
    several = len(content.samples) > 1
    images = content.evaluation.trial.images
    ranked = sorted(outcome.regions, key=lambda r: -r.score)  # stable: ties as they come
    rows = []
    for rank, region in enumerate(ranked, 1):
        bias = region.bias
        percent = None if bias is None else Measured(100 * bias.value, 100 * bias.error)
        energy = region.label.removeprefix(f"{region.kind}, ")
        rows.append(
            [
                Cell(str(rank), rank),
                *([Cell(region.sample)] if several else []),
                Cell(region.kind),
                *([] if images else [Cell(energy.replace(" to ", "–"), region.low_gev)]),
                Cell(str(region.n), region.n),
                _measured_cell(region.ratio),
                Cell(cell(percent, signed=True), None if bias is None else bias.value),
                p_cell(region.p_adjusted),
                Cell(f"{region.score:.2f}", region.score),
            ]
        )
    head = [
        "rank",
        *(["sample"] if several else []),
        "kind",
        *([] if images else ["energy"]),
        "images" if images else "particles",
        f"W1 / {content.evaluation.comparison.floor_label}",
        "bias of the mean [%]",
        "p, all regions",
        "score",
    ]
    by = "label" if images else "kind and energy"
    caption = (
        f"Total response by {by}. The score is the excess over the floor times one "
        "minus p: it orders the regions. p is adjusted for all regions of a sample."
    )
    title = "Where does it fail?"
    return Sheet("regions", title, head, rows, (1, 2) if several else (1,), caption)


def shape_sheet(comparison: Comparison) -> Sheet:
    """Shower shapes: mean of every sample, and W1 over its floor."""
    names = [row.name for row in comparison.generated]
    rows = []
    for name, shape in comparison.floor.observables.items():
        found = [row.observables[name] for row in comparison.rows]
        unit = shape.w1.unit if shape.w1 is not None else ""
        rows.append(
            [
                Cell(shape.label, note=unit),
                *(_measured_cell(f.mean) for f in found),
                _measured_cell(shape.w1),
                *(_measured_cell(f.ratio) for f in found[1:]),
            ]
        )
    head = ["shower shape", "mean, full simulation", *(f"mean, {name}" for name in names)]
    head += [f"W1, {comparison.floor_label}", *(f"W1 / floor, {name}" for name in names)]
    return Sheet("shapes-table", "Shower shapes", head, rows)
