"""``caloforge fetch``: download public data."""

from __future__ import annotations

from pathlib import Path

import click

from caloforge.cli.options import force_option

_SETS = ("mnist",)


@click.command()
@click.argument("name")
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path),
    default=Path("mnist"),
    show_default=True,
    help="Folder for the files; those that are there and right are kept.",
)
@click.option(
    "--mirror",
    "mirrors",
    multiple=True,
    metavar="URL",
    help="Address of a folder with the files, instead of the known ones; may be repeated.",
)
@force_option
def fetch(name: str, output: Path, mirrors: tuple[str, ...], force: bool) -> None:
    """Download the public data set NAME: mnist, 70,000 handwritten digits (11 MB).

    Each file is checked by the SHA-256 of what is in it, and appears only if it is right.

    \b
    Example:
        caloforge fetch mnist
        caloforge convert mnist/train-images-idx3-ubyte.gz -o mnist-train.h5
    """  # noqa: D301 - click's mark, a backspace, keeps the lines apart
    # Imported here so that `caloforge --help` does not wait for scientific libraries.
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TaskID, TextColumn

    from caloforge.errors import ConfigError, did_you_mean
    from caloforge.formats.images.fetching import MIRRORS, fetch_mnist

    if name not in _SETS:
        hint = did_you_mean(name, _SETS)
        msg = f"fetch: found no data set '{name}', expected {' or '.join(_SETS)}; {hint}"
        raise ConfigError(msg)
    console = Console(stderr=True, highlight=False)
    columns = (TextColumn("{task.description}", markup=False), BarColumn(), DownloadColumn())
    with Progress(
        *columns, console=console, transient=True, disable=not console.is_terminal
    ) as bar:
        tasks: dict[str, TaskID] = {}

        def say(file: str, done: int, total: int) -> None:
            if file not in tasks:
                tasks[file] = bar.add_task(file, total=total or None)
            bar.update(tasks[file], completed=done)

        files = fetch_mnist(output, mirrors=mirrors or MIRRORS, force=force, progress=say)
    for path, origin in files:
        click.echo(f"{path}: {origin}")
    click.echo(f"next:   caloforge convert {files[0][0]} -o mnist-train.h5")
