"""The verdict: word for word, right for full simulation, and seeing what is wrong."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from caloforge.data import ShowerSample, load_sample
from caloforge.geometry import load_geometry
from caloforge.metrics import Measured, make_trial
from caloforge.metrics.assessment import Test
from caloforge.metrics.distortions import distortions
from caloforge.metrics.figures import Figure, Scores
from caloforge.metrics.results import METRICS
from caloforge.metrics.settings import Settings
from caloforge.metrics.statistics.exchange import EXCHANGE_DEFINITIONS, exchange_tests
from caloforge.metrics.suites import DEFINITIONS, assess
from caloforge.metrics.verdicts import differences, give_verdict, with_p_values

FEW = Settings(n_permutations=199)


def halves(sample: ShowerSample, seed: int, n_reference: int = 3, repeats: int = 5):
    """Split the repeats of every particle at random."""
    rng = np.random.default_rng(seed)
    order = np.lexsort((rng.random(len(sample)), sample.particles.incident))
    table = order.reshape(-1, repeats)
    return [
        sample.select(np.sort(part.ravel()))
        for part in (table[:, :n_reference], table[:, n_reference:])
    ]


def judge(reference: ShowerSample, generated: ShowerSample, settings: Settings = FEW, seed=0):
    rng = np.random.default_rng(seed)
    trial = make_trial(reference, {"generated": generated}, rng=rng)
    tests = exchange_tests(trial, trial.generated[0], [], settings, rng)
    return give_verdict("generated", tests), tests


def make_test(**changes: object) -> Test:
    plain = Test("w1", "total", "a", "W1", 3.0, 1.0, 0.001, 0.002, 2.0)
    return replace(plain, **changes)


def test_words() -> None:
    quiet = make_test(p_adjusted=0.011, excess=50.0)
    assert give_verdict("a", [quiet]).text == "compatible with full simulation"
    verdict = give_verdict("a", [quiet, make_test(), make_test(excess=2.345)])
    assert verdict.text == "worse than full simulation by 2.3 floors"
    assert (verdict.n_tests, verdict.n_rejected, verdict.worst.excess) == (3, 2, 2.345)
    assert not verdict.compatible
    assert give_verdict("a", [make_test(excess=1234.5)]).text.endswith("by 1234 floors")


def test_figures_get_the_p_values_of_their_tests() -> None:
    figure = Figure("w1", "total", "a", None, None, 3)
    other = replace(figure, sample="b")
    found = with_p_values([figure, other], [make_test()])
    assert (found[0].p, found[0].p_adjusted) == (0.001, 0.002)
    assert found[1].p is None


def test_differences_are_paired() -> None:
    rng = np.random.default_rng(0)
    common = rng.standard_normal(201)
    replicas = [5 + common, 4.8 + common + 0.05 * rng.standard_normal(201)]
    figures = [
        Figure("w1_ratio", "", name, Measured(float(r[0]), float(r.std())), None, 3, replicas=r)
        for name, r in zip("ab", replicas, strict=True)
    ]
    (found,) = differences(figures, METRICS)
    assert (found.first, found.second) == ("a", "b")
    assert found.difference.value == pytest.approx(replicas[0][0] - replicas[1][0])
    assert found.difference.error < 0.1  # each alone has an error of 1
    assert found.p < 0.05
    assert differences(figures[:1], METRICS) == ()


def test_full_simulation_passes_on_every_sample() -> None:
    for name in ("zn-test", "zp-test", "cylinder-test"):
        verdict, tests = judge(*halves(load_sample(name), seed=1))
        assert verdict.compatible, (name, tests[0])


def test_particles_that_are_alike_pass() -> None:
    """No empty shower: what is constant but for rounding must not be tested."""
    sample = load_sample("zn-neutron-option1")
    for seed in range(6):
        verdict, tests = judge(*halves(sample, seed, 2, 4), seed=seed)
        assert verdict.compatible, tests[0]
        assert "empty" not in {t.target for t in tests}


def test_floor_is_that_of_independent_full_simulation() -> None:
    """Floors from parts of the reference agree with statistics of samples of that size."""
    sample = load_sample("zn-test")
    ratios: dict[tuple[str, str], list[float]] = {}
    for seed in range(12):
        for test in judge(*halves(sample, seed), Settings(n_permutations=19), seed)[1]:
            ratios.setdefault((test.metric, test.target), []).append(test.excess + 1)
    means = np.array([np.mean(values) for values in ratios.values()])
    assert np.median(means) == pytest.approx(1, abs=0.1)


def test_excess_measures_the_distance_and_does_not_saturate() -> None:
    reference, other = halves(load_sample("zn-test"), seed=2)
    found = []
    for factor in (2, 10):
        brighter = replace(other, showers=other.showers * np.uint16(factor))
        _, tests = judge(reference, brighter)
        by_name = {(t.metric, t.target): t.excess for t in tests}
        found.append(by_name["w1_observable", "total"])
    assert found[1] / found[0] == pytest.approx(9, rel=0.2)


def test_a_cut_does_not_hide_lost_showers() -> None:
    reference, other = halves(load_sample("zn-test"), seed=2)
    showers = other.showers.copy()
    showers[other.particles.kinds() == "gamma"] = 0
    rng = np.random.default_rng(0)
    for made, lost in ((replace(other, showers=showers), True), (other, False)):
        trial = make_trial(reference, {"a": made}, rng=rng, cut=1.0)
        tests = exchange_tests(trial, trial.generated[0], [], FEW, rng)
        passing = [t for t in tests if t.metric == "passing"]
        assert (passing[0].p_adjusted <= 0.01) == lost
        assert give_verdict("a", tests).compatible != lost


def test_verdict_does_not_depend_on_the_other_samples() -> None:
    reference, other = halves(load_sample("zp-test"), seed=1)
    first, second = (
        assess(
            make_trial(reference, samples, rng=np.random.default_rng(0)),
            "zdc",
            verdict_only=True,
        )
        for samples in ({"a": other}, {"b": reference, "a": other})
    )
    assert [t for t in second.tests if t.sample == "a"] == list(first.tests)


@pytest.mark.slow
def test_95_of_100_splits_of_full_simulation_pass() -> None:
    sample = load_sample("zn-test")
    verdicts = [
        judge(*halves(sample, seed), Settings(n_permutations=199), seed)[0].compatible
        for seed in range(100)
    ]
    assert sum(verdicts) >= 95


@pytest.mark.parametrize(
    "name", [n for n, d in distortions(load_geometry("zn")).items() if d.must_be_seen]
)
def test_distortions_are_seen(name: str) -> None:
    reference, other = halves(load_sample("zn-test"), seed=2)
    distortion = distortions(other.geometry)[name]
    verdict, _ = judge(reference, distortion.apply(other, np.random.default_rng(5)))
    assert not verdict.compatible


def test_a_replayed_training_set_is_seen() -> None:
    reference, other = halves(load_sample("zn-test"), seed=2)
    replayed = distortions(other.geometry, load_sample("zn-train"))["memorised"]
    verdict, _ = judge(reference, replayed.apply(other, np.random.default_rng(5)))
    assert not verdict.compatible


def test_single_showers_are_tested_too(toy_grid, toy_sample) -> None:
    reference = toy_sample(toy_grid, 300, repeats=1)
    same = toy_sample(toy_grid, 300, repeats=1)
    rng = np.random.default_rng(9)
    mean = reference.showers.astype(float)
    dark = replace(same, showers=rng.binomial(reference.showers, 0.8))
    independent = replace(same, showers=rng.poisson(np.maximum(mean, 0)))
    assert judge(reference, independent)[0].text
    verdict, tests = judge(reference, dark)
    assert not verdict.compatible
    assert not {"spread_shift", "diversity_shift"} & {t.metric for t in tests}


def test_equal_samples_of_single_showers_have_nothing_to_test(toy_grid, toy_sample) -> None:
    sample = toy_sample(toy_grid, 30, repeats=1)
    verdict, tests = judge(sample, sample)
    assert verdict.compatible
    assert tests == ()


def test_copies_of_the_reference_do_not_pass() -> None:
    sample = load_sample("zp-test")
    verdict, tests = judge(sample, sample)
    assert not verdict.compatible
    assert "copies" in {t.metric for t in tests if t.p_adjusted <= 0.01}


def test_scores_join_the_family(toy_grid, toy_sample) -> None:
    reference, other = halves(toy_sample(toy_grid, 60, repeats=4), 0, 2, 4)
    trial = make_trial(reference, {"a": other}, rng=np.random.default_rng(0))
    rng = np.random.default_rng(1)
    told = Scores("auc", "cells", "a", rng.random(120), rng.random(120) + 1)
    foreign = replace(told, sample="b")
    tests = exchange_tests(trial, trial.generated[0], [told, foreign], FEW, rng)
    (found,) = [t for t in tests if t.metric == "auc"]
    assert found.statistic == pytest.approx(0.5)
    assert found.p_adjusted <= 0.01
    assert tests[0].metric == "auc"


@pytest.mark.parametrize("n", [2, 5, 20])
def test_tiny_and_empty_samples(toy_grid, toy_sample, n: int) -> None:
    reference, other = halves(toy_sample(toy_grid, n, repeats=4), 0, 2, 4)
    assert judge(reference, other)[0].compatible
    empty = replace(other, showers=np.zeros_like(other.showers))
    judge(reference, empty)


def test_definitions_are_complete() -> None:
    assert set(DEFINITIONS) >= set(METRICS) | {d.name for d in EXCHANGE_DEFINITIONS}
    for definition in DEFINITIONS.values():
        for field in ("label", "range", "meaning", "source", "bias", "blind"):
            assert getattr(definition, field), (definition.name, field)
