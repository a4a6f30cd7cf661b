"""Warnings in one line, as the command line prints errors."""

from __future__ import annotations

import warnings
from contextlib import contextmanager
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping


@contextmanager
def warning_lines(kinds: Mapping[type[Warning], str]) -> Iterator[None]:
    """Print warnings of some kinds on standard error, each time and in one line.

    Arguments:
        kinds: Word that stands before the text, e.g. ``"Warning"``, by kind; those of other
            kinds are shown as ever.
    """
    with warnings.catch_warnings():
        others = warnings.showwarning

        def show(message: Warning | str, kind: type[Warning], *where: object) -> None:
            word = next((kinds[known] for known in kinds if issubclass(kind, known)), None)
            if word is None:
                others(message, kind, *where)  # type: ignore[arg-type]
            else:
                click.echo(f"{word}: {message}", err=True)

        warnings.showwarning = show  # type: ignore[assignment]
        for kind in kinds:
            warnings.simplefilter("always", kind)
        yield
