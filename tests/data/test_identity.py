import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from caloforge.data import PARTICLE_COLUMNS
from caloforge.data.identity import identities, incident_numbers


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


def test_fingerprint_is_for_good():
    # Of the version that split first: with another one, particles would change side.
    (digest,) = identities(table(np.arange(1, 11)[None]))
    assert digest.hex() == "714ace1208f9aad50993f8111c2ae2b5"


@settings(max_examples=50, deadline=None)
@given(
    arrays.arrays(float, (12, 10), elements=st.integers(0, 2)),
    arrays.arrays(float, 12, elements=st.floats(-10, 10)),
    st.text(min_size=1),
)
def test_further_columns_never_change_who_is_who(rows, values, name):
    columns = table(rows)
    more = {name: values} | columns
    np.testing.assert_array_equal(identities(more), identities(columns))
    np.testing.assert_array_equal(incident_numbers(more), incident_numbers(columns))
    # Fingerprint and number mean the same by "equal".
    prints, numbers = identities(columns), incident_numbers(columns)
    np.testing.assert_array_equal(
        prints[:, None] == prints[None], numbers[:, None] == numbers[None]
    )


def test_blocks_make_no_difference(monkeypatch):
    columns = table(np.random.default_rng(3).integers(0, 2, (50, 10)))
    whole = identities(columns)
    monkeypatch.setattr("caloforge.data.identity._BLOCK_ROWS", 7)
    np.testing.assert_array_equal(identities(columns), whole)


def test_no_particle_has_no_number():
    assert identities(table(np.zeros((0, 10)))).shape == (0,)
    assert incident_numbers(table(np.zeros((0, 10)))).shape == (0,)
