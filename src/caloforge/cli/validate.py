"""``caloforge validate``: what is wrong with a file of showers."""

from __future__ import annotations

from contextlib import nullcontext
from pathlib import Path

import click

from caloforge.cli.options import force_option


@click.command()
@click.argument("files", metavar="FILE...", nargs=-1, required=True)
@click.option(
    "--against",
    metavar="FILE",
    multiple=True,
    help="Second file, which must share no shower and no particle with FILE (repeatable).",
)
@click.option(
    "--report",
    metavar="DIR",
    type=click.Path(path_type=Path),
    help="Folder for inspection.html, with pictures, and inspection.json.",
)
@click.option("--json", "as_json", is_flag=True, help="Print the outcome as JSON.")
@click.option(
    "--from",
    "format_name",
    metavar="FORMAT",
    help="Format of the files, if not by content; a second FILE may be of another.",
)
@click.option("--geometry", metavar="G", help="Detector, if FILE does not name it.")
@click.option(
    "--mapping",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="TOML file that names branches or columns.",
)
@click.option("--pdg", type=int, help="Particle kind of all showers, if FILE does not say it.")
@force_option
def validate(
    files: tuple[str, ...],
    against: tuple[str, ...],
    report: Path | None,
    as_json: bool,
    format_name: str | None,
    geometry: str | None,
    mapping: Path | None,
    pdg: int | None,
    force: bool,
) -> None:
    """Find what is wrong with FILE before it is trained on.

    FILE is of any format that `caloforge convert` reads, or the name of a sample that comes
    along; several files that belong together are read as one. It is read once, piece by piece.
    The verdict is ok, warnings (exit code 0) or errors (exit code 1); a file that cannot be
    read at all ends with exit code 2.

    \b
    Example:
        caloforge validate zn-train --against zn-test --report checked
    """  # noqa: D301 - click's mark, a backspace, keeps the lines apart
    # Imported here so that `caloforge --help` does not wait for scientific libraries.
    import json

    from caloforge.cli.shower_progress import shower_progress
    from caloforge.formats.format import ReadOptions
    from caloforge.inspection import inspect_files
    from caloforge.inspection.page import write_inspection
    from caloforge.inspection.table import lines
    from caloforge.output import filled_folder

    place = nullcontext() if report is None else filled_folder(report, force=force)
    with place, shower_progress() as progress:
        inspection = inspect_files(
            files,
            against=against,
            format_name=format_name,
            options=ReadOptions(geometry=geometry, mapping=mapping, pdg=pdg),
            progress=progress,
        )
    page = None if report is None else write_inspection(inspection, report, force=True)
    if as_json:
        click.echo(json.dumps(inspection.as_dict(), indent=1, allow_nan=False))
    else:
        for line in lines(inspection):
            click.echo(line)
        if page is not None:
            click.echo(f"Report: {page}")
    if inspection.verdict == "errors":
        raise click.exceptions.Exit(1)
