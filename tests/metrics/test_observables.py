"""Shower shapes: values known by hand."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from caloforge.geometry import DetectorGeometry, load_geometry
from caloforge.metrics import measure, observables


def shapes_of(geometry: DetectorGeometry, showers: np.ndarray) -> dict[str, np.ndarray]:
    chosen = observables(geometry)
    columns = measure(chosen, showers)
    return {shape.name: columns[:, k] for k, shape in enumerate(chosen)}


def test_two_cells(toy_grid: DetectorGeometry) -> None:
    # Cells (0, 1) and (4, 1) of a 6 x 4 grid of 0.5 x 0.25 cm: centres at x = -1.25 and 0.75.
    showers = np.zeros((1, 24))
    showers[0, [0 * 4 + 1, 4 * 4 + 1]] = 3, 1
    found = {name: values.item() for name, values in shapes_of(toy_grid, showers).items()}
    assert found == pytest.approx(
        {
            "total": 4,
            "centroid_x": -0.75,
            "centroid_y": -0.125,
            "width_x": np.sqrt(0.75 * 0.25 * 4),
            "width_y": 0,
            "lit_cells": 2,
            "peak_cell": 3,
            "empty": 0,
        }
    )


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
