"""Energies so low that the unit of the whole file may be another."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from caloforge.inspection.finding import Finding
from caloforge.inspection.response_tally import TO_GEV

if TYPE_CHECKING:
    from collections.abc import Iterator

    from caloforge.inspection.evidence import Evidence

# The least energy of CaloChallenge data set 1 is 0.256 GeV, that of 2 and 3 is 1 GeV.
LEAST_PUBLISHED_GEV = 0.25
_SHARE = 0.01
# Of other detectors that measure energy, half of the particles have more.
LEAST_MEDIAN_GEV = 0.05
_PUBLISHED = ("calochallenge-1-photons", "calochallenge-1-pions", "cylinder", "cylinder-fine")


def judge_low(evidence: Evidence) -> Iterator[Finding]:
    """Warn where energies and cells agree, but both may be a factor of 1000 too low."""
    geometry, sample = evidence.geometry, evidence.sample
    energy = sample.columns["energy_gev"]
    known = np.isfinite(energy) & (energy > 0)
    if geometry.counts or geometry.unit not in TO_GEV or not known.any():
        return
    median = float(np.median(energy[known]))
    published = geometry.name in _PUBLISHED
    least = LEAST_PUBLISHED_GEV if published else LEAST_MEDIAN_GEV
    low = known & (energy < least)
    if (low.sum() <= _SHARE * known.sum()) if published else (median >= least):
        return
    text = (
        f"energies are low: {median:.2g} GeV in the median, and "
        + (
            f"below {least} GeV, where the published data of this detector end, in"
            if published
            else f"below {least} GeV in"
        )
        + f" {low.sum() / known.sum():.0%} of the showers; the unit may be wrong"
    )
    count = round(float(low.mean()) * evidence.n_showers)
    cure = (
        "if energies and cells are in GeV, say so in the file (attribute 'unit' of a data set "
        "of the CaloChallenge), or multiply both by 1000"
    )
    yield Finding("warning", text, max(count, 1), int(sample.number[np.argmax(low)]), cure)
