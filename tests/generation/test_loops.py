"""What numba compiles gives the showers of NumPy, to the last bit."""

from __future__ import annotations

import logging
import pickle
import sys
import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import caloforge
from caloforge.data.far_light import FarLight
from caloforge.data.particles import Particles
from caloforge.data.transforms import CellFrame
from caloforge.errors import BundleError
from caloforge.generation import FastSimulation, hit_loops
from caloforge.generation.hit_loops import installed_loops
from caloforge.generation.hits import HitDrawing
from caloforge.generation.random_numbers import normal
from caloforge.types import CellLaw

loops = pytest.importorskip("caloforge.generation.loops", reason="needs numba")

LAWS = (
    CellLaw("poisson"),
    CellLaw("negative-binomial", 2.1),
    CellLaw("tracks", 1.8, 0.6, 1.2),
    CellLaw("tracks", 3.5, 1.0, 4.0),
)


def incident(n: int, rng: np.random.Generator) -> Particles:
    names = ("z_cm", "px_gev", "py_gev", "mass_mev", "charge_e")
    columns = {name: np.zeros(n) for name in names} | {"pz_gev": np.full(n, -100.0)}
    columns |= {"energy_gev": rng.uniform(10, 1000, n)}
    columns |= {name: rng.uniform(-4, 4, n) for name in ("x_cm", "y_cm")}
    return Particles(columns | {"pdg": rng.choice([22, 2112, 211], n)}, np.arange(n))


def drawings(shapes, law, frame):
    return HitDrawing(shapes, law, frame, compiled=False), HitDrawing(shapes, law, frame)


@settings(max_examples=40, deadline=None)
@given(
    seed=st.integers(0, 2**64 - 1),
    first=st.integers(0, 2**62),
    law=st.sampled_from(LAWS),
    n_shapes=st.integers(1, 40),
    light=st.floats(-2, 4),
    centred=st.booleans(),
    far=st.booleans(),
)
def test_hits_are_those_of_numpy(seed, first, law, n_shapes, light, centred, far) -> None:
    rng = np.random.default_rng(first % 1000)
    geometry = caloforge.load_sample("zn-test").geometry
    shapes = rng.random((n_shapes, geometry.n_cells)) ** 6
    shapes /= shapes.sum(axis=1, keepdims=True)
    per_gev = {0: (0, 1e-6, 2e-6, 1e-6, 1e-7), 22: (0, 3e-5, 1e-5, 0, 0)}
    far_light = FarLight((0, 24, 28, 32, 38), per_gev) if far else None
    frame = CellFrame(geometry, centre_on_impact=centred, far_light=far_light)
    amounts = (10**light * rng.random((5, n_shapes)) ** 3 / n_shapes).astype(np.float32)
    amounts[0], amounts[1, : n_shapes // 2] = 0, 0
    numbers, particles = first + np.arange(5), incident(5, rng)
    slow, fast = drawings(shapes, law, frame)
    assert fast.loops is loops
    expected = slow.draw(amounts, particles, seed=seed, showers=numbers)
    found = fast.draw(amounts, particles, seed=seed, showers=numbers)
    assert found.dtype == expected.dtype
    np.testing.assert_array_equal(found, expected)


def test_hits_of_a_detector_that_is_no_grid(toy_cylinder) -> None:
    rng = np.random.default_rng(0)
    shapes = rng.dirichlet(np.ones(toy_cylinder.n_cells), 3)
    frame, particles = CellFrame(toy_cylinder), incident(20, rng)
    amounts = rng.gamma(2, 20, (20, 3)).astype(np.float32)
    for law in LAWS[:2]:
        made = [
            one.draw(amounts, particles, seed=1, showers=np.arange(20))
            for one in drawings(shapes, law, frame)
        ]
        assert made[0].sum() > 0
        np.testing.assert_array_equal(*made)


def test_cells_of_more_than_16_bits_and_amounts_that_are_none(toy_grid) -> None:
    shapes = np.zeros((1, toy_grid.n_cells))
    shapes[0, 3] = 1
    frame, particles = CellFrame(toy_grid), incident(1, np.random.default_rng(0))
    slow, fast = drawings(shapes, CellLaw("poisson"), frame)
    number = np.arange(1)
    many = np.full((1, 1), 1e5, dtype=np.float32)
    made = fast.draw(many, particles, seed=0, showers=number)
    assert made.dtype == np.uint32
    np.testing.assert_array_equal(made, slow.draw(many, particles, seed=0, showers=number))
    for wrong in (np.nan, -1.0, np.inf, 1e9):
        with pytest.raises(BundleError, match="model: gives"):
            fast.draw(np.full((1, 1), wrong, np.float32), particles, seed=0, showers=number)


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 2**64 - 1), st.integers(0, 2**62), st.integers(1, 9))
def test_noise_is_that_of_numpy(seed, first, width) -> None:
    numbers = first + np.arange(7)
    found = normal(seed, numbers, width, loops)
    np.testing.assert_array_equal(found, normal(seed, numbers, width))


