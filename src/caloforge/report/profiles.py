"""Distances in floors, response against energy, and particle by particle."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
from matplotlib.ticker import LogLocator, MaxNLocator, NullFormatter

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

    from matplotlib.figure import Figure
    from numpy.typing import NDArray

    from caloforge.metrics import Comparison, Measured, Side


MAX_RATIOS = 28


def worst_ratios(
    comparison: Comparison,
) -> tuple[dict[str, list[Measured | None]], int]:
    """W1 over its floor of every sample, by channel and shower shape, and how many there are.

    Of too many, those where a sample is furthest from full simulation, in their usual order.
    """
    generated = comparison.generated
    rows = {
        name: [r.metrics["w1_ratio"].channels[name] for r in generated]
        for name in comparison.channels
    }
    for name, shape in comparison.floor.observables.items():
        rows[shape.label.lower()] = [r.observables[name].ratio for r in generated]

    def worst(name: str) -> float:
        return max((m.value for m in rows[name] if m is not None), default=0.0)

    kept = set(sorted(rows, key=worst, reverse=True)[:MAX_RATIOS])
    return {name: row for name, row in rows.items() if name in kept}, len(rows)


@styled
def floor_ratios(comparison: Comparison) -> Figure:
    """W1 over its floor for the worst channels and shower shapes of every sample."""
    rows = {"mean of channels": [r.metrics["w1_ratio"].mean for r in comparison.generated]}
    rows |= worst_ratios(comparison)[0]
    figure = new_figure(7.2, 1.1 + 0.24 * len(rows))
    ax = figure.add_subplot()
    n = len(comparison.generated)
    for k, row in enumerate(comparison.generated):
        known = [(y, v[k]) for y, v in enumerate(rows.values())]
        points = [(y, m.value, m.error) for y, m in known if m is not None]
        if not points:  # nothing has a floor
            ax.plot([], [], marker(k), ms=4, color=colour(k), label=plain(row.name))
        else:
            y, value, error = np.array(points).T
            ax.errorbar(
                value,
                y + 0.5 * (k - (n - 1) / 2) / n,
                xerr=np.minimum(error, 0.95 * value),
                fmt=marker(k),
                ms=4,
                lw=1,
                color=colour(k),
                label=plain(row.name),
            )
    ax.axvline(1, color=REFERENCE, lw=1, ls="--")
    ax.axhline(0.5, color="0.8", lw=0.8)
    values = [m.value for line in rows.values() for m in line if m is not None and m.value > 0]
    ax.set(xscale="log", xlabel=f"W1 / {comparison.floor_label}")
    ax.set_xlim(0.8 * min([*values, 0.8]), 1.3 * max([*values, 1.5]))
    ax.xaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
    ax.xaxis.set_minor_formatter(NullFormatter())
    ax.set_yticks(range(len(rows)), list(rows))
    ax.tick_params(axis="y", right=False, left=False)
    ax.grid(axis="x", which="major", color="0.9", lw=0.6)
    ax.xaxis.set_major_formatter("{x:g}")
    ax.invert_yaxis()
    figure.legend(loc="outside upper center", ncols=min(n, 4))
    return figure


@styled
def response_against_energy(
    samples: Sequence[Side], total: int, label: str, unit: str
) -> Figure:
    """Response against energy for the most frequent kinds: mean, ratio and relative spread."""
    reference = samples[0]
    kinds, number = np.unique(reference.kind, return_counts=True)
    chosen = [str(kind) for kind in kinds[np.argsort(-number, kind="stable")][:3]]
    figure = new_figure(3.4 * len(chosen), 6.0)
    axes = figure.subplots(
        3, len(chosen), sharex="col", height_ratios=[2.4, 1.1, 1.1], squeeze=False
    )
    for column, kind in enumerate(chosen):
        top, ratio, spread = axes[:, column]
        inside = reference.kind == kind
        top.scatter(
            reference.energy_gev[inside], reference.observables[inside, total],
            s=3, color="0.75", lw=0, rasterized=True,
        )  # fmt: skip
        edges = _energy_edges(reference.energy_gev[inside])
        expected = np.ones(len(edges) - 1)
        for k, sample in enumerate(samples):
            own = sample.kind == kind
            x, mean, error, width = _profile(
                sample.energy_gev[own], sample.observables[own, total], edges
            )
            style = {"color": REFERENCE if k == 0 else colour(k - 1), "lw": 1, "ms": 3}
            shifted = x * 1.02 ** (k - len(samples) / 2)
            top.errorbar(shifted, mean, yerr=error, fmt="o-", label=sample.name, **style)
            spread.plot(shifted, width / np.where(mean > 0, mean, np.nan), "o-", **style)
            if k == 0:
                expected = np.where(mean > 0, mean, np.nan)
            ratio.errorbar(shifted, mean / expected, yerr=error / expected, fmt="o-", **style)
        top.set(title=kind, xscale="log")
        label_log_axis(top.xaxis, edges[0], edges[-1])
        ratio.set_ylim(0, 2)
        spread.set(ylim=(0, 1.5), xlabel="energy of the particle [GeV]")
        positive = reference.observables[inside, total]
        positive = positive[positive > 0]
        if positive.size:
            low, high = np.quantile(positive, (0.005, 1))
            top.set_yscale("log")
            top.set_ylim(0.6 * low, 1.6 * high)
    for ax, text in zip(axes[:, 0], (f"{label} [{unit}]", "ratio of means", "spread / mean"),
                        strict=True):  # fmt: skip
        ax.set_ylabel(text)
    handles, names = axes[0, 0].get_legend_handles_labels()
    figure.legend(handles, names, loc="outside upper center", ncols=min(len(samples), 5))
    return figure


def _root(x: NDArray[np.float64]) -> NDArray[np.float64]:
    root: NDArray[np.float64] = np.sqrt(np.maximum(x, 0))
    return root


def _energy_edges(energy: NDArray[np.float64]) -> NDArray[np.float64]:
    low, high = energy.min(), energy.max()
    if not low > 0:
        low = max(high, 1.0) / 1e3
    n = int(np.clip(len(energy) // 40, 2, 8))
    edges = np.geomspace(low, high, n + 1) if high > low else np.array([low * 0.9, low * 1.1])
    edges[-1] *= 1 + 1e-9
    return edges


def _profile(
    x: NDArray[np.float64], y: NDArray[np.float64], edges: NDArray[np.float64]
) -> tuple[NDArray[np.float64], ...]:
    """Middle of the bins; mean, its error, and spread of ``y`` in them."""
    where = np.digitize(x, edges) - 1
    result = np.full((3, len(edges) - 1), np.nan)
    for k in range(len(edges) - 1):
        part = y[where == k]
        if part.size > 1:
            spread = part.std(ddof=1)
            result[:, k] = part.mean(), spread / math.sqrt(part.size), spread
    return np.sqrt(edges[1:] * edges[:-1]), *result


@styled
def particle_means(samples: Sequence[Side], total: int, label: str, unit: str) -> Figure:
    """Mean and spread of the response to every particle, generated against full simulation.

    Without repeats in the full simulation only the mean.
    """
    others = samples[1:][:6]
    moments = [_particle_moments(sample, total) for sample in (samples[0], *others)]
    repeated = np.isfinite(moments[0][1]).any()
    names = ("mean", "spread") if repeated else ("mean",)
    figure = new_figure(2.6 * len(others) + 0.6, 2.5 * len(names) + 0.2)
    axes = figure.subplots(len(names), len(others), squeeze=False, sharex="row", sharey="row")
    for row, name in enumerate(names):
        known = np.concatenate([m[row][np.isfinite(m[row])] for m in moments])
        top = float(known.max(initial=0.0)) or 1.0
        for column, sample in enumerate(others):
            ax = axes[row, column]
            ax.scatter(
                moments[0][row], moments[column + 1][row],
                s=5, alpha=0.5, lw=0, color=colour(column), rasterized=True,
            )  # fmt: skip
            ax.plot([0, top], [0, top], color=REFERENCE, lw=0.8, ls="--")
            ax.set_xscale("function", functions=(_root, np.square))
            ax.set_yscale("function", functions=(_root, np.square))
            ax.set(xlim=(0, top), ylim=(0, top), xlabel=f"{name}, full simulation")
            ax.xaxis.set_major_locator(MaxNLocator(4))
            ax.yaxis.set_major_locator(MaxNLocator(4))
            if row == 0:
                ax.set_title(sample.name)
        axes[row, 0].set_ylabel(f"{name} of {label.lower()} [{unit}]")
    return figure


def _particle_moments(
    sample: Side, total: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    n = np.bincount(sample.particle).astype(np.float64)
    values = sample.observables[:, total]
    mean = np.bincount(sample.particle, values) / n
    square = np.bincount(sample.particle, (values - mean[sample.particle]) ** 2)
    spread = np.sqrt(np.divide(square, n - 1, out=np.full_like(n, np.nan), where=n > 1))
    return mean, spread
