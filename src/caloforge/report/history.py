"""Training curves, from a CSV file with one row a step."""

from __future__ import annotations

import csv
import math
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from caloforge.errors import DataFormatError
from caloforge.report.style import COLOURS, new_figure, styled

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from numpy.typing import NDArray

PREFIXES = ("train", "validation")
MAX_PANELS = 9

Curves = dict[str, dict[str, "NDArray[np.float64]"]]


def read_history(path: str | Path) -> Curves:
    """Read training curves.

    The file has a column ``step`` and columns ``train/...`` and ``validation/...``; a cell may
    be empty where a value was not computed. Other columns are left out.

    Returns:
        For each quantity after the slash, its curves by ``train`` and ``validation``, each
        ``(2, n)``: step and value.

    Raises:
        DataFormatError: If the file is missing, has no such columns, or a cell is no number.
    """
    path = Path(path)
    try:
        with path.open(newline="", encoding="utf-8") as file:
            rows = list(csv.DictReader(file))
        names = list(rows[0]) if rows else []
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        msg = f"{path}: cannot be read ({error}); give the history.csv of a run"
        raise DataFormatError(msg) from error
    logged = [name for name in names if str(name).partition("/")[0] in PREFIXES]
    if "step" not in names or not logged:
        msg = (
            f"{path}: found columns {', '.join(map(str, names)) or 'none'}, expected 'step' "
            "and 'train/...' or 'validation/...'; give the history.csv of a run"
        )
        raise DataFormatError(msg)
    curves: Curves = {}
    for name in logged:
        prefix, _, quantity = name.partition("/")
        try:
            points = [
                (float(row["step"]), float(row[name]))
                for row in rows
                if row["step"] and row[name]
            ]
        except ValueError as error:
            msg = f"{path}: {error} in column '{name}', expected numbers; correct the file"
            raise DataFormatError(msg) from error
        if points:
            curves.setdefault(quantity or prefix, {})[prefix] = np.array(points).T
    return curves


@styled
def training_curves(curves: Curves) -> Figure:
    """Each logged quantity against the step, training and validation together."""
    shown = list(curves.items())[:MAX_PANELS]
    n_columns = max(min(3, len(shown)), 1)
    n_rows = max(math.ceil(len(shown) / n_columns), 1)
    figure = new_figure(3.4 * n_columns, 2.4 * n_rows)
    for k, (quantity, lines) in enumerate(shown):
        ax = figure.add_subplot(n_rows, n_columns, k + 1)
        for prefix, (step, value) in lines.items():
            ax.plot(
                step, value, color=COLOURS[PREFIXES.index(prefix)], label=prefix, lw=1.1,
                marker="o" if len(step) == 1 else None,
            )  # fmt: skip
        values = np.concatenate([value for _, value in lines.values()])
        values = values[np.isfinite(values)]
        if values.size and values.min() > 0 and values.max() > 20 * values.min():
            ax.set_yscale("log")
        ax.set(title=quantity, xlabel="step")
        ax.legend()
    return figure
