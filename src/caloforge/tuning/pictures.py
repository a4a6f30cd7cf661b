"""The picture of a search: its history, and which settings matter."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from caloforge.report.style import COLOURS, REFERENCE, label_log_axis, new_figure, styled
from caloforge.tuning.space import Choice

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from caloforge.tuning.records import Trial
    from caloforge.tuning.search import Tuned
    from caloforge.tuning.space import Range

_COLUMNS = 4
_LONGEST = 14


@styled
def study_picture(tuned: Tuned) -> Figure:
    """Draw score by trial, importance of each setting, and score by each setting."""
    space = tuned.settings.space
    rows = math.ceil(len(space) / _COLUMNS)
    figure = new_figure(10.0, 3.4 + 2.1 * rows)
    parts = figure.subfigures(2, 1, height_ratios=(3.4, 2.1 * rows), squeeze=False)
    above, below = parts[:, 0]
    history, importance = above.subplots(1, 2, width_ratios=(1.6, 1.0))
    _history(history, tuned)
    _importance(importance, tuned)
    panels = below.subplots(rows, _COLUMNS, squeeze=False, sharey=True).ravel()
    for panel, (key, dimension) in zip(panels, space.items(), strict=False):
        _slice(panel, key, dimension, tuned)
    for panel in panels[len(space) :]:
        panel.set_axis_off()
    for panel in panels[::_COLUMNS]:
        panel.set_ylabel("validation score")
    return figure


def _history(axes: Axes, tuned: Tuned) -> None:
    complete, pruned = _with(tuned, "complete"), _with(tuned, "pruned")
    axes.plot(*_points(complete), "o", color=COLOURS[0], ms=4, label="complete")
    if pruned:
        axes.plot(*_points(pruned), "o", mfc="none", mec="0.6", ms=4, label="pruned")
    numbers, scores = _points(complete)
    axes.step(
        numbers,
        np.minimum.accumulate(scores),
        where="post",
        color=COLOURS[0],
        label="best so far",
    )
    for number in [trial.number for trial in _with(tuned, "failed")]:
        axes.plot(number, 0.02, "x", color=COLOURS[1], transform=axes.get_xaxis_transform())
    own = next((trial for trial in complete if trial.own), None)
    if own is not None:
        axes.axhline(own.score, color=REFERENCE, ls=":", label="the run's own settings")
    confirmed = [t for t in complete if math.isfinite(t.mean)]
    if confirmed:
        axes.errorbar(
            [t.number for t in confirmed],
            [t.mean for t in confirmed],
            [0.0 if math.isnan(t.error) else t.error for t in confirmed],
            fmt="s",
            ms=4,
            color=COLOURS[1],
            label="mean of other seeds",
        )
    _limit(axes, tuned)
    axes.set(xlabel="trial", ylabel="validation score", title="History (crosses: failed)")
    axes.legend()


def _importance(axes: Axes, tuned: Tuned) -> None:
    axes.set_title("Importance of each setting")
    if not tuned.importances:
        axes.set_axis_off()
        axes.text(0.5, 0.5, "too few complete trials", ha="center", transform=axes.transAxes)
        return
    names, shares = zip(*reversed(tuned.importances.items()), strict=True)
    axes.barh(range(len(names)), shares, color=COLOURS[2])
    axes.set_yticks(range(len(names)), names)
    axes.set_xlabel("share (PED-ANOVA)")


def _slice(axes: Axes, key: str, dimension: Range | Choice, tuned: Tuned) -> None:
    for state, edge, fill in (("pruned", "0.6", "none"), ("complete", COLOURS[0], COLOURS[0])):
        trials = _with(tuned, state)
        if isinstance(dimension, Choice):
            places = [float(dimension.texts.index(t.settings[key])) for t in trials]
        else:
            places = [float(t.settings[key]) for t in trials]
        scores = [t.score for t in trials]
        axes.plot(places, scores, "o", ms=3.5, mec=edge, mfc=fill)
    if isinstance(dimension, Choice):
        names = [text.strip('"')[:_LONGEST] for text in dimension.texts]
        axes.set_xticks(range(len(names)), names, fontsize=7)
        axes.set_xlim(-0.5, len(names) - 0.5)
    elif dimension.log:
        axes.set_xscale("log")
        label_log_axis(axes.xaxis, dimension.low, dimension.high)
    _limit(axes, tuned)
    axes.set_title(key, fontsize=8.5)


def _limit(axes: Axes, tuned: Tuned) -> None:
    """Show the better part: one hopeless trial shall not flatten the others."""
    complete = _with(tuned, "complete")
    scores = [trial.score for trial in complete]
    shown = [min(scores), float(np.quantile(scores, 0.8))]
    shown += [trial.score for trial in complete if trial.own]
    for trial in complete:
        error = 0.0 if math.isnan(trial.error) else trial.error
        shown += [m for m in (trial.mean - error, trial.mean + error) if math.isfinite(m)]
    low, high = min(shown), max(shown)
    margin = 0.1 * (high - low) or 0.1
    axes.set_ylim(low - margin, high + margin)


def _with(tuned: Tuned, state: str) -> list[Trial]:
    return [trial for trial in tuned.trials if trial.state == state]


def _points(trials: Sequence[Trial]) -> tuple[list[int], list[float]]:
    return [trial.number for trial in trials], [trial.score for trial in trials]