def test_without_numba_showers_are_drawn_by_numpy(monkeypatch) -> None:
    installed_loops.cache_clear()
    monkeypatch.setitem(sys.modules, "numba", None)
    monkeypatch.delitem(sys.modules, "caloforge.generation.loops")
    try:
        assert installed_loops() is None
        shapes, rng = np.full((1, 1936), 1 / 1936), np.random.default_rng(0)
        frame = CellFrame(caloforge.load_sample("zn-test").geometry)
        drawing = HitDrawing(shapes, LAWS[0], frame)
        assert drawing.loops is None
        amounts, few = np.full((2, 1), 50, dtype=np.float32), incident(2, rng)
        made = drawing.draw(amounts, few, seed=0, showers=np.arange(2))
        assert made.sum() == pytest.approx(100, abs=50)
    finally:
        installed_loops.cache_clear()


def test_a_simulation_without_numba_makes_the_same_showers(make_bundle, particles) -> None:
    bundle = caloforge.load(make_bundle("tracks")).bundle
    made = [
        FastSimulation(bundle, compiled=compiled).generate(particles, seed=2).showers
        for compiled in (True, False)
    ]
    np.testing.assert_array_equal(*made)


def test_a_simulation_can_be_sent_to_another_process(make_bundle, particles) -> None:
    for one_by_one in (False, True):
        simulation = caloforge.load(make_bundle("hits"), one_by_one=one_by_one)
        copy = pickle.loads(pickle.dumps(simulation))
        few = particles.select(slice(0, 5))
        np.testing.assert_array_equal(
            copy.showers(few, seed=1), simulation.showers(few, seed=1)
        )


@pytest.mark.parametrize("seconds", [0.0, 0.5])
def test_compiling_is_told_if_it_takes_long(monkeypatch, caplog, seconds) -> None:
    monkeypatch.setattr(hit_loops, "_COMPILING_S", 0.1)
    monkeypatch.setattr(loops, "warm_up", lambda: time.sleep(seconds))
    installed_loops.cache_clear()
    with caplog.at_level(logging.INFO, "caloforge"):
        try:
            assert installed_loops() is loops
        finally:
            installed_loops.cache_clear()
    assert ("compiling the loops over hits: 10 to 40 s" in caplog.text) == (seconds > 0)


@pytest.mark.parametrize("error", [OSError, EOFError, pickle.UnpicklingError])
def test_a_cache_that_cannot_be_used_leaves_the_work_to_numpy(error, monkeypatch) -> None:
    def fails() -> None:
        raise error

    installed_loops.cache_clear()
    monkeypatch.setattr(loops, "warm_up", fails)
    try:
        assert installed_loops() is None
    finally:
        installed_loops.cache_clear()
