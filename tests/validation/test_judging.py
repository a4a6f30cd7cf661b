"""Figures of channel sums on showers with a known answer."""

from __future__ import annotations

import numpy as np
import pytest
from validation.judging import Responses, shower_scores


def responses(rng: np.random.Generator, *, wide: float = 1.0, n: int = 400) -> Responses:
    """Two showers of each particle of standard deviation 1, generated ones of `wide`."""
    centres = rng.normal(0, 5, (n, 1, 3)).repeat(2, axis=1).reshape(2 * n, 3)
    reference = centres + rng.normal(size=(2 * n, 3))
    generated = centres[:, None] + wide * rng.normal(size=(2 * n, 6, 3))
    return Responses(
        reference,
        generated,
        np.ones((2 * n, 2)),
        1.5 * np.ones((2 * n, 6, 2)),
        np.arange(n).repeat(2),
        shower_scores(reference, generated),
    )


def test_score_of_certain_forecasts_is_the_distance() -> None:
    reference = np.zeros((1, 2))
    assert shower_scores(reference, np.array([[[3.0, 4.0]] * 3])) == pytest.approx([5])
    # Mean distance 1, mean distance between the draws 4/3 (two of three pairs are 2 apart).
    draws = np.array([[[1.0, 0.0], [1.0, 0.0], [-1.0, 0.0]]])
    assert shower_scores(reference, draws) == pytest.approx([1 - 2 / 3])


def test_the_right_distribution_reaches_the_floors() -> None:
    found = responses(np.random.default_rng(0)).figures()
    assert found["spread"] == pytest.approx(1, abs=0.05)
    assert found["score_pairs"] == pytest.approx(found["score_floor"], rel=0.05)
    assert found["score_pairs"] == pytest.approx(found["score"])
    assert (found["lit"], found["width"]) == pytest.approx((1.5, 1.5))


@pytest.mark.parametrize("wide", [0.3, 2.0])
def test_a_wrong_spread_is_seen_and_costs(wide: float) -> None:
    right = responses(np.random.default_rng(0)).figures()
    wrong = responses(np.random.default_rng(0), wide=wide).figures()
    assert wrong["spread"] == pytest.approx(wide, rel=0.05)
    assert wrong["score"] > right["score"] + 0.05


def test_resampling_keeps_the_showers_of_a_particle_together() -> None:
    one = responses(np.random.default_rng(0), n=50)
    again = one.resampled(np.random.default_rng(1))
    assert len(again.incident) == 100
    assert len(again.pairs()) == 50
    assert len(np.unique(again.scores)) < 100  # some particles are drawn twice
    known = {tuple(row) for row in one.reference.reshape(50, 6)}
    assert {tuple(row) for row in again.reference[again.pairs()].reshape(50, 6)} <= known
