"""``caloforge info``: what a shower file or a bundle holds."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from caloforge.cli.warning_lines import warning_lines

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

    from rich.console import Console

    from caloforge.data.summary import Bin, Summary

_BAR_WIDTH = 40
_LONGEST = 100


@click.command()
@click.argument("file")
@click.option("--split", is_flag=True, help="Say how training would select and split FILE.")
@click.option(
    "--set",
    "settings",
    multiple=True,
    metavar="data.KEY=VALUE",
    help="With --split: a setting of [data] as in the run file; may be repeated.",
)
def info(file: str, split: bool, settings: tuple[str, ...]) -> None:
    """Say what FILE holds: detector, particles, energies, cells, origin.

    FILE is a shower file, or the name of a sample that comes along (zn-train, zn-test). It is
    read piece by piece, so it may be larger than the memory. Of a bundle, by folder or by name
    (`caloforge models` lists them), or of the folder of a training run, the card is shown.

    \b
    Example:
        caloforge info zn-train
        caloforge info zn-train --split --set data.folds=5 --set data.min_sum=10
    """  # noqa: D301 - click's mark, a backspace, keeps the lines apart
    # Imported here so that `caloforge --help` does not wait for scientific libraries.
    from rich.console import Console

    from caloforge.data.summary import summarise
    from caloforge.training.bundle_names import BundleNote, resolve_file_or_bundle

    if settings and not split:
        msg = "--set goes with --split"
        raise click.UsageError(msg)
    with warning_lines({BundleNote: "Note"}):
        path = resolve_file_or_bundle(file)
    if split:
        _show_split(path, settings)
        return
    if path.is_dir():
        from caloforge.training.bundle import read_bundle, read_table
        from caloforge.training.card import model_card

        read_bundle(path)  # refuses what could not be used
        click.echo(model_card(read_table(path)), nl=False)
        return
    summary = summarise(path)
    console = Console(highlight=False)
    if not console.is_terminal:
        # Do not fold lines that a program or a log file will read.
        console = Console(highlight=False, width=200)
    _show(console, summary)


def _show_split(path: Path, settings: tuple[str, ...]) -> None:
    """Print selection, split and balance."""
    from caloforge.config import load_data
    from caloforge.data import ShowerFile, partition, split_record

    data = load_data(settings)
    with ShowerFile(path) as file:
        sides = partition(file, data.split_plan, data.selection)
        record = split_record(file, data.split_plan, data.selection, sides)
    train, validation = map(len, sides)
    click.echo(f"{path}: {train:,} showers to train on, {validation:,} to validate")
    for line in record.lines():
        click.echo(line)


def _show(console: Console, summary: Summary) -> None:
    """Print all tables."""
    geometry, unit = summary.geometry, summary.geometry.unit
    average = summary.n_showers / summary.n_particles
    what = "image" if summary.images else "shower"
    rows = [
        ("detector", f"{geometry.title} ('{geometry.name}', {geometry.kind})"),
        ("cells", f"{geometry.n_cells:,} in {unit}, stored as {summary.dtype}"),
        ("channels", ", ".join(geometry.convention_names)),
        (f"{what}s", f"{summary.n_showers:,}"),
    ]
    if not summary.images:
        low, high = summary.energy_gev
        each = "shower" if average == 1 else "showers"
        rows += [
            ("incident particles", f"{summary.n_particles:,} ({average:.3g} {each} each)"),
            ("showers a particle", _repeats(summary.repeats)),
            ("energy", f"{low:.4g} to {high:.4g} GeV"),
        ]
    elif summary.n_particles < summary.n_showers:
        rows.append(("images of equal number", _repeats(summary.repeats, "image")))
    rows += [
        ("sum of cells", "{:.4g} to {:.4g}, mean {:.4g} {}".format(*_low_high_mean(summary))),
        ("empty cells", f"{100 * summary.empty_cells:.2f} %"),
        ("largest cell", f"{summary.largest_cell:.6g} {unit}"),
    ]
    if summary.cpu_seconds is not None:
        seconds = summary.cpu_seconds / summary.n_showers
        rows.append(("CPU time", f"{summary.cpu_seconds:,.0f} s, {seconds:.3g} s a {what}"))
    if summary.created:
        rows.append(("file written", summary.created))
    _table(console, "Content", rows)
    _table(console, "Provenance", list(_lines(summary.provenance)))
    if summary.images and summary.kinds[0].name.startswith("label "):
        labels = [(k.name.removeprefix("label "), f"{k.showers:,}") for k in summary.kinds]
        _table(console, "Labels", labels, header=("label", "images"), numbers=(1,))
    elif not summary.images:
        kinds = [(k.name, f"{k.particles:,}", f"{k.showers:,}") for k in summary.kinds]
        header = ("kind", "particles", "showers")
        _table(console, "Particle kinds", kinds, header=header, numbers=(1, 2))
        _histogram(console, "Energy of the incident particle [GeV]", summary.energy_bins)
    _histogram(console, f"Sum of cells [{unit}]", summary.total_bins)


def _lines(table: Mapping[str, Any], within: str = "") -> Iterator[tuple[str, str]]:
    """Go through a provenance, tables within it included; long values are cut."""
    for key, value in table.items():
        if isinstance(value, dict) and value:
            yield from _lines(value, f"{within}{key}.")
            continue
        text = str(value)
        yield f"{within}{key}", text if len(text) <= _LONGEST else f"{text[:_LONGEST]} ..."


def _low_high_mean(summary: Summary) -> tuple[float, float, float, str]:
    low, mean, high = summary.total
    return low, high, mean, summary.geometry.unit


def _repeats(repeats: dict[int, int], what: str = "particle") -> str:
    """Write the most frequent numbers of showers a particle."""
    common = sorted(repeats.items(), key=lambda item: -item[1])[:4]
    text = ", ".join(f"{n} ({count:,} {what}s)" for n, count in sorted(common))
    return text + (" and others" if len(repeats) > len(common) else "")


def _table(
    console: Console,
    title: str,
    rows: Iterable[Sequence[str]],
    header: Sequence[str] = (),
    numbers: Sequence[int] = (),
) -> None:
    """Print a table without lines: it looks the same in a terminal and in a file."""
    from rich.markup import escape
    from rich.table import Table

    rows = list(rows)
    if not rows:
        return
    table = Table(box=None, show_header=bool(header), pad_edge=False, padding=(0, 2, 0, 0))
    for k in range(len(rows[0])):
        table.add_column(
            header[k] if header else "", justify="right" if k in numbers else "left"
        )
    for row in rows:
        table.add_row(*map(escape, row))
    with console.capture() as captured:
        console.print(f"[bold]{escape(title)}[/bold]")
        console.print(table)
    # Rich fills lines up with spaces.
    for line in captured.get().splitlines():
        click.echo(line.rstrip())
    click.echo()


def _histogram(console: Console, title: str, bins: Sequence[Bin]) -> None:
    """Print a histogram with bars."""
    bar = "█" if console.encoding.lower().startswith("utf") else "#"
    most = max((b.showers for b in bins), default=1)
    rows = []
    for b in bins:
        name = f"{b.low:g} to {b.high:g}" if b.low else "0"
        # A filled bin has a bar, however short.
        length = -(-b.showers * _BAR_WIDTH // most)
        rows.append((name, f"{b.showers:,}", bar * length))
    _table(console, title, rows, numbers=(1,))
