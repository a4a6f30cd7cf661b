"""Particles followed to the front face; a position that is not given is left alone."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from caloforge.data import Particles, load_sample
from caloforge.data.derived import impact_cm
from caloforge.data.features import ConditionSet
from caloforge.data.front_face import front_face_point
from caloforge.data.transforms import CellFrame
from caloforge.geometry import GridLayout


def test_by_hand() -> None:
    columns = {
        "x_cm": np.array([1.0, 1.0, 0.0, 1.0]),
        "y_cm": np.array([0.0, 0.0, 2.0, 0.0]),
        "z_cm": np.array([-100.0, 0.0, 50.0, -400.0]),
        "px_gev": np.array([1.0, 2.0, 1.0, 1.0]),
        "py_gev": np.array([0.0, -1.0, 1.0, 0.0]),
        "pz_gev": np.array([-10.0, -100.0, 0.0, -10.0]),
    }
    found = front_face_point(columns, -200.0)
    # Forwards; not given; across the beam; backwards.
    np.testing.assert_allclose(found, [[11, 0], [1, 0], [0, 2], [-19, 0]])
    np.testing.assert_array_equal(front_face_point(columns, None)[:, 0], columns["x_cm"])


@pytest.mark.parametrize("name", ["z_cm", "px_gev", "pz_gev"])
@pytest.mark.parametrize("wrong", [np.nan, np.inf, 1e-320])
def test_broken_numbers_do_not_warn(name, wrong) -> None:
    names = ("x_cm", "y_cm", "z_cm", "px_gev", "py_gev", "pz_gev")
    columns = {key: np.array([1.0, 2.0]) for key in names}
    columns[name] = np.array([wrong, 2.0])
    assert np.isfinite(front_face_point(columns, -100.0)[1]).all()


@pytest.fixture(scope="module")
def without_z():
    """ZN showers of a file that does not say where along the beam particles are."""
    sample = load_sample("zn-train")
    columns = dict(sample.particles.columns) | {"z_cm": np.zeros(len(sample))}
    return sample, Particles(columns, sample.particles.incident)


def test_z_that_is_not_given_leaves_features_as_they_always_were(without_z) -> None:
    sample, particles = without_z
    layout = sample.geometry.layout
    assert isinstance(layout, GridLayout)
    assert sample.geometry.front_face_z_cm == -11261.2
    # The formulas of the versions without projection.
    position = np.stack([particles[k] for k in ("x_cm", "y_cm")], axis=1)
    cells = (position + layout.half_width_cm) / layout.pitch_cm
    distance = np.concatenate((cells, np.asarray(layout.cells) - cells), axis=1)
    expected = {
        "impact": 2 * cells / layout.cells - 1,
        "impact_cm": position,
        "cell_offset": cells - np.floor(cells) - 0.5,
        "edges": np.exp(-np.clip(distance, 0.0, None) / 3),
    }
    for name, values in expected.items():
        fitted = ConditionSet.fit((name,), particles, sample.geometry)
        np.testing.assert_array_equal(fitted.raw(particles, sample.geometry), values)
    frame = CellFrame(sample.geometry, centre_on_impact=True)
    some = slice(0, 500)
    np.testing.assert_array_equal(
        frame.order(particles.select(some)), frame.order(sample.particles.select(some))
    )


def test_impact_and_light_agree_without_z(without_z) -> None:
    sample, particles = without_z
    showers = sample.showers.reshape(-1, 44, 44).astype(float)
    total = showers.sum(axis=(1, 2))
    lit = total > 10
    centroid = ((np.arange(44) + 0.5) * showers.sum(axis=2)).sum(axis=1)[lit] / total[lit]
    impact = impact_cm(particles, sample.geometry)[lit, 0]
    assert np.corrcoef(impact, centroid)[0, 1] > 0.97  # 0.31 if followed from z = 0


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 2**31), n=st.integers(1, 60))
def test_a_point_does_not_depend_on_the_batch(seed, n) -> None:
    sample = load_sample("zn-test")
    rng = np.random.default_rng(seed)
    columns = dict(sample.particles.columns)
    columns["z_cm"] = rng.choice([0.0, -11261.2, -11000.0], len(sample))
    particles = Particles(columns, sample.particles.incident)
    whole = impact_cm(particles, sample.geometry)
    rows = rng.choice(len(sample), n)
    np.testing.assert_array_equal(
        impact_cm(particles.select(rows), sample.geometry), whole[rows]
    )
