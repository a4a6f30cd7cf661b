"""Encoded against generated codes: what is equal passes, what differs is seen."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats
from sklearn.metrics import roc_auc_score

from caloforge.explain import codes as module
from caloforge.explain.codes import Codes, match, sliced_distance
from caloforge.explain.embedding import embed

N, REPEATS = 150, 4


@pytest.fixture(autouse=True)
def enough_work(monkeypatch):
    monkeypatch.setattr(module, "N_BOOTSTRAP", 30)
    monkeypatch.setattr(module, "N_FOLDS", 3)


def codes(seed=0, *, shift=0.0, shuffled=False, repeats=REPEATS):
    """Codes that follow a condition, with a spread of their own."""
    rng = np.random.default_rng(seed)
    condition = np.repeat(rng.standard_normal((N, 2)), repeats, axis=0)

    def draw():
        return condition @ np.ones((2, 3)) + 0.5 * rng.standard_normal((N * repeats, 3))

    generated = draw()
    if shuffled:
        generated = generated[rng.permutation(len(generated))]
    encoded = draw()
    return Codes(
        encoded, encoded, generated + shift, condition, np.repeat(np.arange(N), repeats)
    )


@pytest.mark.parametrize("repeats", [1, REPEATS])
def test_a_right_prior_is_at_the_floor(repeats):
    found = match(codes(repeats=repeats), np.random.default_rng(0))
    assert found.matched == (repeats > 1)
    assert found.n == (N // 2 if repeats == 1 else N * REPEATS // 2)
    for value, floor in ((found.auc, found.auc_floor), (found.distance, found.distance_floor)):
        error = np.hypot(value.error, floor.error)
        assert abs(value.value - floor.value) < 4 * error
    assert abs(found.auc.value - 0.5) < 4 * found.auc.error
    assert found.p > 0.01


def test_a_shifted_prior_is_seen_by_both():
    found = match(codes(shift=1.0), np.random.default_rng(0))
    assert found.auc.value > 0.75
    assert found.p < 0.005
    assert found.distance.value > found.distance_floor.value + 5 * found.distance.error
    # W1 of a shifted distribution is the shift: mean of |cos| over directions, in 3 dimensions
    # 1/2 of its length, in units of the spread of a code.
    spread = codes().encoded.std(axis=0).mean()
    assert found.distance.value == pytest.approx(np.sqrt(3) / 2 / spread, rel=0.25)


def test_codes_of_the_wrong_particles_are_seen_by_the_classifier_alone():
    found = match(codes(shuffled=True), np.random.default_rng(0))
    assert found.auc.value > 0.7
    assert found.p < 0.005
    assert found.distance.value < 4 * found.distance_floor.value


def test_p_values_of_a_right_prior_are_uniform(monkeypatch):
    monkeypatch.setattr(module, "N_BOOTSTRAP", 2)
    monkeypatch.setattr(module, "N_PERMUTATIONS", 99)
    monkeypatch.setattr(module, "_TREES", {**module._TREES, "max_iter": 5})
    p = [match(codes(k, repeats=1 + k % 2), np.random.default_rng(k)).p for k in range(24)]
    assert 0.3 < np.mean(p) < 0.7
    assert min(p) > 0.005


def test_distance_and_auc_are_those_of_scipy_and_scikit_learn():
    rng = np.random.default_rng(0)
    first, second = rng.standard_normal((40, 3)), rng.standard_normal((40, 3)) + 0.3
    expected = [
        stats.wasserstein_distance(a, b) for a, b in zip(first.T, second.T, strict=True)
    ]
    assert sliced_distance(first, second) == pytest.approx(np.mean(expected))
    x, y = rng.integers(0, 5, 50).astype(float), rng.integers(1, 6, 50).astype(float)
    area = roc_auc_score(np.repeat([0, 1], 50), np.concatenate((x, y)))
    assert module._auc(x, y) == pytest.approx(area)


def test_effective_dimensions():
    rng = np.random.default_rng(0)
    line = rng.standard_normal((400, 1)) * np.ones((1, 4))
    ball = rng.standard_normal((4000, 4))
    for encoded, expected in ((line, 1.0), (ball, 4.0), (np.zeros((5, 2)), 0.0)):
        sample = Codes(*(encoded,) * 4, np.arange(len(encoded)))
        assert sample.dimensions == pytest.approx(expected, abs=0.02)


def test_neighbours_stay_neighbours_on_the_map():
    rng = np.random.default_rng(0)
    centres = 10 * np.eye(5)[:3]
    group = np.repeat(np.arange(3), 20)
    points = embed(centres[group] + 0.1 * rng.standard_normal((60, 5)), rng)
    middles = np.stack([points[group == k].mean(axis=0) for k in range(3)])
    nearest = np.linalg.norm(points[:, None] - middles, axis=2).argmin(axis=1)
    np.testing.assert_array_equal(nearest, group)


def test_few_dimensions_and_equal_codes_need_no_map():
    rng = np.random.default_rng(0)
    one = rng.standard_normal((9, 1))
    np.testing.assert_array_equal(embed(one, rng), np.hstack((one, np.zeros((9, 1)))))
    assert np.isfinite(embed(np.zeros((12, 4)), rng)).all()
