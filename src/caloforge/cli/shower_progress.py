"""A bar for commands that go through files of showers: how many, and how fast."""

from __future__ import annotations

from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


@contextmanager
def shower_progress() -> Iterator[Callable[[str, int, int], None]]:
    """Show a bar on standard error, if it is a terminal, that vanishes at the end.

    Yields:
        A function of what is read, showers done, and showers in all.
    """
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

    console = Console(stderr=True, highlight=False)
    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        TextColumn("{task.completed:,.0f} showers"),
        TextColumn("{task.fields[rate]}"),
        TimeRemainingColumn(),
    )
    with Progress(
        *columns, console=console, transient=True, disable=not console.is_terminal
    ) as bar:
        tasks: dict[str, TaskID] = {}

        def say(name: str, done: int, total: int) -> None:
            if name not in tasks:
                tasks[name] = bar.add_task(Path(name).name, total=total, rate="")
            speed = bar.tasks[tasks[name]].speed
            rate = f"{speed:,.0f}/s" if speed else ""
            bar.update(tasks[name], completed=done, total=total, rate=rate)

        yield say
