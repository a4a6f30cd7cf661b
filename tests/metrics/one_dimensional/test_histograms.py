"""Histogram distances: closed forms, scipy, the floor, power."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from scipy import stats

from caloforge.data import ShowerSample, load_sample
from caloforge.geometry import DetectorGeometry
from caloforge.metrics import Figure, make_trial
from caloforge.metrics.one_dimensional.histograms import (
    DEFINITIONS,
    bin_edges,
    chi2_terms,
    histogram_distances,
    separation_terms,
)
from caloforge.metrics.settings import Settings

FEW = Settings(n_bootstrap=20, n_draws=3)


def run(
    reference: ShowerSample, generated: ShowerSample, how: Settings = FEW
) -> dict[tuple[str, str], Figure]:
    rng = np.random.default_rng(0)
    trial = make_trial(reference, {"mine": generated}, rng=rng)
    finding = histogram_distances(trial, how, rng)
    return {(f.metric, f.target): f for f in finding.figures}


def test_separation_of_disjoint_and_equal_histograms() -> None:
    p, q = np.array([3.0, 1, 0, 0]), np.array([0.0, 0, 5, 0])
    assert separation_terms(p, q, 4, 5).sum() == pytest.approx(1)
    assert separation_terms(p, 7 * p, 4, 28).sum() == 0


def test_chi2_is_that_of_a_contingency_table() -> None:
    p, q = np.array([10.0, 21, 33, 4]), np.array([30.0, 41, 40, 9])
    terms, filled = chi2_terms(p, q, p.sum(), q.sum())
    expected = stats.chi2_contingency(np.stack((p, q)), correction=False)
    assert terms.sum() == pytest.approx(expected.statistic)
    assert filled.sum() - 1 == expected.dof


def test_documented_relation_of_chi2_and_separation() -> None:
    p, q = np.array([10.0, 21, 33, 4]), np.array([30.0, 11, 20, 7])
    chi2 = chi2_terms(p, q, 68, 68)[0].sum()
    assert chi2 == pytest.approx(2 * 68 * separation_terms(p, q, 68, 68).sum())


@hypothesis_settings(max_examples=50, deadline=None)
@given(
    seed=st.integers(0, 1000),
    n_bins=st.integers(2, 20),
    kind=st.sampled_from(["normal", "counts", "mostly zero", "constant"]),
)
def test_bins_are_equally_full_where_values_differ(seed: int, n_bins: int, kind: str) -> None:
    rng = np.random.default_rng(seed)
    values = {
        "normal": lambda: rng.normal(size=400),
        "counts": lambda: rng.poisson(3, 400).astype(float),
        "mostly zero": lambda: np.where(np.arange(400) < 3, 1.0, 0.0),
        "constant": lambda: np.full(400, 0.3),
    }[kind]()
    edges = bin_edges(values, n_bins)
    assert (np.diff(edges) > 0).all()
    filled = np.bincount(np.searchsorted(edges, values, "right"), minlength=edges.size + 1)
    assert (filled > 0).all()
    if kind == "normal":
        assert filled.size == n_bins
        assert np.ptp(filled) <= 2
    if kind == "counts":
        assert (edges % 1 == 0.5).all()
    if kind == "mostly zero":
        assert filled.tolist() == [397, 3]
    if kind == "constant":
        assert edges.size == 0


def test_ks_agrees_with_scipy(toy_grid: DetectorGeometry, toy_sample) -> None:
    # Equal repeats: whatever is drawn, the samples are these.
    single = toy_sample(toy_grid, 60, repeats=1)
    twice = single.select(np.repeat(np.arange(60), 2))
    changed = replace(single, showers=(single.showers * 3 // 2).astype(np.uint16))
    found = run(twice, changed)
    a, b = (s.showers.astype(float) for s in (single, changed))
    for name, compute in (
        ("total", lambda s: s.sum(axis=1)),
        ("peak_cell", lambda s: s.max(axis=1)),
    ):
        figure = found["ks", name]
        assert figure.value is not None
        assert figure.value.value == pytest.approx(
            stats.ks_2samp(compute(a), compute(b)).statistic
        )
        assert figure.value.error > 0
        assert figure.floor is not None
        assert figure.floor.value == pytest.approx(0, abs=1e-12)


def test_full_simulation_is_at_its_floor_and_distortions_are_not() -> None:
    sample = load_sample("zn-test")
    repeat = np.arange(len(sample)) % 5
    reference, generated = sample.select(repeat < 3), sample.select(repeat >= 3)
    found = run(reference, generated)
    for name in ("separation_power", "ks", "chi2_ndf"):
        pairs = [
            (f.value.value, f.floor.value)
            for (metric, _), f in found.items()
            if metric == name and f.value is not None and f.floor is not None
        ]
        values, floors = np.mean(pairs, axis=0)
        assert 0.8 < values / floors < 1.25
    rng = np.random.default_rng(2)
    moved = generated.showers.reshape(-1, 44, 44)
    wide = rng.binomial(moved, 0.5).astype(np.uint16)
    wider = replace(
        generated, showers=(moved - wide + np.roll(wide, 3, axis=1)).reshape(len(generated), -1)
    )
    seen = run(reference, wider)["separation_power", "core_fraction"]
    assert seen.value is not None
    assert seen.floor is not None
    assert seen.value.value > seen.floor.value + 3 * np.hypot(
        seen.value.error, seen.floor.error
    )


@pytest.mark.parametrize("repeats", [1, 2])
@pytest.mark.parametrize("n", [2, 20])
def test_small_samples_and_cylinders(
    n: int, repeats: int, toy_grid: DetectorGeometry, toy_cylinder: DetectorGeometry, toy_sample
) -> None:
    for geometry in (toy_grid, toy_cylinder):
        a, b = (toy_sample(geometry, n, repeats=repeats, seed=s) for s in (0, 0))
        b = replace(b, showers=b.showers[::-1].copy())
        b.showers[0] = 0
        found = run(a, b, replace(FEW, n_bootstrap=3))
        assert {metric for metric, _ in found} == {d.name for d in DEFINITIONS}
        for (metric, _), figure in found.items():
            if figure.value is not None and metric != "chi2_ndf":
                assert 0 <= figure.value.value <= 1
