"""Showers side by side: reconstructed, on the way to another, and beside their nearest."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.colors import LogNorm
from matplotlib.ticker import LogLocator, MaxNLocator, NullFormatter

from caloforge.data.images import LABEL
from caloforge.explain.latent_pictures import BLUE
from caloforge.explain.particles import frequent_kinds
from caloforge.geometry import GridLayout
from caloforge.report.images import drawn_as_image, show_image
from caloforge.report.style import REFERENCE, new_figure, plain, styled

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.image import AxesImage
    from numpy.typing import NDArray

    from caloforge.explain.interpolation import Line
    from caloforge.explain.memory import Recall
    from caloforge.explain.reconstruction import Reconstruction
    from caloforge.explain.subject import Subject
    from caloforge.geometry import DetectorGeometry

OWN = "#d55e00"
_LABELS = 20
_ORDERS = 300.0  # the brightest cell that a colour shows over the dimmest one


@styled
def reconstruction(subject: Subject, found: Reconstruction) -> Figure:
    """Full simulation, expected cells and, where the detector counts, drawn counts."""
    geometry = subject.geometry
    rows: list[tuple[str, NDArray[Any]]] = [
        ("full simulation", subject.sample.showers[found.examples]),
        ("decoded", found.decoded),
    ]
    if geometry.counts and not subject.images:
        rows.append(("decoded,\ncounts drawn", found.counts))
    particles = subject.sample.particles.select(found.examples)
    heads = _heads(particles.kinds(), particles["energy_gev"])
    return _grid(geometry, rows, heads)


@styled
def reconstruction_errors(subject: Subject, found: Reconstruction) -> Figure:
    """Median errors of response and centroid in bins of energy, of images by label."""
    figure = new_figure(9.0, 3.4)
    axes = figure.subplots(1, 2)
    energy = subject.sample.particles["energy_gev"][found.lit]
    kinds = subject.sample.particles.kinds()[found.lit]
    names = frequent_kinds(subject.sample.particles.select(found.lit), _LABELS)
    if subject.images:
        names.sort(key=lambda name: (len(name), name))
        bins = [np.flatnonzero(kinds == name) for name in names]
        at = [float(k) for k in range(len(names))]
    else:
        n = int(np.clip(len(energy) // 60, 2, 8))
        bins = np.array_split(np.argsort(energy, kind="stable"), n)
        at = [float(np.median(energy[part])) for part in bins]
    line = "o" if subject.images else "o-"
    for errors, ink, name in (
        (found.own, OWN, "own code"),
        (found.drawn, BLUE, "generated code"),
    ):
        known = (np.abs(errors.total[found.lit]), np.nan_to_num(errors.centroid_cm[found.lit]))
        for ax, values in zip(axes, known, strict=True):
            middle = [np.median(values[part]) for part in bins]
            # The error of a median of a skewed sample: from its middle half.
            error = [
                0.93
                * np.subtract(*np.quantile(values[part], (0.75, 0.25)))
                / np.sqrt(len(part))
                for part in bins
            ]
            ax.errorbar(at, middle, yerr=error, fmt=line, ms=4, lw=1.3, color=ink, label=name)
    if subject.geometry.counts and not subject.images:
        lit = subject.observed["total"][found.lit]
        # The median of the absolute value of a normal variable is 0.6745 sigma.
        alone = [0.6745 * float(np.median(1 / np.sqrt(lit[part]))) for part in bins]
        axes[0].plot(at, alone, ls=":", color="0.4", label="counting alone (Poisson)")
    axes[0].set_ylabel("total response: |decoded / true − 1|")
    axes[1].set_ylabel("centroid: distance [cm]")
    if subject.images:
        for ax in axes:
            ax.set_xticks(at, [plain(name.removeprefix(f"{LABEL} ")) for name in names])
            ax.set(xlabel=LABEL, ylim=(0, None))
        axes[0].legend()
        return figure
    for ax in axes:
        ax.set(xscale="log", xlabel="energy of the particle [GeV]", ylim=(0, None))
        ax.xaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
        ax.xaxis.set_major_formatter("{x:g}")
        ax.xaxis.set_minor_formatter(NullFormatter())
        ax.set_ylim(bottom=0)
    axes[0].legend()
    return figure


@styled
def lines(subject: Subject, found: Sequence[Line]) -> Figure:
    """Showers along lines of codes, a row each, and their total response."""
    geometry = subject.geometry
    n = len(found[0].steps)
    height = 1.3 * _height(geometry)
    figure = new_figure(1.28 * (n + 2) + 0.9, (height + 1.85) * len(found))
    parts = figure.subfigures(len(found), 1, squeeze=False)[:, 0]
    for part, line in zip(parts, found, strict=True):
        title = plain(line.title)
        part.suptitle(title[0].upper() + title[1:], fontsize=9.5, x=0.01, ha="left")
        grid = part.add_gridspec(2, n + 2, height_ratios=[height, 0.65])
        cells = [line.ends[0], *line.decoded, line.ends[1]]
        heads = ["full sim.", *(f"{step:.2f}" for step in line.steps), "full sim."]
        axes = [part.add_subplot(grid[0, k]) for k in range(n + 2)]
        norm = _norm(geometry, cells)
        image = None
        for k, (ax, shower) in enumerate(zip(axes, cells, strict=True)):
            image = _draw(ax, np.asarray(shower, dtype=np.float64), geometry, norm) or image
            ax.set_title(heads[k], fontsize=8)
            if k in (0, n + 1):
                for spine in ax.spines.values():
                    spine.set(linewidth=1.8)
        _one_scale([axes], geometry)
        if image is not None:
            part.colorbar(image, ax=axes, label=_unit(geometry), aspect=12, pad=0.01)
        below = part.add_subplot(grid[1, :])
        below.plot(line.steps, line.totals, "o-", ms=4, color=BLUE, label="decoded")
        ends = line.ends.sum(axis=1, dtype=np.float64)
        below.plot((-0.06, 1.06), ends, "s", ms=6, color=REFERENCE, label="full simulation")
        below.set(xlabel="way from one code to the other", xlim=(-0.1, 1.1))
        below.set_ylabel(subject.label("total").replace(" [", "\n["))
        below.set_ylim(0, 1.25 * max(float(line.totals.max()), float(ends.max())))
        below.legend(loc="best", ncols=2)
    return figure


@styled
def memory(found: Recall) -> Figure:
    """Distances to training showers, and their contrast, generated against held-out."""
    figure = new_figure(9.0, 3.5)
    axes = figure.subplots(1, 2)
    sides = ((found.held_out, REFERENCE, "held-out full simulation"),
             (found.generated, BLUE, "generated"))  # fmt: skip
    top = 1.02 * max(float(np.quantile(side.distance, 0.999)) for side, _, _ in sides)
    bins = (np.linspace(0, top or 1.0, 41), np.linspace(0, 1, 41))
    for side, ink, name in sides:
        for ax, values, edges in zip(axes, (side.distance, side.contrast), bins, strict=True):
            number = np.histogram(np.clip(values, 0, edges[-1]), edges)[0]
            share = number / max(len(values), 1)
            ax.stairs(share, edges, color=ink, lw=1.4, label=name)
            if ink == REFERENCE:
                ax.stairs(share, edges, color="0.88", fill=True, zorder=0)
    axes[0].set(xlabel="distance to the nearest training shower", ylabel="share of showers")
    axes[1].set(xlabel="nearest / second nearest distance", yscale="log")
    axes[0].set_xlim(0, bins[0][-1])
    axes[1].set_xlim(0, 1)
    axes[1].annotate(
        "copies lie here", (0.015, 0.9), (0.2, 0.9), xycoords="axes fraction", va="center",
        color="0.35", arrowprops={"arrowstyle": "->", "color": "0.35"},
    )  # fmt: skip
    axes[0].legend()
    return figure


@styled
def closest(subject: Subject, found: Recall) -> Figure:
    """Pairs of a generated shower and the training shower nearest to it."""
    heads = [
        f"d = {d:.1f} ({usual:.1f})"
        for d, usual in zip(found.distances, found.expected, strict=True)
    ]
    rows: list[tuple[str, NDArray[Any]]] = [
        ("generated", found.showers),
        ("nearest\ntraining shower", found.originals),
    ]
    return _grid(subject.geometry, rows, heads)


def _grid(
    geometry: DetectorGeometry, rows: Sequence[tuple[str, NDArray[Any]]], heads: Sequence[str]
) -> Figure:
    """Rows of showers with their totals, one head a column."""
    n = len(heads)
    height = 1.35 * _height(geometry) + 0.25
    figure = new_figure(1.6 * max(n, 2) + 1.1, height * len(rows) + 0.4)
    axes = figure.subplots(len(rows), max(n, 1), squeeze=False)
    norm = _norm(geometry, [shower for _, showers in rows for shower in showers])
    image = None
    for (name, showers), line in zip(rows, axes, strict=True):
        for ax, shower in zip(line, showers, strict=False):
            cells = np.asarray(shower, dtype=np.float64)
            image = _draw(ax, cells, geometry, norm) or image
            total = f"{cells.sum():.0f}" if cells.sum() >= 100 else f"{cells.sum():.3g}"
            text = f"{total} {geometry.unit}"
            if isinstance(geometry.layout, GridLayout):
                ax.set_xlabel(text, fontsize=7.5, color="0.25", labelpad=2)
            else:  # below are the layers
                ax.set_title(text, y=0.8, fontsize=7.5, color="0.25")
        line[0].set_ylabel(name, fontsize=8.5)
    for ax, head in zip(axes[0], heads, strict=False):
        ax.annotate(
            plain(head),
            (0.5, 1.0),
            xytext=(0, 4),
            xycoords="axes fraction",
            textcoords="offset points",
            ha="center",
            fontsize=8.5,
        )
    if image is not None:
        figure.colorbar(image, ax=axes, label=_unit(geometry), shrink=0.75, aspect=28, pad=0.01)
    return figure


def _draw(
    ax: Axes, cells: NDArray[np.float64], geometry: DetectorGeometry, norm: LogNorm
) -> AxesImage | None:
    """One shower: a map of a grid, else the response of each layer."""
    layout = geometry.layout
    if drawn_as_image(geometry):
        show_image(ax, cells, geometry)
        return None
    if isinstance(layout, GridLayout):
        half_x, half_y = layout.half_width_cm
        image = ax.imshow(
            np.ma.masked_less(layout.shaped(cells[None])[0].T, norm.vmin or 0.0),
            origin="lower", extent=(-half_x, half_x, -half_y, half_y),
            cmap="viridis", norm=norm, interpolation="nearest",
        )  # fmt: skip
        ax.set(xticks=[], yticks=[])
        return image
    sums = geometry.channels().sums(cells[None])[0]
    ax.plot(sums, "-", color=BLUE, lw=1.2)
    ax.fill_between(np.arange(len(sums)), sums, color=BLUE, alpha=0.2, lw=0)
    ax.set_xlabel("layer", fontsize=7)
    ax.tick_params(labelsize=6)
    ax.xaxis.set_major_locator(MaxNLocator(3, integer=True))
    ax.yaxis.set_major_locator(MaxNLocator(3))
    return None


def _one_scale(rows: Sequence[Sequence[Axes]], geometry: DetectorGeometry) -> None:
    """Give layer profiles one vertical scale, written on the left."""
    if isinstance(geometry.layout, GridLayout):
        return
    top = max(ax.get_ylim()[1] for row in rows for ax in row)
    for row in rows:
        name = row[0].get_ylabel()
        row[0].set_ylabel(f"{name}\n[{geometry.unit} a layer]".strip(), fontsize=8)
        for k, ax in enumerate(row):
            ax.set_ylim(0, 1.25 * top)
            ax.tick_params(labelleft=k == 0)


def _norm(geometry: DetectorGeometry, showers: Sequence[NDArray[Any]]) -> LogNorm:
    top = max([float(np.max(shower)) for shower in showers] or [1.0])
    top = max(top, 2.0 if geometry.counts else 1e-12)
    return LogNorm(min(0.1, top / _ORDERS) if geometry.counts else top / _ORDERS, top)


def _height(geometry: DetectorGeometry) -> float:
    """Height of a shower's panel over its width."""
    layout = geometry.layout
    if not isinstance(layout, GridLayout):
        return 1.0
    return float(np.clip(layout.half_width_cm[1] / layout.half_width_cm[0], 0.3, 2.0))


def _unit(geometry: DetectorGeometry) -> str:
    return f"{geometry.unit} a cell"


def _heads(kinds: NDArray[np.str_], energy: NDArray[np.float64]) -> list[str]:
    return [
        kind if kind.startswith(LABEL) else f"{kind}, {e:.3g} GeV"
        for kind, e in zip(kinds.tolist(), energy, strict=True)
    ]
