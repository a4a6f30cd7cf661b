"""Sweeps of the incident particle as pictures."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from matplotlib.ticker import LogLocator, NullFormatter

from caloforge.explain.latent_pictures import BLUE
from caloforge.report.style import REFERENCE, new_figure, plain, styled

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from numpy.typing import NDArray

    from caloforge.explain.sweeps import Sweep

    Array = NDArray[np.float64]

_LEAST_MARGIN = 0.01  # of ratios that are all but 1
_SINGLE = 12  # particles that are drawn by themselves


@styled
def energy(sweeps: Sequence[Sweep], label: str) -> Figure:
    """Total response against energy, a column a kind; below, model over full simulation."""
    figure = new_figure(max(3.5 * len(sweeps) + 0.2, 5.4), 4.5)
    axes = figure.subplots(
        2, len(sweeps), height_ratios=[2.6, 1], sharex="col", sharey="row", squeeze=False
    )
    for column, sweep in enumerate(sweeps):
        top, bottom = axes[:, column]
        _model(top, sweep)
        top.set_title(plain(sweep.kind))
        top.set(xscale="log", yscale="log")
        x, y, error = sweep.reference.T
        positive = y > 0
        _points(top, x[positive], y[positive], error[positive])
        bottom.axhline(1, color=REFERENCE, lw=0.8)
        at, ratio, spread = sweep.ratios().T
        bottom.errorbar(at, ratio, yerr=spread, fmt="o", ms=4, lw=1, color=BLUE)
        bottom.set_xlabel("energy of the particle [GeV]")
        for axis in (top.xaxis, bottom.xaxis):
            axis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
            axis.set_major_formatter("{x:g}")
            axis.set_minor_formatter(NullFormatter())
        _note(top, f"Spearman {sweep.spearman:.3f}", (0.97, 0.05), "right", "bottom")
    # The lowest single noise may be all but dark: it must not rule the scale.
    least = min(float(s.mean.min()) for s in sweeps)
    axes[0, 0].set_ylim(bottom=max(0.4 * least, 1e-3))
    axes[0, 0].set_ylabel(label)
    axes[1, 0].set_ylim(ratio_range([sweep.ratios() for sweep in sweeps]))
    axes[1, 0].set_ylabel("model / full sim.")
    _legend(figure, axes[0, 0])
    return figure


def ratio_range(ratios: Sequence[Array]) -> tuple[float, float]:
    """Range of an axis, from 0 up, that holds 1 and all points ``(n, 3)`` with errors."""
    points = np.concatenate(ratios)
    ends = [1.0, *(points[:, 1] - points[:, 2]), *(points[:, 1] + points[:, 2])]
    margin = max(0.12 * (max(ends) - min(ends)), _LEAST_MARGIN)
    return max(float(min(ends)) - margin, 0.0), float(max(ends)) + margin


@styled
def impact(sweeps: Sequence[Sweep]) -> Figure:
    """Centroid against impact point along either axis; below, its distance from it."""
    figure = new_figure(max(4.4 * len(sweeps) + 0.4, 5.4), 4.7)
    axes = figure.subplots(
        2, len(sweeps), height_ratios=[2.4, 1.1], sharex="col", sharey="row", squeeze=False
    )
    for column, sweep in enumerate(sweeps):
        top, bottom = axes[:, column]
        axis = sweep.column[0]
        _model(top, sweep)
        x, y, error = sweep.reference.T
        _points(top, x, y, error)
        top.axline((0, 0), slope=1, color="0.6", lw=0.9, ls=":", zorder=0)
        bottom.axhline(0, color="0.6", lw=0.9, ls=":")
        for single in sweep.responses[:_SINGLE]:
            bottom.plot(sweep.values, single - sweep.values, color=BLUE, alpha=0.15, lw=0.7)
        bottom.errorbar(
            sweep.values, sweep.mean - sweep.values, yerr=sweep.error, color=BLUE, lw=1.6
        )
        _points(bottom, x, y - x, error)
        bottom.set_xlabel(f"impact point {axis} [cm]")
        top.set_title(plain(sweep.kind))
        slope = sweep.slope.text if sweep.slope else "–"
        text = f"slope {slope}\nSpearman {sweep.spearman:.3f}"
        _note(top, text, (0.97, 0.05), "right", "bottom")
        deviations = [*np.abs(sweep.mean - sweep.values), *np.abs(y - x)]
        bottom.set_ylim(-1.3 * max(deviations), 1.3 * max(deviations))
    axes[0, 0].set_ylabel("centroid of the response [cm]")
    axes[1, 0].set_ylabel("centroid −\nimpact [cm]")
    _legend(figure, axes[0, 0])
    return figure


def _model(ax: Axes, sweep: Sweep) -> None:
    for k, single in enumerate(sweep.responses[:_SINGLE]):
        ax.plot(
            sweep.values, single, color=BLUE, alpha=0.22, lw=0.7,
            label=None if k else "model, single particles",
        )  # fmt: skip
    ax.errorbar(
        sweep.values, sweep.mean, yerr=sweep.error, color=BLUE, lw=1.8,
        label="model, mean",
    )  # fmt: skip


def _points(ax: Axes, x: Array, y: Array, error: Array) -> None:
    ax.errorbar(
        x, y, yerr=error, fmt="o", ms=4, lw=1, color=REFERENCE, label="full simulation"
    )  # fmt: skip


def _note(ax: Axes, text: str, at: tuple[float, float], ha: str, va: str) -> None:
    ax.text(*at, text, transform=ax.transAxes, ha=ha, va=va, fontsize=8, color="0.3")


def _legend(figure: Figure, ax: Axes) -> None:
    handles, names = ax.get_legend_handles_labels()
    figure.legend(handles, names, loc="outside upper center", ncols=3)
