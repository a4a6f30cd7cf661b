"""Pictures of W1 and FPD against the size of the samples."""

from __future__ import annotations

import numpy as np
import pytest
from tests.metrics.toy_trials import tiny_trials, zn_trial

from caloforge.metrics.multivariate.sample_size import sample_size_section
from caloforge.metrics.settings import Settings


def test_distances_fall_with_the_size_and_the_distorted_leave_the_floor() -> None:
    curves = sample_size_section(
        zn_trial(), Settings(n_draws=2), np.random.default_rng(0)
    ).curves
    found = {(curve.name, curve.sample): curve for curve in curves}
    assert set(found) == {
        (name, sample)
        for name in ("w1_against_n", "fpd_against_n")
        for sample in ("floor", "same", "brighter", "mirrored")
    }
    floor = found["w1_against_n", "floor"]
    assert floor.x == (27, 55, 110, 220, 440)
    assert np.all(np.diff(floor.y) < 0)
    # As 1/sqrt(n): eight times the showers, a third of the distance.
    assert floor.y[0] / floor.y[3] == pytest.approx(np.sqrt(8), rel=0.4)
    bright, same = found["w1_against_n", "brighter"], found["w1_against_n", "same"]
    assert bright.y[-1] > floor.y[-1] + 3 * floor.error[-1]
    assert abs(same.y[-1] - floor.y[-1]) < 3 * np.hypot(same.error[-1], floor.error[-1])


def test_tiny_samples(toy_grid, toy_cylinder, toy_sample) -> None:
    for trial in tiny_trials(toy_grid, toy_cylinder, toy_sample):
        finding = sample_size_section(trial, Settings(n_draws=1), np.random.default_rng(0))
        assert len(finding.curves) == 4
        for curve in finding.curves:
            assert len(curve.x) == len(curve.y) == len(curve.error)
            assert np.isfinite(curve.y).all()
