"""Which test sees what: all permutation tests of every sample in one picture."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from matplotlib.colors import SymLogNorm

from caloforge.report.style import new_figure, plain, styled

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from matplotlib.figure import Figure

    from caloforge.metrics.assessment import Test

MAX_TARGETS = 28


def shown_targets(tests: Sequence[Test], order: Sequence[str]) -> tuple[list[str], int]:
    """Return the columns of the picture in order, and how many there are.

    Of too many, those of the smallest p and then the largest excess. What is neither a channel
    nor an observable, as a classifier or all together, is always shown.

    Arguments:
        tests: Of all samples.
        order: Channels and observables.
    """
    targets = sorted(
        {t.target for t in tests},
        key=lambda g: (g == "", order.index(g) if g in order else len(order), g),
    )
    single = [g for g in targets if g in order]
    room = max(MAX_TARGETS - (len(targets) - len(single)), 1)

    def strength(target: str) -> tuple[float, float]:
        own = [t for t in tests if t.target == target]
        excess = [t.excess for t in own if np.isfinite(t.excess)]
        return min(t.p_adjusted for t in own), -max(excess, default=0.0)

    kept = set(sorted(single, key=strength)[:room])
    return [g for g in targets if g in kept or g not in single], len(targets)


@styled
def test_matrix(
    tests: Sequence[Test],
    samples: Sequence[str],
    labels: tuple[Mapping[str, str], Mapping[str, str]],
    level: float,
) -> Figure:
    """Excess of every test, rows the statistics, columns what they are of.

    Arguments:
        tests: Of all samples.
        samples: Names of the generated samples.
        labels: Of metrics (equal ones share a line), and of targets, in order.
        level: Adjusted p-values up to it get a dot.
    """
    names = [labels[0].get(t.metric, t.metric) for t in tests]
    alone = {name for name, t in zip(names, tests, strict=True) if not t.target}
    metrics = sorted(dict.fromkeys(names), key=lambda name: (name in alone, names.index(name)))
    targets, _ = shown_targets(tests, list(labels[1]))
    rank = {g: k for k, g in enumerate(targets)}
    top = max([t.excess for t in tests if np.isfinite(t.excess)] + [1.0])
    shape = (len(metrics), len(targets))
    figure = new_figure(
        2.4 + 0.32 * len(targets) + 0.6, len(samples) * (0.55 + 0.24 * len(metrics)) + 1.3
    )
    axes = figure.subplots(len(samples), 1, squeeze=False, sharex=True)[:, 0]
    norm = SymLogNorm(0.5, vmin=0, vmax=top)
    image = None
    for ax, sample in zip(axes, samples, strict=True):
        values, strength = np.full(shape, np.nan), np.full(shape, 0.25)
        for test, name in zip(tests, names, strict=True):
            if test.sample != sample or test.target not in rank:
                continue
            row, column = metrics.index(name), rank[test.target]
            values[row, column] = max(test.excess, 0.0)
            if test.p_adjusted <= level:
                strength[row, column] = 1.0
                dark = norm(max(test.excess, 0.0)) > 0.55
                ax.plot(column, row, "o", ms=4, color="white" if dark else "black")
        ax.set_facecolor("0.96")
        image = ax.imshow(
            np.ma.masked_invalid(values),
            norm=norm,
            cmap="YlOrRd",
            aspect="auto",
            alpha=strength,
        )
        ax.set_yticks(range(len(metrics)), list(map(plain, metrics)))
        ax.set_title(plain(sample))
        ax.tick_params(length=0)
        ax.set_xticks(np.arange(-0.5, len(targets)), minor=True)
        ax.set_yticks(np.arange(-0.5, len(metrics)), minor=True)
        ax.grid(which="minor", color="white", lw=1)
        ax.tick_params(which="minor", length=0)
    below = [plain(labels[1].get(g, g)) if g else "all together" for g in targets]
    axes[-1].set_xticks(range(len(targets)), below, rotation=55, ha="right")
    axes[-1].set_xticks(np.arange(-0.5, len(targets)), minor=True)
    if image is not None:
        bar = figure.colorbar(image, ax=list(axes), label="excess in floors", aspect=40)
        ticks = [t for t in (0, 0.5, 1, 2, 5, 10, 20, 50, 100, 500, 1000) if t <= top]
        bar.set_ticks(ticks, labels=[f"{t:g}" for t in ticks])
        bar.ax.minorticks_off()
    return figure


test_matrix.__test__ = False  # type: ignore[attr-defined] # not a test of pytest's
