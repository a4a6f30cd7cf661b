"""``caloforge evaluate``: generated showers against full simulation."""

from __future__ import annotations

from contextlib import nullcontext
from pathlib import Path

import click

from caloforge.cli.options import force_option, output_option, seed_option
from caloforge.cli.warning_lines import warning_lines


@click.command()
@click.argument("reference")
@click.argument("generated", nargs=-1, required=True)
@output_option("Folder for report.html, metrics.json and metrics.csv.", required=False)
@click.option("--name", "names", multiple=True, help="Name of a GENERATED; repeat for each.")
@click.option(
    "--suite",
    metavar="[zdc|calochallenge|quick|full]",
    help="Which metrics; the default is zdc for a grid of cells, else calochallenge.",
)
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
    "--training",
    metavar="FILE",
    help="Showers that the generators were trained on: adds a check for memorised showers.",
)
@click.option(
    "--network",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="ONNX file of a feature network for a further FID (cells in, features out).",
)
@click.option(
    "--figures",
    type=click.Choice(["pdf", "svg", "png"]),
    help="Write every picture as a file, too, into the folder 'figures'.",
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
    suite: str | None,
    convention: str | None,
    cut: float,
    training: str | None,
    network: Path | None,
    figures: str | None,
    history: Path | None,
    seed: int,
    force: bool,
) -> None:
    """Is it full simulation? Compare GENERATED showers with the REFERENCE.

    All are shower files of the same incident particles, or names of samples that come along.
    Showers of any other tool can be compared the same way. Particles are paired by incident id,
    else by identical properties. A GENERATED may also be a bundle, by folder or by name: it
    makes one shower for each of the REFERENCE's, with --seed.

    Every figure has an error and its floor, full simulation against itself. The verdict,
    "compatible with full simulation" or "worse than full simulation by X floors", rests on
    permutation tests.

    \b
    Example:
        caloforge evaluate zn-test generated.h5 -o report
        caloforge evaluate zn-test a.h5 b.h5 --name VAE --name SAE --suite full -o report
        caloforge evaluate zn-test zn-e2e-sae -o report
    """  # noqa: D301 - click's mark, a backspace, keeps the lines apart
    named = _named(generated, names)
    if output is None and (figures or history):
        option = "--figures" if figures else "--history"
        msg = "found no -o, expected a folder for the report; give -o DIR"
        raise click.BadParameter(msg, param_hint=option)
    # Imported here so that `caloforge --help` does not wait for scientific libraries.
    from caloforge.generation import RangeWarning
    from caloforge.output import filled_folder
    from caloforge.report import evaluate_files, print_comparison, write_report
    from caloforge.report.history import read_history
    from caloforge.report.progress import progress_bar
    from caloforge.training.bundle_names import BundleNote

    if history is not None:
        read_history(history)  # refuse a wrong file before the work
    place = nullcontext() if output is None else filled_folder(output, force=force)
    with (
        place,
        warning_lines({RangeWarning: "Warning", BundleNote: "Note"}),
        progress_bar() as say,
    ):
        evaluation = evaluate_files(
            reference,
            named,
            suite=suite or "auto",
            convention=convention,
            cut=cut,
            training=training,
            network=network,
            seed=seed,
            say=say,
        )
    print_comparison(evaluation)
    if output is not None:
        page = write_report(evaluation, output, history=history, figures=figures, force=force)
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
