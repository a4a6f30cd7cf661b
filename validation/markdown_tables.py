"""Tables in Markdown, and texts between two marks of a page."""

from __future__ import annotations

import re
import statistics
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence


def line(cells: Iterable[str]) -> str:
    """Row of a table."""
    return "| " + " | ".join(cells) + " |"


def table(heads: Sequence[str], rows: Iterable[Iterable[str]] = ()) -> list[str]:
    """Lines of a table: its head, the rule below it, its rows."""
    return [line(heads), "|" + "---|" * len(heads), *map(line, rows)]


def with_spread(values: Sequence[float], errors: Sequence[float]) -> str:
    """Mean ± mean error, and ± the spread over seeds where there are several; "" of nothing.

    An error of 0 is that of a figure without one, and is left out.
    """
    if not values:
        return ""
    mean, error = statistics.mean(values), statistics.mean(errors)
    digits = 3 if abs(mean) < 1000 else 4
    text = f"{mean:.{digits}g} ± {error:.1g}" if error else f"{mean:.{digits}g}"
    return text + (f" ± {statistics.stdev(values):.1g}" if len(values) > 1 else "")


def filled(page: str, name: str, lines: Iterable[str]) -> str:
    """Text of a page with lines between its marks ``begin name`` and ``end name``.

    Raises:
        SystemExit: If the page has not exactly one such place.
    """
    begin, end = f"<!-- begin {name} -->\n", f"<!-- end {name} -->"
    inside = "".join(f"{text}\n" for text in lines)
    pattern = f"({re.escape(begin)}).*?({re.escape(end)})"
    text, n = re.subn(pattern, lambda m: m[1] + inside + m[2], page, flags=re.DOTALL)
    if n != 1:
        msg = f"page: found {n} places between marks '{name}', expected one; mark one"
        raise SystemExit(msg)
    return text
