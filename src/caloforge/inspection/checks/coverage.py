"""Where in the space of conditions there are showers: single values, holes, outliers."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from caloforge.data.columns import unit_of
from caloforge.inspection.finding import Check, Finding

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from caloforge.inspection.evidence import Evidence

# Particles on either side of a hole, within its own width: by chance it is empty once in e^40,
# and there are as many places for it as particles.
_BESIDE = 40
# Distance to the bulk (99 % of the values) in its widths.
_OUTLIER = 3.0
_BULK = (0.005, 0.995)
_VALUES = 200


class Hole(NamedTuple):
    """A range without particles in the middle of others.

    Attributes:
        low: Last value below it.
        high: First value above it.
    """

    low: float
    high: float


def holes(values: NDArray[np.float64]) -> list[Hole]:
    """Find gaps between sorted, different values that chance does not leave."""
    if len(values) < 2 * _BESIDE:
        return []
    gaps = np.diff(values)
    low, high = values[:-1], values[1:]
    places = np.arange(1, len(values))
    left = places - np.searchsorted(values, low - gaps)
    right = np.searchsorted(values, high + gaps, side="right") - places
    wide = np.minimum(left, right) >= _BESIDE
    return [Hole(float(low[k]), float(high[k])) for k in np.flatnonzero(wide)]


def _judge(evidence: Evidence) -> Iterator[Finding]:
    sample, columns = evidence.sample, evidence.columns
    single = []
    for name, (low, _) in columns.least.items():
        if columns.largest[name][0] == low:
            single.append(f"{name} = {low:.6g}")
    if single:
        yield Finding("ok", f"one value only: {', '.join(single)}")
    # Of columns that are not ours nobody knows what is ordinary.
    for name in _JUDGED:
        if name in columns.missing or name not in columns.least:
            continue
        values = sample.columns[name]
        known = np.isfinite(values)
        if name == "energy_gev":
            known &= values > 0
        if known.any():
            yield from _outliers(evidence, name, values[known])
            yield from _holes(evidence, name, known)
    energies = sample.columns["energy_gev"]
    energies = np.unique(energies[np.isfinite(energies)])
    if 1 < len(energies) <= _VALUES and len(energies) < 0.05 * evidence.n_showers:
        text = f"{len(energies)} different energies: between them a model has to guess"
        yield Finding("ok", text)


def _outliers(evidence: Evidence, name: str, values: NDArray[np.float64]) -> Iterator[Finding]:
    """Values far from all others; the extremes of the whole file are known, sampled or not."""
    columns = evidence.columns
    change = np.log if name == "energy_gev" else np.asarray
    low, high = np.quantile(change(values), _BULK)
    width = high - low
    ends = [columns.least[name], columns.largest[name]]
    if name == "energy_gev":
        ends = [(value, row) for value, row in ends if value > 0]
    # 99 % are one value: any other is far.
    far = [
        (value, row)
        for value, row in ends
        if (
            min(abs(change(value) - low), abs(change(value) - high)) > _OUTLIER * width
            and not low <= change(value) <= high
        )
    ]
    if not far:
        return
    changed = change(values)
    beyond = (changed < low - _OUTLIER * width) | (changed > high + _OUTLIER * width)
    value, row = min(far, key=lambda end: end[1])
    number = max(len(far), round(float(beyond.mean()) * evidence.n_showers))
    lowest, highest = (np.exp(v) if name == "energy_gev" else v for v in (low, high))
    bulk = f"lie from {lowest:.6g} to {highest:.6g}" if width else f"are {lowest:.6g}"
    text = (
        f"{name} has {number:,} outliers (first of the extremes: {value:.6g} {unit_of(name)}; "
        f"99 % {bulk})"
    )
    yield Finding("warning", text, number, row, "correct or leave out these showers")


def _holes(evidence: Evidence, name: str, known: NDArray[np.bool_]) -> Iterator[Finding]:
    sample = evidence.sample
    values = np.unique(sample.columns[name][known])
    found = holes(np.log(values) if name == "energy_gev" else values)
    for hole in found[:3]:
        low, high = (np.exp(v) if name == "energy_gev" else v for v in hole)
        text = f"no particle has {name} between {low:.6g} and {high:.6g} {unit_of(name)}"
        cure = "fill the gap, or state it: between, a model has to guess"
        yield Finding("warning", text, 0, None, cure)


_JUDGED = ("energy_gev", "x_cm", "y_cm", "z_cm")
COVERAGE = Check(
    name="coverage",
    title="Coverage of conditions",
    finds="energies and positions with holes, outliers, or a single value",
    matters="a model is asked for what it has not seen, or scales a column by one stray value",
    cure="see the histograms",
    judge=_judge,
)
