"""``metrics.csv``: one line a figure."""

from __future__ import annotations

import csv
import io
import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from caloforge.metrics import Measured
    from caloforge.report.content import Content

COLUMNS = (
    "sample",
    "group",
    "metric",
    "target",
    "value",
    "error",
    "floor",
    "floor_error",
    "unit",
    "n",
    "p",
    "p_adjusted",
    "passed",
    "note",
)


def csv_text(content: Content) -> str:
    """Return all figures as CSV: numbers with all digits, empty where there is none."""
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(COLUMNS)
    for figure in content.outcome.figures:
        unit = next((m.unit for m in (figure.value, figure.floor) if m is not None), "")
        passed = content.passed(figure)
        writer.writerow(
            [
                figure.sample,
                content.group(figure),
                figure.metric,
                figure.target,
                *_numbers(figure.value),
                *_numbers(figure.floor),
                unit,
                figure.n,
                _number(figure.p),
                _number(figure.p_adjusted),
                "" if passed is None else str(passed).lower(),
                figure.note,
            ]
        )
    return stream.getvalue()


def _numbers(measured: Measured | None) -> tuple[str, str]:
    if measured is None:
        return "", ""
    error = measured.error if measured.error > 0 else None  # exact, or not known
    return _number(measured.value), _number(error)


def _number(value: float | None) -> str:
    return "" if value is None or not math.isfinite(value) else repr(float(value))
