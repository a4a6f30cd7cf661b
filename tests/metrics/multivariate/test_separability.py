"""AUC and JSD of scores: closed forms, scikit-learn, honesty on noise."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import norm
from sklearn.metrics import roc_auc_score

from caloforge.metrics.multivariate.separability import (
    auc,
    calibrated,
    jensen_shannon,
    ranks_within,
)


def test_auc_is_that_of_scikit_learn_with_ties_and_weights() -> None:
    rng = np.random.default_rng(0)
    scores, generated = rng.integers(0, 8, 200).astype(float), rng.random(200) < 0.4
    counts = np.stack([np.ones(200, dtype=np.int64), rng.integers(0, 4, 200)])
    found = auc(scores, generated, counts)
    expected = [roc_auc_score(generated, scores, sample_weight=row) for row in counts]
    np.testing.assert_allclose(found, expected)
    assert np.isnan(auc(scores, np.zeros(200, dtype=bool), counts)).all()


def test_auc_of_two_gaussians() -> None:
    rng = np.random.default_rng(1)
    generated = np.arange(20_000) >= 10_000
    scores = rng.standard_normal(20_000) + generated
    counts = np.ones((1, 20_000), dtype=np.int64)
    assert auc(scores, generated, counts)[0] == pytest.approx(
        norm.cdf(1 / np.sqrt(2)), abs=0.01
    )


def test_jsd_of_known_probabilities() -> None:
    # Reference uniform on {0, 1}, generated always 1: 1 - 3/4 H(1/3) bits, by hand.
    score = np.array([0, 1] * 1000 + [1] * 2000, dtype=float)
    generated = np.arange(4000) >= 2000
    counts = np.ones((1, 4000), dtype=np.int64)
    p = np.where(score == 1, 2 / 3, 1e-12)
    entropy = -(np.log2(1 / 3) / 3 + 2 * np.log2(2 / 3) / 3)
    expected = 1 - 0.75 * entropy
    assert jensen_shannon(p, generated, counts)[0] == pytest.approx(expected, abs=1e-6)
    fold = np.random.default_rng(0).integers(0, 5, 4000)
    found = calibrated(score, generated, fold)
    assert jensen_shannon(found, generated, counts)[0] == pytest.approx(expected, abs=0.02)


def test_noise_has_no_divergence() -> None:
    rng = np.random.default_rng(2)
    generated, fold = np.arange(2000) >= 1000, rng.integers(0, 5, 2000)
    p = calibrated(rng.random(2000), generated, fold)
    value = jensen_shannon(p, generated, np.ones((1, 2000), dtype=np.int64))[0]
    assert -0.02 < value < 0.01


def test_ranks_make_folds_comparable() -> None:
    fold = np.array([0, 0, 0, 1, 1])
    found = ranks_within(np.array([5.0, 1.0, 5.0, -3.0, 100.0]), fold)
    np.testing.assert_allclose(found, [2 / 3, 1 / 6, 2 / 3, 1 / 4, 3 / 4])
