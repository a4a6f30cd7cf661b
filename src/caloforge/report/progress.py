"""A progress bar for an evaluation: what is computed, and how much is left."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rich.console import Console

    from caloforge.metrics.suites import Say


@contextmanager
def progress_bar(console: Console | None = None) -> Iterator[Say]:
    """Show a bar that vanishes at the end; yields the ``say`` of `evaluate_files`.

    Arguments:
        console: Where to draw, by default the standard error stream; nothing is drawn unless
            it is a terminal.
    """
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TimeElapsedColumn

    console = console or Console(stderr=True, highlight=False)
    columns = ("{task.description}", BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(
        *columns, console=console, transient=True, disable=not console.is_terminal
    ) as progress:
        task = progress.add_task("reading", total=None)

        def say(title: str, step: int, total: int) -> None:
            progress.update(task, description=title, completed=step, total=total)

        yield say
