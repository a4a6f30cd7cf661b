"""Whole numbers of any type; others are refused, not cut."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from caloforge.errors import DataFormatError
from caloforge.formats.mapping.whole import whole_numbers


@given(st.lists(st.integers(-(2**53), 2**53), min_size=1))
def test_integers_stored_as_floats_are_taken(numbers):
    found = whole_numbers(np.array(numbers, dtype=np.float64), "incident", "a.root", 0)
    assert found.dtype == np.int64
    assert found.tolist() == numbers


@pytest.mark.parametrize("wrong", [0.5, np.nan, np.inf, 1e300])
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_others_are_refused_with_their_row(wrong, dtype):
    with np.errstate(over="ignore"):
        values = np.array([0, 1, wrong, 3]).astype(dtype)
    with pytest.raises(DataFormatError, match=r"^a.root: 'incident' has .* in row 102, exp"):
        whole_numbers(values, "incident", "a.root", 100)
