"""Scaling of observables and channels."""

from __future__ import annotations

import numpy as np
from tests.metrics.toy_trials import tiny_trials, zn_trial

from caloforge.metrics.multivariate.standard import raw, scaled_by_largest, standardised


def test_the_reference_has_mean_0_and_spread_1_and_all_share_its_scale() -> None:
    trial = zn_trial()
    tables = standardised(trial)
    np.testing.assert_allclose(tables[0].mean(axis=0), 0, atol=1e-12)
    np.testing.assert_allclose(tables[0].std(axis=0), 1)
    assert tables[0].shape[1] == raw(trial.reference).shape[1] - 1  # without "empty"
    total = trial.reference.observables[:, trial.total]
    bright = trial.generated[1].observables[:, trial.total]
    np.testing.assert_allclose(tables[2][:, 0], (bright - total.mean()) / total.std())


def test_the_largest_of_the_reference_is_1() -> None:
    tables = scaled_by_largest(zn_trial())
    np.testing.assert_allclose(np.abs(tables[0]).max(axis=0), 1)


def test_tiny_samples_are_finite(toy_grid, toy_cylinder, toy_sample) -> None:
    for trial in tiny_trials(toy_grid, toy_cylinder, toy_sample):
        for table in (*standardised(trial), *scaled_by_largest(trial)):
            assert np.isfinite(table).all()
