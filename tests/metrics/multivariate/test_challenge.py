"""The CaloChallenge's classifiers on toys; its network is too large for more in a test."""

from __future__ import annotations

import numpy as np
from tests.metrics.toy_trials import tiny_trials

from caloforge.metrics.multivariate import challenge
from caloforge.metrics.multivariate.classifier_networks import Examples, challenge_network
from caloforge.metrics.settings import Settings


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
