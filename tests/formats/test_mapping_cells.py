"""Cells from dense branches and from hits, in the order and unit of the geometry."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from caloforge.errors import DataFormatError
from caloforge.formats.mapping.cells import CellPlan, Rows, flat
from caloforge.formats.mapping.names import CellRule
from caloforge.geometry import (
    CylinderLayer,
    CylinderLayout,
    DetectorGeometry,
    GridLayout,
)

GRID = DetectorGeometry("toy", "Toy", GridLayout((2, 3)), "photons", counts=True)
LAYERS = (CylinderLayer((0.0, 1.0, 2.0), 3), CylinderLayer(()), CylinderLayer((0.0, 5.0), 2))
CYLINDER = DetectorGeometry("can", "Can", CylinderLayout(LAYERS), "MeV", counts=False)


def plan(geometry=GRID, **rule):
    return CellPlan(CellRule(**rule), geometry, source="a.root")


def rows(values, counts):
    return Rows(np.asarray(values), np.asarray(counts))


def test_dense_cells_are_taken_as_they_are():
    cells = np.arange(12, dtype=np.uint16).reshape(2, 6)
    found = plan().showers([flat(cells)], [], 0)
    np.testing.assert_array_equal(found, cells)
    assert found.dtype == np.uint16


def test_x_that_runs_fastest_is_turned():
    picture = np.arange(6).reshape(1, 3, 2)  # [y][x]
    found = plan(order="yx").showers([flat(picture.reshape(1, 6))], [], 0)
    np.testing.assert_array_equal(found.reshape(1, 2, 3), picture.transpose(0, 2, 1))


def test_branches_of_layers_follow_each_other():
    first, second = np.arange(12.0).reshape(2, 6), np.array([[50.0, 51], [60, 61]])
    made = plan(CYLINDER, branch=("a", "b"))
    found = made.showers([flat(first), flat(second)], [], 0)
    np.testing.assert_array_equal(found, np.concatenate((first, second), axis=1))


def test_units_are_converted_and_said():
    made = plan(CYLINDER, unit="keV")
    found = made.showers([flat(np.arange(8, dtype=np.int32)[None])], [], 0)
    assert found.tolist() == [[k / 1000 for k in range(8)]]
    assert made.conversions == ["cells: keV to MeV, times 0.001"]


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**31), st.sampled_from([0, 1]), st.sampled_from([1, 2, 3]))
def test_hits_add_up_in_their_cells(seed, first, n_index):
    rng = np.random.default_rng(seed)
    geometry = GRID if n_index == 2 else CYLINDER
    counts = rng.integers(0, 5, 6)
    cell = rng.integers(0, geometry.n_cells, counts.sum())
    value = rng.integers(1, 9, counts.sum())
    expected = np.zeros((6, geometry.n_cells))
    np.add.at(expected, (np.repeat(np.arange(6), counts), cell), value)
    if n_index == 1:
        numbers = [cell]
    elif n_index == 2:
        numbers = list(np.divmod(cell, 3))
    else:  # by hand: two rings and three sectors, nothing, one ring and two sectors
        table = [(0, a, r) for a in range(3) for r in range(2)] + [(2, a, 0) for a in range(2)]
        numbers = list(np.array(table)[cell].reshape(-1, 3).T)
    made = plan(geometry, index=tuple("ijk"[:n_index]), first_index=first)
    found = made.showers([rows(value, counts)], [rows(n + first, counts) for n in numbers], 0)
    np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize(
    ("rule", "values", "numbers", "message"),
    [
        ({}, ([1, 2, 3], [3]), (), "row 7 has 3 cells in cells, expected 6 for geometry 'toy'"),
        ({"index": ("i",)}, ([1], [1]), ([6], [1]), "row 7 has 6 in 'i', expected 0 to 5"),
        (
            {"index": ("i",), "first_index": 1},
            ([1], [1]),
            ([0], [1]),
            "row 7 has 0 in 'i', expected 1 to 6",
        ),
        ({"index": ("i",)}, ([1, 2], [2]), ([1], [1]), "1 numbers in 'i' and 2 in 'cells'"),
        ({"index": ("i",)}, ([1], [1]), ([0.5], [1]), "'i' holds 0.5, expected cell numbers"),
    ],
)
def test_cells_that_do_not_exist_are_refused(rule, values, numbers, message):
    with pytest.raises(DataFormatError) as caught:
        plan(**rule).showers([rows(*values)], [rows(*numbers)] if numbers else [], 7)
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("geometry", "rule", "message"),
    [
        (GRID, {"index": ("a", "b", "c")}, "index has 3 names, expected 2 or 1 for the grid"),
        (CYLINDER, {"index": ("a", "b")}, "has 2 names, expected 3 or 1 for the cylinder"),
        (CYLINDER, {"order": "yx"}, "order = 'yx', expected a grid; remove it"),
        (GRID, {"order": "yx", "index": ("a", "b")}, "expected it without two index branches"),
    ],
)
def test_rules_that_do_not_fit_the_detector_are_refused(geometry, rule, message):
    with pytest.raises(DataFormatError, match=message):
        plan(geometry, **rule)
