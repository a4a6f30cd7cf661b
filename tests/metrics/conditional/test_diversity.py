"""Diversity of repeated showers and exact twins: by hand, floor, power, small samples."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from caloforge.data import ShowerSample, load_sample
from caloforge.geometry import DetectorGeometry
from caloforge.metrics import Figure, make_trial
from caloforge.metrics.conditional import diversity as diversity_module
from caloforge.metrics.conditional.diversity import DEFINITIONS, diversity, unshared
from caloforge.metrics.settings import Settings

FEW = Settings(n_bootstrap=30, n_draws=3)


def run(reference: ShowerSample, generated: ShowerSample) -> dict[tuple[str, str], Figure]:
    rng = np.random.default_rng(0)
    trial = make_trial(reference, {"mine": generated}, rng=rng)
    return {(f.metric, f.target): f for f in diversity(trial, FEW, rng).figures}


def number(figure: Figure) -> float:
    assert figure.value is not None
    return figure.value.value


@pytest.fixture(scope="module")
def zn() -> ShowerSample:
    return load_sample("zn-test")


def parts(sample: ShowerSample) -> tuple[ShowerSample, ShowerSample]:
    repeat = np.arange(len(sample)) % 5
    return sample.select(repeat < 3), sample.select(repeat >= 3)


def test_unshared_light() -> None:
    a = np.array([[2.0, 0, 0], [1, 2, 3], [0, 0, 0], [2, 2, 0]])
    b = np.array([[0.0, 3, 0], [1, 2, 3], [0, 0, 0], [2, 0, 0]])
    expected = [1, 0, 0, 1 / 3]
    np.testing.assert_allclose(unshared(a, b, (a + b).sum(axis=1)), expected)


def test_doubled_light_has_twice_the_spread(zn: ShowerSample) -> None:
    found = run(zn, replace(zn, showers=2 * zn.showers))
    assert number(found["diversity_ratio", "total"]) == pytest.approx(2, rel=0.1)
    assert number(found["diversity_ratio", "centroid_x"]) == pytest.approx(1, rel=0.1)
    assert number(found["diversity_ratio", "cells"]) == pytest.approx(1, rel=0.02)


def test_full_simulation_is_at_one(zn: ShowerSample) -> None:
    found = run(*parts(zn))
    for (metric, _), figure in found.items():
        if metric == "diversity_ratio":
            assert figure.value is not None
            assert abs(figure.value.value - 1) < 3.5 * figure.value.error
            assert figure.floor is None  # three reference showers are no two pairs
    whole = run(zn, zn)
    for target in ("total", "cells"):
        floor = whole["diversity_ratio", target].floor
        assert floor is not None
        assert abs(floor.value - 1) < 4 * floor.error
    assert whole["diversity_error", ""].floor is not None


def test_sees_half_of_the_showers_duplicated(zn: ShowerSample) -> None:
    reference, generated = parts(zn)
    showers = generated.showers.copy()
    showers[1::4] = showers[::4]  # the second shower of every other particle is its first
    found = run(reference, replace(generated, showers=showers))
    assert number(found["duplicates", ""]) == pytest.approx(0.5, abs=0.02)
    floor = found["duplicates", ""].floor
    assert floor is not None
    assert floor.value < 0.01
    ratio = found["diversity_ratio", "cells"].value
    assert ratio is not None
    assert ratio.value < 1 - 5 * ratio.error
    assert number(found["diversity_error", ""]) > 0.3


def test_empty_showers_are_no_twins(toy_grid: DetectorGeometry, toy_sample) -> None:
    sample = toy_sample(toy_grid, 10, repeats=2)
    showers = np.zeros_like(sample.showers)
    showers[0, 0] = showers[1, 0] = showers[2, 1] = 1
    found = run(sample, replace(sample, showers=showers))
    assert number(found["duplicates", ""]) == pytest.approx(2 / 3)
    empty = run(sample, replace(sample, showers=np.zeros_like(showers)))
    assert empty["duplicates", ""].value is None


@pytest.mark.parametrize("repeats", [1, 2, 5])
def test_small_samples(
    repeats: int, toy_grid: DetectorGeometry, toy_cylinder: DetectorGeometry, toy_sample
) -> None:
    for geometry in (toy_grid, toy_cylinder):
        sample = toy_sample(geometry, 3, repeats=repeats)
        sample.showers[:2] = 0
        found = run(sample, sample)
        assert {metric for metric, _ in found} == {d.name for d in DEFINITIONS}
        assert (found["diversity_error", ""].value is None) == (repeats == 1)


@pytest.mark.parametrize(("full", "mine", "size"), [(20, 10, 8), (10, 5, 5), (16, 9, 8)])
def test_many_repeats_have_a_floor_of_the_same_size(
    full: int, mine: int, size: int, toy_grid: DetectorGeometry, toy_sample
) -> None:
    reference = toy_sample(toy_grid, 30, repeats=full)
    found = run(reference, toy_sample(toy_grid, 30, repeats=mine, seed=0))
    figure = found["diversity_ratio", "cells"]
    assert (figure.n, figure.note) == (30 * size, f"{size} showers of each particle")
    for measured in (figure.value, figure.floor):
        assert measured is not None
        assert abs(measured.value - 1) < 4 * measured.error
    assert found["diversity_error", ""].floor is not None


def test_value_and_floor_read_as_many_showers(
    monkeypatch, toy_grid: DetectorGeometry, toy_sample
) -> None:
    sizes = []

    def watched(side, rows, shapes):
        sizes.append(rows.shape[1])
        return read(side, rows, shapes)

    read = diversity_module._differences
    monkeypatch.setattr(diversity_module, "_differences", watched)
    run(toy_sample(toy_grid, 10, repeats=10), toy_sample(toy_grid, 10, repeats=5))
    assert set(sizes) == {5}
