"""Speed-up from the times that the files state."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from caloforge.metrics.physics.speed import DEFINITIONS, Timing, speed, speed_with
from caloforge.metrics.samples.making import make_trial
from caloforge.metrics.samples.trial import REFERENCE
from caloforge.metrics.settings import Settings

QUICK = Settings(n_bootstrap=200)


@pytest.fixture(scope="module")
def trial(toy_grid, toy_sample):
    """Full simulation needs 0.01 s a GeV; generation 1 ms; another states nothing."""
    sample = toy_sample(toy_grid, 400, repeats=4)
    energy = sample.particles["energy_gev"]
    full = replace(sample, cpu_seconds=(energy / 100).astype(np.float32))
    fast = replace(sample, cpu_seconds=np.full(1600, 1e-3, dtype=np.float32))
    silent = replace(sample, cpu_seconds=None)
    rng = np.random.default_rng(0)
    return make_trial(full, {"fast": fast, "silent": silent}, rng=rng)


def figures(finding) -> dict:
    return {(f.sample, f.metric, f.target): f for f in finding.figures}


def test_is_the_ratio_of_the_means_with_the_error_of_the_choice_of_particles(trial) -> None:
    found = figures(speed(trial, QUICK, np.random.default_rng(1)))
    energy = trial.incoming.energy_gev
    figure = found["fast", "speed_up", "batched"]
    assert figure.value.value == pytest.approx(10 * energy.mean(), rel=1e-5)
    expected = 10 * energy.std(ddof=1) / np.sqrt(energy.size)
    assert figure.value.error == pytest.approx(expected, rel=0.2)
    assert figure.floor is None
    assert found["fast", "cpu_seconds", "batched"].value.value == pytest.approx(1e-3)
    full = found["fast", "cpu_seconds", "full simulation"].value
    assert full.value == pytest.approx(energy.mean() / 100, rel=1e-5)
    assert full.unit == "s"


def test_says_nothing_where_the_file_says_nothing(trial) -> None:
    found = speed(trial, QUICK, np.random.default_rng(1))
    assert {key for key in figures(found) if key[0] == "silent"} == {
        ("silent", "cpu_seconds", "full simulation")
    }
    assert ("fast", "speed_up", "batch 1") not in figures(found)
    assert {c.sample for c in found.curves} == {REFERENCE, "fast"}
    for curve in found.curves:
        if curve.sample == REFERENCE:
            assert np.array(curve.y) == pytest.approx(np.array(curve.x) / 100, rel=0.4)


def test_batch_one_is_that_of_the_provenance(trial) -> None:
    timing = Timing.of({"batch_size": 256, "cpu_seconds_batch_1": 0.02})
    found = figures(speed_with(trial, {"fast": timing}, QUICK, np.random.default_rng(1)))
    batched, single = (found["fast", "speed_up", k] for k in ("batched", "batch 1"))
    assert batched.value.value / single.value.value == pytest.approx(20)
    assert batched.note == "batches of 256"


def test_timing_takes_positive_numbers_only() -> None:
    assert Timing.of(None) == Timing.of({}) == Timing()
    for bad in (0, -1, float("nan"), float("inf"), "8", None):
        assert Timing.of({"batch_size": bad, "cpu_seconds_batch_1": bad}) == Timing()
    assert Timing.of({"batch_size": 8}) == Timing(8, None)


def test_n_counts_the_showers_that_were_timed(toy_grid, toy_sample) -> None:
    full, few = (toy_sample(toy_grid, 30, repeats=repeats) for repeats in (4, 2))
    trial = make_trial(full, {"few": few}, rng=np.random.default_rng(0))
    timing = {"few": Timing(8, 0.02)}
    found = figures(speed_with(trial, timing, QUICK, np.random.default_rng(1)))
    assert {key[1:]: figure.n for key, figure in found.items()} == {
        ("cpu_seconds", "full simulation"): 120,
        ("cpu_seconds", "batched"): 60,
        ("cpu_seconds", "batch 1"): 0,
        ("speed_up", "batched"): 60,
        ("speed_up", "batch 1"): 120,
    }


def test_definitions_say_that_there_is_no_ideal() -> None:
    for definition in DEFINITIONS:
        assert definition.ideal_value is None
        assert "no ideal" in definition.meaning
