"""Cells as pictures: mean, hits, orientation, spectrum."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from matplotlib.colors import LogNorm
from matplotlib.ticker import MaxNLocator

from caloforge.geometry import CylinderLayout, GridLayout
from caloforge.inspection.cell_tally import BINS_PER_DECADE, DECADES
from caloforge.inspection.checks.dead import judge_cells
from caloforge.inspection.checks.orientation import align
from caloforge.report.maps import show_cells
from caloforge.report.style import COLOURS, REFERENCE, label_log_axis, new_figure, plain, styled

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from numpy.typing import NDArray

    from caloforge.inspection.evidence import Evidence

_POINTS = 3000
BLUE, RED = COLOURS[0], COLOURS[1]


@styled
def mean_and_impacts(evidence: Evidence) -> Figure:
    """Mean response of a grid, and where the particles enter."""
    layout = evidence.geometry.layout
    assert isinstance(layout, GridLayout)
    figure = new_figure(8.4, 3.8)
    left, right = figure.subplots(1, 2)
    mean = np.maximum(evidence.cells.sums, 0) / evidence.n_showers
    top = max(float(mean.max()), 1e-12)
    image = show_cells(left, np.maximum(mean, top / 1e3), layout, LogNorm(top / 1e3, top))
    figure.colorbar(
        image, ax=left, label=f"{plain(evidence.geometry.unit)} a shower", shrink=0.9
    )
    left.set(xlabel="x [cm]", ylabel="y [cm]", title="mean response")
    impact = _thinned(evidence.impact_cm)
    right.plot(*impact.T, ".", ms=2, color=BLUE, alpha=0.5, rasterized=True)
    half = layout.half_width_cm
    right.plot(
        np.array([-1, 1, 1, -1, -1]) * half[0],
        np.array([-1, -1, 1, 1, -1]) * half[1],
        color=REFERENCE, lw=0.8,
    )  # fmt: skip
    right.set(xlabel="x [cm]", ylabel="y [cm]", title="impact points", aspect="equal")
    return figure


@styled
def mean_image(evidence: Evidence) -> Figure:
    """Mean of the pixels of images, and how often they are lit."""
    layout = evidence.geometry.layout
    assert isinstance(layout, GridLayout)
    figure = new_figure(7.4, 3.4)
    left, right = figure.subplots(1, 2)
    n = evidence.n_showers
    for ax, cells, unit, title in (
        (left, evidence.cells.sums / n, plain(evidence.geometry.unit), "mean"),
        (right, 100 * evidence.cells.hits / n / layout.planes, "%", "lit"),
    ):
        picture = layout.upright(cells[None])[0]
        flat = picture if picture.ndim == 2 else picture.sum(axis=2)
        image = ax.imshow(flat, cmap="viridis", vmin=0)
        figure.colorbar(image, ax=ax, label=unit, shrink=0.9)
        ax.set(title=title, xticks=[], yticks=[])
    return figure


@styled
def cylinder_profiles(evidence: Evidence) -> Figure:
    """Mean response of a cylinder along its three directions."""
    layout = evidence.geometry.layout
    assert isinstance(layout, CylinderLayout)
    parts = [part[0] / evidence.n_showers for part in layout.shaped(evidence.cells.sums[None])]
    figure = new_figure(9.0, 3.0)
    first, second, third = figure.subplots(1, 3)
    first.plot([part.sum() for part in parts], "o-", ms=3, color=BLUE)
    first.set(xlabel="layer", ylabel=f"mean response [{plain(evidence.geometry.unit)}]")
    first.xaxis.set_major_locator(MaxNLocator(integer=True))
    for layer, part in zip(layout.layers, parts, strict=True):
        if layer.n_cells:
            edges = np.asarray(layer.r_edges_mm)
            area = np.diff(edges**2)
            second.plot(
                (edges[1:] + edges[:-1]) / 2,
                part.sum(axis=0) / area,
                lw=0.6,
                color=BLUE,
                alpha=0.5,
            )
    second.set(xlabel="radius [mm]", ylabel="mean response by area")
    if any(part.sum() > 0 for part in parts):
        second.set_yscale("log")
    alike = [part for part in parts if len(part) == max(map(len, parts))]
    sectors = np.sum([part.sum(axis=1) for part in alike], axis=0)
    third.bar(np.arange(len(sectors)), sectors, color=BLUE)
    third.set(xlabel="sector", ylabel=f"mean response [{plain(evidence.geometry.unit)}]")
    third.xaxis.set_major_locator(MaxNLocator(integer=True))
    return figure


@styled
def hit_map(evidence: Evidence) -> Figure:
    """Share of showers that light each cell, with cells that stand out."""
    layout, n = evidence.geometry.layout, evidence.n_showers
    share = evidence.cells.hits / n
    found = judge_cells(evidence)
    marks = ((found.dead, "x", "dead"), (found.hot, "s", "hot"), (found.weak, "v", "weak"))
    if isinstance(layout, GridLayout):
        figure = new_figure(8.4, 3.8)
        left, right = figure.subplots(1, 2)
        low = max(0.5 / n, 1e-6)
        image = show_cells(
            left, np.maximum(share, low), layout, LogNorm(low, max(share.max(), 2 * low))
        )
        figure.colorbar(image, ax=left, label="share of showers", shrink=0.9)
        left.set(xlabel="x [cm]", ylabel="y [cm]")
        places = layout.centres_cm()
        for chosen, shape, name in marks:
            if chosen.any():
                left.plot(
                    *places[chosen].T, shape, ms=5, mfc="none", color=RED, label=name, ls="none"
                )
        if any(chosen.any() for chosen, _, _ in marks):
            left.legend(loc="upper right", facecolor="white", frameon=True)
        _pulls(right, evidence.cells.hits, found.expected, found.least)
        return figure
    figure = new_figure(8.4, 3.4)
    left, right = figure.subplots(1, 2)
    cell = np.arange(len(share))
    left.plot(cell, share, ".", ms=1.5, color=BLUE, rasterized=True)
    for chosen, shape, name in marks:
        if chosen.any():
            left.plot(cell[chosen], share[chosen], shape, color=RED, mfc="none", label=name)
    if any(chosen.any() for chosen, _, _ in marks):
        left.legend()
    left.set(xlabel="number of the cell", ylabel="share of showers")
    _pulls(right, evidence.cells.hits, found.expected, found.least)
    return figure


def _pulls(
    ax: Axes, hits: NDArray[np.int64], expected: NDArray[np.float64], least: float
) -> None:
    """Hits against those expected by the neighbours."""
    known = np.isfinite(expected) & (expected > 0)
    if known.any():
        ax.loglog(
            expected[known],
            np.maximum(hits[known], 0.5),
            ".",
            ms=2,
            color=BLUE,
            rasterized=True,
        )
        ends = np.array([max(expected[known].min(), 0.5), expected[known].max() * 1.2])
        ax.plot(ends, ends, color=REFERENCE, lw=0.8)
        ax.axvline(least, color=REFERENCE, lw=0.8, ls=":")
    ax.set(
        xlabel="hits expected by the neighbours",
        ylabel="hits (0 is drawn at 0.5)",
    )


@styled
def orientation(evidence: Evidence) -> Figure:
    """Centroid against impact, along the same axis and along the other."""
    aligned = align(evidence)
    layout = evidence.geometry.layout
    figure = new_figure(6.2, 5.8)
    axes = figure.subplots(2, 2)
    step = max(1, len(aligned.impact) // _POINTS)
    impact, centroid = aligned.impact[::step], aligned.centroid[::step]
    for row in (0, 1):
        for axis in (0, 1):
            ax, other = axes[row, axis], axis if row == 0 else 1 - axis
            ax.plot(
                impact[:, axis],
                centroid[:, other],
                ".",
                ms=2,
                color=BLUE,
                alpha=0.5,
                rasterized=True,
            )
            if isinstance(layout, GridLayout):
                half = min(layout.half_width_cm) if row else layout.half_width_cm[axis]
                ax.plot([-half, half], [-half, half], color=REFERENCE, lw=0.8)
            ax.set(
                xlabel=f"{'xy'[axis]} of impact [cm]", ylabel=f"{'xy'[other]} of centroid [cm]"
            )
    return figure


@styled
def depth(evidence: Evidence) -> Figure:
    """Mean layer against energy, in a cylinder."""
    sample = evidence.sample
    energy = sample.columns["energy_gev"]
    usable = np.isfinite(sample.depth) & (energy > 0) & np.isfinite(energy)
    figure = new_figure(5.4, 3.4)
    ax = figure.subplots()
    if usable.any():
        step = max(1, int(usable.sum()) // _POINTS)
        x, y = energy[usable][::step], sample.depth[usable][::step]
        ax.semilogx(x, y, ".", ms=2, color=BLUE, alpha=0.5, rasterized=True)
        label_log_axis(ax.xaxis, float(x.min()), float(x.max()))
    ax.set(xlabel="energy of the particle [GeV]", ylabel="mean layer")
    return figure


@styled
def spectrum(evidence: Evidence) -> Figure:
    """How often a cell has a response."""
    cells = evidence.cells
    figure = new_figure(6.2, 3.4)
    ax = figure.subplots()
    if len(cells.counts) and cells.top <= 1000:
        values = np.arange(1, int(cells.top) + 1)
        ax.step(values, np.maximum(cells.counts[values], 0.5), where="mid", color=BLUE)
        ax.set_yscale("log")
    else:
        edges = 10 ** (DECADES[0] + np.arange(len(cells.spectrum) + 1) / BINS_PER_DECADE)
        filled = np.flatnonzero(cells.spectrum)
        part = slice(filled[0], filled[-1] + 1)
        ax.stairs(
            np.maximum(cells.spectrum[part], 0.5), edges[part.start : part.stop + 1], color=BLUE
        )
        ax.set(xscale="log", yscale="log")
    ax.axvline(cells.top, color=RED, lw=0.8, ls=":")
    ax.set(
        xlabel=f"response of a cell [{plain(evidence.geometry.unit)}]",
        ylabel="cells",
        title=f"largest response: {cells.top:.6g} ({cells.n_top:,} times)",
    )
    return figure


def _thinned(points: NDArray[np.float64]) -> NDArray[np.float64]:
    known = points[np.isfinite(points).all(axis=1)]
    return known[:: max(1, len(known) // _POINTS)]
