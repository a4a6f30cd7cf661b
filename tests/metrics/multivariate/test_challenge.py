"""The CaloChallenge's classifiers on toys; its network is too large for more in a test."""

from __future__ import annotations

import numpy as np
import pytest
from tests.metrics.toy_trials import tiny_trials

from caloforge.metrics import make_trial
from caloforge.metrics.multivariate import challenge
from caloforge.metrics.multivariate.classifier_networks import Examples, challenge_network
from caloforge.metrics.settings import Settings
from caloforge.metrics.suites import SUITES


def test_network_learns_and_repeats_itself() -> None:
    rng = np.random.default_rng(0)
    inputs = rng.standard_normal((300, 4)).astype(np.float32)
    generated = inputs[:, 0] + inputs[:, 1] > 0
    parts = [Examples(inputs[a:b], generated[a:b]) for a, b in ((0, 200), (200, 250))]
    scores = challenge_network(*parts, inputs[250:], 3, epochs=3)
    assert np.mean((scores > 0) == generated[250:]) > 0.8
    np.testing.assert_array_equal(scores, challenge_network(*parts, inputs[250:], 3, epochs=3))


def test_tiny_samples(toy_grid, toy_cylinder, toy_sample, monkeypatch) -> None:
    def short(*arguments) -> np.ndarray:
        return challenge_network(*arguments, epochs=1)

    monkeypatch.setattr(challenge, "challenge_network", short)
    settings = Settings(n_bootstrap=10, n_seeds=1)
    for trial in tiny_trials(toy_grid, toy_cylinder, toy_sample):
        found = challenge.challenge_classifiers(trial, settings, np.random.default_rng(0))
        assert {(f.metric, f.target) for f in found.figures} == {
            (metric.name, target)
            for metric in challenge.DEFINITIONS
            for target in ("low level", "high level")
        }
        assert all(2 <= f.n <= 8 for f in found.figures if f.value is not None)


def test_judged_showers_are_counted_and_no_error_is_rounding(
    toy_grid, toy_sample, monkeypatch
) -> None:
    """All are told apart: resampling changes nothing."""

    def all_known(train, validation, inputs, seed) -> np.ndarray:
        return inputs[:, 0].astype(np.float64)

    reference = toy_sample(toy_grid, 50, repeats=4)
    trial = make_trial(reference, {"g": reference}, rng=np.random.default_rng(0))
    side = trial.generated[0]

    def label(which, rows) -> np.ndarray:
        return np.full((len(rows), 1), which is side, dtype=np.float32)

    monkeypatch.setattr(challenge, "challenge_network", all_known)
    monkeypatch.setattr(challenge, "_low_level", label)
    monkeypatch.setattr(challenge, "_high_level", label)
    settings = Settings(n_bootstrap=20, n_seeds=2)
    found = challenge.challenge_classifiers(trial, settings, np.random.default_rng(0)).figures
    for figure in found:
        assert figure.n == 10 * 2  # of 50 particles, two showers a side
        assert figure.value.value == pytest.approx(1, abs=0.05)
        assert figure.value.error == pytest.approx(np.sqrt(11 / 12 / 12 / 10))


def test_error_has_the_scatter_of_trainings() -> None:
    replicas = np.full((2, 11), 0.7)
    replicas[1] = 0.9
    found = challenge._measured(replicas, "", 10)
    assert found.value == pytest.approx(0.8)
    assert found.error == pytest.approx(0.1)
    assert SUITES["calochallenge"].settings.n_seeds == 2
