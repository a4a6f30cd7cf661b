"""The table of a comparison, for the terminal and for the page."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from caloforge.metrics import METRICS
from caloforge.metrics.figures import headlines
from caloforge.report.content import Content
from caloforge.report.numbers import MISSING, cell
from caloforge.report.shifts import contradicted, shifts_in_words

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.console import Console

    from caloforge.metrics import Comparison, Figure, Row
    from caloforge.metrics.assessment import Verdict
    from caloforge.report.evaluate import Evaluation

FEW_PARTICLES = 100


class TextTable(NamedTuple):
    """A table as text.

    Attributes:
        head: Names of the columns.
        rows: Cells, one more than columns named in ``head[1:]``.
    """

    head: list[str]
    rows: list[list[str]]


def main_table(comparison: Comparison) -> TextTable:
    """All figures of merit, mean over channels: one line a figure, one column a sample."""
    rows = [
        [_label(key, comparison), *(_mean(key, row) for row in comparison.rows)]
        for key in METRICS
    ]
    return TextTable(["mean over channels", *_names(comparison)], rows)


def sentences(evaluation: Evaluation) -> list[tuple[str, str]]:
    """What the figures say, in plain words: name and sentence for each generated sample."""
    content = Content(evaluation)
    return [(row.name, _in_words(row, content)) for row in evaluation.comparison.generated]


def sizes(comparison: Comparison, sample: str) -> str:
    """How many particles and generated showers a verdict rests on."""
    n = next(row.n_showers for row in comparison.generated if row.name == sample)
    return f"{comparison.n_particles} particles, {n} showers"


def caution(verdict: Verdict, comparison: Comparison) -> str:
    """What must be said of a verdict of few particles; empty if they are enough."""
    n = comparison.n_particles
    if not verdict.compatible or n >= FEW_PARTICLES:
        return ""
    return f"only {n} particles: small differences cannot be seen (docs/metrics-power.md)"


def introduction(comparison: Comparison) -> str:
    """What the sentences compare with."""
    floor = "" if comparison.matched_floor else " (unmatched floor: of different particles)"
    return (
        f"Measured on {comparison.n_particles} incident particles, {comparison.design}{floor}. "
        "A perfect generator has W1 at 1 times the floor, no shift, and a spread of 1."
    )


def _in_words(row: Row, content: Content) -> str:
    comparison = content.evaluation.comparison
    ratio, bias, spread = (
        row.metrics[key].mean for key in ("w1_ratio", "conditional_bias", "spread_ratio")
    )
    floor = "" if comparison.matched_floor else " (unmatched floor)"
    parts = [
        f"W1 is {cell(ratio)} times what two full-simulation samples show against each other"
        + floor
        if ratio is not None
        else "W1 has no floor to compare with"
    ]
    shifts = shifts_in_words(content, row.name)
    parts += shifts
    if bias is not None:
        closer = bias.error > 0 and bias.value < -4 * bias.error
        if closer and not contradicted(content, row.name):
            parts.append(
                "the means of its particles are closer to the reference than those of "
                "independent showers can be (made from the reference?)"
            )
        elif not shifts:
            parts.append(f"the bias per particle, rms, is {cell(bias)} {bias.unit} a channel")
    if spread is not None:
        parts.append(f"showers of one particle spread {cell(spread)} times as much")
    return "; ".join(parts) + "."


def print_comparison(
    evaluation: Evaluation, console: Console | None = None, *, words: bool = True
) -> None:
    """Print verdicts, the table, and what it says in plain words.

    Arguments:
        evaluation: What to print.
        console: Where to print, by default standard output.
        words: Whether to add the sentences.
    """
    # Imported here: the page needs the tables, but not rich.
    from rich import box
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    if console is None:
        console = Console(highlight=False)
        if not console.is_terminal:
            console = Console(highlight=False, width=100)
    comparison = evaluation.comparison
    text = main_table(comparison)
    text.rows.extend(_headlines(evaluation))
    table = Table(
        title=f"{comparison.geometry} against {escape(comparison.reference)}",
        title_justify="left",
        box=box.SIMPLE_HEAD,
        show_edge=False,
        padding=0,
    )
    # Four samples fit into 80 columns: figures stay whole, names may wrap.
    for k, name in enumerate(text.head):
        widest = max(len(line[k]) for line in text.rows)
        table.add_column(
            escape(name), justify="right" if k else "left", min_width=widest if k else 12
        )
    for line in text.rows:
        table.add_row(*map(escape, line))
    console.print(table)
    console.print(escape(comparison.statement), style="dim")
    if words:
        for name, sentence in sentences(evaluation):
            console.print(f"[bold]{escape(name)}[/bold]: {escape(sentence)}")
    for name, warning in evaluation.warnings.items():
        console.print(f"[yellow]Warning[/yellow]: {escape(name)}: {escape(warning)}")
    for verdict in evaluation.outcome.verdicts:
        ink = "green" if verdict.compatible else "red"
        worst = "" if verdict.worst is None else f", most: {verdict.worst.label}"
        console.print(
            f"[bold]{escape(verdict.sample)}[/bold]: [{ink}]{verdict.text}[/{ink}] "
            f"({sizes(comparison, verdict.sample)}; {verdict.n_rejected} of "
            f"{verdict.n_tests} tests reject{escape(worst)})"
        )
        if warning := caution(verdict, comparison):
            console.print(f"[bold]{escape(verdict.sample)}[/bold]: {escape(warning)}")


def _headlines(evaluation: Evaluation) -> list[list[str]]:
    """Further figures of a suite that belong into the first table, one line each."""
    outcome = evaluation.outcome
    chosen = {d.name: d for d in outcome.definitions if d.name not in METRICS}
    lines: dict[str, dict[str, Figure]] = {}
    for figure in headlines(outcome.figures, chosen):
        lines.setdefault(figure.metric, {})[figure.sample] = figure
    rows = []
    for name, found in lines.items():
        first = next(iter(found.values()))
        unit = first.value.unit if first.value is not None else ""
        label = f"{chosen[name].label}, {first.target}" if first.target else chosen[name].label
        label = f"{label} [{unit}]" if unit else label
        values = [found.get(row.name) for row in evaluation.comparison.generated]
        rows.append(
            [label, cell(first.floor), *(cell(None if f is None else f.value) for f in values)]
        )
    return rows


def _label(key: str, comparison: Comparison) -> str:
    metric = METRICS[key]
    unit = f" [{comparison.unit}]" if metric.in_response_unit else ""
    return f"{metric.label}{unit}"


def _mean(key: str, row: Row) -> str:
    if key == "w1_ratio" and row.kind == "floor":
        return "1" if row.metrics[key].mean is not None else MISSING
    return cell(row.metrics[key].mean)


def _names(comparison: Comparison) -> Sequence[str]:
    return [comparison.floor_label, *(row.name for row in comparison.generated)]
