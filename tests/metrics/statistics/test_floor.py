"""Ratio to floor: pairings of repeats, their bootstrap, and its calibration."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest

from caloforge.metrics import Incidents, pair, wasserstein_1d
from caloforge.metrics.statistics.bootstrap import draw_counts, measured, ratio
from caloforge.metrics.statistics.floor import (
    HALVES,
    ONE_AGAINST_ONE,
    TWO_AGAINST_TWO,
    Design,
    choose_design,
    distances_over_pairings,
)


def design_of(n: int, *repeats: int) -> Design:
    samples = [
        Incidents(np.repeat(np.arange(n), r), np.zeros((n * r, 0)), f"sample {k}")
        for k, r in enumerate(repeats)
    ]
    return choose_design(pair(samples), np.random.default_rng(0))


def draw(
    rng: np.random.Generator, mean: np.ndarray, repeats: int, factor: float = 1.0
) -> np.ndarray:
    """Responses of particles, ``(particle, repeat, 1)``, with a relative spread of 0.22."""
    return rng.gamma(20, factor * mean[:, None, None] / 20, (len(mean), repeats, 1))


@pytest.mark.parametrize(
    ("repeats", "label", "size"),
    [
        ((5, 5), TWO_AGAINST_TWO, 2),
        ((4, 2), TWO_AGAINST_TWO, 2),
        ((5, 2, 1), ONE_AGAINST_ONE, 1),
        ((3, 5), ONE_AGAINST_ONE, 1),
        ((2, 1), ONE_AGAINST_ONE, 1),
        ((1, 5), HALVES, 1),
    ],
)
def test_repeats_decide_the_comparison(repeats: tuple[int, ...], label: str, size: int) -> None:
    design = design_of(10, *repeats)
    assert (design.label, design.size) == (label, size)
    assert design.matched == (label != HALVES)


def test_is_the_mean_over_all_pairings_of_section_6() -> None:
    # The definition, spelt out: all pairs of repeats above, all disjoint pairs below.
    rng = np.random.default_rng(1)
    mean = rng.uniform(5, 50, 12)
    reference, generated = draw(rng, mean, 5), draw(rng, mean, 4, 1.2)
    found = distances_over_pairings(
        reference, [generated], design_of(12, 5, 4), np.ones((1, 12), dtype=np.int64)
    )

    def pool(values: np.ndarray, repeats: tuple[int, ...]) -> np.ndarray:
        return values[:, list(repeats), 0].ravel()

    above = [
        wasserstein_1d(pool(reference, a), pool(generated, b))
        for a in combinations(range(5), 2)
        for b in combinations(range(4), 2)
    ]
    below = [
        wasserstein_1d(pool(reference, a), pool(reference, b))
        for a in combinations(range(5), 2)
        for b in combinations(range(5), 2)
        if not set(a) & set(b)
    ]
    assert len(above) == 60
    assert len(below) == 30
    assert found.generated[0][0, 0] == pytest.approx(np.mean(above), rel=1e-12)
    assert found.floor[0, 0] == pytest.approx(np.mean(below), rel=1e-12)


def test_resampling_is_that_of_the_particles() -> None:
    rng = np.random.default_rng(2)
    mean = rng.uniform(5, 50, 6)
    reference, generated = draw(rng, mean, 2), draw(rng, mean, 1)
    counts = np.array([[2, 0, 1, 0, 3, 0]])
    found = distances_over_pairings(reference, [generated], design_of(6, 2, 1), counts)
    rows = np.repeat(np.arange(6), counts[0])
    expected = np.mean(
        [wasserstein_1d(reference[rows, k, 0], generated[rows, 0, 0]) for k in (0, 1)]
    )
    assert found.generated[0][0, 0] == pytest.approx(expected, rel=1e-12)


def test_halves_compare_different_particles_on_both_sides() -> None:
    design = design_of(7, 1, 1)
    assert design.crossings(2) == [(0, 1), (1, 0)]
    assert design.floor_pairs() == [(0, 1)]
    values = np.arange(7.0)[design.kept, None, None]
    stacked = design.stack(values)
    assert stacked.shape == (3, 2, 1)
    assert len(np.unique(stacked)) == 6


@pytest.mark.parametrize("repeats", [(5, 5), (2, 1), (1, 1)])
def test_full_simulation_is_at_one(repeats: tuple[int, int]) -> None:
    design = design_of(60, *repeats)
    rng = np.random.default_rng(3)
    ratios = []
    for _ in range(40):
        mean = np.exp(rng.uniform(1, 4, 60))
        samples = [design.stack(draw(rng, mean, r)) for r in repeats]
        found = distances_over_pairings(
            samples[0], samples[1:], design, np.ones((1, len(samples[0])), dtype=np.int64)
        )
        ratios.append((found.generated[0][0, 0], found.floor[0, 0]))
    above, below = np.mean(ratios, axis=0)
    assert above / below == pytest.approx(1, abs=0.1)


def test_documented_calibration_of_the_errors() -> None:
    # The docstring of `measured` promises errors near the true ones for ratios of 1, 3 and 20.
    rng = np.random.default_rng(4)
    design = design_of(150, 5, 5, 5, 5)
    found: list[list[tuple[float, float]]] = [[], [], []]
    for _ in range(60):
        mean = np.exp(rng.uniform(1, 5, 150))
        generated = [draw(rng, mean, 5, factor) for factor in (1.0, 1.15, 2.0)]
        counts = draw_counts(150, 30, rng)
        result = distances_over_pairings(draw(rng, mean, 5), generated, design, counts)
        for k, replicas in enumerate(result.generated):
            figure = measured(ratio(replicas[:, 0], result.floor[:, 0]), "", distance=True)
            assert figure is not None
            found[k].append((figure.value, figure.error))
    for pairs in found:
        value, error = np.array(pairs).T
        assert 0.65 < error.mean() / value.std(ddof=1) < 1.4
