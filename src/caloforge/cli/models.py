"""``caloforge models``: the models, the run files and the conditions that there are."""

from __future__ import annotations

import click


@click.command()
def models() -> None:
    """List the models, the run files that come along, and the conditions to choose from.

    \b
    Example:
        caloforge models
    """  # noqa: D301 - click's mark, a backspace, keeps the lines apart
    # Imported here so that `caloforge --help` does not wait for torch.
    from caloforge.config import load_run, run_names
    from caloforge.data.features import catalogue
    from caloforge.errors import ConfigError
    from caloforge.models import MODELS

    click.echo("models:")
    for name in MODELS:
        try:
            summary = (MODELS[name].__doc__ or "").partition("\n")[0]
        except ConfigError as error:  # of an installed package
            summary = str(error)
        click.echo(f"  {name:24s} {summary.removeprefix('Settings of ')}")
    click.echo("run files:")
    for name in run_names():
        click.echo(f"  {name:24s} {load_run(name).title}")
    click.echo("conditions (data.conditions; any further column of a shower file can be one):")
    for name, numbers, unit, description in catalogue():
        n = "kinds" if numbers is None else str(numbers)
        click.echo(f"  {name:12s} {n:>5s}  {unit:7s} {description}")
