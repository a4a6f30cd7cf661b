"""``caloforge tune``: the settings of a run that train the best model."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

import click

from caloforge.cli.options import run_options

if TYPE_CHECKING:
    from caloforge.config import RunConfig
    from caloforge.tuning.space import Space

_SECONDS = {"": 1.0, "s": 1.0, "m": 60.0, "h": 3600.0}


class Duration(click.ParamType[float]):
    """A time like ``90``, ``30m`` or ``2h``, in seconds."""

    name = "TIME"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        """Read it."""
        match = re.fullmatch(r"(\d+(?:\.\d+)?)([smh]?)", str(value))
        if match is None:
            self.fail(f"found '{value}', expected a time like 90, 30m or 2h", param, ctx)
        return float(match[1]) * _SECONDS[match[2]]


@click.command()
@click.argument("run", metavar="RUN", required=False)
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path),
    help="Folder of the search.  [default: tuned/RUN]",
)
@click.option(
    "--search",
    "searches",
    multiple=True,
    metavar="TABLE.KEY=LOW..HIGH[:log]",
    help="Search a setting, or choices A,B,C; may be repeated.  [default: see --show]",
)
@click.option("--space", "space_file", metavar="FILE", help="TOML file with a table [tune].")
@run_options
@click.option(
    "--seed", type=click.IntRange(0), help="Seed of the search, instead of the run's."
)
@click.option(
    "--trials",
    type=click.IntRange(0),
    default=50,
    show_default=True,
    help="Trials in all, those of earlier calls included.",
)
@click.option("--timeout", type=Duration(), help="Begin no trial after that, e.g. 2h.")
@click.option(
    "--workers",
    type=click.IntRange(1),
    default=1,
    show_default=True,
    help="Trials at a time, one process with one thread each.",
)
@click.option(
    "--prune/--no-prune",
    default=True,
    show_default=True,
    help="Stop hopeless trials early.",
)
@click.option(
    "--confirm",
    type=click.IntRange(0),
    default=3,
    show_default=True,
    help="Train so many of the best again; 0 believes the search.",
)
@click.option(
    "--seeds",
    type=click.IntRange(1),
    default=3,
    show_default=True,
    help="Other seeds with which they are trained again.",
)
@click.option("--show", is_flag=True, help="Print the space as a file for --space, and end.")
@click.pass_context
def tune(
    ctx: click.Context,
    run: str | None,
    output: Path | None,
    searches: tuple[str, ...],
    space_file: str | None,
    settings: tuple[str, ...],
    data: str | None,
    seed: int | None,
    trials: int,
    timeout: float | None,
    workers: int,
    prune: bool,
    confirm: int,
    seeds: int,
    show: bool,
) -> None:
    """Search for the settings with which RUN, a run file or its name, trains best.

    A trial is a training; its score is the validation score that training uses, on particles
    kept from RUN's training file. The best few are trained again with other seeds, beside
    RUN's own settings, and the best mean becomes best.toml, a run file. The same command, or
    none but -o FOLDER, goes on with a search that was interrupted or shall have more trials.

    \b
    Example:
        caloforge tune zn-vae -o tuned --trials 50 --workers 2
        caloforge tune zn-e2e-sae --search model.latent_dim=2..20 \\
            --search train.learning_rate=1e-4..1e-2:log --search model.codes=free,normalised
        caloforge tune -o tuned --trials 80
        caloforge train tuned/best.toml -o runs/best
    """  # noqa: D301 - click's mark, a backspace, keeps the lines apart
    if run is None:
        _refuse_without_run(ctx, output)
    # Imported here so that `caloforge --help` does not wait for torch.
    from rich.console import Console

    from caloforge.tuning.results import best_table, summary, write_results
    from caloforge.tuning.search import Effort
    from caloforge.tuning.search import tune as tune_run
    from caloforge.tuning.space import space_toml

    config, space = _given(run, settings, data, seed, space_file, searches)
    if show:
        assert space is not None
        click.echo(space_toml(space), nl=False)
        return
    folder = output or Path("tuned") / Path(str(run)).stem
    effort = Effort(trials, timeout, workers, confirm, seeds)
    # Unasked, a study keeps its own.
    found = tune_run(folder, config, space, effort=effort, prune=prune)
    best = write_results(found, folder)
    Console().print(best_table(found))
    for line in summary(found):
        click.echo(line)
    click.echo(f"best settings: {best}  (all trials: trials.csv, picture: study.png)")
    click.echo(f"next:          caloforge train {best} -o runs/best")


def _given(
    run: str | None,
    settings: tuple[str, ...],
    data: str | None,
    seed: int | None,
    space_file: str | None,
    searches: tuple[str, ...],
) -> tuple[RunConfig | None, Space | None]:
    """Read the run and the space; none of either without a run."""
    import json

    from caloforge.config import load_run
    from caloforge.tuning.default_space import default_space
    from caloforge.tuning.space import parse_searches, read_space

    if run is None:
        return None, None
    changes = [*settings]
    if data is not None:
        changes.append(f"data.train={json.dumps(data)}")
    if seed is not None:
        changes.append(f"seed={seed}")
    config = load_run(run, changes)
    space = read_space(space_file, config) if space_file else {}
    space |= parse_searches(searches, config)
    return config, space or default_space(config)


def _refuse_without_run(ctx: click.Context, output: Path | None) -> None:
    """Let only a folder go without RUN: its search keeps its settings."""
    names = {"searches", "space_file", "settings", "data", "seed", "prune", "show"}
    given = [
        parameter.opts[0]
        for parameter in ctx.command.params
        if parameter.name in names
        and ctx.get_parameter_source(parameter.name) == click.core.ParameterSource.COMMANDLINE
    ]
    if given:
        msg = f"{given[0]} needs RUN; a search that goes on keeps its settings"
        raise click.UsageError(msg)
    if output is None:
        msg = (
            "give RUN, a run file or its name; only -o FOLDER of an earlier search goes without"
        )
        raise click.UsageError(msg)
