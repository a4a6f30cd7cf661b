"""``caloforge simulate``: full simulation with Geant4."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING, NoReturn

import click

from caloforge.cli.options import force_option, output_option, seed_option

if TYPE_CHECKING:
    from pathlib import Path

    from caloforge.simulation.run import Simulated


@click.command()
@click.argument("detector", required=False)
@output_option("Shower file to be written.", required=False)
@click.option(
    "-n", type=click.IntRange(min=1), help="Incident particles.  [default: the file's]"
)
@click.option(
    "--repeats",
    type=click.IntRange(min=1),
    default=1,
    show_default=True,
    help="Showers of each particle.",
)
@click.option("--particles", metavar="FILE", help="Incident particles, instead of a gun's.")
@click.option("--gun", help="Gun file, or the name of one.  [default: the detector's]")
@click.option(
    "--physics", default="FTFP_BERT", show_default=True, help="Hadronic physics list."
)
@click.option("--em", default="option0", show_default=True, help="Electromagnetic physics.")
@click.option(
    "--cut", default="0.1mm", show_default=True, help="Production cut: a length, mm if bare."
)
@seed_option
@click.option(
    "--workers", type=click.IntRange(min=1), help="Geant4 processes.  [default: one a core]"
)
@click.option("--cluster", metavar="ADDRESS", help="Use the workers of this Dask scheduler.")
@click.option(
    "--resume", is_flag=True, help="Go on with what was interrupted, if anything was."
)
@click.option(
    "--only",
    type=click.IntRange(min=0),
    multiple=True,
    metavar="K",
    help="Make shower K alone; may be repeated.",
)
@force_option
@click.option("--fetch-data", is_flag=True, help="Download Geant4's data sets, and end.")
@click.pass_context
def simulate(
    ctx: click.Context,
    detector: str | None,
    output: Path | None,
    n: int | None,
    repeats: int,
    particles: str | None,
    gun: str | None,
    physics: str,
    em: str,
    cut: str,
    seed: int,
    workers: int | None,
    cluster: str | None,
    resume: bool,
    only: tuple[int, ...],
    force: bool,
    fetch_data: bool,
) -> None:
    """Simulate the showers of particles in DETECTOR with Geant4.

    DETECTOR is the name of one that comes along, or a TOML file (docs/simulation.md). Particles
    come from the detector's own gun unless --gun or --particles says otherwise. The showers do
    not depend on the number of workers. An interrupted run leaves OUTPUT.partial, which
    --resume completes.

    \b
    Example:
        caloforge simulate zn -n 100 --workers 2 -o zn.h5
        caloforge simulate --fetch-data
    """  # noqa: D301 - click's mark, a backspace, keeps the lines apart
    if fetch_data:
        _refuse_all_but_fetch_data(ctx)
        _fetch_data()
        return
    if detector is None or output is None:
        msg = "give DETECTOR and -o OUTPUT; only --fetch-data goes without"
        raise click.UsageError(msg)

    # Imported here so that `caloforge --help` does not wait for scientific libraries.
    from rich.console import Console

    from caloforge.simulation.physics import length_mm
    from caloforge.simulation.run import simulate_file

    try:
        done = simulate_file(
            detector,
            output,
            n=n,
            repeats=repeats,
            gun=gun,
            particles=particles,
            physics=physics,
            em=em,
            cut_mm=length_mm(cut, where="--cut"),
            seed=seed,
            workers=workers,
            cluster=cluster,
            resume=resume,
            only=only,
            force=force,
            console=Console(stderr=True),
        )
    except BaseException as error:  # noqa: BLE001 - raised again, Ctrl-C too
        _say_how_to_go_on(ctx, error)
    _summarise(done)


def _refuse_all_but_fetch_data(ctx: click.Context) -> None:
    """Nothing is simulated with it: silence on the rest would be a promise."""
    for parameter in ctx.command.params:
        name = parameter.name or ""
        if _is_given(ctx, name) and name != "fetch_data":
            is_argument = isinstance(parameter, click.Argument)
            what = f"DETECTOR '{ctx.params[name]}'" if is_argument else parameter.opts[0]
            msg = f"--fetch-data: found {what} too, expected nothing else; run it alone first"
            raise click.UsageError(msg)


def _fetch_data() -> None:
    """Download Geant4's data, and say where they are."""
    from caloforge.simulation.data_sets import fetch_data, find_data_sets

    click.echo(f"Geant4 data: {fetch_data()}")
    for data_set in find_data_sets():
        what = "" if data_set.is_official else "  (not the official set)"
        click.echo(f"  {data_set.official:24s} {data_set.path}{what}")


def _summarise(done: Simulated) -> None:
    """Print what was simulated."""
    kinds = ", ".join(f"{count:,} {kind}" for kind, count in done.kinds.items())
    click.echo(
        f"{done.path}: {done.n_showers:,} showers of {done.n_particles:,} particles ({kinds})"
    )
    each = done.cpu_seconds / done.n_showers
    click.echo(
        f"made {done.made:,} in {done.seconds:.1f} s, {done.rate:,.3g} showers/s; "
        f"{each:.3g} CPU seconds a shower"
    )
    if done.missed:
        click.echo(f"{done.missed:,} particles miss the detector: their showers are empty")
    if done.dropped:
        reasons = ", ".join(f"{reason} {count:,}" for reason, count in done.dropped.items())
        click.echo(f"particles left out of {done.events:,} events: {reasons}")


def _say_how_to_go_on(ctx: click.Context, error: BaseException) -> NoReturn:
    """If finished showers are kept, say where and how to go on; then raise the error again."""
    for note in getattr(error, "__notes__", ()):
        click.echo(f"{note}; go on with: {_command(ctx)} --resume", err=True)
    raise error


def _is_given(ctx: click.Context, name: str) -> bool:
    return ctx.get_parameter_source(name) == click.core.ParameterSource.COMMANDLINE


def _command(ctx: click.Context) -> str:
    """Return the command as it was given, less what must not be repeated."""
    words = ["caloforge", "simulate"]
    for parameter in ctx.command.params:
        name = parameter.name or ""
        if not _is_given(ctx, name) or name in {"resume", "force"}:
            continue
        value = ctx.params[name]
        if isinstance(parameter, click.Argument):
            words.append(str(value))
            continue
        for each in value if isinstance(value, tuple) else (value,):
            words += [parameter.opts[0], str(each)]
    return shlex.join(words)
