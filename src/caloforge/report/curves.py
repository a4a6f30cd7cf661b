"""Curves that metrics return: one picture a name, with panels, one line a sample."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from caloforge.metrics.samples.trial import REFERENCE as FULL
from caloforge.report.curve_ratios import limits, panels, ratios
from caloforge.report.style import (
    REFERENCE,
    colour,
    label_log_axis,
    marker,
    new_figure,
    plain,
    styled,
)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from matplotlib.artist import Artist
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from numpy.typing import NDArray

    from caloforge.metrics import Curve
    from caloforge.report.curve_ratios import Ratio

_FEW_POINTS = 60  # with more, points have no markers
_FLOOR = "0.55"


def by_picture(curves: Sequence[Curve]) -> dict[str, list[Curve]]:
    """Curves by the name of their picture, in the order of their first occurrence."""
    pictures: dict[str, list[Curve]] = {}
    for curve in curves:
        pictures.setdefault(curve.name, []).append(curve)
    return pictures


@styled
def draw_curves(
    curves: Sequence[Curve], samples: Sequence[str], titles: Mapping[str, str]
) -> Figure:
    """Draw the curves of one picture.

    Arguments:
        curves: All of one name.
        samples: Names of the generated samples, which decide their colours.
        titles: Names of panels for people, where they are targets of metrics.
    """
    shown = list(panels(curves)[0].items())
    below = [ratios(lines) for _, lines in shown]
    n_columns = {1: 1, 2: 2, 4: 2}.get(len(shown), 3)
    n_rows = math.ceil(len(shown) / n_columns)
    width = 6.4 if n_columns == 1 else 3.4 * n_columns
    height = (3.8 if n_columns == 1 else 2.8) + (1.0 if any(below) else 0.0)
    figure = new_figure(width, height * n_rows + 0.3)
    grid = figure.add_gridspec(n_rows, n_columns)
    looks = _looks(samples, curves)
    entries: dict[str, Artist] = {}
    for k, (title, lines) in enumerate(shown):
        place = grid[k // n_columns, k % n_columns]
        ax = bottom = figure.add_subplot(place)
        if below[k]:
            parts = place.subgridspec(2, 1, height_ratios=(2.4, 1.0))
            ax.set_subplotspec(parts[0])
            bottom = figure.add_subplot(parts[1], sharex=ax)
        for curve in lines:
            _draw(ax, curve, looks[curve.sample], _dodge(lines, curve))
        first = lines[0]
        _scale(ax, lines)
        ax.set(title=plain(titles.get(title, title)))
        if bottom is not ax:
            ax.tick_params(labelbottom=False)
            for curve in lines:
                if curve.sample in below[k]:
                    _draw_ratio(bottom, below[k], curve, looks, _dodge(lines, curve))
            bottom.axhline(1, color=REFERENCE, lw=0.8, zorder=0)
            bottom.set_ylim(limits(below[k]))
            if k % n_columns == 0:
                bottom.set_ylabel("ratio")
        bottom.set_xlabel(first.x_label)
        if k % n_columns == 0 or first.y_label != shown[k - 1][1][0].y_label:
            ax.set_ylabel(first.y_label)
        for handle, name in zip(*ax.get_legend_handles_labels(), strict=True):
            entries.setdefault(name, handle)
    figure.legend(
        list(entries.values()), list(entries), loc="outside upper center",
        ncols=min(len(entries), 5) or 1,
    )  # fmt: skip
    return figure


def _looks(samples: Sequence[str], curves: Sequence[Curve]) -> Mapping[str, dict[str, Any]]:
    """Colour, line and marker of each sample: full simulation black, floor grey and dashed."""
    others = [c.sample for c in curves if c.sample != FULL and "floor" not in c.sample]
    looks: dict[str, dict[str, Any]] = {
        name: {"color": colour(k), "marker": marker(k), "ls": "-", "zorder": 3}
        for k, name in enumerate(dict.fromkeys([*samples, *others]))
    }
    for curve in curves:
        if curve.sample == FULL:
            looks[FULL] = {"color": REFERENCE, "marker": "x", "ls": "-", "zorder": 2}
        elif curve.sample not in looks:
            looks[curve.sample] = {"color": _FLOOR, "marker": ".", "ls": "--", "zorder": 1}
    return looks


def _dodge(lines: Sequence[Curve], curve: Curve) -> float:
    """Shift of the points of a line along x, as a share of the panel, to keep bars apart."""
    samples = list(dict.fromkeys(c.sample for c in lines if len(c.x) <= _FEW_POINTS))
    if curve.sample not in samples:
        return 0.0
    return 0.01 * (samples.index(curve.sample) - (len(samples) - 1) / 2)


def _draw(ax: Axes, curve: Curve, look: Mapping[str, Any], shift: float) -> None:
    x, y = np.array(curve.x, dtype=float), np.array(curve.y, dtype=float)
    error = np.array(curve.error, dtype=float) if curve.error else None
    label = plain(curve.sample)
    own = dict(look)
    mark = own.pop("marker")
    if curve.style == "steps" and len(x) == len(y) + 1:
        ax.stairs(y, x, label=label, lw=1.2, baseline=None, **own)
        if error is not None:
            ax.errorbar((x[1:] + x[:-1]) / 2, y, yerr=error, fmt="none", lw=0.8,
                        color=own["color"], zorder=own["zorder"])  # fmt: skip
        return
    n = min(len(x), len(y))
    known = np.isfinite(x[:n]) & np.isfinite(y[:n])
    if error is not None:
        x[:n][known] = _shifted(x[:n][known], shift, log=curve.log_x)
    ax.errorbar(
        x[:n][known], y[:n][known], yerr=None if error is None else error[:n][known],
        label=label, ms=3.5, lw=1.1, elinewidth=0.8,
        marker=mark if known.sum() <= _FEW_POINTS else None, **own,
    )  # fmt: skip


def _draw_ratio(
    ax: Axes,
    found: Mapping[str, Ratio],
    curve: Curve,
    looks: Mapping[str, dict[str, Any]],
    shift: float,
) -> None:
    line, look = found[curve.sample], looks[curve.sample]
    x = _shifted(line.x, shift, log=curve.log_x)
    ax.errorbar(x, line.y, yerr=line.error, ms=3, lw=1.0, elinewidth=0.8, **look)


def _shifted(x: NDArray[np.float64], shift: float, *, log: bool) -> NDArray[np.float64]:
    """Points moved by a share of their range, to keep bars apart."""
    if len(x) < 2:
        return x
    low, high = float(x.min()), float(x.max())
    moved: NDArray[np.float64] = (
        x * (high / low) ** shift if log and low > 0 else x + shift * (high - low)
    )
    return moved


def _scale(ax: Axes, lines: Sequence[Curve]) -> None:
    """Logarithmic axes where they are asked for and something can be shown on them."""
    for asked, values, setter, axis in (
        (lines[0].log_x, [v for c in lines for v in c.x], ax.set_xscale, ax.xaxis),
        (lines[0].log_y, [v for c in lines for v in c.y], ax.set_yscale, ax.yaxis),
    ):
        positive = [v for v in values if math.isfinite(v) and v > 0]
        if asked and positive:
            setter("log")
            label_log_axis(axis, min(positive), max(positive))
    x = [v for c in lines for v in c.x]
    if not lines[0].log_x and len(set(x)) <= 8 and all(v == round(v) for v in x):
        ax.set_xticks(sorted(set(x)))  # numbers of something
