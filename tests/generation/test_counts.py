import numpy as np
import pytest
from scipy.stats import chisquare, logser, nbinom, poisson

from caloforge.errors import BundleError
from caloforge.generation.counts import (
    BRIGHT,
    checked_law,
    cluster_sizes,
    draw_counts,
    quantile,
)
from caloforge.types import TRACK_SHAPE, CellLaw

POISSON, ROUNDING = CellLaw("poisson"), CellLaw("rounding")
LAWS = (POISSON, CellLaw("negative-binomial", 1.3), CellLaw("negative-binomial", 5.0))
MEANS = np.array([0.0, 1e-6, 0.03, 0.7, 1.0, 5.5, 15.9, 16.1, 40.0])


def distribution(law, mean):
    if law == POISSON:
        return poisson(mean)
    return nbinom(mean / (law.fano - 1), 1 / law.fano)


def drawn(cells, law=POISSON, *, n=20_000, seed=0, order=None):
    """Counts of the same cells for many showers."""
    cells = np.broadcast_to(np.asarray(cells, dtype=np.float32), (n, len(cells)))
    if order is None:
        order = np.broadcast_to(np.arange(cells.shape[1]), cells.shape)
    return draw_counts(cells, law, seed=seed, showers=np.arange(n), order=order)


class TestQuantile:
    @pytest.mark.parametrize("mean", [0.0, 1e-9, 0.2, 3.0, 50.0, 1e4, 2e5])
    def test_agrees_with_scipy(self, mean):
        levels = np.array([1e-6, 0.01, 0.3, 0.5, 0.77, 0.999, 1 - 1e-6])
        found = quantile(POISSON, levels, np.full(len(levels), mean))
        expected = np.zeros(len(levels)) if mean == 0 else poisson.ppf(levels, mean)
        np.testing.assert_array_equal(found, expected)
        far = np.array([2**-53, 1e-9, 1 - 1e-9, 1 - 2**-53])
        found = quantile(POISSON, far, np.full(len(far), mean))
        expected = np.zeros(len(far)) if mean == 0 else poisson.ppf(far, mean)
        # The documented error in the far tails of large means.
        np.testing.assert_allclose(found, expected, atol=0.1 * np.sqrt(mean) * (mean > 1e3))

    @pytest.mark.parametrize("law", LAWS)
    def test_is_the_smallest_number_that_reaches_the_level(self, law):
        levels = np.linspace(0.001, 0.999, 999)
        for mean in (0.4, 17.0, 1.6e5):
            exact = distribution(law, mean)
            k = quantile(law, levels, np.full(len(levels), mean))
            assert (exact.cdf(k) >= levels).all()
            assert (exact.cdf(k - 1) < levels).all()


@pytest.mark.parametrize("fano", [1.001, 1.3, 21.0])
def test_clusters_follow_the_logarithmic_law(fano):
    levels = np.linspace(0, 1, 100_001)[1:] - 5e-6
    law = CellLaw("negative-binomial", fano)
    sizes = cluster_sizes(law, levels)
    np.testing.assert_allclose(sizes.mean(), (fano - 1) / np.log(fano), rtol=1e-3)
    found = np.bincount(sizes, minlength=4)[1:4] / len(levels)
    np.testing.assert_allclose(found, logser.pmf([1, 2, 3], 1 - 1 / fano), atol=2e-5)
    assert cluster_sizes(law, np.array([1 - 2.0**-33])) < 600


@pytest.mark.parametrize("fano", [1.001, 1.9, 21.0])
def test_clusters_of_tracks_are_negative_binomial_without_zeros(fano):
    law = CellLaw("tracks", fano)
    levels = np.linspace(0, 1, 100_001)[1:] - 5e-6
    sizes = cluster_sizes(law, levels).astype(float)
    np.testing.assert_allclose(sizes.mean(), 1 / law.clusters_per_count, rtol=1e-3)
    # A Poisson number of clusters has the Fano factor <k^2> / <k>.
    np.testing.assert_allclose((sizes**2).mean() / sizes.mean(), fano, rtol=2e-3)
    exact = nbinom(TRACK_SHAPE, 1 / (1 + (fano - 1) / (TRACK_SHAPE + 1)))
    expected = exact.pmf([1, 2, 3]) / exact.sf(0)
    found = np.bincount(sizes.astype(int), minlength=4)[1:4] / len(levels)
    np.testing.assert_allclose(found, expected, atol=2e-5)


