"""``caloforge models``: the bundles, models, run files and conditions that there are."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import click

if TYPE_CHECKING:
    from collections.abc import Sequence


class _Part(NamedTuple):
    """A list of the page.

    Attributes:
        title: Above it.
        head: Of its columns; empty if they need none.
        rows: Text of its cells.
        widths: Least widths of the columns in plain text.
        numbers: Columns that are set to the right.
    """

    title: str
    head: Sequence[str]
    rows: Sequence[Sequence[str]]
    widths: Sequence[int]
    numbers: Sequence[int] = ()


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print all of it as JSON.")
def models(as_json: bool) -> None:
    """List the trained bundles, the models, the run files, and the conditions to choose from.

    Bundles are ready to use, by name: with their distance from full simulation (W1 of the
    channel sums over the floor, 1 is full simulation against itself; AUC of a classifier, 0.5
    cannot tell them apart) and their speed on one core. `caloforge info NAME` shows the card.

    \b
    Example:
        caloforge models
        caloforge models --json
    """  # noqa: D301 - click's mark, a backspace, keeps the lines apart
    found = _found()
    if as_json:
        import json

        click.echo(json.dumps(found, indent=1))
        return
    # Imported here so that `caloforge --help` does not wait for it.
    from rich.console import Console

    console = Console(highlight=False)
    for part in _parts(found):
        if console.is_terminal:
            _show(part, console)
        else:
            _echo(part)


def _found() -> dict[str, list[dict[str, Any]]]:
    """Collect what there is, as JSON holds it."""
    # Imported here so that `caloforge --help` does not wait for torch.
    from caloforge.config import load_run, run_names
    from caloforge.data.features import catalogue
    from caloforge.errors import ConfigError
    from caloforge.models import MODELS
    from caloforge.training.bundle_catalogue import bundle_entries

    known = []
    for name in MODELS:
        try:
            summary = (MODELS[name].__doc__ or "").partition("\n")[0]
        except ConfigError as error:  # of an installed package
            summary = str(error)
        known.append({"name": name, "summary": summary.removeprefix("Settings of ")})
    names = ("name", "numbers", "unit", "description")
    return {
        "bundles": [entry.as_dict() for entry in bundle_entries()],
        "models": known,
        "run_files": [{"name": name, "title": load_run(name).title} for name in run_names()],
        "conditions": [dict(zip(names, row, strict=True)) for row in catalogue()],
    }


def _parts(found: dict[str, list[dict[str, Any]]]) -> list[_Part]:
    conditions = "conditions (data.conditions; any further column of a shower file can be one):"
    return [
        _bundles(found["bundles"]),
        _Part("models:", (), [(m["name"], m["summary"]) for m in found["models"]], (24,)),
        _Part("run files:", (), [(r["name"], r["title"]) for r in found["run_files"]], (24,)),
        _Part(
            conditions,
            (),
            [
                (c["name"], _text(c["numbers"], "kinds"), c["unit"], c["description"])
                for c in found["conditions"]
            ],
            (12, 5, 8),
            (1,),
        ),
    ]


def _bundles(entries: list[dict[str, Any]]) -> _Part:
    from caloforge.training.card_figures import measured_text, rounded

    head = ["name", "model", "detector", "energy [GeV]", "W1 / floor", "AUC"]
    head += ["showers/s: 1", "256", "best"]
    rows = []
    for entry in entries:
        energy = entry["energy_gev"]
        cells = [entry["name"], entry["model"], entry["detector"]]
        cells.append("{:.4g} to {:.4g}".format(*energy) if energy else "-")
        measured = (entry["figures"].get(n, {}) for n in ("w1_ratio", "classifier_auc"))
        cells += [measured_text(figure.get("model")) or "-" for figure in measured]
        speed = entry["showers_per_second"]
        cells += [rounded(speed[n]) if n in speed else "-" for n in ("1", "256", "best")]
        rows.append(cells)
    title = (
        "bundles (trained; use one by name, e.g. caloforge generate NAME particles.csv -o F):"
    )
    if not rows:
        return _Part("bundles: none come with this version", (), (), ())
    return _Part(title, head, rows, (), (6, 7, 8))


def _text(number: int | None, otherwise: str) -> str:
    return otherwise if number is None else str(number)


def _echo(part: _Part) -> None:
    """Print a list as plain text, columns below each other."""
    click.echo(part.title)
    rows = [*([part.head] if part.head else []), *part.rows]
    for row in rows:
        cells = []
        for k, text in enumerate(row):
            least = part.widths[k] if k < len(part.widths) else 0
            longest = max(len(other[k]) for other in rows)
            # The last column is as long as it is.
            width = 0 if k == len(row) - 1 and k not in part.numbers else max(least, longest)
            cells.append(f"{text:>{width}s}" if k in part.numbers else f"{text:{width}s}")
        click.echo(f"  {'  '.join(cells)}".rstrip())


def _show(part: _Part, console: Any) -> None:  # noqa: ANN401 - rich is imported when used
    """Print a list for a terminal: folded to its width, the first column in bold."""
    from rich.markup import escape
    from rich.table import Table

    console.print(f"[bold]{escape(part.title)}[/bold]")
    if not part.rows:
        return
    table = Table(box=None, show_header=bool(part.head), padding=(0, 1))
    for k in range(len(part.rows[0])):
        table.add_column(
            part.head[k] if part.head else "",
            justify="right" if k in part.numbers else "left",
            no_wrap=k == 0,
            style="bold" if k == 0 else None,
        )
    for row in part.rows:
        table.add_row(*map(escape, row))
    console.print(table)
