"""Statistics of labellings against plain loops and closed forms."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats
from scipy.spatial.distance import pdist

from caloforge.metrics import wasserstein_1d
from caloforge.metrics.statistics import contrasts
from caloforge.metrics.statistics.permutation import permuted_labels

N_PARTICLES = 12


@pytest.fixture
def labelling() -> contrasts.Labelling:
    """Particles of 2 to 4 showers on either side, 70 labellings: more than one block."""
    rng = np.random.default_rng(0)
    n, m = rng.integers(2, 5, N_PARTICLES), rng.integers(2, 5, N_PARTICLES)
    particle = np.repeat(np.arange(N_PARTICLES), n + m)
    generated = np.concatenate([[False] * a + [True] * b for a, b in zip(m, n, strict=True)])
    labels = permuted_labels(generated.astype(bool), particle, 69, rng)
    return contrasts.Labelling(labels, np.searchsorted(particle, np.arange(N_PARTICLES)))


@pytest.fixture
def values(labelling: contrasts.Labelling) -> np.ndarray:
    rng = np.random.default_rng(1)
    n = labelling.labels.shape[1]
    return np.column_stack((rng.standard_normal(n), rng.poisson(1.5, n)))


def parts(labelling: contrasts.Labelling):
    """Labels, and rows of each particle."""
    ends = [*labelling.start[1:], labelling.labels.shape[1]]
    rows = [np.arange(a, b) for a, b in zip(labelling.start, ends, strict=True)]
    return labelling.labels, rows


def weights(labelling, rows: np.ndarray) -> np.ndarray:
    """Weight of each of some showers: every particle alike."""
    sizes = [rows[r].sum() for r in parts(labelling)[1]]
    return np.repeat(1 / np.array(sizes), sizes)


def test_wasserstein(labelling, values) -> None:
    found = contrasts.wasserstein(labelling, values)
    expected = [
        [
            stats.wasserstein_distance(
                x[~s], x[s], weights(labelling, ~s), weights(labelling, s)
            )
            for x in values.T
        ]
        for s in labelling.labels
    ]
    np.testing.assert_allclose(found, expected, atol=1e-6)


def test_equal_repeats_weigh_showers_alike() -> None:
    rng = np.random.default_rng(8)
    labels = permuted_labels(np.arange(60) % 5 > 2, np.repeat(np.arange(12), 5), 5, rng)
    labelling = contrasts.Labelling(labels, np.arange(0, 60, 5))
    x = rng.standard_normal((60, 1))
    found = contrasts.wasserstein(labelling, x)[:, 0]
    np.testing.assert_allclose(
        found, [wasserstein_1d(x[~s, 0], x[s, 0]) for s in labels], rtol=1e-5
    )
    area = stats.mannwhitneyu(x[labels[0], 0], x[~labels[0], 0]).statistic / (24 * 36)
    rank = contrasts.rank_shift(labelling, x[:, 0])[0, 0]
    assert rank == pytest.approx(area - 0.5, abs=1e-6)


def test_shifts(labelling, values) -> None:
    group = np.arange(N_PARTICLES) % 3
    found = contrasts.shifts(labelling, values, group)
    labels, rows = parts(labelling)
    for b in (0, 1, 69):
        for c, x in enumerate(values.T):
            shift = np.array(
                [x[r][labels[b, r]].mean() - x[r][~labels[b, r]].mean() for r in rows]
            )
            n = np.array([labels[b, r].sum() for r in rows])
            m = np.array([(~labels[b, r]).sum() for r in rows])
            weight = n * m / (n + m)
            assert found.overall[b, c] == pytest.approx(abs(np.average(shift, weights=weight)))
            assert found.particle[b, c] == pytest.approx(
                np.sqrt(np.average(shift**2, weights=weight))
            )
            means = [
                np.average(shift[group == g], weights=weight[group == g]) for g in range(3)
            ]
            sizes = [weight[group == g].sum() for g in range(3)]
            assert found.group[b, c] == pytest.approx(
                np.sqrt(np.average(np.square(means), weights=sizes))
            )


def test_spread(labelling, values) -> None:
    found = contrasts.spread(labelling, values)
    labels, rows = parts(labelling)
    for b in (0, 69):
        for c, x in enumerate(values.T):
            of = [
                np.mean([x[r][s[r]].var(ddof=1) for r in rows]) for s in (labels[b], ~labels[b])
            ]
            assert found[b, c] == pytest.approx(abs(np.log(of[0] / of[1])) / 2)


def test_spread_needs_repeats() -> None:
    labels = np.array([[True, False] * 3])
    assert (
        contrasts.spread(contrasts.Labelling(labels, np.array([0, 2, 4])), np.ones((6, 1)))
        is None
    )


def test_cell_shift(labelling) -> None:
    showers = (
        np.random.default_rng(2).poisson(0.3, (labelling.labels.shape[1], 9)).astype(np.uint16)
    )
    found = contrasts.cell_shift(labelling, showers)
    variance = showers.var(axis=0)
    for b in (0, 69):
        s = labelling.labels[b]
        means = [np.average(showers[k], axis=0, weights=weights(labelling, k)) for k in (s, ~s)]
        difference = means[0] - means[1]
        expected = np.sqrt((difference**2 / (variance + 0.1 * variance.mean())).sum())
        assert found[b, 0] == pytest.approx(expected, rel=1e-5)


def test_dark_cells_are_no_difference(labelling) -> None:
    showers = np.zeros((labelling.labels.shape[1], 4))
    assert (contrasts.cell_shift(labelling, showers) == 0).all()


def test_rank_shift(labelling, values) -> None:
    found = contrasts.rank_shift(labelling, values[:, 1])
    for b in (0, 69):
        s = labelling.labels[b]
        ranks = stats.rankdata(values[:, 1])
        means = [np.average(ranks[k], weights=weights(labelling, k)) for k in (s, ~s)]
        expected = (means[0] - means[1]) / ranks.size
        assert found[b, 0] == pytest.approx(expected, abs=1e-6)


def test_twins() -> None:
    showers = np.array([[1, 0], [1, 0], [1, 0], [2, 0], [0, 0], [0, 0], [1, 0], [2, 0]])
    labels = np.array(
        [
            [True, True, False, True, True, True, False, False],
            [True, False, True, True, False, True, True, False],
            [False, False, True, True, False, True, False, True],
        ]
    )
    # Empty showers do not count; of four equal ones, those labelled together do.
    found = contrasts.twins(contrasts.Labelling(labels, np.array([0, 4])), showers)
    np.testing.assert_allclose(found[:, 0], [2 / 5, 3 / 5, 2 / 5])


def test_copies() -> None:
    showers = np.array([[1, 0], [1, 0], [2, 0], [0, 0], [1, 0], [3, 0], [3, 0], [3, 0]])
    labels = np.array(
        [
            [True, False, False, True, False, True, False, True],
            [True, True, False, False, True, True, True, False],
            [True, True, True, False, False, True, True, True],
        ]
    )
    # Equal showers of another particle do not count, nor do those of one label alone.
    found = contrasts.copies(contrasts.Labelling(labels, np.array([0, 4])), showers)
    np.testing.assert_allclose(found[:, 0], [3 / 4, 2 / 4, 0])


def test_diversity(labelling) -> None:
    rng = np.random.default_rng(3)
    showers = rng.poisson(2.0, (labelling.labels.shape[1], 5))
    found = contrasts.diversity(labelling, showers, rng)
    labels, rows = parts(labelling)
    roots = np.sqrt(showers)
    for b in (0, 69):
        means = []
        for side in (labels[b], ~labels[b]):
            own = [r[side[r]] for r in rows]
            means.append(
                np.mean([np.mean(pdist(roots[r])) for r in own])  # every particle alike
            )
        assert found[b, 0] == pytest.approx(abs(np.log(means[0] / means[1])))


def test_diversity_of_many_repeats_uses_some() -> None:
    labels = np.array([[True] * 40 + [False] * 40])
    showers = np.random.default_rng(4).poisson(3.0, (80, 6))
    labelling = contrasts.Labelling(labels, np.array([0]))
    found = contrasts.diversity(labelling, showers, np.random.default_rng(0))
    assert found is None or found[0, 0] < 1


def test_no_fluctuation_is_far_from_some() -> None:
    labels = np.array([[True, True, False, False]])
    labelling = contrasts.Labelling(labels, np.array([0]))
    values = np.array([[1.0], [1.0], [0.0], [2.0]])
    assert contrasts.spread(labelling, values)[0, 0] > 10
    assert contrasts.diversity(labelling, values, np.random.default_rng(0))[0, 0] > 10
