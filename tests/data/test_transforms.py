"""Cells in the model's frame, and reflections."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from caloforge.data import Particles, load_sample
from caloforge.data.far_light import FarLight
from caloforge.data.reflections import Reflections
from caloforge.data.transforms import CellFrame
from caloforge.errors import ConfigError
from caloforge.geometry import DetectorGeometry, GridLayout, load_geometry


def at(x_cm: list[float], y_cm: list[float]) -> Particles:
    n = len(x_cm)
    columns = dict.fromkeys(
        ("pdg", "z_cm", "px_gev", "py_gev", "pz_gev", "mass_mev", "charge_e"), np.zeros(n)
    )
    columns |= {"energy_gev": np.ones(n), "x_cm": np.array(x_cm), "y_cm": np.array(y_cm)}
    return Particles(columns, np.arange(n))


def test_the_cell_that_is_hit_goes_to_the_centre(toy_grid) -> None:
    # 6 x 4 cells of 0.5 x 0.25 cm: (1.3, -0.3) cm is cell (5, 0); the centre is (3, 2).
    particles = at([1.3], [-0.3])
    shower = np.zeros((1, 24))
    shower[0, 5 * 4 + 0] = 7
    order = CellFrame(toy_grid, centre_on_impact=True).order(particles)
    rolled = np.take_along_axis(shower, order, axis=1).reshape(6, 4)
    assert rolled[3, 2] == 7


def test_neighbours_stay_neighbours(toy_grid) -> None:
    particles = at([0.1], [0.1])
    grid = np.arange(24).reshape(6, 4)
    order = CellFrame(toy_grid, centre_on_impact=True).order(particles)[0].reshape(6, 4)
    i, j = 3, 2  # cell that is hit
    assert order[3, 2] == grid[i, j]
    assert order[4, 2] == grid[i + 1, j]
    assert order[3, 1] == grid[i, j - 1]


@settings(max_examples=50, deadline=None)
@given(x=st.floats(-5, 5), y=st.floats(-5, 5))
def test_order_is_a_permutation_and_undoes(x: float, y: float) -> None:
    zp = load_geometry("zp")
    particles = at([x], [y])
    order = CellFrame(zp, centre_on_impact=True).order(particles)
    assert sorted(order[0]) == list(range(zp.n_cells))
    shower = np.random.default_rng(0).random((1, zp.n_cells))
    back = np.empty_like(shower)
    np.put_along_axis(back, order, np.take_along_axis(shower, order, axis=1), axis=1)
    np.testing.assert_array_equal(back, shower)


def test_far_cells_are_those_rolled_over_an_edge(toy_grid) -> None:
    # Cell (5, 0) is hit: lines of i = 2, 3, 4, 5 and j = 0, 1 are near, the others come round.
    particles = at([1.3], [-0.3])
    frame = CellFrame(toy_grid, centre_on_impact=True)
    order = frame.order(particles)[0]
    near = order[frame.near(particles)[0]]
    i, j = np.divmod(near, 4)
    assert set(i) == {2, 3, 4, 5}
    assert set(j) == {0, 1}
    assert len(near) == 8
    assert CellFrame(toy_grid).near(particles).all()


def test_far_light_is_measured_by_kind_and_distance_and_given_back() -> None:
    zn = load_geometry("zn")
    rng = np.random.default_rng(0)
    n = 3000
    particles = at(rng.uniform(-3.5, 3.5, n).tolist(), rng.uniform(-3.5, 3.5, n).tolist())
    columns = dict(particles.columns) | {
        "energy_gev": rng.uniform(10, 100, n),
        "pdg": rng.choice([22, 2112], n),
    }
    particles = Particles(columns, particles.incident)
    frame = CellFrame(zn, centre_on_impact=True)
    per_gev = np.where(particles["pdg"] == 22, 1e-4, 1e-3)[:, None]
    mean = per_gev * particles["energy_gev"][:, None] * (1 + (frame.distance(particles) >= 32))
    showers = np.empty((n, 1936), dtype=np.int64)
    np.put_along_axis(showers, frame.order(particles), rng.poisson(mean), axis=1)
    light = FarLight.from_dict(
        json.loads(json.dumps(FarLight.fit(frame, particles, showers).as_dict()))
    )
    assert light.per_gev[22][1:3] == pytest.approx((1e-4, 1e-4), rel=0.05)
    assert light.per_gev[2112] == pytest.approx((1e-3, 1e-3, 1e-3, 2e-3, 2e-3), rel=0.05)
    frame = CellFrame(zn, centre_on_impact=True, far_light=light)
    completed = frame.completed(np.full((n, 1936), 7, np.float32), particles)
    near = frame.near(particles)
    assert (completed[near] == 7).all()
    assert completed[~near].mean() == pytest.approx(mean[~near].mean(), rel=0.02)
    unknown = Particles(columns | {"pdg": np.full(n, 13)}, particles.incident)
    assert frame.completed(completed, unknown)[~near].max() > 0


def test_a_kind_without_cells_at_a_distance_has_the_far_light_of_all() -> None:
    zn = load_geometry("zn")
    # Photons hit near the centre of 44 cells, neutrons near a corner: only they reach far.
    particles = at([0.3] * 50 + [3.0] * 50, [0.3] * 50 + [3.0] * 50)
    columns = dict(particles.columns) | {"pdg": np.repeat([22, 2112], 50)}
    particles = Particles(columns, particles.incident)
    frame = CellFrame(zn, centre_on_impact=True)
    showers = np.repeat([1, 5], 50)[:, None] * np.ones((100, 1936), dtype=np.int64)
    light = FarLight.fit(frame, particles, showers)
    assert light.per_gev[2112] == (5.0,) * 5
    assert light.per_gev[22] == (1.0, *light.per_gev[0][1:])
    assert 1 < light.per_gev[0][0] < 5
    assert light.per_gev[0][1:] == (5.0,) * 4
    far = particles.select(slice(0, 1))
    assert light.means(far, np.array([[20, 40]])).tolist() == [[1.0, 5.0]]


def test_distance_is_counted_from_the_cell_that_is_hit(toy_grid) -> None:
    frame = CellFrame(toy_grid, centre_on_impact=True)
    particles = at([1.3], [-0.3])
    order, distance = frame.order(particles)[0], frame.distance(particles)[0]
    i, j = np.divmod(order, 4)
    np.testing.assert_array_equal(distance, np.maximum(np.abs(i - 5), np.abs(j - 0)))


def test_without_centring_cells_stay(toy_cylinder) -> None:
    order = CellFrame(toy_cylinder).order(at([0.0, 1.0], [0.0, 0.0]))
    np.testing.assert_array_equal(order, np.tile(np.arange(15), (2, 1)))


def test_only_grids_can_be_centred(toy_cylinder) -> None:
    with pytest.raises(ConfigError, match=r"is a cylinder, expected a grid; set data\.centre"):
        CellFrame(toy_cylinder, centre_on_impact=True)


@settings(max_examples=30, deadline=None)
@given(flags=st.tuples(st.booleans(), st.booleans(), st.booleans()), seed=st.integers(0, 99))
def test_a_reflected_shower_belongs_to_the_reflected_particle(flags, seed) -> None:
    # A shower with light in the very cell that is hit keeps it there, whatever the reflection.
    layout = GridLayout((5, 5), (1.0, 1.0), ("mirror_x", "mirror_y", "transpose"))
    square = DetectorGeometry("square", "square", layout, "photons", counts=True)
    rng = np.random.default_rng(seed)
    particles = at(rng.uniform(-2.4, 2.4, 4).tolist(), rng.uniform(-2.4, 2.4, 4).tolist())
    cell = np.floor(particles["x_cm"] + 2.5) * 5 + np.floor(particles["y_cm"] + 2.5)
    showers = np.zeros((4, 25))
    showers[np.arange(4), cell.astype(int)] = 1
    reflections = Reflections(square)
    chosen = np.tile(flags, (4, 1))
    moved = reflections.particles(particles, chosen)
    seen = np.take_along_axis(showers, reflections.order(chosen), axis=1)
    hit = np.floor(moved["x_cm"] + 2.5) * 5 + np.floor(moved["y_cm"] + 2.5)
    np.testing.assert_array_equal(seen.argmax(axis=1), hit)


def test_reflected_light_lies_where_the_reflected_particle_goes() -> None:
    # On real showers: the centroid follows the impact point just as well after reflection.
    sample = load_sample("zn-train").select(slice(0, 2000))
    reflections = Reflections(sample.geometry)
    assert reflections.names == ("mirror_x", "mirror_y", "transpose")
    flags = np.random.default_rng(0).random((2000, 3)) < 0.5
    particles = reflections.particles(sample.particles, flags)
    showers = np.take_along_axis(sample.showers, reflections.order(flags), axis=1).astype(float)
    bright = showers.sum(axis=1) > 30
    centroid = (
        showers @ sample.geometry.layout.centres_cm() / showers.sum(1, keepdims=True).clip(1)
    )
    for axis, column in enumerate(("x_cm", "y_cm")):
        distance = centroid[bright, axis] - particles[column][bright]
        assert np.median(np.abs(distance)) < 0.2


def test_reflection_of_momentum() -> None:
    zn = load_geometry("zn")
    particles = at([1.0], [2.0])
    columns = dict(particles.columns) | {"px_gev": np.array([3.0]), "py_gev": np.array([4.0])}
    particles = Particles(columns, particles.incident)
    moved = Reflections(zn).particles(particles, np.array([[True, False, True]]))
    found = [float(moved[c][0]) for c in ("x_cm", "y_cm", "px_gev", "py_gev")]
    assert found == [2.0, -1.0, 4.0, -3.0]