@pytest.mark.parametrize("law", LAWS)
class TestCounts:
    def test_each_cell_has_its_distribution(self, law):
        counts = drawn(MEANS, law)
        assert MEANS[-3] < BRIGHT < MEANS[-2]
        for k, mean in enumerate(MEANS[2:], start=2):
            exact = distribution(law, mean)
            n = np.arange(exact.ppf(1 - 1e-12) + 1)
            expected = exact.pmf(n) * len(counts)
            found = np.bincount(counts[:, k], minlength=len(n))
            rare = expected < 10
            f, e = (np.append(x[~rare], x[rare].sum()) for x in (found, expected))
            assert chisquare(f, e * f.sum() / e.sum()).pvalue > 1e-3, mean
        assert counts[:, 0].max() == 0

    def test_cells_are_independent(self, law):
        counts = drawn(MEANS[2:], law)
        correlations = np.corrcoef(counts.T) - np.eye(counts.shape[1])
        assert np.abs(correlations).max() < 5 / np.sqrt(len(counts))
        total = counts.sum(axis=1)
        mean = MEANS[2:].sum()
        np.testing.assert_allclose(
            total.mean(), mean, atol=5 * np.sqrt(law.fano * mean / len(total))
        )
        np.testing.assert_allclose(total.var(), law.fano * mean, rtol=0.07)

    def test_showers_are_independent(self, law):
        totals = drawn(MEANS, law).sum(axis=1)
        assert abs(np.corrcoef(totals[1:], totals[:-1])[0, 1]) < 5 / np.sqrt(len(totals))

    def test_large_intensities(self, law):
        # exp(12) is the largest that a cell head gives.
        means = np.array([1e3, 65_535.0, 162_754.8])
        counts = drawn(means, law, n=4000)
        np.testing.assert_allclose(
            counts.mean(axis=0), means, atol=5 * np.sqrt(law.fano * means.max() / 4000)
        )
        np.testing.assert_allclose(
            counts.var(axis=0), law.fano * means, rtol=5 * np.sqrt(2 / 4000)
        )
        assert counts.dtype == np.uint32
        assert drawn(np.full(1936, 162_754.8), law, n=64).min() > 150_000

    def test_order_says_where_each_cell_goes(self, law):
        order = np.stack([np.random.default_rng(k).permutation(9) for k in range(50)])
        straight, moved = drawn(MEANS, law, n=50), drawn(MEANS, law, n=50, order=order)
        np.testing.assert_array_equal(np.take_along_axis(moved, order, axis=1), straight)

    def test_a_row_does_not_depend_on_the_others(self, law):
        cells = np.random.default_rng(0).gamma(0.3, 20, (64, 30)).astype(np.float32)
        order = np.broadcast_to(np.arange(30), cells.shape)
        options = {"seed": 4, "showers": 128 + np.arange(64), "order": order}
        counts = draw_counts(cells, law, **options)
        alone = np.zeros_like(cells)
        alone[41] = cells[41]
        found = draw_counts(alone, law, **options)
        np.testing.assert_array_equal(found[41], counts[41])
        assert found.sum() == counts[41].sum()


class TestRounding:
    def test_keeps_the_mean_and_takes_the_two_nearest(self):
        values = np.array([0.0, 0.02, 0.5, 3.0, 7.9, 1000.25])
        counts = drawn(values, ROUNDING)
        np.testing.assert_allclose(counts.mean(axis=0), values, atol=5 * 0.5 / np.sqrt(20_000))
        assert (np.abs(counts - values) < 1).all()
        assert (counts[:, [0, 3]] == [0, 3]).all()
        correlations = np.corrcoef(counts[:, [1, 2, 4, 5]].T) - np.eye(4)
        assert np.abs(correlations).max() < 5 / np.sqrt(20_000)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -0.5])
@pytest.mark.parametrize("law", [*LAWS, ROUNDING])
def test_cells_that_no_detector_gives_are_refused(law, bad):
    with pytest.raises(BundleError, match=r"model: gives cells from .*, expected finite"):
        drawn([1.0, bad], law, n=3)


def test_unknown_law():
    with pytest.raises(
        BundleError, match="model: draws cells by law 'gauss', expected one of poisson, neg"
    ):
        drawn([1.0], CellLaw("gauss"), n=3)


@pytest.mark.parametrize(
    "law",
    [
        CellLaw("tracks", 1.0),
        CellLaw("tracks", np.nan, 0.5, 1.0),
        CellLaw("negative-binomial", 1e9),
        CellLaw("tracks", 2.0, 5.0, 1.0),
        CellLaw("tracks", 2.0, 0.5, 0.0),
        CellLaw("tracks", 2.0, 0.5, 1.0, CellLaw("tracks", -1.0), (0,)),
    ],
)
def test_impossible_laws_are_refused(law):
    with pytest.raises(BundleError, match="model: draws clusters of Fano factor"):
        checked_law(law)
