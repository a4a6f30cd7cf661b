"""Jaccard co-activation: by hand, neighbours, floor and power."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from caloforge.data import ShowerSample, load_sample
from caloforge.geometry import DetectorGeometry
from caloforge.metrics import Figure, Trial, make_trial
from caloforge.metrics.conditional.coactivation import coactivation, neighbours
from caloforge.metrics.settings import Settings

FEW = Settings(n_bootstrap=20, n_draws=3)


def trial_of(reference: ShowerSample, generated: ShowerSample, **options: str) -> Trial:
    return make_trial(reference, {"mine": generated}, rng=np.random.default_rng(0), **options)


def run(trial: Trial) -> dict[str, Figure]:
    return {f.target: f for f in coactivation(trial, FEW, np.random.default_rng(1)).figures}


@pytest.fixture(scope="module")
def zn() -> ShowerSample:
    return load_sample("zn-test")


def parts(sample: ShowerSample) -> tuple[ShowerSample, ShowerSample]:
    repeat = np.arange(len(sample)) % 5
    return sample.select(repeat < 3), sample.select(repeat >= 3)


@pytest.mark.parametrize(
    ("name", "convention", "expected"),
    [
        (
            "zn-test",
            "detector",
            {(0, 1), (0, 2), (1, 3), (2, 3), (0, 4), (1, 4), (2, 4), (3, 4)},
        ),
        ("zp-test", "detector", {(0, 1), (1, 2), (2, 3), (0, 4), (1, 4), (2, 4), (3, 4)}),
        ("cylinder-test", "layers", {(k, k + 1) for k in range(44)}),
    ],
)
def test_neighbours(name: str, convention: str, expected: set[tuple[int, int]]) -> None:
    sample = load_sample(name).select(np.arange(20))
    assert set(neighbours(trial_of(sample, sample, convention=convention))) == expected


def test_by_hand(zn: ShowerSample) -> None:
    # Four showers of two particles; channels are given, not measured.
    sample = zn.select(np.arange(10))
    trial = trial_of(sample, sample)
    # Two showers of each particle on either side; all repeats alike, so every draw is the same.
    on = np.array([[1.0, 1, 0, 0, 0]])
    off = np.array([[1.0, 0, 0, 0, 0]])
    repeated = np.repeat(np.concatenate((on, off)), 5, axis=0)
    side = replace(trial.reference, channels=repeated)
    mine = replace(trial.generated[0], channels=np.repeat(on, 10, axis=0))
    found = run(replace(trial, reference=side, generated=(mine,)))
    # Medians are (1, 0.5, 0, 0, 0): channel 1 never is active. With channel 2 it has J = 0 for
    # both sides of particle 1, and none for particle 2.
    pair = found["channel 1 and channel 2"]
    assert pair.value is not None
    assert pair.value.value == 0
    assert found["channel 3 and channel 4"].value is None
    assert pair.floor is not None
    assert pair.floor.value == 0


def test_floor_and_power(zn: ShowerSample) -> None:
    reference, generated = parts(zn)
    same = run(trial_of(reference, generated))[""]
    assert same.value is not None
    assert same.floor is not None
    assert abs(same.value.value - same.floor.value) < 3 * same.value.error
    rng = np.random.default_rng(0)
    order = np.repeat(2 * rng.permutation(440), 2) + np.tile([0, 1], 440)
    shuffled = replace(generated, showers=generated.showers[order])
    found = run(trial_of(reference, shuffled))[""]
    assert found.value is not None
    assert found.value.value > same.floor.value + 5 * found.value.error


@pytest.mark.parametrize("repeats", [1, 2, 4])
def test_small_samples(
    repeats: int, toy_grid: DetectorGeometry, toy_cylinder: DetectorGeometry, toy_sample
) -> None:
    assert run(trial_of(*[toy_sample(toy_grid, 3, repeats=repeats)] * 2)) == {}  # one channel
    sample = toy_sample(toy_cylinder, 3, repeats=repeats)
    found = run(trial_of(sample, replace(sample, showers=np.zeros_like(sample.showers))))
    assert set(found) == {"", "layer 0 and layer 1", "layer 1 and layer 3"}
