"""Suites: every detector, every kind of sample, the same answer every time."""

from __future__ import annotations

import json
from dataclasses import replace
from functools import partial

import numpy as np
import pytest

from caloforge.errors import ConfigError
from caloforge.metrics import make_trial
from caloforge.metrics.figures import GROUPS
from caloforge.metrics.multivariate import challenge
from caloforge.metrics.settings import Settings
from caloforge.metrics.suites import DEFINITIONS, SUITES, assess, find_suite


def make(reference, other):
    return make_trial(reference, {"a": other}, rng=np.random.default_rng(0))


@pytest.fixture(scope="module")
def grid_trial(toy_grid, toy_sample):
    reference = toy_sample(toy_grid, 60, repeats=4)
    other = toy_sample(toy_grid, 60, repeats=4)
    rng = np.random.default_rng(3)
    return make(reference, replace(other, showers=rng.poisson(other.showers.astype(float))))


def test_quick_suite_has_everything_a_report_needs(grid_trial) -> None:
    said: list[tuple[str, int, int]] = []
    found = assess(grid_trial, "quick", say=lambda *step: said.append(step))
    assert [(step, total) for _, step, total in said] == [
        (k, len(said)) for k in range(len(said))
    ]
    assert {f.metric for f in found.figures} <= set(DEFINITIONS)
    assert {t.metric for t in found.tests} <= set(DEFINITIONS)
    assert {d.group for d in found.definitions} <= set(GROUPS)
    assert [v.sample for v in found.verdicts] == ["a"]
    assert found.regions
    json.dumps(found.as_dict(), allow_nan=False)
    tested = [f for f in found.figures if f.metric == "w1" and f.target]
    assert all(f.p is not None for f in tested)
    for figure in found.figures:
        for measured in (figure.value, figure.floor):
            assert measured is None or np.isfinite([measured.value, measured.error]).all()


def test_same_seed_same_figures(grid_trial) -> None:
    first, second, other = (assess(grid_trial, "quick", seed=s).as_dict() for s in (1, 1, 2))
    for table in (first, second, other):
        del table["seconds"]
    assert first == second
    assert first != other


SMALL = Settings(
    n_bootstrap=10, n_permutations=99, n_draws=1, n_seeds=1, n_folds=2, max_showers=100
)


@pytest.mark.parametrize("suite", SUITES)
@pytest.mark.parametrize("repeats", [1, 4])
def test_tiny_samples_of_both_kinds(
    toy_grid, toy_cylinder, toy_sample, monkeypatch, suite: str, repeats: int
) -> None:
    short = partial(challenge.challenge_network, epochs=1)
    monkeypatch.setattr(challenge, "challenge_network", short)
    monkeypatch.setitem(SUITES, suite, replace(SUITES[suite], settings=SMALL))
    for geometry in (toy_grid, toy_cylinder):
        reference = toy_sample(geometry, 24, repeats=repeats)
        other = replace(reference, showers=reference.showers[::-1].copy())
        found = assess(make(reference, other), suite)
        assert found.verdicts[0].n_tests > 10


def test_suite_of_a_detector(toy_grid, toy_cylinder) -> None:
    assert find_suite("auto", toy_grid) == "zdc"
    assert find_suite("auto", toy_cylinder) == "calochallenge"
    assert find_suite(None, toy_grid) is None
    with pytest.raises(ConfigError, match="did you mean 'quick'"):
        find_suite("quik", toy_grid)


def test_verdict_alone_is_that_of_the_suite(grid_trial) -> None:
    whole, alone = (assess(grid_trial, "quick", verdict_only=v) for v in (False, True))
    assert alone.tests == whole.tests
    assert not alone.regions
