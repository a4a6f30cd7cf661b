"""``caloforge generate``: showers from a trained model."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from caloforge.cli.options import force_option, output_option, seed_option
from caloforge.cli.warning_lines import warning_lines

if TYPE_CHECKING:
    from pathlib import Path


@click.command()
@click.argument("bundle")
@click.argument("particles")
@output_option("Shower file to be written.")
@click.option(
    "--repeats",
    type=click.IntRange(min=1),
    default=1,
    show_default=True,
    help="Showers of each particle.",
)
@seed_option
@click.option(
    "--batch-size",
    type=click.IntRange(min=1),
    default=1024,
    show_default=True,
    help="Showers written at a time; they do not depend on it.",
)
@click.option("--strict", is_flag=True, help="Refuse particles outside the trained range.")
@click.option(
    "--device",
    type=click.Choice(("cpu", "cuda", "auto")),
    default="cpu",
    show_default=True,
    help="Where the network runs.",
)
@click.option(
    "--threads",
    type=click.IntRange(min=1),
    default=1,
    show_default=True,
    help="CPU threads of the network; 1 is fastest as a rule.",
)
@force_option
def generate(
    bundle: str,
    particles: str,
    output: Path,
    repeats: int,
    seed: int,
    batch_size: int,
    strict: bool,
    device: str,
    threads: int,
    force: bool,
) -> None:
    """Make one shower for each of the PARTICLES with the trained model BUNDLE.

    BUNDLE is the name of a bundle that comes along (see `caloforge models`), the folder of a
    bundle, or that of the training run that made it. PARTICLES is a shower file, the name of a
    sample that comes along, or a CSV or Parquet file with columns pdg, energy_gev, x_cm and so
    on (docs/shower-file.md). The showers are in the order of the particles. Equal seeds give
    equal showers, whatever the batch size.

    \b
    Example:
        caloforge generate run/bundle zn-test -o generated.h5 --seed 1
        caloforge generate zn-e2e-sae particles.csv -o generated.h5
    """  # noqa: D301 - click's mark, a backspace, keeps the lines apart
    # Imported here so that `caloforge --help` does not wait for scientific libraries.
    from rich.console import Console

    from caloforge.generation import RangeWarning, generate_file
    from caloforge.training.bundle_names import BundleNote

    with warning_lines({RangeWarning: "Warning", BundleNote: "Note"}):
        done = generate_file(
            bundle,
            particles,
            output,
            seed=seed,
            repeats=repeats,
            batch_size=batch_size,
            strict=strict,
            force=force,
            device=device,
            threads=threads,
            console=Console(stderr=True),
        )
    click.echo(
        f"{done.path}: {done.n_showers:,} showers in {done.seconds:.1f} s, "
        f"{done.rate:,.0f} showers/s"
    )
