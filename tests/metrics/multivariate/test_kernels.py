"""KPD and energy distance: closed forms, JetNet's numbers, what they see."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from scipy.spatial.distance import cdist
from scipy.stats import energy_distance as scipy_energy
from tests.metrics.toy_trials import tiny_trials, zn_trial
from validation.jetnet_reference import toy

from caloforge.metrics import make_trial
from caloforge.metrics.multivariate.kernels import (
    DEFINITIONS,
    kernel_distance,
    kernel_section,
    negative_distance,
    permuted_energy,
    polynomial,
    within_particle_energy,
)
from caloforge.metrics.settings import Settings

JETNET = json.loads((Path(__file__).parents[2] / "reference" / "jetnet.json").read_text())
QUICK = Settings(n_bootstrap=30, n_draws=1, max_showers=500)


def of_all(x: np.ndarray, y: np.ndarray, kernel) -> float:
    """Every row is a particle of its own."""
    counts = np.ones((1, len(x) + len(y)), dtype=np.int64)
    particles = np.arange(len(x)), len(x) + np.arange(len(y))
    return float(kernel_distance(x, y, *particles, counts, kernel)[0])


def test_kpd_is_that_of_jetnet() -> None:
    expected = JETNET["whole"]
    x, y = toy(expected["n"], expected["seed"])
    assert x.sum() + y.sum() == pytest.approx(expected["sum"])
    largest = np.abs(x).max(axis=0)
    found = of_all(x / largest, y / largest, polynomial)
    assert found == pytest.approx(expected["mmd"], rel=1e-9)


def test_one_mean_over_all_agrees_with_the_batches_of_jetnet() -> None:
    expected = JETNET["public"]
    x, y = toy(expected["n"], expected["seed"])
    assert x.sum() + y.sum() == pytest.approx(expected["sum"])
    largest = np.abs(x).max(axis=0)
    median, spread = expected["kpd"]
    found = of_all(x[:3000] / largest, y[:3000] / largest, polynomial)
    assert abs(found - median) < 5 * spread


def test_polynomial_kernel_in_one_dimension() -> None:
    x, y = np.array([[1.0], [2.0]]), np.array([[3.0]])
    np.testing.assert_allclose(polynomial(x, y), [[4.0**4], [7.0**4]])


def test_pairs_of_one_particle_do_not_count() -> None:
    # Two showers of each of two particles on either side: by hand, over the allowed pairs.
    rng = np.random.default_rng(0)
    x, y = rng.standard_normal((2, 4, 3))
    particle = np.array([0, 0, 1, 1])
    counts = np.array([[1, 1], [2, 0], [1, 2]])
    allowed = particle[:, None] != particle

    def mean(a, b):
        return negative_distance(a, b)[allowed].mean()

    expected = mean(x, x) + mean(y, y) - 2 * mean(x, y)
    found = kernel_distance(x, y, particle, particle, counts, negative_distance)
    assert found[0] == pytest.approx(expected)
    assert np.isnan(found[1])  # a resampling of one particle alone has no pairs
    assert found[2] == pytest.approx(expected)  # both weights of the only pair cancel


def test_estimates_are_unbiased_with_repeats() -> None:
    # Particles differ by far more than their showers: the usual estimate would be negative.
    rng = np.random.default_rng(1)
    particle = np.repeat(np.arange(8), 3)
    counts = np.ones((1, 8), dtype=np.int64)
    values = []
    for _ in range(300):
        at = 5 * rng.standard_normal((8, 2))[particle]
        x, y = at + rng.standard_normal((2, 24, 2))
        values.append(kernel_distance(x, y, particle, particle, counts, negative_distance)[0])
    assert abs(np.mean(values)) < 3 * np.std(values) / np.sqrt(300)


def test_permuted_energy_is_the_square_of_that_of_scipy_for_each_labelling() -> None:
    rng = np.random.default_rng(3)
    values = rng.standard_normal((1500, 1))
    signs = np.empty((5, 1500))
    expected = []
    for row in signs:
        first = rng.permutation(1500) < 600
        row[:] = np.where(first, 1 / 600, -1 / 900)
        expected.append(scipy_energy(values[first, 0], values[~first, 0]) ** 2)
    np.testing.assert_allclose(permuted_energy(values, signs), expected, atol=2e-6)


def test_permuted_energy_of_three_columns_by_hand() -> None:
    rng = np.random.default_rng(4)
    x, y = rng.standard_normal((40, 3)), rng.standard_normal((60, 3)) + 0.5
    signs = np.repeat((1 / 40, -1 / 60), (40, 60))[None]
    expected = 2 * cdist(x, y).mean() - cdist(x, x).mean() - cdist(y, y).mean()
    found = permuted_energy(np.concatenate((x, y)), signs)
    assert found[0] == pytest.approx(expected, abs=2e-6)


def test_energy_within_a_particle_by_hand() -> None:
    x, y = np.array([[[0.0], [2.0]]]), np.array([[[3.0], [4.0], [8.0]]])
    between = cdist(x[0], y[0]).mean()
    expected = 2 * between - 2.0 - (1 + 5 + 4) / 3
    assert within_particle_energy(x, y)[0] == pytest.approx(expected)
    assert np.isnan(within_particle_energy(x, y[:, :1])).all()


def test_full_simulation_is_at_the_floor_and_distortions_are_not() -> None:
    trial = zn_trial()
    finding = kernel_section(trial, QUICK, np.random.default_rng(0))
    found = {(f.metric, f.sample): f for f in finding.figures}
    assert len(found) == len(DEFINITIONS) * 3
    for definition in DEFINITIONS:
        figure = found[definition.name, "same"]
        assert abs(figure.value.value) < 3 * figure.value.error
    bright = found["energy_distance", "brighter"].value
    assert bright.value > 3 * bright.error
    assert found["energy_distance", "same"].floor is not None
    # The mirror image is as likely in the whole sample, not for its particle.
    mirrored = found["energy_distance", "mirrored"].value
    assert abs(mirrored.value) < 3 * mirrored.error
    seen = found["energy_distance_conditional", "mirrored"]
    assert seen.value.value > 10 * seen.value.error
    assert seen.floor is None  # three repeats are no two halves of two


def test_equal_seeds_give_equal_figures() -> None:
    first, second = (
        kernel_section(zn_trial(), QUICK, np.random.default_rng(5)).figures for _ in range(2)
    )
    assert [f.as_dict() for f in first] == [f.as_dict() for f in second]


def test_tiny_samples(toy_grid, toy_cylinder, toy_sample) -> None:
    for trial in tiny_trials(toy_grid, toy_cylinder, toy_sample):
        figures = kernel_section(trial, QUICK, np.random.default_rng(0)).figures
        assert len(figures) == 3


def test_n_counts_the_repeats_that_are_used(toy_grid, toy_sample) -> None:
    many, few = toy_sample(toy_grid, 20, repeats=12), toy_sample(toy_grid, 20, repeats=3)
    for reference, other, n in ((many, many, 160), (many, few, 160), (few, few, 60)):
        trial = make_trial(reference, {"g": other}, rng=np.random.default_rng(0))
        figures = kernel_section(trial, QUICK, np.random.default_rng(0)).figures
        assert [f.n for f in figures if f.metric == "energy_distance_conditional"] == [n]
