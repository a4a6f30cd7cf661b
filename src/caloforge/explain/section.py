"""One part of an explanation: sentences, numbers, pictures."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping

    from matplotlib.figure import Figure


class Picture(NamedTuple):
    """A figure with its words.

    Attributes:
        name: Short name: anchor in the page, and name of the file.
        title: Headline.
        caption: What is drawn and what to look for.
        figure: The figure.
    """

    name: str
    title: str
    caption: str
    figure: Figure


class Table(NamedTuple):
    """A table of texts.

    Attributes:
        head: Names of the columns.
        rows: Texts, row by row.
        note: What must be said below.
    """

    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    note: str = ""


@dataclass(frozen=True)
class Section:
    """One part of an explanation.

    Attributes:
        name: Key in ``explain.json`` and anchor in the page.
        title: Headline.
        sentences: What was found, in plain words; also why it was left out.
        numbers: For ``explain.json``: plain strings, numbers, lists and tables.
        pictures: To be shown.
        tables: To be shown.
    """

    name: str
    title: str
    sentences: tuple[str, ...]
    numbers: Mapping[str, Any] = field(default_factory=dict)
    pictures: tuple[Picture, ...] = ()
    tables: tuple[Table, ...] = ()
