"""Particles that were never simulated, and what a model makes of them."""

from __future__ import annotations

import numpy as np
import pytest
from tests.conftest import make_particles

from caloforge.explain.particle_pictures import energy, ratio_range
from caloforge.explain.particles import along, between, frequent_kinds, swept
from caloforge.explain.subject import Subject
from caloforge.explain.sweeps import Reference, Sweep, energy_sweeps, impact_sweeps, profile
from caloforge.generation import load


def momentum(particles):
    return np.stack([particles[f"p{axis}_gev"] for axis in "xyz"], axis=1)


def sweep(responses, values=None, *, showers=None, column="energy_gev", observable="total"):
    responses = np.asarray(responses, dtype=float)
    values = np.arange(responses.shape[1]) + 1.0 if values is None else values
    nothing = Reference(np.empty(0), np.empty(0), np.empty(0, dtype=int))
    incident = np.arange(len(responses))
    return Sweep(column, observable, "n", values, responses, incident, showers or nothing)


def proportional(seed, *, n=60, repeats=1, shared=0.0, **options):
    """A model at 0.9 of a full simulation whose mean is 10 x; 30 % spread of the showers."""
    rng = np.random.default_rng(seed)
    values = np.geomspace(1, 10, 6)
    x = np.repeat(np.exp(rng.uniform(0, np.log(10), n)), repeats)
    own = np.repeat(rng.standard_normal(n), repeats)
    scatter = np.sqrt(shared) * own + np.sqrt(1 - shared) * rng.standard_normal(n * repeats)
    full = Reference(x, 10 * x * (1 + 0.3 * scatter), np.repeat(np.arange(n), repeats))
    model = 9 * values * (1 + 0.3 * rng.standard_normal((40, 1)))
    return sweep(model, values, showers=full, **options)


class TestParticles:
    def test_energy_moves_the_momentum_along(self):
        before = make_particles(30)
        after = swept(before, "energy_gev", np.full(30, 500.0))
        mass = before["mass_mev"] / 1000
        np.testing.assert_allclose(
            np.linalg.norm(momentum(after), axis=1) ** 2 + mass**2, 250000
        )
        unit = [
            m / np.linalg.norm(m, axis=1, keepdims=True) for m in map(momentum, (before, after))
        ]
        np.testing.assert_allclose(*unit, atol=1e-12)
        for name in ("pdg", "x_cm", "z_cm", "mass_mev"):
            np.testing.assert_array_equal(before[name], after[name])

    def test_impact_point_moves_alone(self):
        before = along(make_particles(5), np.tile([0.0, 0.0, -1.0], (5, 1)))
        after = swept(before, "x_cm", np.linspace(-1, 1, 5))
        np.testing.assert_array_equal(after["x_cm"], np.linspace(-1, 1, 5))
        for name in set(before.names) - {"x_cm"}:
            np.testing.assert_allclose(before[name], after[name])

    def test_between_has_both_at_its_ends(self):
        both = make_particles(8)
        rows = np.flatnonzero(both.kinds() == both.kinds()[0])[:2]
        ends = along(both.select(rows), momentum(both.select(rows)))
        way = between(ends.select([0]), ends.select([1]), np.array([0.0, 0.5, 1.0]))
        for name in both.names:
            np.testing.assert_allclose(way[name][[0, 2]], ends[name], rtol=1e-9)
        np.testing.assert_allclose(way["energy_gev"][1] ** 2, np.prod(ends["energy_gev"]))

    def test_frequent_kinds(self):
        particles = make_particles(100)
        kinds, number = np.unique(particles.kinds(), return_counts=True)
        assert frequent_kinds(particles, 1) == [kinds[number.argmax()]]
        assert len(frequent_kinds(particles, 9)) == 3


class TestNumbers:
    def test_of_a_response_that_rises(self):
        rng = np.random.default_rng(0)
        found = sweep(np.arange(10) + rng.normal(0, 3, (50, 1)))
        assert found.spearman == pytest.approx(1)
        assert found.wrong_steps == 0
        assert found.slope.value == pytest.approx(1)
        # The spread of the noise is common to all values: it is no error of a step.
        assert found.error[0] > 0.3

    def test_of_a_response_that_falls_back(self):
        mean = np.array([1, 2, 3, 2, 4, 5.0])
        found = sweep(mean + np.random.default_rng(0).normal(0, 0.01, (50, 6)))
        assert found.wrong_steps == pytest.approx(1 / 5)
        assert found.spearman < 1
        noisy = sweep(mean + np.random.default_rng(0).normal(0, 10, (50, 6)))
        assert noisy.wrong_steps == 0

    def test_of_no_response(self):
        found = sweep(np.ones((4, 5)))
        assert (found.spearman, found.wrong_steps) == (0, 0)

    def test_profile_is_the_mean_in_bins(self):
        x = np.repeat([1.0, 10.0, 100.0], 10)
        y = np.arange(30.0)
        points = profile(x, y, logarithmic=True)
        np.testing.assert_allclose(points[:, 0], [1, 10, 100])
        np.testing.assert_allclose(points[:, 1], [4.5, 14.5, 24.5])
        np.testing.assert_allclose(points[:, 2], np.arange(10).std(ddof=1) / np.sqrt(10))
        assert len(profile(x[:3], y[:3], logarithmic=False)) == 0


