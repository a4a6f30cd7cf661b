"""Shower shapes: values known by hand."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from caloforge.geometry import DetectorGeometry, load_geometry
from caloforge.metrics import measure
from caloforge.metrics.shower.catalogue import observables
from caloforge.metrics.shower.layers import layer_energies


def shapes_of(geometry: DetectorGeometry, showers: np.ndarray) -> dict[str, np.ndarray]:
    chosen = observables(geometry)
    columns = measure(chosen, showers)
    return {shape.name: columns[:, k] for k, shape in enumerate(chosen)}


def test_two_cells(toy_grid: DetectorGeometry) -> None:
    # Cells (0, 1) and (4, 1) of a 6 x 4 grid of 0.5 x 0.25 cm: centres at x = -1.25 and 0.75.
    showers = np.zeros((1, 24))
    showers[0, [0 * 4 + 1, 4 * 4 + 1]] = 3, 1
    found = {name: values.item() for name, values in shapes_of(toy_grid, showers).items()}
    some = {
        "total": 4,
        "centroid_x": -0.75,
        "centroid_y": -0.125,
        "width_x": np.sqrt(0.75 * 0.25 * 4),
        "width_y": 0,
        "lit_cells": 2,
        "peak_cell": 3,
        "empty": 0,
        "core_fraction": 0.75,  # cells are 0.354 cm: rings end at 0.71 and 1.41 cm
        "ring_2": 0,
        "ring_3": 0.25,  # 1.5 cm from the centroid
        "cells_1": 1,
        "cells_2_to_3": 1,
        "cells_4_to_7": 0,
    }
    assert {name: found[name] for name in some} == pytest.approx(some)


def test_empty_shower_is_zero_everywhere_but_in_its_flag(
    toy_grid: DetectorGeometry, toy_cylinder: DetectorGeometry
) -> None:
    for geometry in (toy_grid, toy_cylinder):
        found = shapes_of(geometry, np.zeros((2, geometry.n_cells)))
        assert (found.pop("empty") == 1).all()
        assert all((values == 0).all() for values in found.values())


def test_layers_of_a_cylinder(toy_cylinder: DetectorGeometry) -> None:
    showers = np.zeros((1, 15), dtype=np.float32)
    showers[0, 0], showers[0, 7] = 1.0, 3.0  # layer 0, and first sector, first ring of layer 3
    found = shapes_of(toy_cylinder, showers)
    assert found["mean_layer"].item() == pytest.approx(0.75 * 3)
    # Ring 0 to 5 mm, two sectors: the centre is at 0.25 cm and 90 degrees.
    assert found["centroid_y_layer_3"].item() == pytest.approx(0.25)
    assert found["centroid_x_layer_3"].item() == pytest.approx(0, abs=1e-12)
    assert "centroid_x_layer_0" not in found
    assert found["lit_share_layer_3"].item() == pytest.approx(1 / 8)
    # Radii of the rings: 2.5, 0.25 cm of layers 0 and 3: of 6 different ones, two in the core.
    assert found["core_fraction"].item() == pytest.approx(0.75)
    assert found["cells_to_10"].item() == 2


def test_rings_follow_the_centroid() -> None:
    # All light in a square of 3 x 3 cells is core, wherever the square is.
    geometry = load_geometry("zn")
    showers = np.zeros((2, 44, 44))
    showers[0, 3:6, 30:33] = 1
    showers[1, 20:23, 20:23] = 1
    showers[1, 20, 42] = 1  # now the centroid is 2.1 cells away from the middle of the square
    found = shapes_of(geometry, showers.reshape(2, -1))
    assert found["core_fraction"][0] == 1
    x = np.array([0.0, 1.0, 2.0])
    y = x[:, None] - (9 * 1 + 22) / 10  # the light's centroid along y, from the square's corner
    distance = np.hypot(y, x - 0.9)
    assert found["core_fraction"][1] == pytest.approx((distance <= 2).sum() / 10)
    assert found["ring_2"][1] == pytest.approx(((distance > 2) & (distance <= 4)).sum() / 10)
    assert found["ring_5"][1] == pytest.approx(0.1)


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 1000))
def test_rings_share_all_the_light_and_bins_all_the_cells(seed: int) -> None:
    rng = np.random.default_rng(seed)
    for name in ("zn", "zp", "cylinder"):
        geometry = load_geometry(name)
        showers = rng.poisson(rng.exponential(0.3, geometry.n_cells), (3, geometry.n_cells))
        found = shapes_of(geometry, showers)
        rings = [v for k, v in found.items() if k.startswith("ring_") or k == "core_fraction"]
        assert len(rings) == 5
        np.testing.assert_allclose(sum(rings), 1, rtol=1e-12)
        cells = [v for k, v in found.items() if k.startswith("cells_")]
        np.testing.assert_array_equal(sum(cells), found["lit_cells"])


def test_spectrum_by_hand() -> None:
    showers = np.zeros((1, 1936))
    values = [1, 1, 2, 3, 4, 7, 8, 15, 16, 31, 31, 32, 500]
    showers[0, : len(values)] = values
    found = shapes_of(load_geometry("zn"), showers)
    cells = [v.item() for k, v in found.items() if k.startswith("cells_")]
    assert cells == [2, 2, 2, 2, 3, 2]


def test_common_against_towers() -> None:
    geometry = load_geometry("zp")
    showers = np.zeros((3, 56, 30))
    showers[0, 4, 4] = 2  # i + j even: common
    showers[1, 4, 5] = 2
    showers[2, 4, 4], showers[2, 50, 5] = 3, 1
    found = shapes_of(geometry, showers.reshape(3, -1))
    np.testing.assert_allclose(found["common_asymmetry"], [1, -1, 0.5])


def test_a_grid_without_the_convention_has_no_asymmetry(toy_grid: DetectorGeometry) -> None:
    assert "common_asymmetry" not in {shape.name for shape in observables(toy_grid)}


def test_all_layers_of_the_challenge() -> None:
    geometry = load_geometry("cylinder")
    few = {shape.name for shape in observables(geometry)}
    every = {shape.name for shape in observables(geometry, max_layers=None)}
    assert few < every
    assert {f"centroid_x_layer_{k}" for k in range(45)} <= every
    assert {f"lit_share_layer_{k}" for k in range(45)} <= every
    showers = np.random.default_rng(0).gamma(1, 1, (4, geometry.n_cells))
    energies = measure(layer_energies(geometry), showers)
    np.testing.assert_allclose(energies, geometry.channels().sums(showers))


def test_headlines_are_few() -> None:
    for name in ("zn", "zp", "cylinder"):
        assert 9 <= sum(shape.headline for shape in observables(load_geometry(name))) <= 12


def test_slices_change_nothing() -> None:
    geometry = load_geometry("zn")
    showers = np.random.default_rng(0).poisson(0.05, (2100, 1936)).astype(np.uint16)
    chosen = observables(geometry)
    whole, part = measure(chosen, showers), measure(chosen, showers[2040:])
    np.testing.assert_allclose(whole[2040:], part, rtol=1e-12)


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 1000), factor=st.integers(2, 9))
def test_brightness_changes_no_position(seed: int, factor: int) -> None:
    geometry = load_geometry("zn")
    showers = np.random.default_rng(seed).poisson(0.02, (3, 1936))
    one, more = shapes_of(geometry, showers), shapes_of(geometry, factor * showers)
    for name in ("centroid_x", "centroid_y", "width_x", "width_y", "lit_cells"):
        np.testing.assert_allclose(one[name], more[name], rtol=1e-9, atol=1e-6)
    np.testing.assert_allclose(more["total"], factor * one["total"])
