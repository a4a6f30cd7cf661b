"""Particles that a shipped bundle was not trained on are told."""

from __future__ import annotations

import numpy as np
import pytest

import caloforge
from caloforge.data import Particles
from caloforge.errors import DataFormatError
from caloforge.generation import RangeWarning


def particle(pdg: int, energy: float, pz: float, mass: float, charge: float) -> Particles:
    columns = {"pdg": [pdg], "energy_gev": [energy], "pz_gev": [pz], "z_cm": [-11261.2]}
    columns |= {"mass_mev": [mass], "charge_e": [charge]}
    columns |= {name: [0.0] for name in ("x_cm", "y_cm", "px_gev", "py_gev")}
    return Particles(columns, np.arange(1))


@pytest.fixture(scope="module")
def simulation():
    return caloforge.load("zn-e2e-shapes")


def test_an_energy_that_was_trained_for_other_kinds_only(simulation) -> None:
    electron = particle(11, 900.0, -900.0, 0.511, -1)
    told = r"energy of e- in 1 \(trained 10.46 to 197.2 GeV\)"
    with pytest.warns(RangeWarning, match=told):
        simulation.generate(electron)
    with pytest.raises(DataFormatError, match=told):
        simulation.generate(electron, strict=True)
    simulation.generate(particle(2112, 900.0, -900.0, 939.565, 0), strict=True)


def test_words_and_units_are_those_of_a_particle_table(simulation) -> None:
    dim = particle(22, 5.0, -5.0, 0.0, 0)
    with pytest.warns(RangeWarning) as told:
        simulation.generate(dim)
    (text,) = [str(one.message) for one in told]
    assert "energy in 1 (trained 10.01 to 997.6 GeV)" in text
    assert "energy of gamma" not in text  # it has been said
    aside = dict(particle(22, 50.0, -50.0, 0.0, 0).columns) | {"x_cm": np.array([30.0])}
    with pytest.warns(RangeWarning, match=r"impact point x from the centre in 1 .* 3.47 cm\)"):
        simulation.generate(Particles(aside, np.arange(1)))


@pytest.mark.parametrize(("energy", "mass"), [(19.08, 939.565), (20.94, 0.0)])
def test_energy_momentum_and_mass_go_together(simulation, energy, mass) -> None:
    """A neutron's kinetic energy, and one without its mass."""
    wrong = particle(2112, energy, -20.0, mass, 0)
    with pytest.warns(RangeWarning, match="energy, momentum and mass in 1 .they do not go tog"):
        simulation.generate(wrong)


@pytest.mark.parametrize("pz", [500.0, 0.0])
def test_a_particle_that_flies_elsewhere(pz, simulation) -> None:
    with pytest.warns(RangeWarning, match="direction in 1 .they do not fly towards the det"):
        simulation.generate(particle(2112, 500.0, pz, 939.565, 0))
