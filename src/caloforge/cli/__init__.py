"""Command line: ``caloforge COMMAND``. A command is a module of its own, loaded when used."""

from __future__ import annotations

import difflib
import errno
import importlib
import logging
import os
import signal
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import click

from caloforge import __version__
from caloforge.errors import CaloforgeError

if TYPE_CHECKING:
    from collections.abc import Iterator

# In the order of the data flow, with the line that ``caloforge --help`` shows: reading it from
# the modules would load all of them.
COMMANDS = {
    "demo": "Train, generate and evaluate on the showers that come along.",
    "info": "Say what a shower file or a bundle holds.",
    "simulate": "Simulate showers with Geant4.",
    "fetch": "Download public data.",
    "convert": "Turn showers of other programs into shower files, and back.",
    "validate": "Find what is wrong with a file of showers.",
    "train": "Train a model as a run file says.",
    "tune": "Search for the settings that train the best model.",
    "generate": "Make showers for incident particles with a trained model.",
    "evaluate": "Compare generated showers with full simulation.",
    "explain": "Show what a trained model has learned.",
    "models": "List trained bundles, models, run files and conditions.",
}


class CommandGroup(click.Group):
    """Group that loads a command when it is used, and turns what goes wrong into one line.

    Exit codes: 0 done, 2 bad usage or input, 1 failure while working, 130 interrupted, 143
    terminated. Set ``CALOFORGE_TRACEBACK=1`` to see where an error comes from.
    """

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        """Return the names of all commands, in the order of the data flow."""
        folder = Path(__file__).parent
        return [name for name in COMMANDS if (folder / f"{name}.py").is_file()]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Load ``caloforge.cli.<name>`` and return its command ``<name>``."""
        if cmd_name not in self.list_commands(ctx):
            return None
        module = importlib.import_module(f"caloforge.cli.{cmd_name}")
        command = getattr(module, cmd_name)
        assert isinstance(command, click.Command)
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command, or suggest the nearest."""
        known = self.list_commands(ctx)
        if args and not args[0].startswith("-") and args[0] not in known:
            close = difflib.get_close_matches(args[0], known, n=1)
            hint = f"did you mean '{close[0]}'?" if close else f"known: {', '.join(known)}"
            ctx.fail(f"no command '{args[0]}'; {hint}")
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the commands without loading them."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, COMMANDS[name]) for name in self.list_commands(ctx)])

    def invoke(self, ctx: click.Context) -> Any:  # noqa: ANN401 - click's signature
        """Run the command; expected failures end with one line on standard error."""
        try:
            with _terminate_like_interrupt(), _notes():
                return super().invoke(ctx)
        except (click.ClickException, click.exceptions.Exit, click.Abort):
            raise
        except BaseException as error:
            if os.environ.get("CALOFORGE_TRACEBACK") == "1":
                raise
            _end(ctx, error)


def _end(ctx: click.Context, error: BaseException) -> NoReturn:
    """Print why the command ends, and end it."""
    if isinstance(error, KeyboardInterrupt):
        click.echo("Interrupted.", err=True)
        ctx.exit(130)
    text = " ".join(str(error).split())
    if isinstance(error, CaloforgeError):
        click.echo(f"Error: {text}", err=True)
        ctx.exit(error.exit_code)
    if isinstance(error, MemoryError):
        click.echo(f"Error: out of memory ({text}); use smaller batches", err=True)
        ctx.exit(1)
    # A closed pipe (`caloforge info x.h5 | head`) is click's business.
    if isinstance(error, OSError) and error.errno != errno.EPIPE:
        where = f"{error.filename}: " if error.filename else ""
        reason = os.strerror(error.errno) if error.errno else text
        click.echo(f"Error: {where}{reason}", err=True)
        ctx.exit(1)
    raise error


@contextmanager
def _notes() -> Iterator[None]:
    """Print on standard error what our loggers have to say."""

    class Lines(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            click.echo(f"Note: {record.getMessage()}", err=True)

    logger, handler = logging.getLogger("caloforge"), Lines(logging.INFO)
    before = logger.level
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    try:
        yield
    finally:
        logger.removeHandler(handler)
        logger.setLevel(before)


@contextmanager
def _terminate_like_interrupt() -> Iterator[None]:
    """Let ``kill`` and batch systems end the process as Ctrl-C does, partial files removed."""

    def leave(number: int, frame: object) -> NoReturn:  # noqa: ARG001 - signal's signature
        raise SystemExit(128 + number)

    try:
        before = signal.signal(signal.SIGTERM, leave)
    except ValueError:  # not in the main thread: leave signals alone
        yield
        return
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before or signal.SIG_DFL)


@click.group(cls=CommandGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="caloforge")
def main() -> None:
    """Fast calorimeter simulation with conditional generative models.

    Full-simulation showers in; a trained model, generated showers and a report on how well they
    agree out.

    \b
    Example:
        caloforge info zn-train
    """  # noqa: D301 - click's mark, a backspace, keeps the lines apart
