"""Particles as pictures: response, conditions, coverage, repeats, overlap of two files."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from matplotlib.colors import LogNorm
from matplotlib.ticker import MaxNLocator

from caloforge.data import kind_name
from caloforge.data.columns import unit_of
from caloforge.report.style import COLOURS, REFERENCE, label_log_axis, new_figure, plain, styled

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from numpy.typing import NDArray

    from caloforge.inspection.evidence import Evidence

_POINTS = 3000
_KINDS = 6
_HISTOGRAMS = 12
_BINS = 60


@styled
def response(evidence: Evidence) -> Figure:
    """Sum against energy, and response per GeV, by kind."""
    sample, unit = evidence.sample, plain(evidence.geometry.unit)
    energy, kinds = sample.columns["energy_gev"], sample.columns["pdg"]
    usable = (sample.sums > 0) & (energy > 0) & np.isfinite(energy)
    figure = new_figure(9.0, 3.8)
    left, right = figure.subplots(1, 2)
    each = sample.sums[usable] / energy[usable]
    if len(each):
        low, high = each.min() / 1.05, each.max() * 1.05
        edges = np.geomspace(low, high, _BINS)
        for ink, kind in zip(COLOURS, _commonest(kinds[usable]), strict=False):
            own = kinds[usable] == kind
            name = plain(kind_name(kind))
            step = max(1, int(own.sum()) // (_POINTS // _KINDS))
            left.loglog(
                energy[usable][own][::step], sample.sums[usable][own][::step], ".", ms=2.5,
                color=ink, alpha=0.6, label=name, rasterized=True,
            )  # fmt: skip
            right.stairs(np.histogram(each[own], edges)[0], edges, color=ink, label=name)
        right.set_xscale("log")
        label_log_axis(right.xaxis, low, high)
        label_log_axis(left.xaxis, float(energy[usable].min()), float(energy[usable].max()))
        if right.get_legend_handles_labels()[0]:
            right.legend()
    left.set(xlabel="energy of the particle [GeV]", ylabel=f"summed response [{unit}]")
    right.set(xlabel=f"response per GeV [{unit}/GeV]", ylabel="showers")
    return figure


@styled
def conditions(evidence: Evidence) -> Figure:
    """Histogram of each column that varies."""
    columns = evidence.sample.columns
    least, largest = evidence.columns.least, evidence.columns.largest
    varying = [k for k in least if k != "pdg" and least[k][0] < largest[k][0]][:_HISTOGRAMS]
    rows = max(1, -(-len(varying) // 3))
    figure = new_figure(9.0, 2.3 * rows)
    axes = figure.subplots(rows, 3, squeeze=False).ravel()
    for ax, name in zip(axes, varying, strict=False):
        _histogram(ax, columns[name][np.isfinite(columns[name])], name)
    for ax in axes[len(varying) :]:
        ax.axis("off")
    if not varying:
        axes[0].text(0, 0.5, "no column varies", va="center")
    return figure


def _histogram(ax: Axes, values: NDArray[np.float64], name: str) -> None:
    log = name == "energy_gev" and len(values) > 0 and values.min() > 0
    if len(values):
        low, high = float(values.min()), float(values.max())
        if low == high:
            low, high = low - 0.5, high + 0.5
        edges = np.geomspace(low, high, _BINS) if log else np.linspace(low, high, _BINS)
        edges[0], edges[-1] = min(low, edges[0]), max(high, edges[-1])
        ax.stairs(np.histogram(values, edges)[0], edges, fill=True, color=COLOURS[0])
    if log:
        ax.set_xscale("log")
        label_log_axis(ax.xaxis, low, high)
    unit = unit_of(name)
    ax.set_xlabel(plain(name) + (f" [{unit}]" if unit else ""))
    ax.set_ylabel("showers")


@styled
def coverage(evidence: Evidence) -> Figure:
    """Particles by kind and energy."""
    columns = evidence.sample.columns
    energy = columns["energy_gev"]
    usable = (energy > 0) & np.isfinite(energy)
    kinds = _commonest(columns["pdg"][usable], 12)
    figure = new_figure(7.4, 1.6 + 0.3 * max(len(kinds), 1))
    ax = figure.subplots()
    if len(kinds):
        low, high = float(energy[usable].min()), float(energy[usable].max())
        low, high = (low, high * (1 + 1e-9)) if low < high else (low / 1.2, high * 1.2)
        edges = np.geomspace(low, high, 41)
        edges[0], edges[-1] = min(edges[0], low), max(edges[-1], high)
        table = np.array(
            [np.histogram(energy[usable & (columns["pdg"] == k)], edges)[0] for k in kinds]
        )
        filled = np.ma.masked_equal(table, 0)
        image = ax.pcolormesh(
            edges, np.arange(len(kinds) + 1), filled, norm=LogNorm(1, max(2, table.max()))
        )
        figure.colorbar(image, ax=ax, label="showers")
        ax.set_xscale("log")
        label_log_axis(ax.xaxis, low, high)
        ax.set_yticks(np.arange(len(kinds)) + 0.5, [plain(kind_name(k)) for k in kinds])
    ax.set_xlabel("energy of the particle [GeV]")
    return figure


@styled
def repeats(evidence: Evidence) -> Figure:
    """Number of showers a particle."""
    numbers, counts = np.unique(evidence.identity.numbers, return_counts=True)
    figure = new_figure(5.4, 3.0)
    ax = figure.subplots()
    if len(numbers) <= 40:
        places = np.arange(len(numbers))
        ax.bar(places, counts, color=COLOURS[0])
        ax.set_xticks(
            places, [f"{n:,}" for n in numbers], rotation=45 if len(numbers) > 10 else 0
        )
    else:
        ax.hist(evidence.identity.numbers, bins=40, color=COLOURS[0])
    ax.set(xlabel="showers of a particle", ylabel="particles")
    ax.yaxis.set_major_locator(MaxNLocator(integer=True))
    return figure


@styled
def overlap(evidence: Evidence, other: Evidence) -> Figure:
    """Energies of two files, and of what they share."""
    figure = new_figure(9.0, 3.4)
    left, right = figure.subplots(1, 2, width_ratios=[2, 1])
    energies = [_energies(evidence), _energies(other)]
    known = np.isin(evidence.identity.particles, other.identity.distinct)
    shared = known[evidence.sample.number]
    energy = evidence.sample.columns["energy_gev"]
    everything = np.concatenate(energies)
    if len(everything):
        low, high = float(everything.min()) / 1.01, float(everything.max()) * 1.01
        edges = np.geomspace(low, high, 41)
        names = (
            plain(f"this file ({evidence.n_showers:,})"),
            plain(f"other ({other.n_showers:,})"),
        )
        for ink, name, values in zip((COLOURS[0], REFERENCE), names, energies, strict=True):
            left.stairs(np.histogram(values, edges)[0], edges, color=ink, label=name)
        both = energy[shared & (energy > 0) & np.isfinite(energy)]
        left.stairs(
            np.histogram(both, edges)[0],
            edges,
            fill=True,
            alpha=0.6,
            color=COLOURS[1],
            label="in both",
        )
        left.set_xscale("log")
        label_log_axis(left.xaxis, low, high)
        left.legend()
    left.set(xlabel="energy of the particle [GeV]", ylabel="showers")
    common = len(np.intersect1d(evidence.identity.distinct, other.identity.distinct))
    counts = (
        len(evidence.identity.distinct) - common, common, len(other.identity.distinct) - common
    )  # fmt: skip
    bars = right.bar(
        ("this only", "both", "other only"), counts, color=(COLOURS[0], COLOURS[1], REFERENCE)
    )
    right.bar_label(bars, [f"{c:,}" for c in counts])
    right.set_ylabel("incident particles")
    right.margins(y=0.12)
    return figure


def _energies(evidence: Evidence) -> NDArray[np.float64]:
    energy = evidence.sample.columns["energy_gev"]
    return energy[(energy > 0) & np.isfinite(energy)]


def _commonest(kinds: NDArray[np.float64], most: int = _KINDS) -> list[int]:
    numbers, counts = np.unique(kinds[np.isfinite(kinds)], return_counts=True)
    return [int(k) for k in numbers[np.argsort(-counts)][:most]]
