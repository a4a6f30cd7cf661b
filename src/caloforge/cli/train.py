"""``caloforge train``: a run file into a bundle."""

from __future__ import annotations

import json
from pathlib import Path

import click

from caloforge.cli.options import force_option, run_options


@click.command()
@click.argument("run", metavar="RUN", required=False)
@run_options
@click.option("--seed", type=click.IntRange(0), help="Seed, instead of the run's.")
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path),
    help="Folder of the run.  [default: runs/RUN]",
)
@click.option("--resume", is_flag=True, help="Go on from the folder's last checkpoint.")
@force_option
def train(
    run: str | None,
    settings: tuple[str, ...],
    data: str | None,
    seed: int | None,
    output: Path | None,
    resume: bool,
    force: bool,
) -> None:
    """Train RUN, a run file or the name of one that comes along, into a bundle.

    Showers are split by incident particle; the weights that are best on the validation side
    are kept. A run that was interrupted goes on with --resume, which needs no RUN, and ends
    with the same weights as if it had not been. `caloforge models` lists the run files.

    \b
    Example:
        caloforge train zn-e2e-sae -o runs/first --set train.epochs=50
        caloforge train -o runs/first --resume
    """  # noqa: D301 - click's mark, a backspace, keeps the lines apart
    if run is None and not (resume and output):
        msg = "give RUN, a run file or its name; only --resume -o FOLDER goes without"
        raise click.UsageError(msg)

    # Imported here so that `caloforge --help` does not wait for torch.
    from caloforge.config import load_run
    from caloforge.training.run import resumed
    from caloforge.training.run import train as train_run

    changes = [*settings]
    if data is not None:
        changes.append(f"data.train={json.dumps(data)}")
    if seed is not None:
        changes.append(f"seed={seed}")
    folder = output or Path("runs") / Path(str(run)).stem
    if run is None:
        if changes:
            msg = "--set, --data and --seed need RUN; a resumed run keeps its settings"
            raise click.UsageError(msg)
        config = resumed(folder)
    else:
        config = load_run(run, changes)
    bundle = train_run(config, folder, resume=resume, force=force)
    click.echo(f"bundle: {bundle}")
    click.echo(f"next:   caloforge generate {bundle} PARTICLES -o showers.h5")
