"""Trials that tests of multivariate metrics share."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from typing import TYPE_CHECKING

import numpy as np

from caloforge.data import load_sample
from caloforge.metrics import Trial, make_trial

if TYPE_CHECKING:
    from caloforge.data import ShowerSample


def brighter(sample: ShowerSample, share: float, seed: int = 1) -> ShowerSample:
    """Each photon gives another one with a probability."""
    rng = np.random.default_rng(seed)
    more = rng.binomial(sample.showers.astype(np.int64), share)
    return replace(sample, showers=(sample.showers + more).astype(sample.showers.dtype))


def mirrored(sample: ShowerSample) -> ShowerSample:
    """Left and right of each shower exchanged: another one for the particle, as likely."""
    shape = sample.geometry.layout.cells
    showers = sample.showers.reshape(len(sample), *shape)[:, ::-1].reshape(len(sample), -1)
    return replace(sample, showers=np.ascontiguousarray(showers))


@cache
def zn_trial() -> Trial:
    """Three showers of each ZN particle against the other two: as they are, and distorted."""
    sample = load_sample("zn-test")
    repeat = np.arange(len(sample)) % 5
    first, second = sample.select(repeat < 3), sample.select(repeat >= 3)
    generated = {
        "same": second,
        "brighter": brighter(second, 0.2),
        "mirrored": mirrored(second),
    }
    return make_trial(first, generated, rng=np.random.default_rng(0))


def tiny_trials(toy_grid, toy_cylinder, toy_sample) -> list[Trial]:
    """20 particles: grid with 4 repeats, cylinder with 2, grid with 1 and empty showers."""
    trials = []
    for geometry, repeats in ((toy_grid, 4), (toy_cylinder, 2), (toy_grid, 1)):
        reference = toy_sample(geometry, 20, repeats=repeats, seed=1)
        other = toy_sample(geometry, 20, repeats=repeats, seed=1)
        rng = np.random.default_rng(3)
        showers = other.showers[rng.permutation(len(other))].copy()
        if repeats == 1:
            showers[::3] = 0
        other = replace(other, showers=showers)
        trials.append(make_trial(reference, {"other": other}, rng=rng))
    return trials
