import numpy as np
import pytest

from caloforge.errors import DataFormatError
from caloforge.formats.format import Piece
from caloforge.formats.screening import check_shape, faults


@pytest.fixture
def piece(toy_grid, toy_sample):
    sample = toy_sample(toy_grid, 10)
    columns = {name: column.copy() for name, column in sample.particles.columns.items()}
    columns["pdg"] = columns["pdg"].astype(float)
    return Piece(columns, None, sample.showers.astype(np.float64))


def test_good_showers_have_no_fault(piece, toy_grid):
    assert faults(piece, toy_grid) == []


@pytest.mark.parametrize(
    ("value", "reason", "example"),
    [
        (-2.0, "negative cells", "-2 at cell 5"),
        (np.nan, "cells that are not finite", "nan at cell 5"),
        (np.inf, "cells that are not finite", "inf at cell 5"),
        (2.0**32, "cells above 4294967295", "4.29497e+09 at cell 5"),
        (0.5, "cells that are not integers", "0.5 at cell 5"),
    ],
)
def test_cells(piece, toy_grid, value, reason, example):
    piece.showers[7, 5] = value
    (fault,) = faults(piece, toy_grid)
    assert (fault.reason, fault.example) == (reason, example)
    assert np.flatnonzero(fault.rows).tolist() == [7]


@pytest.mark.parametrize(
    ("name", "value", "reason"),
    [
        ("energy_gev", 0.0, "energy that is not above 0"),
        ("energy_gev", np.nan, "energy_gev that is not finite"),
        ("x_cm", np.inf, "x_cm that is not finite"),
        ("pdg", 22.5, "pdg that is no particle code"),
        ("pdg", 1e10, "pdg that is no particle code"),
    ],
)
def test_particles(piece, toy_grid, name, value, reason):
    piece.columns[name][3] = value
    (fault,) = faults(piece, toy_grid)
    assert fault.reason == reason
    assert np.flatnonzero(fault.rows).tolist() == [3]


def test_energies_need_not_be_integers(toy_cylinder, toy_sample):
    sample = toy_sample(toy_cylinder, 3)
    assert faults(Piece(sample.particles.columns, None, sample.showers), toy_cylinder) == []


def test_energies_beyond_float32(toy_cylinder, toy_sample):
    sample = toy_sample(toy_cylinder, 3)
    cells = sample.showers.astype(np.float64)
    cells[2, 1] = 1e300
    (fault,) = faults(Piece(sample.particles.columns, None, cells), toy_cylinder)
    assert fault.reason == "cells above 3.402823466e+38"
    assert np.flatnonzero(fault.rows).tolist() == [2]


@pytest.mark.parametrize("dtype", [np.uint32, np.uint64, np.int64, np.float32])
def test_the_largest_count(piece, toy_grid, dtype):
    cells = piece.showers.astype(dtype)
    cells[4, 3] = 2**32 - 257  # as float32 has it
    assert faults(piece._replace(showers=cells), toy_grid) == []


def test_shape_and_type(piece, toy_grid):
    with pytest.raises(DataFormatError, match=r"x: showers have shape \(20, 23\)"):
        check_shape(piece._replace(showers=piece.showers[:, :-1]), toy_grid, source="x")
    with pytest.raises(DataFormatError, match="cells have type complex128"):
        check_shape(piece._replace(showers=piece.showers * 1j), toy_grid, source="x")
