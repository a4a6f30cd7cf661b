"""One look for all pictures, and their way into a page."""

from __future__ import annotations

import io
import math
from functools import wraps
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar

import matplotlib as mpl
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullFormatter

from caloforge.report.lean_svg import lean, svg_uri

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from matplotlib.axis import Axis

REFERENCE = "#222222"
# Okabe and Ito, "Color universal design" (2008): apart for colour-blind eyes, too.
COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9")

MARKERS = ("o", "s", "^", "D", "v", "P")

_STYLE: dict[Any, Any] = {
    "font.size": 9.0,
    "axes.titlesize": 9.5,
    "axes.labelsize": 9.0,
    "axes.linewidth": 0.8,
    "axes.formatter.limits": (-3, 4),
    "legend.fontsize": 8.0,
    "legend.frameon": False,
    "lines.linewidth": 1.3,
    "xtick.direction": "in",
    "ytick.direction": "in",
    "xtick.top": True,
    "ytick.right": True,
    "xtick.labelsize": 8.0,
    "ytick.labelsize": 8.0,
    "svg.hashsalt": "caloforge",
    "figure.dpi": 110.0,
}

P = ParamSpec("P")
R = TypeVar("R")


def styled(function: Callable[P, R]) -> Callable[P, R]:
    """Run a function that draws in the report's style; global settings stay as they are."""

    @wraps(function)
    def draw(*args: P.args, **kwargs: P.kwargs) -> R:
        with mpl.rc_context(_STYLE):
            return function(*args, **kwargs)

    return draw


def new_figure(width: float, height: float) -> Figure:
    """Create a figure of a size in inches; the object is garbage-collected like any other."""
    return Figure(figsize=(width, height), layout="constrained")


def plain(name: str) -> str:
    """Keep matplotlib from reading a name as a formula, or hiding it from a legend."""
    return ("\u200b" if name.startswith("_") else "") + name.replace("$", r"\$")


def label_log_axis(axis: Axis, low: float, high: float) -> None:
    """Label a logarithmic axis with plain numbers, more of them over a short range.

    Arguments:
        axis: The x or y axis.
        low: Least value on it, above 0.
        high: Largest value on it.
    """
    decades = math.log10(max(high, low) / low)
    if decades > 3.5:
        return  # powers of ten are best
    subs = (1.0,) if decades > 2.2 else (1.0, 3.0) if decades > 1.2 else (1.0, 2.0, 5.0)
    axis.set_major_locator(LogLocator(subs=subs))
    axis.set_major_formatter("{x:g}")
    axis.set_minor_formatter(NullFormatter())


def colour(index: int) -> str:
    """Colour of the generated sample of a number, from 0."""
    return COLOURS[index % len(COLOURS)]


def marker(index: int) -> str:
    """Marker of the generated sample of a number: apart without colours, too."""
    return MARKERS[index % len(MARKERS)]


@styled
def data_uri(figure: Figure) -> str:
    """Write a figure as SVG into a URI that needs no file and no network."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="svg", metadata={"Date": None}, dpi=130)
    figure.set_layout_engine("none")  # it is laid out: another format need not do it again
    return svg_uri(lean(buffer.getvalue().decode("utf-8")))


@styled
def save(figure: Figure, path: Path, suffix: str) -> None:
    """Write a figure into a file: ``"pdf"`` and ``"svg"`` as vectors, ``"png"`` at 200 dpi."""
    moment = {"pdf": {"CreationDate": None}, "svg": {"Date": None}, "png": {}}[suffix]
    figure.savefig(path, format=suffix, metadata=moment, dpi=200)
