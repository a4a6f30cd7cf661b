"""Cells of the detector: mean responses, residuals, and single showers."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from matplotlib.colors import LogNorm, SymLogNorm
from matplotlib.ticker import MaxNLocator

from caloforge.data.images import are_images
from caloforge.geometry import GridLayout
from caloforge.report.images import drawn_as_image, show_image, upright_mean
from caloforge.report.style import REFERENCE, colour, new_figure, styled

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.image import AxesImage
    from numpy.typing import NDArray

    from caloforge.geometry import DetectorGeometry
    from caloforge.metrics import Side

MAX_SAMPLES = 5


@styled
def mean_maps(samples: Sequence[Side], geometry: DetectorGeometry) -> Figure:
    """Mean response of every cell and its difference to full simulation.

    A cylinder, whose layers differ, is shown as its mean response layer by layer.
    """
    samples = samples[: MAX_SAMPLES + 1]
    if not isinstance(geometry.layout, GridLayout):
        return _layer_means(samples, geometry)
    means = [sample.showers.mean(axis=0, dtype=np.float64) for sample in samples]
    if drawn_as_image(geometry):
        return _mean_images(samples, means, geometry)
    residuals = [mean - means[0] for mean in means[1:]]
    top = max(float(means[0].max()), 1e-12)
    scale = max(max(float(np.abs(r).max()) for r in residuals), top / 1e3)
    figure = new_figure(2.25 * len(samples) + 0.8, 5.0)
    axes = figure.subplots(2, len(samples), squeeze=False)
    norms = (LogNorm(top / 1e3, top), SymLogNorm(scale / 10, vmin=-scale, vmax=scale))
    image = residual = None
    for k, sample in enumerate(samples):
        image = show_cells(
            axes[0, k], np.maximum(means[k], top / 1e3), geometry.layout, norms[0]
        )
        axes[0, k].set_title(sample.name)
        if k == 0:
            axes[1, 0].axis("off")
        else:
            residual = show_cells(
                axes[1, k], residuals[k - 1], geometry.layout, norms[1], colours="RdBu_r"
            )
            axes[1, k].set_title(f"{sample.name} − full sim.", fontsize=8)
    axes[0, 0].set_ylabel("y [cm]")
    axes[0, 0].set_xlabel("x [cm]")
    if image is not None:
        figure.colorbar(image, ax=axes[0], label=f"{geometry.unit} a shower", shrink=0.9)
    if residual is not None:
        figure.colorbar(residual, ax=axes[1], label=f"residual [{geometry.unit}]", shrink=0.9)
    return figure


def _mean_images(
    samples: Sequence[Side], means: Sequence[NDArray[np.float64]], geometry: DetectorGeometry
) -> Figure:
    """Mean images as images, and their differences, the mean over the planes."""
    residuals = [upright_mean(mean - means[0], geometry) for mean in means[1:]]
    scale = max([float(np.abs(r).max()) for r in residuals] or [0.0]) or 1.0
    figure = new_figure(2.25 * len(samples) + 0.8, 4.6)
    axes = figure.subplots(2, len(samples), squeeze=False)
    image = None
    for k, (sample, mean) in enumerate(zip(samples, means, strict=True)):
        show_image(axes[0, k], mean, geometry)
        axes[0, k].set_title(sample.name)
        if k == 0:
            axes[1, 0].axis("off")
            continue
        image = axes[1, k].imshow(
            residuals[k - 1], cmap="RdBu_r", vmin=-scale, vmax=scale, interpolation="nearest"
        )
        axes[1, k].set(xticks=[], yticks=[])
        axes[1, k].set_title(f"{sample.name} − full sim.", fontsize=8)
    if image is not None:
        figure.colorbar(image, ax=axes[1], label=f"residual [{geometry.unit}]", shrink=0.9)
    return figure


@styled
def shower_grid(
    samples: Sequence[Side], geometry: DetectorGeometry, n_particles: int = 6
) -> Figure:
    """Single showers of the same particles, energy growing from left to right.

    The first two rows are two full-simulation showers of the particle, where there are two:
    they show what is fluctuation.
    """
    samples = samples[: MAX_SAMPLES + 1]
    chosen = _choose(samples, n_particles)
    rows = [(samples[0], 0), *([(samples[0], 1)] if _has_repeats(samples[0], chosen) else [])]
    rows += [(sample, 0) for sample in samples[1:]]
    if not isinstance(geometry.layout, GridLayout):
        return _layer_showers(rows, geometry, chosen)
    grid = [[_shower(sample, particle, n) for particle in chosen] for sample, n in rows]
    top = max(float(np.max([s.max() for line in grid for s in line])), 2.0)
    low = 1.0 if geometry.counts else top / 1e4
    figure = new_figure(1.55 * len(chosen) + 1.0, 1.62 * len(rows) + 0.3)
    axes = figure.subplots(len(rows), len(chosen), squeeze=False)
    image = None
    for r, (line, (sample, _)) in enumerate(zip(grid, rows, strict=True)):
        for c, shower in enumerate(line):
            ax = axes[r, c]
            if drawn_as_image(geometry):
                show_image(ax, shower, geometry)
            else:
                cells = np.ma.masked_less_equal(shower, 0)
                image = show_cells(ax, cells, geometry.layout, LogNorm(low, top), ticks=False)
                ax.text(
                    0.04,
                    0.95,
                    f"{shower.sum():.4g}",
                    transform=ax.transAxes,
                    va="top",
                    fontsize=7,
                )
            if r == 0:
                ax.set_title(_caption(sample, chosen[c], geometry), fontsize=8)
        ink = REFERENCE if sample is samples[0] else "black"
        axes[r, 0].set_ylabel(sample.name, fontsize=8, color=ink)
    if image is not None:
        figure.colorbar(image, ax=axes, label=f"{geometry.unit} a cell", shrink=0.6)
    return figure


def show_cells(
    ax: Axes,
    cells: NDArray[np.float64],
    layout: GridLayout,
    norm: LogNorm | SymLogNorm,
    *,
    colours: str = "viridis",
    ticks: bool = True,
) -> AxesImage:
    """Draw the cells of a grid where they are, in cm."""
    half_x, half_y = layout.half_width_cm
    image = ax.imshow(
        layout.shaped(cells[None])[0].T,
        origin="lower",
        extent=(-half_x, half_x, -half_y, half_y),
        cmap=colours,
        norm=norm,
        interpolation="nearest",
    )
    if not ticks:
        ax.set(xticks=[], yticks=[])
    return image


def _choose(samples: Sequence[Side], n: int) -> NDArray[np.int64]:
    """Particles over the range of energies, then kinds, whose first shower is not empty."""
    reference = samples[0]
    particles, first = np.unique(reference.particle, return_index=True)
    lit = reference.showers[first].sum(axis=1) > 0
    if lit.any():
        particles, first = particles[lit], first[lit]
    order = np.lexsort((reference.kind[first], reference.energy_gev[first]))
    places = np.linspace(0.05, 0.97, min(n, len(order))) * (len(order) - 1)
    chosen: NDArray[np.int64] = particles[order[np.unique(places.round().astype(int))]]
    return chosen


def _has_repeats(sample: Side, chosen: NDArray[np.int64]) -> bool:
    return bool((np.bincount(sample.particle)[chosen] > 1).all())


def _shower(sample: Side, particle: int, number: int) -> NDArray[np.float64]:
    row = np.flatnonzero(sample.particle == particle)[number]
    return np.asarray(sample.showers[row], dtype=np.float64)


def _caption(sample: Side, particle: int, geometry: DetectorGeometry) -> str:
    row = np.flatnonzero(sample.particle == particle)[0]
    if are_images({"pdg": sample.incoming.pdg}, geometry):
        return str(sample.kind[row])
    return f"{sample.kind[row]}, {sample.energy_gev[row]:.3g} GeV"


def _layer_means(samples: Sequence[Side], geometry: DetectorGeometry) -> Figure:
    figure = new_figure(6.5, 4.5)
    top, bottom = figure.subplots(2, 1, sharex=True, height_ratios=[2, 1])
    expected = samples[0].channels.mean(axis=0)
    layers = np.arange(len(expected))
    for k, sample in enumerate(samples):
        mean = sample.channels.mean(axis=0)
        ink = REFERENCE if k == 0 else colour(k - 1)
        top.plot(layers, mean, "o-", ms=3, color=ink, label=sample.name)
        if k:
            bottom.plot(layers, mean - expected, "o-", ms=3, color=ink)
    bottom.axhline(0, color=REFERENCE, lw=0.8)
    top.set_ylabel(f"mean response [{geometry.unit}]")
    bottom.set(ylabel=f"residual [{geometry.unit}]", xlabel="layer (empty ones left out)")
    bottom.xaxis.set_major_locator(MaxNLocator(integer=True))
    top.legend()
    return figure


def _layer_showers(
    rows: Sequence[tuple[Side, int]],
    geometry: DetectorGeometry,
    chosen: NDArray[np.int64],
) -> Figure:
    figure = new_figure(1.7 * len(chosen) + 0.8, 2.6)
    axes = figure.subplots(1, len(chosen), squeeze=False)[0]
    for ax, particle in zip(axes, chosen, strict=True):
        for k, (sample, number) in enumerate(rows):
            row = np.flatnonzero(sample.particle == particle)[number]
            own = sample is rows[0][0]
            place = k - sum(s is rows[0][0] for s, _ in rows)
            ax.plot(
                sample.channels[row], "o-", ms=2, lw=0.9,
                color=REFERENCE if own else colour(place),
                label=None if number else sample.name,
            )  # fmt: skip
        ax.set_title(_caption(rows[0][0], particle, geometry), fontsize=8)
        ax.set_xlabel("layer")
        ax.xaxis.set_major_locator(MaxNLocator(4, integer=True))
    axes[0].set_ylabel(f"response [{geometry.unit}]")
    handles, names = axes[0].get_legend_handles_labels()
    figure.legend(handles, names, loc="outside upper center", ncols=5)
    return figure
