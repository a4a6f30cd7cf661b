"""Cherenkov light against closed forms and a random cone."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from caloforge.errors import GeometryError
from caloforge.simulation.light import LightModel, slowing_down

QUARTZ = LightModel(1.458, (300.0, 570.0), 0.37, 0.147)
THETA = 1 / 1.458  # cosine of the Cherenkov angle at the speed of light


def test_frank_tamm_of_the_particle_data_group() -> None:
    # PDG review 34.7: 370 sin^2 photons per eV and cm for unit charge.
    window = 1239.841984 * (1 / 300 - 1 / 570)
    assert QUARTZ.photons_per_mm == pytest.approx(37.0 * window, rel=1e-3)


def test_light_of_a_fast_track_in_an_open_fibre_is_the_whole_cone() -> None:
    everything = LightModel(1.458, (300.0, 570.0), 1.458, 1.0)
    found = everything.photons([1, 2], [1.0, 1.0], [1.0, 1.0], [10.0, 10.0], [0.0, 0.0])
    one = 10 * everything.photons_per_mm * (1 - 1.458**-2)
    np.testing.assert_allclose(found, [one, 4 * one])


def test_no_light_below_threshold_and_none_at_it() -> None:
    beta = np.array([0.0, 0.5, 1 / 1.458])
    assert not QUARTZ.photons(1, beta, 0.7, 1.0, 0.0).any()
    gamma = QUARTZ.threshold_gamma
    assert np.sqrt(1 - gamma**-2) == pytest.approx(1 / 1.458)


def test_a_track_along_the_fibre_gives_no_trapped_light() -> None:
    # Its cone has 46.7 degrees; the fibre traps up to 14.7.
    assert QUARTZ.trapped_share(1.0, THETA) == 0


def test_a_track_at_the_cherenkov_angle_has_its_cone_on_the_axis() -> None:
    # cos psi = cos^2 + sin^2 cos phi: solve for the azimuth at which it leaves the core.
    needed = np.sqrt(1 - (0.37 / 1.458) ** 2)
    share = np.arccos((needed - THETA**2) / (1 - THETA**2)) / np.pi
    assert QUARTZ.trapped_share(THETA, THETA) == pytest.approx(share)
    assert 0.1 < share < 0.15


def test_light_that_flies_away_from_the_read_out_is_lost() -> None:
    assert QUARTZ.trapped_share(-THETA, THETA) == 0


@given(below=st.floats(1e-6, 1.4), beta=st.floats(0.69, 1.0))
def test_no_light_is_trapped_below_the_lowest_cosine(below: float, beta: float) -> None:
    assert QUARTZ.lowest_cosine == pytest.approx(0.479, abs=1e-3)
    along = QUARTZ.lowest_cosine - below
    assert QUARTZ.photons(1, beta, along, 1.0, 0.0) == 0


@given(along=st.floats(-1, 1), beta=st.floats(0.7, 1.0))
def test_share_is_that_of_a_cone_of_many_photons(along: float, beta: float) -> None:
    theta = 1 / (1.458 * beta)
    phi = (np.arange(20_000) + 0.5) * 2 * np.pi / 20_000
    psi = along * theta + np.sqrt(1 - along**2) * np.sqrt(1 - theta**2) * np.cos(phi)
    trapped = (psi >= np.sqrt(1 - (0.37 / 1.458) ** 2)).mean()
    assert QUARTZ.trapped_share(along, theta) == pytest.approx(trapped, abs=2e-4)


def test_attenuation_leaves_one_e_th_after_its_length() -> None:
    dull = LightModel(1.458, (300.0, 570.0), 0.37, 0.147, attenuation_length_m=2.0)
    near, far = dull.photons(1, [1.0, 1.0], THETA, 1.0, [0.0, 2000.0])
    assert far / near == pytest.approx(np.exp(-1))
    assert near == pytest.approx(float(QUARTZ.photons(1, 1.0, THETA, 1.0, 0.0)))


def test_a_track_that_loses_nothing_keeps_its_velocity() -> None:
    beta = np.array([0.3, 0.9, 0.999, 1.0])
    parts = list(slowing_down(beta, np.zeros(4), 0.511))
    assert sum(share for share, _ in parts) == pytest.approx(1)
    for _, here in parts:
        np.testing.assert_allclose(here, beta, rtol=1e-12)


@pytest.mark.parametrize(("mass", "gamma", "lost"), [(0.511, 3.0, 0.4), (938.3, 2.0, 200.0)])
def test_light_of_a_slowing_track_is_that_of_many_short_steps(
    mass: float, gamma: float, lost: float
) -> None:
    open_fibre = LightModel(1.458, (300.0, 570.0), 1.458, 1.0)

    def light(beta: np.ndarray) -> np.ndarray:
        return open_fibre.photons(1, beta, 1.0, 1.0, 0.0)

    first = np.array([np.sqrt(1 - gamma**-2)])
    found = sum(
        share * light(beta) for share, beta in slowing_down(first, np.array([lost]), mass)
    )
    here = gamma - (np.arange(10_000) + 0.5) / 10_000 * lost / mass
    assert found == pytest.approx(light(np.sqrt(1 - here**-2)).mean(), rel=1e-3)


def test_a_track_that_stops_gives_less_light_than_at_its_first_velocity() -> None:
    first, mass = np.array([0.9]), 0.511
    kinetic = mass * (1 / np.sqrt(1 - first**2) - 1)
    parts = list(slowing_down(first, kinetic, mass))
    assert all((beta < first).all() for _, beta in parts)
    light = sum(share * QUARTZ.photons(1, beta, THETA, 1.0, 0.0) for share, beta in parts)
    assert light < 0.8 * QUARTZ.photons(1, first, THETA, 1.0, 0.0)


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"refractive_index": 1.0}, "refractive_index: found 1.0, expected above 1"),
        ({"wavelength_nm": (570.0, 300.0)}, "wavelength_nm: found .*first < second"),
        ({"numerical_aperture": 2.0}, "numerical_aperture: found 2.0, expected"),
        ({"efficiency": 0.0}, "efficiency: found 0.0, expected"),
        ({"attenuation_length_m": 0.0}, "attenuation_length_m: found 0.0, expected above 0"),
    ],
)
def test_impossible_light_is_refused(changed: dict[str, object], message: str) -> None:
    with pytest.raises(GeometryError, match=message):
        LightModel(**{**vars(QUARTZ), **changed})
