"""P-values hold their level, alone and as a family, and see what stands out."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from caloforge.metrics.statistics.permutation import common_scale, p_values, permuted_labels


@settings(max_examples=30, deadline=None)
@given(
    counts=st.lists(st.tuples(st.integers(0, 4), st.integers(0, 4)), min_size=1, max_size=8),
    seed=st.integers(0, 100),
)
def test_labels_stay_within_their_particle(counts: list[tuple[int, int]], seed: int) -> None:
    particle = np.repeat(np.arange(len(counts)), [a + b for a, b in counts])
    generated = np.concatenate([[False] * a + [True] * b for a, b in counts]).astype(bool)
    if particle.size == 0:
        return
    labels = permuted_labels(generated, particle, 20, np.random.default_rng(seed))
    np.testing.assert_array_equal(labels[0], generated)
    for row in labels:
        np.testing.assert_array_equal(
            np.bincount(particle[row], minlength=len(counts)), [b for _, b in counts]
        )


def test_every_labelling_of_a_pair_is_as_likely() -> None:
    labels = permuted_labels(
        np.array([False, True] * 500),
        np.repeat(np.arange(500), 2),
        40,
        np.random.default_rng(0),
    )
    swapped = labels[1:, ::2].mean()
    assert abs(swapped - 0.5) < 4 * np.sqrt(0.25 / (500 * 40))


def test_p_value_counts_permutations_at_least_as_large() -> None:
    found = p_values(np.array([[3.0, 1.0, 3.0, 5.0], [9.0, 1.0, 2.0, 3.0]]))
    np.testing.assert_allclose(found.raw, [3 / 4, 1 / 4])
    assert (found.adjusted >= found.raw).all()


def test_rounding_does_not_break_ties() -> None:
    found = p_values(np.array([[0.1 + 0.2, 0.3, 0.0, 0.3]]))
    assert found.raw[0] == 3 / 4


def test_one_test_needs_no_adjustment() -> None:
    statistics = np.random.default_rng(0).gamma(2.0, size=(1, 200))
    found = p_values(statistics)
    assert found.adjusted[0] == pytest.approx(found.raw[0])


def test_equal_tests_need_no_adjustment() -> None:
    statistics = np.tile(np.random.default_rng(1).exponential(size=(1, 100)), (5, 1))
    found = p_values(statistics)
    np.testing.assert_allclose(found.adjusted, found.raw)


def test_family_of_independent_tests_is_near_sidak() -> None:
    rng = np.random.default_rng(2)
    statistics = rng.standard_normal((20, 4000))
    statistics[0, 0] = 3.3
    found = p_values(statistics)
    expected = 1 - (1 - stats.norm.sf(3.3)) ** 20
    assert found.adjusted[0] == pytest.approx(expected, rel=0.5)
    assert np.argmin(found.adjusted) == 0


@pytest.mark.parametrize("draw", ["normal", "skewed", "mixed"])
def test_family_wise_level_holds(draw: str) -> None:
    """The smallest adjusted p-value of right generators is at most uniform."""
    rng = np.random.default_rng(3)
    smallest = []
    for _ in range(400):
        statistics = rng.standard_normal((8, 100))
        if draw != "normal":
            statistics = statistics**2
        if draw == "mixed":
            statistics[:4] = np.round(statistics[:4])
            statistics[6] **= 3
        smallest.append(p_values(statistics).adjusted.min())
    for level in (0.02, 0.1, 0.5):
        share = np.mean(np.array(smallest) <= level)
        assert share < level + 4 * np.sqrt(level * (1 - level) / 400)


def test_a_skewed_statistic_does_not_hide_a_shifted_one() -> None:
    rng = np.random.default_rng(4)
    statistics = np.stack((rng.standard_normal(500), rng.standard_normal(500) ** 6))
    statistics[0, 0] = 6.0
    assert p_values(statistics).adjusted[0] <= 0.01


def test_an_enormous_value_does_not_drown_the_others() -> None:
    statistics = np.abs(np.random.default_rng(5).standard_normal((3, 400)))
    statistics[0, 0], statistics[1, 0] = 1e12, 5.0
    adjusted = p_values(statistics).adjusted
    assert adjusted[0] == adjusted[1] == pytest.approx(1 / 400)


def test_many_zeros_do_not_disarm_a_test() -> None:
    """A statistic that is cut at 0 stays as powerful among others as one that is not."""
    rng = np.random.default_rng(7)
    for clipped in (False, True):
        seen = 0
        for _ in range(20):
            statistics = np.abs(rng.standard_normal((60, 400)))
            own = rng.standard_normal(400) + 0.02
            own[0] = 8.0
            statistics[3] = np.maximum(own, 0) if clipped else own
            seen += p_values(statistics).adjusted[3] <= 0.01
        assert seen == 20


def test_surprise_is_the_tail_of_a_gamma_distribution() -> None:
    values = np.random.default_rng(6).gamma(4.0, size=(1, 200_000))
    surprise = common_scale(values)[0]
    exact = -stats.gamma.logsf(values[0], 4.0)
    inside = exact < 6
    assert np.abs(surprise - exact)[inside].max() < 0.1


@pytest.mark.parametrize(
    "statistics", [np.ones(3), np.ones((0, 3)), np.ones((2, 1)), np.array([[1.0, np.nan]])]
)
def test_unusable_statistics_are_refused(statistics: np.ndarray) -> None:
    with pytest.raises(ValueError, match="expected"):
        p_values(statistics)
