"""Classifiers: honest on full simulation, powerful on distortions, out of fold by particle."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from tests.metrics.toy_trials import tiny_trials, zn_trial

from caloforge.metrics.multivariate.classifier import (
    AUC,
    JSD,
    Task,
    networks_classifier_section,
    observables_classifier_section,
    out_of_fold,
    with_seeds,
)
from caloforge.metrics.multivariate.classifier_networks import (
    Examples,
    boosted_trees,
    small_network,
)
from caloforge.metrics.settings import Settings

QUICK = Settings(n_bootstrap=30, n_seeds=1, n_folds=3, max_showers=300)


@pytest.mark.parametrize("learner", [boosted_trees, small_network])
def test_rules_learn_what_there_is_and_repeat_themselves(learner) -> None:
    rng = np.random.default_rng(0)
    inputs = rng.standard_normal((600, 5)).astype(np.float32)
    generated = inputs[:, 0] * inputs[:, 1] > 0
    train = Examples(inputs[:400], generated[:400])
    scores = learner(train, inputs[400:], 1)
    assert np.mean((scores > 0) == generated[400:]) > 0.8
    np.testing.assert_array_equal(scores, learner(train, inputs[400:], 1))
    only = Examples(inputs[:9], np.zeros(9, dtype=bool))
    np.testing.assert_array_equal(learner(only, inputs[:3], 1), 0)


def test_no_particle_is_scored_by_a_rule_that_saw_it() -> None:
    particle = np.repeat(np.arange(20), 4)
    inputs = particle[:, None].astype(float)
    generated = np.arange(80) % 2 == 0

    def learner(train: Examples, held: np.ndarray, seed: int) -> np.ndarray:
        assert not np.intersect1d(train.inputs, held).size
        return np.zeros(len(held))

    task = Task("", learner, (), n_seeds=1, n_folds=5)
    held = out_of_fold(task, inputs, generated, particle, np.random.default_rng(0))
    for number in range(20):
        assert np.unique(held.fold[particle == number]).size == 1


def test_seeds_add_to_the_error() -> None:
    rng = np.random.default_rng(0)
    replicas = 0.6 + np.zeros((2, 101))
    replicas[:, 1:] += 0.01 * rng.standard_normal(100)  # the same for both seeds
    replicas[1] += 0.02
    found = with_seeds(replicas, "")
    assert found.value == pytest.approx(0.61)
    assert found.error == pytest.approx(np.hypot(0.01, 0.01), rel=0.2)


def test_zn() -> None:
    finding = observables_classifier_section(zn_trial(), QUICK, np.random.default_rng(0))
    found = {(f.metric, f.sample): f for f in finding.figures}
    assert len(found) == 6
    same, mirrored = found[AUC.name, "same"], found[AUC.name, "mirrored"]
    assert abs(same.value.value - 0.5) < 4 * same.value.error + 0.02
    assert abs(same.floor.value - 0.5) < 4 * same.floor.error + 0.02
    assert mirrored.value.value > 0.85  # only the conditions tell
    assert found[JSD.name, "mirrored"].value.value > 0.3
    assert same.n == 300
    for scores in finding.scores:
        assert scores.reference.shape == (1320,)
        assert scores.generated.shape == (880,)
        difference = scores.generated.mean() - scores.reference.mean()
        assert (difference > 0.03) == (scores.sample != "same")


def test_cells() -> None:
    # Every other row of cells is dark: nothing that mirror images or sums would show.
    trial = zn_trial()
    side = trial.generated[0]
    showers = side.showers.reshape(-1, 44, 44).copy()
    showers[:, ::2] = 0
    side = replace(side, showers=showers.reshape(len(side), -1))
    trial = replace(trial, generated=(side,))
    finding = networks_classifier_section(trial, QUICK, np.random.default_rng(0))
    found = {f.target: f for f in finding.figures if f.metric == AUC.name}
    assert set(found) == {
        "observables, small network",
        "cells, small network",
        "cells, boosted trees",
    }
    for target, figure in found.items():  # observables are as they were
        seen = figure.value.value > 0.5 + 4 * figure.value.error + 0.05
        assert seen == target.startswith("cells")
    assert [scores.target for scores in finding.scores] == ["cells, small network"]


def test_tiny_samples(toy_grid, toy_cylinder, toy_sample) -> None:
    for trial in tiny_trials(toy_grid, toy_cylinder, toy_sample):
        for section in (observables_classifier_section, networks_classifier_section):
            finding = section(trial, QUICK, np.random.default_rng(0))
            assert finding.figures
            assert all(np.isfinite(s.generated).all() for s in finding.scores)
