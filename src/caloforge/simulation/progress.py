"""How far a simulation is: a live bar on a terminal, else a line every half minute."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from types import TracebackType
    from typing import Self

    from rich.console import Console
    from rich.progress import Progress

_LINE_SECONDS = 30.0


class Work(NamedTuple):
    """An amount of work.

    Attributes:
        showers: Showers.
        energy_gev: Energy of their particles.
        cost: Expected CPU time in microseconds; only proportions matter.
    """

    showers: int
    energy_gev: float
    cost: int


class SimulationProgress:
    """Shows progress; use it in a ``with`` statement.

    Arguments:
        console: Where; None shows nothing.
        total: All work.
        before: Work that an earlier run has done: it counts as done, but not for the rates.
    """

    def __init__(self, console: Console | None, total: Work, before: Work) -> None:
        self._console = console
        self._total = total
        self._before = before
        self._done = Work(0, 0.0, 0)
        self._bar: Progress | None = None
        self._started = self._printed = time.monotonic()

    def __enter__(self) -> Self:
        if self._console is not None and self._console.is_terminal:
            from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

            self._bar = Progress(
                "Simulating",
                BarColumn(),
                MofNCompleteColumn(),
                "showers",
                TextColumn("{task.fields[rates]}"),
                console=self._console,
                transient=True,
            )
            self._bar.add_task(
                "", total=self._total.showers, completed=self._before.showers, rates=""
            )
            self._bar.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._bar is not None:
            self._bar.stop()

    def waiting(self, what: str) -> None:
        """Say that nothing goes on, and why."""
        if self._bar is not None:
            self._bar.update(self._bar.task_ids[0], rates=what)
        else:
            self._line(what)

    def start(self) -> None:
        """Count time from now on: workers are ready."""
        self._started = time.monotonic()

    def add(self, work: Work) -> None:
        """Count some work as done."""
        done = self._done
        self._done = Work(
            done.showers + work.showers,
            done.energy_gev + work.energy_gev,
            done.cost + work.cost,
        )
        self.tick()

    def tick(self) -> None:
        """Show what has changed; call it every second or so."""
        done = self._before.showers + self._done.showers
        if self._bar is not None:
            self._bar.update(self._bar.task_ids[0], completed=done, rates=self.rates())
        else:
            self._line(f"{done:,} of {self._total.showers:,} showers  {self.rates()}".rstrip())

    def rates(self) -> str:
        """Return showers/s, GeV/s and time left as text; empty before the first chunk."""
        seconds = max(time.monotonic() - self._started, 1e-9)
        if not self._done.showers:
            return ""
        cost_left = self._total.cost - self._before.cost - self._done.cost
        left = duration(seconds * cost_left / max(self._done.cost, 1))
        return (
            f"{self._done.showers / seconds:,.3g} showers/s  "
            f"{self._done.energy_gev / seconds:,.3g} GeV/s  {left} left"
        )

    def _line(self, text: str) -> None:
        """Print a line, if the last one is old."""
        now = time.monotonic()
        if self._console is None or now - self._printed < _LINE_SECONDS:
            return
        self._printed = now
        self._console.print(f"simulating: {text}", highlight=False, soft_wrap=True)


def duration(seconds: float) -> str:
    """Return a time for people.

    Example:
        >>> duration(8), duration(200), duration(9000), duration(300000)
        ('8 s', '3 min 20 s', '2 h 30 min', '3 d 11 h')
    """
    whole = round(seconds)
    for size, name, smaller, small in (
        (86400, "d", 3600, "h"),
        (3600, "h", 60, "min"),
        (60, "min", 1, "s"),
    ):
        if whole >= size:
            return f"{whole // size} {name} {whole % size // smaller} {small}"
    return f"{whole} s"
