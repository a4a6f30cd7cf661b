"""Where it fails: distance and bias by kind and energy, showers of the worst regions."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from matplotlib.colors import LogNorm

from caloforge.data.images import LABEL
from caloforge.geometry import GridLayout
from caloforge.report.images import drawn_as_image, show_image
from caloforge.report.maps import show_cells
from caloforge.report.numbers import cell
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
    from collections.abc import Sequence

    from matplotlib.axes import Axes
    from matplotlib.figure import Figure, SubFigure

    from caloforge.metrics import Side
    from caloforge.metrics.assessment import Region
    from caloforge.metrics.samples.trial import Trial

    Pair = tuple[tuple[Side, tuple[int, ...], str], ...]

MAX_KINDS = 6
MANY_LABELS = 16
N_WORST = 3


@styled
def region_profile(
    regions: Sequence[Region], samples: Sequence[str], floor_label: str, level: float
) -> Figure:
    """W1 over floor and bias of the mean against energy, one column a kind.

    Regions that the permutation test rejects have full markers, the others open ones.
    """
    number = {r.kind: 0 for r in regions}
    for region in regions:
        number[region.kind] += region.n
    if any(region.images for region in regions):
        return _label_profile(regions, samples, floor_label, level)
    kinds = sorted(number, key=lambda kind: -number[kind])[:MAX_KINDS]
    figure = new_figure(1.9 * len(kinds) + 1.0, 4.6)
    axes = figure.subplots(2, len(kinds), squeeze=False, sharey="row", sharex="col")
    for column, kind in enumerate(kinds):
        for k, sample in enumerate(samples):
            own = [r for r in regions if r.kind == kind and r.sample == sample]
            for region in own:
                _point(axes[0, column], region, k, len(samples), level, bias=False)
                _point(axes[1, column], region, k, len(samples), level, bias=True)
        top, bottom = axes[:, column]
        top.set(title=plain(kind), xscale="log", yscale="log")
        bottom.set(xlabel="energy [GeV]")
        top.axhline(1, color=REFERENCE, lw=0.8, ls="--")
        bottom.axhline(0, color=REFERENCE, lw=0.8, ls="--")
        own = [r for r in regions if r.kind == kind]
        label_log_axis(bottom.xaxis, min(r.low_gev for r in own), max(r.high_gev for r in own))
    ratios = [r.ratio.value for r in regions if r.ratio is not None and r.ratio.value > 0]
    label_log_axis(axes[0, 0].yaxis, min([0.7, *ratios]), max([1.5, *ratios]))
    axes[0, 0].set_ylabel(f"W1 / {floor_label}")
    axes[1, 0].set_ylabel("bias of the mean [%]")
    _legend(figure, axes[0, 0], samples)
    return figure


def _label_profile(
    regions: Sequence[Region], samples: Sequence[str], floor_label: str, level: float
) -> Figure:
    """The same of images: label by label."""
    labels = sorted({r.kind for r in regions}, key=_label_number)
    figure = new_figure(float(np.clip(0.55 * len(labels) + 1.6, 4.0, 10.0)), 4.6)
    axes = figure.subplots(2, 1, squeeze=False, sharex=True)
    top, bottom = axes[:, 0]
    for region in regions:
        k = list(samples).index(region.sample)
        at = labels.index(region.kind) + 0.5 * (k - (len(samples) - 1) / 2) / len(samples)
        for ax in (top, bottom):
            _point(ax, region, k, len(samples), level, bias=ax is bottom, at=at)
    top.axhline(1, color=REFERENCE, lw=0.8, ls="--")
    bottom.axhline(0, color=REFERENCE, lw=0.8, ls="--")
    ratios = [r.ratio.value for r in regions if r.ratio is not None and r.ratio.value > 0]
    top.set(yscale="log", ylabel=f"W1 / {floor_label}")
    label_log_axis(top.yaxis, min([0.7, *ratios]), max([1.5, *ratios]))
    names = [plain(label.removeprefix(f"{LABEL} ")) for label in labels]
    turned = 90 if len(labels) > MANY_LABELS else 0
    bottom.set_xticks(range(len(labels)), names, rotation=turned)
    bottom.set(xlabel=LABEL, ylabel="bias of the mean [%]")
    _legend(figure, top, samples)
    return figure


def _label_number(kind: str) -> float:
    """Number of a label; others come last."""
    return float(kind.split()[1]) if kind.startswith(f"{LABEL} ") else np.inf


def _legend(figure: Figure, ax: Axes, samples: Sequence[str]) -> None:
    handles = [
        ax.plot([], [], marker(k), color=colour(k), ms=4)[0] for k in range(len(samples))
    ]
    figure.legend(
        handles,
        list(map(plain, samples)),
        loc="outside upper center",
        ncols=min(len(samples), 5),
    )


def _point(
    ax: Axes,
    region: Region,
    k: int,
    n: int,
    level: float,
    *,
    bias: bool,
    at: float | None = None,
) -> None:
    """Draw a region at its energies, or at a place on the axis."""
    measured = region.bias if bias else region.ratio
    if measured is None or (not bias and measured.value <= 0):
        return
    value, error = measured.value, measured.error
    if bias:
        value, error = 100 * value, 100 * error
    low, high = region.low_gev, region.high_gev
    middle = np.sqrt(low * high) * (high / low) ** (0.12 * (k - (n - 1) / 2))
    full = region.p_adjusted <= level
    ax.errorbar(
        middle if at is None else at, value,
        xerr=[[middle - low], [high - middle]] if at is None else None,
        yerr=error if bias else min(error, 0.9 * value), fmt=marker(k), ms=4, lw=0.9,
        color=colour(k), mfc=colour(k) if full else "white",
    )  # fmt: skip


def worst_regions(regions: Sequence[Region], n: int = N_WORST) -> list[Region]:
    """The worst regions with examples, of all samples."""
    shown = [r for r in regions if r.reference_rows and r.generated_rows]
    return sorted(shown, key=lambda r: -r.score)[:n]


@styled
def region_showers(regions: Sequence[Region], trial: Trial, samples: Sequence[str]) -> Figure:
    """Example showers: full simulation above, generated ones of the same particles below."""
    figure = new_figure(8.6, 3.3 * len(regions))
    sides = {side.name: side for side in trial.generated}
    for block, region in zip(
        figure.subfigures(len(regions), 1, squeeze=False)[:, 0], regions, strict=True
    ):
        place = list(samples).index(region.sample)
        ratio = "" if region.ratio is None else f": W1 is {cell(region.ratio)} floors"
        block.suptitle(plain(f"{region.sample}, {region.label}{ratio}"), fontsize=9.5)
        pair = (
            (trial.reference, region.reference_rows, REFERENCE),
            (sides[region.sample], region.generated_rows, colour(place)),
        )
        layout = trial.geometry.layout
        if trial.images and drawn_as_image(trial.geometry):
            _images(block, pair, trial)
        elif isinstance(layout, GridLayout):
            _cells(block, pair, trial, layout)
        else:
            _layers(block, pair, trial)
    return figure


def _cells(block: SubFigure, pair: Pair, trial: Trial, layout: GridLayout) -> None:
    n = max(len(rows) for _, rows, _ in pair)
    axes = block.subplots(2, n, squeeze=False)
    showers = [np.asarray(side.showers[list(rows)], dtype=float) for side, rows, _ in pair]
    top = max(*(float(s.max(initial=0)) for s in showers), 2.0)
    norm = LogNorm(1.0 if trial.geometry.counts else top / 1e4, top)
    image = None
    for r, (side, rows, ink) in enumerate(pair):
        for c, row in enumerate(rows):
            ax, cells = axes[r, c], showers[r][c]
            image = show_cells(ax, np.ma.masked_less_equal(cells, 0), layout, norm, ticks=False)
            ax.text(0.04, 0.95, f"{cells.sum():.4g}", transform=ax.transAxes, va="top",
                    fontsize=7)  # fmt: skip
            if r == 0:
                ax.set_title(f"{side.kind[row]}, {side.energy_gev[row]:.3g} GeV", fontsize=8)
        axes[r, 0].set_ylabel(plain(side.name), fontsize=8, color=ink)
    if image is not None:
        block.colorbar(image, ax=axes, label=f"{trial.geometry.unit} a cell", shrink=0.7)


def _images(block: SubFigure, pair: Pair, trial: Trial) -> None:
    axes = block.subplots(2, max(len(rows) for _, rows, _ in pair), squeeze=False)
    for line in axes:
        for ax in line:
            ax.set(xticks=[], yticks=[])
    for (side, rows, ink), line in zip(pair, axes, strict=True):
        for ax, row in zip(line, rows, strict=False):
            show_image(ax, side.showers[row], trial.geometry)
        line[0].set_ylabel(plain(side.name), fontsize=8, color=ink)


def _layers(block: SubFigure, pair: Pair, trial: Trial) -> None:
    n = max(len(rows) for _, rows, _ in pair)
    axes = block.subplots(1, n, squeeze=False)[0]
    for k, (side, rows, ink) in enumerate(pair):
        for ax, row in zip(axes, rows, strict=False):
            ax.plot(side.channels[row], "x-" if k == 0 else "o-", ms=2.5, lw=0.9, color=ink,
                    label=plain(side.name))  # fmt: skip
            ax.set_xlabel("layer")
            if k == 0:
                ax.set_title(f"{side.kind[row]}, {side.energy_gev[row]:.3g} GeV", fontsize=8)
    axes[0].set_ylabel(f"response [{trial.geometry.unit}]")
    axes[0].legend(fontsize=7)
