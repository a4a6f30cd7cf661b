"""Units: factors known by heart, and the way back."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from caloforge.errors import ConfigError
from caloforge.formats.units import conversion


@pytest.mark.parametrize(
    ("found", "wanted", "factor"),
    [
        ("MeV", "GeV", 1e-3),
        ("keV", "MeV", 1e-3),
        ("TeV", "GeV", 1e3),
        ("GeV/c", "GeV/c", 1),
        ("MeV/c", "GeV/c", 1e-3),
        ("GeV/c2", "MeV/c2", 1e3),
        ("GeV", "MeV/c2", 1e3),
        ("mm", "cm", 0.1),
        ("m", "cm", 100),
        ("e/3", "e", 1 / 3),
        ("photons", "photons", 1),
        ("", "photons", 1),
    ],
)
def test_factors(found, wanted, factor):
    assert float(conversion(found, wanted, where="m").factor) == pytest.approx(
        factor, rel=1e-15
    )


@pytest.mark.parametrize("found", ["Gev", "cm", "photons"])
def test_other_dimensions_are_refused(found):
    with pytest.raises(ConfigError, match=f"'{found}'"):
        conversion(found, "GeV", where="m")


def test_counts_have_no_units_to_convert():
    with pytest.raises(ConfigError, match="no way to convert"):
        conversion("MeV", "photons", where="m")


def test_equal_units_leave_the_type():
    values = np.arange(3, dtype=np.uint16)
    assert conversion("cm", "cm", where="m").apply(values) is values


@given(st.floats(1e-250, 1e250), st.sampled_from(["eV", "keV", "MeV", "TeV"]))
def test_the_way_back(value, unit):
    there = conversion(unit, "GeV", where="m")
    back = there.inverse().apply(there.apply(np.array([value])))
    np.testing.assert_allclose(back, value, rtol=1e-15)


@given(st.floats(1e-250, 1e250), st.sampled_from(["eV", "keV", "MeV", "TeV"]))
def test_numbers_that_were_converted_come_back_exactly(value, unit):
    there = conversion(unit, "GeV", where="m")
    ours = there.apply(np.array([value]))
    np.testing.assert_array_equal(there.apply(there.inverse().apply(ours)), ours)


def test_integers_are_not_cut():
    found = conversion("keV", "MeV", where="m").apply(np.array([1, 1500], dtype=np.int32))
    assert found.tolist() == [0.001, 1.5]
