"""``caloforge explain``: codes, response and memory of a trained model."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from caloforge.cli.options import force_option, output_option, seed_option
from caloforge.cli.warning_lines import warning_lines

if TYPE_CHECKING:
    from pathlib import Path


@click.command()
@click.argument("bundle")
@click.argument("full_simulation", metavar="FILE")
@output_option("Folder for explain.html and explain.json.")
@click.option(
    "--training",
    metavar="FILE",
    help="Showers that BUNDLE was trained on; by default those that it names.",
)
@click.option(
    "--n-showers",
    type=click.IntRange(min=20),
    default=2000,
    show_default=True,
    help="Most showers of FILE that are used.",
)
@click.option(
    "--figures",
    type=click.Choice(("pdf", "svg", "png")),
    help="Write every picture as a file, too.",
)
@seed_option
@force_option
def explain(
    bundle: str,
    full_simulation: str,
    output: Path,
    training: str | None,
    n_showers: int,
    figures: str | None,
    seed: int,
    force: bool,
) -> None:
    """Show what the trained model BUNDLE has learned, with full simulation from FILE.

    BUNDLE is a folder, or the name of a bundle that comes along. FILE is a shower file of the
    bundle's detector, or the name of a sample that comes along; best one that the model was not
    trained on. The page shows the codes of the model, its reconstructions, its response to
    particles whose energy or impact point is swept, and whether it copies training showers.

    \b
    Example:
        caloforge explain run/bundle zn-test -o explained
    """  # noqa: D301 - click's mark, a backspace, keeps the lines apart
    # Imported here so that `caloforge --help` does not wait for scientific libraries.
    from rich.console import Console
    from rich.progress import Progress

    from caloforge.explain import explain_file, write_explanation
    from caloforge.output import filled_folder
    from caloforge.training.bundle_names import BundleNote

    console = Console(stderr=True)
    with (
        filled_folder(output, force=force),
        warning_lines({BundleNote: "Note"}),
        Progress(console=console, transient=True, disable=not console.is_terminal) as bar,
    ):
        task = bar.add_task("Reading", total=None)

        def progress(title: str, number: int, total: int) -> None:
            bar.update(task, description=title, completed=number, total=total)

        explanation = explain_file(
            bundle,
            full_simulation,
            training=training,
            n_showers=n_showers,
            seed=seed,
            progress=progress,
        )
        bar.update(task, description="Drawing")
        page = write_explanation(explanation, output, figures=figures, force=True)
    for part in explanation.sections:
        for sentence in part.sentences:
            click.echo(sentence)
    click.echo(f"Explanation: {page}")
