"""The summed response against the energy of the incident particle, by kind."""

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING

import numpy as np

from caloforge.data import kind_name
from caloforge.geometry import GridLayout
from caloforge.inspection.checks.low_energy import judge_low
from caloforge.inspection.finding import Check, Finding, some
from caloforge.inspection.response_tally import TO_GEV

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from caloforge.inspection.evidence import Evidence
    from caloforge.inspection.response_tally import Bin, ResponseTally

# Sampling calorimeters see 1 % to 30 % of the energy (silicon-tungsten 3 %, LAr 18 %).
_LEAST_VISIBLE = 0.002
# Light of the ALICE ZDCs is 0.3 to 1.1 photons a GeV; grazing particles give less.
_ZDC_PER_GEV = (0.01, 20.0)
# Median responses of a kind at different energies; muons lose the same energy at any.
_NON_LINEAR = 50.0
_MUONS = (13, -13)
# Showers that a median needs, and those that a trend needs.
_ENOUGH = 30
_TREND = 0.2
# Factor over the median of the kind and energy: shower fluctuations stay below 5.
_OUTLIER = 8.0
# So many of a kind are no accidents: rows are mixed up.
_FEW, _MANY = 10, 0.005


def _judge(evidence: Evidence) -> Iterator[Finding]:
    bins = evidence.response.bins()
    if not bins:
        yield Finding("not judged", "no shower has both an energy and a response")
        return
    yield from judge_low(evidence)
    yield from _gained(evidence)
    yield from _scale(evidence, bins)
    yield from _trend(evidence)
    for kind, own in groupby(bins, key=lambda b: b.kind):
        members = list(own)
        yield from _outliers(evidence, kind, members)
        yield from _linearity(evidence, kind, members)


def _gained(evidence: Evidence) -> Iterator[Finding]:
    """More energy in the cells than the particle had."""
    gained, unit = evidence.response.gained, evidence.geometry.unit
    if gained.count:
        share = gained.count / evidence.n_showers
        cure = (
            "check the units: cells in keV given as MeV, or energies in TeV given as GeV"
            if share > 0.1
            else "find out what was added to these showers, or leave them out"
        )
        text = (
            f"{some(gained.count, 'shower', 'holds', 'hold')} more energy than the particle "
            "had "
            f"(first: {gained.example} {unit})"
        )
        yield Finding("error", text, gained.count, gained.first, cure)


def _scale(evidence: Evidence, bins: Sequence[Bin]) -> Iterator[Finding]:
    """Whether the response per GeV is possible at all."""
    response, geometry = evidence.response, evidence.geometry
    whole = np.sum([b.histogram for b in bins], axis=0)
    median = response.median(whole)
    sample = evidence.sample
    usable = (sample.sums > 0) & (sample.columns["energy_gev"] > 0)
    each = sample.sums[usable] / sample.columns["energy_gev"][usable]
    low, middle, high = np.quantile(each, (0.05, 0.5, 0.95)) if len(each) else (median,) * 3
    yield Finding(
        "ok",
        f"median response {middle:.3g} {geometry.unit} per GeV, 90 % of the showers from "
        f"{low:.3g} to {high:.3g}",
    )
    if not geometry.counts and geometry.unit in TO_GEV:
        visible = median * TO_GEV[geometry.unit]
        if visible < _LEAST_VISIBLE:
            text = (
                f"only {visible:.2g} of the incident energy is in the cells (median), expected "
                f"{_LEAST_VISIBLE} at least"
            )
            cure = (
                "check the units: energies in MeV given as GeV, or cells in GeV given as "
                f"{geometry.unit}"
            )
            yield Finding("error", text, evidence.n_showers, 0, cure)
    least, most = _ZDC_PER_GEV
    if geometry.name in ("zn", "zp") and not least < median < most:
        text = (
            f"the median response is {median:.2g} photons per GeV, expected {least} to {most} "
            "in a ZDC"
        )
        yield Finding(
            "error",
            text,
            evidence.n_showers,
            0,
            "check the unit of the energies (MeV for GeV?)",
        )


