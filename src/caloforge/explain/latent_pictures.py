"""Codes as pictures: encoded ones in red, generated ones in blue, as in the talk."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
from matplotlib.colors import LogNorm
from matplotlib.lines import Line2D
from matplotlib.ticker import LogLocator

from caloforge.report.style import new_figure, plain, styled

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from numpy.typing import NDArray

    Array = NDArray[np.float64]

RED, BLUE = "#c8202f", "#1f5fbf"
# Paul Tol's "muted", "Colour Schemes" (2021): apart for colour-blind eyes; the last is grey.
KINDS = ("#332288", "#ddcc77", "#117733", "#cc6677", "#88ccee", "#882255", "#44aa99")
# His "muted" with the two it leaves out, and one that is black: ten digits.
LABELS = (*KINDS, "#999933", "#aa4499", "#000000")
OTHER = "#b8b8b8"
MAX_DIMENSIONS = 12
_SHARES = (0.5, 0.9)
_BINS = 30


@styled
def embedding(
    encoded: Array,
    generated: Array,
    *,
    kinds: NDArray[np.str_],
    energy_gev: Array | None,
) -> Figure:
    """One map three times: encoded and generated, by kind, by energy.

    Arguments:
        encoded: Points of encoded codes, ``(n, 2)``.
        generated: Points of generated codes, ``(m, 2)``.
        kinds: Kind of the particle of each point, encoded first, ``(n + m,)``.
        energy_gev: Its energy in GeV, ``(n + m,)``; ``None`` of images, whose kinds are labels:
            there is no third map.
    """
    points = np.concatenate((encoded, generated))
    order = np.random.default_rng(0).permutation(len(points))  # neither colour on top
    figure = new_figure(7.4 if energy_gev is None else 10.6, 4.3)
    axes = figure.subplots(1, 2 if energy_gev is None else 3)
    kind_title = "Kind of particle" if energy_gev is not None else "Label"
    titles = ("Encoded and generated codes", kind_title, "Energy")
    inks = np.array([RED] * len(encoded) + [BLUE] * len(generated))
    _dots(axes[0], points[order], inks[order])
    _legend(axes[0], {"encoded showers": RED, "generated from noise": BLUE})
    names, number = np.unique(kinds, return_counts=True)
    palette = KINDS if energy_gev is not None else LABELS
    frequent = [str(n) for n in names[np.argsort(-number, kind="stable")]][: len(palette)]
    if energy_gev is None:
        frequent.sort()
    colours = dict(zip(frequent, palette, strict=False))
    rest = {"other": OTHER} if len(names) > len(frequent) else {}
    _dots(axes[1], points[order], np.array([colours.get(str(k), OTHER) for k in kinds])[order])
    _legend(axes[1], colours | rest)
    for ax, title in zip(axes, titles, strict=False):
        ax.set(title=title, xticks=[], yticks=[])
        ax.margins(0.03)
    if energy_gev is not None:
        _energies(figure, axes[2], points[order], energy_gev[order])
    return figure


def _energies(figure: Figure, ax: Axes, points: Array, energy_gev: Array) -> None:
    """Points coloured by energy."""
    low, high = float(energy_gev.min()), float(energy_gev.max())
    norm = LogNorm(low, high if high > low else 1.01 * low)
    x, y = points.T
    dots = ax.scatter(x, y, c=energy_gev, s=5, lw=0, cmap="viridis", rasterized=True, norm=norm)
    scale = ax.inset_axes((0.08, -0.085, 0.84, 0.035))
    bar = figure.colorbar(dots, cax=scale, orientation="horizontal")
    bar.set_label("energy of the particle [GeV]", labelpad=1)
    bar.ax.xaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
    bar.ax.xaxis.set_major_formatter("{x:g}")
    bar.ax.minorticks_off()


@styled
def prior(encoded: Array, generated: Array) -> Figure:
    """Principal plane of the encoded codes, and every dimension by itself.

    Arguments:
        encoded: Encoded codes, ``(n, latent)``, in standard deviations.
        generated: Generated codes, ``(m, latent)``.
    """
    shown = min(encoded.shape[1], MAX_DIMENSIONS)
    n_columns = 2 if shown <= 4 else 3 if shown <= 9 else 4
    n_rows = math.ceil(shown / n_columns)
    figure = new_figure(10.6, max(4.2, 1.45 * n_rows + 0.4))
    left, right = figure.subfigures(1, 2, width_ratios=[1, 1.35], squeeze=False)[0]
    _plane(left.subplots(), encoded, generated)
    axes = right.subplots(n_rows, n_columns, squeeze=False, sharey=True)
    # With more dimensions than panels: those that differ most.
    apart = [_apart(encoded[:, k], generated[:, k]) for k in range(encoded.shape[1])]
    chosen = np.sort(np.argsort(apart)[::-1][:shown])
    both = np.concatenate((encoded, generated))
    edge = float(np.clip(np.quantile(np.abs(both), 0.998), 1.0, 8.0))
    for ax in axes.ravel()[shown:]:
        ax.axis("off")
    for ax, k in zip(axes.ravel(), chosen, strict=False):
        bins = np.linspace(-edge, edge, _BINS + 1)
        for side, ink in ((encoded, RED), (generated, BLUE)):
            number = np.histogram(np.clip(side[:, k], -edge, edge), bins)[0]
            share = number / (len(side) * np.diff(bins))
            ax.stairs(share, bins, color=ink, lw=1.3)
            if ink == RED:
                ax.stairs(share, bins, color=ink, alpha=0.18, fill=True)
        ax.text(0.06, 0.84, f"z{_subscript(int(k) + 1)}", transform=ax.transAxes)
        ax.set_xlim(-edge, edge)
        ax.set_ylim(bottom=0)
    for ax in axes[:, 0]:
        ax.set_ylabel("density")
    right.supxlabel("code [standard deviations]", fontsize=9)
    return figure


def _plane(ax: Axes, encoded: Array, generated: Array) -> None:
    """Scatter in the plane of the two largest principal components."""
    centre = encoded.mean(axis=0)
    _, size, directions = np.linalg.svd(encoded - centre, full_matrices=False)
    shares = [*(size**2 / max(float((size**2).sum()), 1e-300)), 0.0]
    sides = [(side - centre) @ directions[:2].T for side in (encoded, generated)]
    if sides[0].shape[1] < 2:
        sides = [np.concatenate((s, np.zeros_like(s)), axis=1) for s in sides]
    points = np.concatenate(sides)
    edges = 1.15 * np.quantile(np.abs(points), 0.999, axis=0)
    edges = np.where(edges > 0, edges, 1.0)
    inks = np.array([RED] * len(sides[0]) + [BLUE] * len(sides[1]))
    order = np.random.default_rng(0).permutation(len(points))
    ax.scatter(
        points[order][:, 0],
        points[order][:, 1],
        c=inks[order],
        s=4,
        lw=0,
        alpha=0.3,
        rasterized=True,
    )
    grids = [np.linspace(-edge, edge, 61) for edge in edges]
    middles = [(grid[1:] + grid[:-1]) / 2 for grid in grids]
    for side, ink in zip(sides, (RED, BLUE), strict=True):
        density = _smooth(np.histogram2d(side[:, 0], side[:, 1], bins=grids)[0])
        levels = _levels(density)
        if len(levels) == len(_SHARES):
            ax.contour(*middles, density.T, levels, colors="white", linewidths=3.2)
            ax.contour(
                *middles, density.T, levels, colors=ink, linewidths=1.6,
                linestyles=["--", "-"],
            )  # fmt: skip
    ax.set(
        xlim=(-edges[0], edges[0]), ylim=(-edges[1], edges[1]),
        xlabel=f"first principal component ({shares[0]:.0%} of the variance)",
        ylabel=f"second principal component ({shares[1]:.0%})",
    )  # fmt: skip
    ax.legend(handles=_handles({"encoded showers": RED, "generated from noise": BLUE}))


def _smooth(counts: Array) -> Array:
    """Blur a histogram by a Gaussian of 1.6 bins."""
    from scipy.ndimage import gaussian_filter

    smooth: Array = gaussian_filter(counts, 1.6)
    return smooth


def _levels(density: Array) -> list[float]:
    """Heights above which the shares lie, increasing; fewer where they coincide."""
    ordered = np.sort(density.ravel())[::-1]
    reached = np.cumsum(ordered) / max(float(ordered.sum()), 1e-12)
    heights = {float(ordered[np.searchsorted(reached, share)]) for share in _SHARES}
    return sorted(h for h in heights if h > 0)


def _apart(first: Array, second: Array) -> float:
    grid = np.linspace(0.02, 0.98, 49)
    return float(np.abs(np.quantile(first, grid) - np.quantile(second, grid)).mean())


def _dots(ax: Axes, points: Array, colours: NDArray[np.str_]) -> None:
    ax.scatter(points[:, 0], points[:, 1], c=colours, s=5, lw=0, alpha=0.75, rasterized=True)


def _legend(ax: Axes, entries: dict[str, str]) -> None:
    """Names below the axes."""
    ax.legend(
        handles=_handles(entries), loc="upper center", bbox_to_anchor=(0.5, -0.02), ncols=4,
        columnspacing=0.9, handletextpad=0.1,
    )  # fmt: skip


def _handles(entries: dict[str, str]) -> list[Line2D]:
    return [
        Line2D([], [], marker="o", lw=0, ms=5, color=ink, label=plain(name))
        for name, ink in entries.items()
    ]


def _subscript(number: int) -> str:
    return str(number).translate(str.maketrans("0123456789", "₀₁₂₃₄₅₆₇₈₉"))
