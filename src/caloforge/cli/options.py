"""Options that several commands share, so that they are spelt and explained alike."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

if TYPE_CHECKING:
    from collections.abc import Callable

Command = TypeVar("Command", bound="Callable[..., Any]")


def force_option(command: Command) -> Command:
    """Add ``--force``: the command's argument ``force: bool``."""
    return click.option("--force", is_flag=True, help="Overwrite an existing output.")(command)


def seed_option(command: Command) -> Command:
    """Add ``--seed``: the command's argument ``seed: int``, 0 by default."""
    return click.option(
        "--seed",
        type=click.IntRange(0, 2**63 - 1),
        default=0,
        show_default=True,
        help="Equal seeds give equal results.",
    )(command)


def output_option(help_text: str, *, required: bool = True) -> Callable[[Command], Command]:
    """Add ``-o/--output``: the command's argument ``output: Path`` (``None`` if not given).

    Whether the place is free is for `caloforge.output` to say, which knows of ``--force``.

    Arguments:
        help_text: What is written there, e.g. ``"Folder for the report."``.
        required: Whether the command needs it.
    """
    return click.option(
        "-o", "--output", type=click.Path(path_type=Path), required=required, help=help_text
    )


def run_options(command: Command) -> Command:
    """Add ``--set`` and ``--data``: the arguments ``settings`` (a tuple) and ``data``."""
    command = click.option(
        "--data", metavar="FILE", help="Shower file to train on, instead of the run's."
    )(command)
    return click.option(
        "--set",
        "settings",
        multiple=True,
        metavar="TABLE.KEY=VALUE",
        help="Change a setting of the run file; may be repeated.",
    )(command)
