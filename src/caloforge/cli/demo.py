"""``caloforge demo``: the main job on the showers that come along."""

from __future__ import annotations

from pathlib import Path

import click

from caloforge.cli.options import force_option, seed_option


@click.command()
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path),
    default=Path("demo"),
    show_default=True,
    help="Folder for the report, the showers and the trained bundle.",
)
@click.option(
    "--steps",
    type=click.IntRange(min=1),
    help="Training steps.  [default: about three minutes on two cores]",
)
@seed_option
@force_option
def demo(output: Path, steps: int | None, seed: int, force: bool) -> None:
    """Train, generate and evaluate on the Geant4 showers that come along.

    An e2e Sinkhorn autoencoder is trained on responses of the ALICE neutron zero degree
    calorimeter, makes responses for particles that it has not seen, and is compared with
    Geant4, beside two naive baselines and what Geant4 shows against itself.

    \b
    Example:
        caloforge demo -o demo
    """  # noqa: D301 - click's mark, a backspace, keeps the lines apart
    # Imported here so that `caloforge --help` does not wait for torch.
    from caloforge.demo import STEPS, run_demo

    run_demo(output, steps=steps or STEPS, seed=seed, force=force)