class TestErrors:
    @pytest.mark.parametrize(("repeats", "shared"), [(1, 0.0), (5, 1.0)])
    def test_of_the_ratio_cover_the_truth(self, repeats, shared):
        found = [proportional(k, repeats=repeats, shared=shared).ratio for k in range(60)]
        values = np.array([one.value for one in found])
        errors = np.array([one.error for one in found])
        assert values.mean() == pytest.approx(0.9, abs=0.05)
        # Repeats that fluctuate alike count as one: 5 of them give no smaller error.
        assert 0.7 < errors.mean() / values.std(ddof=1) < 1.4

    def test_of_slopes_cover_the_truth(self):
        options = {"column": "x_cm", "observable": "centroid_x"}
        found = [proportional(k, **options) for k in range(60)]
        for name in ("slope", "reference_slope"):
            values = np.array([getattr(one, name).value for one in found])
            errors = np.array([getattr(one, name).error for one in found])
            assert 0.7 < errors.mean() / values.std(ddof=1) < 1.4
        assert found[0].ratio is None

    def test_without_full_simulation_there_is_no_ratio(self):
        found = sweep(np.ones((4, 5)))
        assert found.ratio is None
        assert found.reference_slope is None
        assert found.ratios().shape == (0, 3)
        assert found.as_dict()["model over full simulation"] is None

    def test_the_ratio_panel_shows_all_points_and_no_more(self):
        far, near = np.array([[1, 2.4, 0.2]]), np.array([[1, 0.98, 0.01], [2, 1.0, 0.02]])
        low, high = ratio_range([near])
        assert 0.93 < low < 0.97 < 1.02 < high < 1.05
        low, high = ratio_range([far, near])
        assert 0 <= low < 0.97
        assert 2.6 < high < 3.0
        assert ratio_range([np.empty((0, 3))]) == (0.99, 1.01)
        found = [proportional(k) for k in range(2)]
        panel = energy(found, "response").axes[2]
        points = np.concatenate([one.ratios() for one in found])
        low, high = panel.get_ylim()
        assert low <= (points[:, 1] - points[:, 2]).min()
        assert high >= (points[:, 1] + points[:, 2]).max()


class TestModel:
    @pytest.fixture
    def subject(self, make_bundle, held_out_file):
        from caloforge.data import read_showers

        simulation = load(make_bundle("regression"))
        return Subject(simulation, read_showers(held_out_file("toy_grid", n=60)))

    def test_energy_within_the_trained_range_of_each_kind(self, subject):
        found = energy_sweeps(subject, np.random.default_rng(0))
        assert {s.kind for s in found} == {"n", "gamma", "pi+"}
        trained = {f.name: f for f in subject.bundle.conditions.features}["log_energy"]
        for one in found:
            assert one.responses.shape == (16, len(one.values))
            assert np.log(one.values[0]) >= trained.low - 0.01
            assert np.log(one.values[-1]) <= trained.high + 0.01
            # The model was trained for a moment on showers that grow with energy.
            assert one.spearman > 0.5
            assert one.as_dict()["values"] == one.values.tolist()
        ratios = [one.as_dict()["model over full simulation"] for one in found]
        assert any(ratio["error"] > 0 for ratio in ratios if ratio)

    def test_impact_point(self, subject):
        found = impact_sweeps(subject, np.random.default_rng(0))
        assert [s.column for s in found] == ["x_cm", "y_cm"]
        # The model sees showers centred on the impact point: the centroid follows.
        assert found[0].slope.value > 0.3
        assert found[0].slope.error > 0
        assert found[0].reference_slope.error > 0
        assert found[0].spearman > 0.9

    def test_particles_that_are_all_alike_are_not_swept(self, subject):
        sample = subject.sample
        one = sample.particles.select(np.zeros(len(sample), dtype=int))
        alike = type(sample)(one, sample.showers, sample.geometry, None, {}, "alike")
        same = Subject(subject.simulation, alike)
        assert energy_sweeps(same, np.random.default_rng(0)) == []
        assert impact_sweeps(same, np.random.default_rng(0)) == []
