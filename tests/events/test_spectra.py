import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import kstest, norm

from caloforge.errors import ConfigError
from caloforge.events.spectra import spectrum_from

N = 20_000
MIDDLES = (np.arange(N) + 0.5) / N


def power_cdf(energy, low, high, index):
    if index == 1:
        return np.log(energy / low) / np.log(high / low)
    a = 1 - index
    return (energy**a - low**a) / (high**a - low**a)


def truncated(cdf, low, high):
    return lambda energy: (cdf(energy) - cdf(low)) / (cdf(high) - cdf(low))


RANGE = {"low_gev": 20, "high_gev": 1000}
CLOSED_FORMS = {
    "uniform": ({}, lambda e: (e - 20) / 980),
    "log-uniform": ({}, lambda e: power_cdf(e, 20, 1000, 1)),
    "falling": ({"law": "power", "index": 2.7}, lambda e: power_cdf(e, 20, 1000, 2.7)),
    "index 1": ({"law": "power", "index": 1}, lambda e: power_cdf(e, 20, 1000, 1)),
    "rising": ({"law": "power", "index": -3}, lambda e: power_cdf(e, 20, 1000, -3)),
    "exponential": (
        {"slope_gev": 150},
        truncated(lambda e: -np.exp(-np.asarray(e) / 150), 20, 1000),
    ),
    "gaussian": (
        {"mean_gev": 100, "sigma_gev": 120},
        truncated(norm(100, 120).cdf, 20, 1000),
    ),
}


@pytest.mark.parametrize("name", CLOSED_FORMS)
def test_spectrum_follows_its_closed_form(name):
    keys, cdf = CLOSED_FORMS[name]
    spectrum = spectrum_from({"law": name, **RANGE, **keys}, where="test")
    # The inverse distribution function at the middles of equal parts is exact, not a sample.
    energy = spectrum.energies_gev(MIDDLES)
    np.testing.assert_allclose(cdf(energy), MIDDLES, atol=1e-9)
    random = np.random.default_rng(5).uniform(size=N)
    assert kstest(spectrum.energies_gev(random), cdf).pvalue > 0.01


@settings(max_examples=100, deadline=None)
@given(
    index=st.one_of(st.floats(-200, 200), st.floats(1 - 1e-9, 1 + 1e-9)),
    low=st.floats(1e-3, 1e3),
    ratio=st.floats(1.001, 1e6),
)
def test_power_law_stays_within_its_bounds_and_rises(index, low, ratio):
    table = {"law": "power", "low_gev": low, "high_gev": low * ratio, "index": index}
    spectrum = spectrum_from(table, where="test")
    energy = spectrum.energies_gev(np.array([2.0**-53, 0.1, 0.5, 0.9, 1 - 2.0**-53]))
    assert np.isfinite(energy).all()
    assert (np.diff(energy) >= 0).all()
    assert spectrum.bounds_gev == (low, low * ratio)
    assert energy.min() >= low
    assert energy.max() <= low * ratio


def test_power_law_is_continuous_at_index_one():
    laws = [
        spectrum_from({"law": "power", **RANGE, "index": index}, where="test")
        for index in (1 - 1e-9, 1, 1 + 1e-9)
    ]
    below, at, above = (law.energies_gev(MIDDLES) for law in laws)
    np.testing.assert_allclose(below, at, rtol=1e-7)
    np.testing.assert_allclose(above, at, rtol=1e-7)


def test_list_has_its_energies_in_the_ratio_of_the_weights():
    table = {"law": "list", "gev": [50, 10, 100], "weights": [1, 0, 3]}
    spectrum = spectrum_from(table, where="test")
    assert spectrum.bounds_gev == (10, 100)
    energy = spectrum.energies_gev(MIDDLES)
    assert [(energy == e).mean() for e in (50, 10, 100)] == [0.25, 0, 0.75]
    plain = spectrum_from({"law": "list", "gev": [1, 2]}, where="test")
    assert plain.energies_gev(MIDDLES).mean() == 1.5


def test_a_number_is_one_energy():
    spectrum = spectrum_from(100, where="test")
    assert spectrum.bounds_gev == (100, 100)
    assert (spectrum.energies_gev(MIDDLES[:3]) == 100).all()
    assert spectrum_from({"law": "fixed", "gev": 100}, where="test") == spectrum


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ({"gev": 5}, "g energy: key 'law' is missing, expected one of fixed, list"),
        ({"law": "power law"}, "g energy: unknown law 'power law'; did you mean 'power'"),
        ({"law": "uniform", "low_gev": 5}, "g energy: key 'high_gev' is missing, expected a n"),
        ({"law": "uniform", "lo_gev": 5}, "unknown key 'lo_gev'; did you mean 'low_gev'"),
        ({"law": "power", **RANGE, "index": "2"}, "index: found '2', expected a number"),
        ({"law": "uniform", "low_gev": True, "high_gev": 2}, "found True, expected a number"),
        ({"law": "uniform", "low_gev": 5, "high_gev": 5}, "5 and 5, expected 0 < low_gev < h"),
        ({"law": "fixed", "gev": float("nan")}, "gev: found nan, expected a finite number"),
        (-1, "g energy gev: found -1, expected more than 0"),
        ({"law": "list", "gev": []}, r"found \[\], expected energies above 0"),
        ({"law": "list", "gev": 3}, "gev: found 3, expected a list"),
        ({"law": "list", "gev": [1], "weights": [1, 2]}, "found 2 of them, expected 1"),
        ({"law": "list", "gev": [1, 2], "weights": [0, 0]}, "expected 0 or more, and one abo"),
        ({"law": "exponential", **RANGE, "slope_gev": 0}, "slope_gev: found 0, expected more"),
        ({"law": "gaussian", **RANGE, "mean_gev": 5, "sigma_gev": 0}, "sigma_gev: found 0"),
        ({"law": "gaussian", **RANGE, "mean_gev": -9, "sigma_gev": 1}, "more than a milliont"),
        ("many", "g energy: found 'many', expected a table"),
    ],
)
def test_bad_spectra_are_refused_in_one_line(value, message):
    with pytest.raises(ConfigError, match=message) as caught:
        spectrum_from(value, where="g energy")
    assert "\n" not in str(caught.value)
