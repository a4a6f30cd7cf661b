"""The condition vector."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

from caloforge.data import Particles, load_sample
from caloforge.data.features import DEFAULT_CONDITIONS, ConditionSet
from caloforge.errors import ConfigError
from caloforge.geometry import load_geometry

EVERYTHING = ("log_energy", "impact", "cell_offset", "edges", "slope", "kind", "mass_mev")


@pytest.fixture
def particles(toy_grid, toy_sample) -> Particles:
    return toy_sample(toy_grid, 60, repeats=1).particles


def test_default_is_the_nine_of_alice_in_its_order() -> None:
    in_order = ["energy_gev", "x_cm", "y_cm", "z_cm", "px_gev", "py_gev", "pz_gev"]
    assert [*DEFAULT_CONDITIONS] == [*in_order, "mass_mev", "charge_e"]


def test_scaled_to_zero_mean_and_unit_spread(particles, toy_grid) -> None:
    scaled = ConditionSet.fit(DEFAULT_CONDITIONS, particles, toy_grid).scaled(
        particles, toy_grid
    )
    assert scaled.dtype == np.float32
    moving = [k for k, name in enumerate(DEFAULT_CONDITIONS) if name != "z_cm"]
    np.testing.assert_allclose(scaled.mean(axis=0), 0, atol=1e-5)
    np.testing.assert_allclose(scaled[:, moving].std(axis=0), 1, atol=1e-5)


def test_constant_column_scales_to_zero_not_nan() -> None:
    # The embedded sample's z_cm has a spread of rounding size, 1e-9: ZDC.md's trap.
    sample = load_sample("zn-train")
    conditions = ConditionSet.fit(DEFAULT_CONDITIONS, sample.particles, sample.geometry)
    scaled = conditions.scaled(sample.particles, sample.geometry)
    assert (scaled[:, 3] == 0).all()
    assert np.isfinite(scaled).all()


def test_derived_features_by_hand() -> None:
    zn = load_geometry("zn")
    one = {
        "pdg": [22],
        "energy_gev": [np.e**3],
        "x_cm": [0.0],
        "y_cm": [1.76],
        "z_cm": [-11261.2],
        "px_gev": [0.01],
        "py_gev": [-0.02],
        "pz_gev": [-20.0],
        "mass_mev": [0.0],
        "charge_e": [0.0],
    }
    particles = Particles({k: np.array(v) for k, v in one.items()}, np.array([0]))
    names = ("log_energy", "impact", "cell_offset", "edges", "slope")
    conditions = ConditionSet.fit(names, particles, zn)
    raw = dict(
        zip(
            (feature.name for feature in conditions.features),
            conditions.raw(particles, zn)[0],
            strict=True,
        )
    )
    # 1.76 cm is half of the half width, and 11 cells of 1.6 mm from the centre.
    expected = {
        "log_energy": 3,
        "impact_x": 0,
        "impact_y": 0.5,
        "cell_offset_x": -0.5,
        "cell_offset_y": -0.5,
        "edges_low_x": np.exp(-22 / 3),
        "edges_low_y": np.exp(-33 / 3),
        "edges_high_x": np.exp(-22 / 3),
        "edges_high_y": np.exp(-11 / 3),
        "slope_x": 0.5,
        "slope_y": -1.0,
    }
    assert raw == pytest.approx(expected, abs=1e-9)


def test_one_hot_kind(particles, toy_grid) -> None:
    conditions = ConditionSet.fit(("kind",), particles, toy_grid)
    assert [f.name for f in conditions.features] == ["kind_22", "kind_211", "kind_2112"]
    scaled = conditions.scaled(particles, toy_grid)
    assert set(np.unique(scaled)) == {0.0, 1.0}
    np.testing.assert_array_equal(
        np.array([22, 211, 2112])[scaled.argmax(axis=1)], particles["pdg"]
    )


def test_outside_the_trained_range_is_found_by_feature(particles, toy_grid) -> None:
    conditions = ConditionSet.fit(EVERYTHING, particles, toy_grid)
    assert conditions.outside(particles, toy_grid) == {}
    columns = dict(particles.columns)
    columns["energy_gev"] = columns["energy_gev"].copy()
    columns["energy_gev"][2] = 1e5
    columns["pdg"] = columns["pdg"].copy()
    columns["pdg"][[4, 5]] = 13
    found = conditions.outside(Particles(columns, particles.incident), toy_grid)
    assert {name: np.flatnonzero(rows).tolist() for name, rows in found.items()} == {
        "log_energy": [2],
        "kind": [4, 5],
    }


def test_survives_json(particles, toy_grid) -> None:
    conditions = ConditionSet.fit(EVERYTHING, particles, toy_grid)
    again = ConditionSet.from_dict(json.loads(json.dumps(conditions.as_dict())))
    assert again == conditions
    assert again.dim == len(conditions.features) == 2 * 3 + 4 + 1 + 3 + 1


def test_a_set_may_be_empty(particles, toy_grid) -> None:
    conditions = ConditionSet.fit((), particles, toy_grid)
    assert conditions.dim == 0
    assert conditions.scaled(particles, toy_grid).shape == (len(particles), 0)
    assert conditions.outside(particles, toy_grid) == {}
    assert ConditionSet.from_dict(json.loads(json.dumps(conditions.as_dict()))) == conditions


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (("energy_ev",), "unknown feature 'energy_ev'; did you mean 'energy_gev'?"),
        (("kind", "kind"), "feature 'kind' is listed twice"),
    ],
)
def test_bad_names_are_refused(particles, toy_grid, names, message) -> None:
    with pytest.raises(ConfigError, match=message.replace("?", r"\?")):
        ConditionSet.fit(names, particles, toy_grid)


def test_grid_features_need_a_grid(particles, toy_cylinder) -> None:
    with pytest.raises(ConfigError, match=r"'impact' needs a grid .* is a cylinder"):
        ConditionSet.fit(("impact",), particles, toy_cylinder)


def test_extra_column_is_a_feature(particles, toy_grid) -> None:
    columns = dict(particles.columns) | {"eta": np.linspace(0, 1, len(particles))}
    extended = replace(particles, columns=columns)
    conditions = ConditionSet.fit(("eta",), extended, toy_grid)
    np.testing.assert_allclose(conditions.raw(extended, toy_grid)[:, 0], columns["eta"])
