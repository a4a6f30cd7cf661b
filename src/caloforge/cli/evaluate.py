"""``caloforge evaluate``: generated showers against full simulation."""

from __future__ import annotations

from pathlib import Path

import click

from caloforge.cli.options import force_option, output_option, seed_option


@click.command()
@click.argument("reference")
@click.argument("generated", nargs=-1, required=True)
@output_option("Folder for report.html and metrics.json.", required=False)
@click.option("--name", "names", multiple=True, help="Name of a GENERATED; repeat for each.")
@click.option(
    "--convention",
    metavar="[literature|warsaw|detector]",
    help="Channel sums of the detector; the default is its first, 'literature' for ZN and ZP.",
)
@click.option(
    "--cut",
    type=click.FloatRange(min=0),
    default=0.0,
    show_default=True,
    help="Leave out showers with a smaller total response, in all samples.",
)
@click.option(
    "--history",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="CSV file with training curves for the report.",
)
@seed_option
@force_option
def evaluate(
    reference: str,
    generated: tuple[str, ...],
    output: Path | None,
    names: tuple[str, ...],
    convention: str | None,
    cut: float,
    history: Path | None,
    seed: int,
    force: bool,
) -> None:
    """Compare GENERATED showers with full simulation, the REFERENCE.

    All are shower files of the same incident particles, or names of samples that come along.
    No model is loaded: showers of any other tool can be compared the same way. Particles are
    paired by incident id, else by identical properties.

    \b
    Example:
        caloforge evaluate zn-test generated.h5 -o report
    """  # noqa: D301 - click's mark, a backspace, keeps the lines apart
    named = _named(generated, names)
    # Imported here so that `caloforge --help` does not wait for scientific libraries.
    from caloforge.output import new_folder
    from caloforge.report import evaluate_files, print_comparison, write_report
    from caloforge.report.history import read_history

    if history is not None:
        read_history(history)  # refuse a wrong file before the work
    if output is not None:
        new_folder(output, force=force)
    evaluation = evaluate_files(reference, named, convention=convention, cut=cut, seed=seed)
    print_comparison(evaluation.comparison)
    if output is not None:
        page = write_report(evaluation, output, history=history, force=force)
        click.echo(f"Report: {page}")


def _named(generated: tuple[str, ...], names: tuple[str, ...]) -> dict[str, str]:
    """Give each file a name of its own."""
    if not names:
        names = tuple(Path(path).stem for path in generated)
        if len(set(names)) < len(names):
            names = generated
    if len(names) != len(generated):
        msg = f"found {len(names)} for {len(generated)} GENERATED; give one for each"
        raise click.BadParameter(msg, param_hint="--name")
    if len(set(names)) < len(names):
        msg = "found a name twice; give each GENERATED its own"
        raise click.BadParameter(msg, param_hint="--name")
    return dict(zip(names, generated, strict=True))