def _trend(evidence: Evidence) -> Iterator[Finding]:
    """Whether showers grow with the energy at all: rows may belong to other particles."""
    sample = evidence.sample
    energy, kinds = sample.columns["energy_gev"], sample.columns["pdg"]
    usable = (sample.sums > 0) & (energy > 0) & np.isfinite(energy)
    for kind in np.unique(kinds[usable]).tolist():
        own = usable & (kinds == kind)
        distinct = len(np.unique(energy[own]))
        if kind in _MUONS or distinct < _ENOUGH or own.sum() < _ENOUGH:
            continue
        quartiles = np.quantile(energy[own], (0.1, 0.9))
        if quartiles[1] < 2 * quartiles[0]:
            continue
        found = rank_correlation(energy[own], sample.sums[own])
        # Rows of chance alone stay within four errors of 0; where there are few, that is a lot.
        if found < _TREND and 4 / np.sqrt(distinct) < 1 - _TREND:
            text = (
                f"the response of {kind_name(int(kind))} does not grow with its energy (rank "
                f"correlation {found:.2f} of {int(own.sum()):,} showers, expected more than "
                f"{_TREND})"
            )
            yield Finding("error", text, int(own.sum()), int(sample.number[own][0]), _SHUFFLED)


def _outliers(evidence: Evidence, kind: int, bins: Sequence[Bin]) -> Iterator[Finding]:
    """Showers far brighter than others of their kind and energy."""
    response = evidence.response
    if kind in _MUONS:
        return
    # In a grid particles may graze, so that the median is that of those; impact points tell.
    grid = isinstance(evidence.geometry.layout, GridLayout)
    pooled = np.sum([b.histogram for b in bins], axis=0)
    count, first, factor = 0, None, 0.0
    for b in bins:
        histogram = b.histogram if b.histogram.sum() >= _ENOUGH else pooled
        if histogram.sum() < _ENOUGH:
            continue
        median = response.median(histogram)
        # Of few photons the Poisson fluctuation alone exceeds a factor.
        expected = median * b.energy_gev
        least = max(_OUTLIER * median, _brightest(evidence, expected) / b.energy_gev)
        far = (response.centres > least) & (b.histogram > 0)
        if far.any():
            count += int(b.histogram[far].sum())
            earliest = int(b.first[far].min())
            first = earliest if first is None else min(first, earliest)
            factor = max(factor, float(response.centres[far].max() / median))
    if count:
        text = (
            f"{some(count, 'shower', 'is', 'are')} {_OUTLIER:g} to {factor:.0f} times brighter "
            f"than the median of {kind_name(kind)} of that energy"
        )
        total = sum(int(b.histogram.sum()) for b in bins)
        if count >= _FEW and count > _MANY * total and not grid:
            yield Finding("error", text, count, first, _SHUFFLED)
        else:
            yield Finding("warning", text, count, first, _OUTLIERS)


def _brightest(evidence: Evidence, expected: float) -> float:
    """Largest sum that a Poisson fluctuation of counts explains."""
    if not evidence.geometry.counts:
        return 0.0
    return expected + 10 * float(np.sqrt(expected)) + 10


def _linearity(evidence: Evidence, kind: int, bins: Sequence[Bin]) -> Iterator[Finding]:
    """Energies of one kind in two units, seen as two responses per GeV."""
    response: ResponseTally = evidence.response
    full = [b for b in bins if b.histogram.sum() >= _ENOUGH]
    if kind in _MUONS or len(full) < 2:
        return
    medians = np.array([response.median(b.histogram) for b in full])
    factor = medians.max() / medians.min()
    if factor > _NON_LINEAR:
        low = full[int(np.argmin(medians))]
        text = (
            f"the response per GeV of {kind_name(kind)} changes by a factor of {factor:.0f} "
            f"with the energy, and is least at {low.energy_gev:.3g} GeV"
        )
        first = int(low.first[low.first >= 0].min())
        cure = "check whether some energies are in another unit (MeV among GeV)"
        yield Finding("warning", text, int(low.histogram.sum()), first, cure)


def rank_correlation(a: NDArray[np.float64], b: NDArray[np.float64]) -> float:
    """Spearman's rank correlation; ties share their mean rank."""
    from scipy.stats import rankdata

    ranks = rankdata(a), rankdata(b)
    if min(rank.std() for rank in ranks) == 0:
        return 0.0
    return float(np.corrcoef(*ranks)[0, 1])


_SHUFFLED = (
    "the rows of showers and particles do not belong together, or each shower was normalised: "
    "go back to the files of the simulation"
)
_OUTLIERS = (
    "look at these showers: rows of another particle, double filling, events with several "
    "particles, or units"
)
ENERGY = Check(
    name="energy",
    title="Response against energy",
    finds="more energy in the cells than the particle had; a response per GeV that no detector "
    "has (a unit mistaken); showers far brighter than others of their kind and energy; a "
    "response that does not grow with the energy (rows shuffled, showers normalised)",
    matters="a model learns the wrong scale, or no relation to the energy at all",
    cure="check the units of energies and cells",
    judge=_judge,
)
