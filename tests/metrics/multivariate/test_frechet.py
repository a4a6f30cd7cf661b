"""Frechet distance: closed forms, SciPy, JetNet's numbers, its bias and its extrapolation."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from scipy.linalg import sqrtm
from tests.metrics.toy_trials import tiny_trials, zn_trial
from validation.jetnet_reference import toy

from caloforge.data import load_sample
from caloforge.metrics import make_trial
from caloforge.metrics.multivariate.frechet import (
    FPD,
    PUBLISHED,
    Moments,
    Pair,
    extrapolated,
    frechet_distance,
    frechet_section,
    moments,
)
from caloforge.metrics.settings import Settings

JETNET = json.loads((Path(__file__).parents[2] / "reference" / "jetnet.json").read_text())
QUICK = Settings(n_bootstrap=30, n_draws=1)


def gaussian(mean: list[float], covariance: list[list[float]]) -> Moments:
    return Moments(np.array([9.0]), np.array([mean]), np.array([covariance]))


def plain(x: np.ndarray, y: np.ndarray) -> float:
    one = [
        moments(values, np.arange(len(values)), np.ones((1, len(values)), dtype=np.int64))
        for values in (x, y)
    ]
    return float(frechet_distance(*one)[0])


def test_gaussians_of_known_distance() -> None:
    first = gaussian([1.0, 2.0], [[4.0, 0.0], [0.0, 9.0]])
    second = gaussian([1.0, 5.0], [[1.0, 0.0], [0.0, 0.0]])
    assert frechet_distance(first, second)[0] == pytest.approx(3**2 + (2 - 1) ** 2 + 3**2)
    assert frechet_distance(first, first)[0] == pytest.approx(0, abs=1e-12)


def test_agrees_with_the_root_of_scipy() -> None:
    rng = np.random.default_rng(0)
    x, y = rng.standard_normal((300, 6)), rng.standard_normal((200, 6)) @ np.diag(range(1, 7))
    one, other = (np.cov(values, rowvar=False) for values in (x, y))
    root = np.trace(sqrtm(one @ other)).real
    expected = ((x.mean(0) - y.mean(0)) ** 2).sum() + np.trace(one + other) - 2 * root
    assert plain(x, y) == pytest.approx(expected)


def test_fpd_is_that_of_jetnet() -> None:
    expected = JETNET["whole"]
    x, y = toy(expected["n"], expected["seed"])
    largest = np.abs(x).max(axis=0)
    assert plain(x / largest, y / largest) == pytest.approx(expected["frechet"], rel=1e-8)


def test_the_extrapolated_one_agrees_with_jetnet() -> None:
    expected = JETNET["public"]
    x, y = toy(expected["n"], expected["seed"])
    largest = np.abs(x).max(axis=0)
    rows = np.arange(len(x))
    found = extrapolated(
        Pair(x / largest, y / largest, rows, rows), len(x), np.random.default_rng(0)
    )
    value, _ = expected["fpd"]  # its error is that of the fit, not of the sample
    assert found.error < 0.2 * value
    assert abs(found.value - value) < 2 * found.error


def test_counts_mean_repeated_rows() -> None:
    rng = np.random.default_rng(1)
    particle = np.repeat(np.arange(5), [3, 1, 2, 4, 2])
    values = rng.standard_normal((12, 3)) + 100
    counts = np.array([[1, 1, 1, 1, 1], [2, 0, 1, 0, 3]])
    shuffled = rng.permutation(12)
    found = moments(values[shuffled], particle[shuffled], counts)
    for k, row in enumerate(counts):
        repeated = np.repeat(values, row[particle], axis=0)
        assert found.n[k] == len(repeated)
        np.testing.assert_allclose(found.mean[k], repeated.mean(axis=0))
        np.testing.assert_allclose(
            found.covariance[k], np.cov(repeated, rowvar=False), atol=1e-12
        )


def test_bias_falls_as_one_over_n_and_the_extrapolation_removes_it() -> None:
    rng = np.random.default_rng(2)
    small = np.mean([plain(*rng.standard_normal((2, 100, 3))) for _ in range(100)])
    large = np.mean([plain(*rng.standard_normal((2, 400, 3))) for _ in range(100)])
    assert small / large == pytest.approx(4, rel=0.25)
    x, y = rng.standard_normal((2, 2000, 3))
    rows = np.arange(2000)
    found = extrapolated(Pair(x, y, rows, rows), 2000, rng)
    assert abs(found.value) < 3 * found.error
    assert found.error < 0.01


def test_full_simulation_is_at_the_floor_and_distortions_are_not() -> None:
    finding = frechet_section(zn_trial(), QUICK, np.random.default_rng(0))
    found = {(f.target, f.sample): f for f in finding.figures}
    assert set(found) == {
        (target, side)
        for target in ("", PUBLISHED)
        for side in ("same", "brighter", "mirrored")
    }
    same = found[PUBLISHED, "same"]
    assert same.n == 440
    assert abs(same.value.value - same.floor.value) < 3 * np.hypot(
        same.value.error, same.floor.error
    )
    bright = found[PUBLISHED, "brighter"]
    assert bright.value.value > same.value.value + 3 * same.value.error
    assert all(f.metric == FPD.name for f in finding.figures)  # nothing is extrapolated


def test_tiny_samples(toy_grid, toy_cylinder, toy_sample) -> None:
    for trial in tiny_trials(toy_grid, toy_cylinder, toy_sample):
        figures = frechet_section(trial, QUICK, np.random.default_rng(0)).figures
        assert len(figures) == 2
        for figure in figures:  # at most 40 showers for 6 columns or more
            assert figure.value is None
            assert figure.floor is None
            assert figure.note.startswith(f"{figure.n} showers for ")


def test_few_showers_have_fewer_columns() -> None:
    sample = load_sample("zn-test")
    few = sample.select(np.arange(len(sample)) < 5 * 120)
    repeat = np.arange(len(few)) % 5
    trial = make_trial(
        few.select(repeat < 3),
        {"same": few.select(repeat >= 3)},
        rng=np.random.default_rng(0),
    )
    figures = frechet_section(trial, QUICK, np.random.default_rng(0)).figures
    for figure in figures:
        assert figure.n == 120
        assert "headline observables" in figure.note
        assert figure.value.value < 3 * figure.floor.value
        assert figure.floor.value < 3
