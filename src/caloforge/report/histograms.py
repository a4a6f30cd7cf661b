"""Histograms of channels, of shower shapes and of cells, with ratio panels."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import mplhep
import numpy as np
from matplotlib.ticker import MaxNLocator, NullLocator

from caloforge.geometry import GridLayout
from caloforge.report.style import REFERENCE, colour, marker, new_figure, styled

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from numpy.typing import NDArray

    from caloforge.geometry import DetectorGeometry
    from caloforge.metrics import Observable, Side

N_BINS = 26
ENOUGH = 8  # entries of the reference in a bin
MAX_PANELS = 12
CENTRE = 0.25  # of the detector's half width
_SKEWED = ("total", "lit_cells", "peak_cell")
_CHUNK = 2048


@dataclass(frozen=True, eq=False)
class Panel:
    """A histogram of all samples in the same bins.

    Attributes:
        label: Of the horizontal axis.
        edges: Of the bins.
        numbers: Entries in each bin, one row a sample, the reference first.
        totals: Entries of each sample in and outside of the bins.
        root: Whether the horizontal axis is a square root.
    """

    label: str
    edges: NDArray[np.float64]
    numbers: NDArray[np.float64]
    totals: NDArray[np.float64]
    root: bool

    @classmethod
    def of_values(
        cls, label: str, values: Sequence[NDArray[np.float64]], *, skewed: bool, integers: bool
    ) -> Panel:
        """Choose bins by the reference and count."""
        edges = bin_edges(values[0], skewed=skewed, integers=integers)
        numbers = np.stack([np.histogram(v, edges)[0] for v in values]).astype(np.float64)
        return cls.of_numbers(label, edges, numbers, [len(v) for v in values], skewed)

    @classmethod
    def of_numbers(
        cls,
        label: str,
        edges: NDArray[np.float64],
        numbers: NDArray[np.float64],
        totals: Sequence[int],
        root: bool,
    ) -> Panel:
        """Join neighbouring bins until the reference has `ENOUGH` entries in each."""
        kept = [0]
        filled = 0.0
        for k, number in enumerate(numbers[0]):
            filled += number
            if filled >= ENOUGH:
                kept.append(k + 1)
                filled = 0.0
        if len(kept) > 2 and kept[-1] < len(edges) - 1:
            kept[-1] = len(edges) - 1  # the last few entries go to the last full bin
        if len(kept) > 2:
            numbers = np.add.reduceat(numbers, kept[:-1], axis=1)
            edges = edges[kept]
        return cls(label, edges, numbers, np.array(totals, dtype=np.float64), root)


@styled
def channel_histograms(
    samples: Sequence[Side], names: Sequence[str], unit: str, *, counts: bool
) -> Figure:
    """Distribution of each channel sum with its ratio to full simulation below."""
    shown = _spread(len(names))
    panels = [
        Panel.of_values(
            f"{names[k]} [{unit}]",
            [sample.channels[:, k] for sample in samples],
            skewed=True,
            integers=counts,
        )
        for k in shown
    ]
    return draw_panels([sample.name for sample in samples], panels, "share of showers / unit")


@styled
def observable_histograms(
    samples: Sequence[Side], shapes: Sequence[Observable], *, counts: bool
) -> Figure | None:
    """Distribution of each shower shape with its ratio to full simulation below.

    Returns:
        ``None`` if no shape varies.
    """
    chosen = [
        (k, shape)
        for k, shape in enumerate(shapes)
        if shape.headline
        and shape.name != "empty"
        and np.ptp(np.concatenate([s.observables[:, k] for s in samples])) > 0
    ]
    if not chosen:
        return None
    panels = [
        Panel.of_values(
            f"{shape.label} [{shape.unit}]" if shape.unit else shape.label,
            [sample.observables[:, k] for sample in samples],
            skewed=shape.name in _SKEWED,
            integers=counts and shape.name in _SKEWED,
        )
        for k, shape in chosen[:MAX_PANELS]
    ]
    return draw_panels([sample.name for sample in samples], panels, "share of showers / unit")


@styled
def cell_histograms(samples: Sequence[Side], geometry: DetectorGeometry) -> Figure | None:
    """Sum of the central cells, spectrum of single central cells, and of all cells.

    Returns:
        ``None`` for a detector without cells within `CENTRE` of its half width.
    """
    inside = central_cells(geometry)
    if not inside.any():
        return None
    sums = [_sums(sample.showers, inside) for sample in samples]
    unit, integers = geometry.unit, geometry.counts
    panels = [
        Panel.of_values(
            f"sum of the central cells [{unit}]", sums, skewed=True, integers=integers
        )
    ]
    for label, mask in (("single central cell", inside), ("any cell", np.ones_like(inside))):
        top = max(float(samples[0].showers[:, mask].max(initial=0)), 1.0)
        edges = np.linspace(0, math.sqrt(1.1 * top), N_BINS + 1) ** 2
        if integers:
            edges = np.unique(np.ceil(edges))
        numbers = np.stack([_count(s.showers, mask, edges) for s in samples])
        totals = [len(s) * int(mask.sum()) for s in samples]
        panels.append(Panel.of_numbers(f"{label} [{unit}]", edges, numbers, totals, True))
    return draw_panels([s.name for s in samples], panels, "share / unit")


def central_cells(geometry: DetectorGeometry) -> NDArray[np.bool_]:
    """Cells within a quarter of the half width of the axis, along x and y or in radius."""
    centres = geometry.layout.centres_cm()
    if isinstance(geometry.layout, GridLayout):
        borders = CENTRE * np.array(geometry.layout.half_width_cm)
        inside: NDArray[np.bool_] = np.all(np.abs(centres) < borders, axis=1)
        return inside
    radius = np.hypot(centres[:, 0], centres[:, 1])
    inside = np.less(radius, CENTRE * max(float(radius.max(initial=0)), 1e-9))
    return np.asarray(inside)


def _sums(showers: NDArray[np.generic], mask: NDArray[np.bool_]) -> NDArray[np.float64]:
    sums: NDArray[np.float64] = showers[:, mask].sum(axis=1, dtype=np.float64)
    return sums


def _count(
    showers: NDArray[np.generic], mask: NDArray[np.bool_], edges: NDArray[np.float64]
) -> NDArray[np.float64]:
    number = np.zeros(len(edges) - 1)
    for start in range(0, len(showers), _CHUNK):
        cells = showers[start : start + _CHUNK][:, mask]
        lit = cells[cells != 0]  # most are not: they need no search for their bin
        number += np.histogram(lit, edges)[0]
        number[0] += cells.size - lit.size
    return number


def draw_panels(names: Sequence[str], panels: Sequence[Panel], label: str) -> Figure:
    """Draw histograms side by side, each over the ratio to the first sample."""
    n_columns = min(3, len(panels))
    n_rows = math.ceil(len(panels) / n_columns)
    figure = new_figure(3.4 * n_columns, 3.1 * n_rows + 0.3)
    grid = figure.add_gridspec(2 * n_rows, n_columns, height_ratios=[3, 1.2] * n_rows)
    for k, panel in enumerate(panels):
        row, column = divmod(k, n_columns)
        top = figure.add_subplot(grid[2 * row, column])
        bottom = figure.add_subplot(grid[2 * row + 1, column], sharex=top)
        _draw(top, bottom, names, panel)
        if panel.root:
            top.set_xscale("function", functions=(_root, np.square))
            top.xaxis.set_major_locator(MaxNLocator(5))
        top.tick_params(labelbottom=False)
        bottom.set(xlabel=panel.label, ylim=(0, 2), yticks=[0, 1, 2])
        if column == 0:
            top.set_ylabel(label)
            bottom.set_ylabel("ratio")
    handles, shown = figure.axes[0].get_legend_handles_labels()
    figure.legend(handles, shown, loc="outside upper center", ncols=min(len(names), 5))
    return figure


def _draw(top: Axes, bottom: Axes, names: Sequence[str], panel: Panel) -> None:
    edges = panel.edges
    widths, middle = np.diff(edges), (edges[1:] + edges[:-1]) / 2
    density = panel.numbers / (panel.totals[:, None] * widths)
    error = np.sqrt(panel.numbers) / (panel.totals[:, None] * widths)
    reference = density[0]
    relative = error[0] / np.where(reference > 0, reference, np.nan)
    top.stairs(reference, edges, fill=True, color="0.9", zorder=0)
    band = np.nan_to_num(relative)
    narrow = np.minimum(widths, np.median(widths))
    bottom.stairs(1 + band, edges, baseline=1 - band, fill=True, color="0.85")
    for k, name in enumerate(names):
        ink = REFERENCE if k == 0 else colour(k - 1)
        mplhep.histplot(
            density[k], edges, ax=top, color=ink, label=name, histtype="step", yerr=False,
            lw=1.2, edges=False, flow="none",
        )  # fmt: skip
        shift = 0.2 * (k - len(names) / 2) * narrow / max(1, len(names) / 4)
        seen = density[k] > 0
        top.errorbar(
            (middle + shift)[seen], density[k][seen], yerr=error[k][seen],
            fmt="none", lw=0.7, color=ink, alpha=0.6,
        )  # fmt: skip
        if k:
            seen = seen & (reference > 0)
            bottom.errorbar(
                (middle + shift)[seen], density[k][seen] / reference[seen],
                yerr=error[k][seen] / reference[seen],
                fmt=marker(k - 1), ms=2.8, lw=0.8, color=ink,
            )  # fmt: skip
    bottom.axhline(1, color=REFERENCE, lw=0.8)
    top.set_yscale("log")
    top.yaxis.set_minor_locator(NullLocator())
    top.set_xlim(edges[0], edges[-1])
    lit = density[density > 0]
    if lit.size:
        top.set_ylim(0.4 * lit.min(), 3 * lit.max())


def bin_edges(
    reference: NDArray[np.float64], *, skewed: bool, integers: bool
) -> NDArray[np.float64]:
    """Bins that hold 99.8 % of the reference; for counts, borders between the integers."""
    low, high = np.quantile(reference, (0.001, 0.999))
    if not high > low:
        low, high = low - 0.5, low + 0.5
    if not skewed:
        margin = 0.1 * (high - low)
        return np.linspace(low - margin, high + margin, N_BINS + 1)
    edges: NDArray[np.float64] = np.linspace(0, math.sqrt(max(1.15 * high, 0)), N_BINS + 1) ** 2
    if integers:
        edges = np.unique(np.ceil(edges))
    return edges if len(edges) > 2 else np.array([0.0, 0.5, 1.0]) * max(high, 1.0)


def _spread(n: int) -> list[int]:
    """Up to `MAX_PANELS` of n channels, evenly."""
    places = np.linspace(0, n - 1, min(n, MAX_PANELS)).round().astype(int)
    return [int(k) for k in np.unique(places)]


def _root(x: NDArray[np.float64]) -> NDArray[np.float64]:
    root: NDArray[np.float64] = np.sqrt(np.maximum(x, 0))
    return root
