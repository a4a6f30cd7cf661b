import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from caloforge.data import PARTICLE_COLUMNS
from caloforge.formats.identity import incident_numbers


def table(rows):
    return dict(zip(PARTICLE_COLUMNS, np.asarray(rows, dtype=float).T, strict=True))


@settings(max_examples=50, deadline=None)
@given(arrays.arrays(float, (12, 10), elements=st.integers(0, 1)), st.integers(0, 2**31))
def test_numbers_are_equal_exactly_where_particles_are(rows, seed):
    numbers = incident_numbers(table(rows))
    same = (rows[:, None] == rows[None]).all(axis=2)
    np.testing.assert_array_equal(numbers[:, None] == numbers[None], same)
    assert (numbers >= 0).all()
    order = np.random.default_rng(seed).permutation(12)
    np.testing.assert_array_equal(incident_numbers(table(rows[order])), numbers[order])


def test_number_is_for_good():
    # Files that were converted years ago must agree with those of today.
    assert incident_numbers(table(np.arange(10)[None])).tolist() == [1691534919320321665]


def test_zero_has_no_sign_and_other_columns_do_not_count():
    columns = table(np.zeros((1, 10)))
    (number,) = incident_numbers(columns)
    columns["x_cm"] = np.array([-0.0])
    assert incident_numbers(columns | {"photon_sum": np.array([7.0])}) == [number]


def test_no_particle_has_no_number():
    assert incident_numbers(table(np.zeros((0, 10)))).shape == (0,)
