"""Whether the numbers of an event file agree with each other: units, and damage."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from caloforge.data import kind_name
from caloforge.errors import DataFormatError
from caloforge.events.species import species_of

if TYPE_CHECKING:
    from numpy.typing import NDArray

_ENERGY_TOLERANCE = 0.01  # of the energy against momentum and mass, as in tables
_MASS_TOLERANCE = 0.5  # of the mass against that of the kind: resonances are broad
_SLOW = 50.0  # below this E/m six digits of energy and momentum determine the mass
_HEAVY_GEV = 0.1  # muons and hadrons: the mass of lighter ones drowns in rounding
_UNITS = 1000.0  # MeV in a GeV
_UNITS_TOLERANCE = 1.25  # a mass within this factor of 1000 or 1/1000 of the kind's


class Written(NamedTuple):
    """Particles as an event file has them, in its units converted to GeV.

    Attributes:
        pdg: Kinds, ``(n,)``.
        momentum_gev: ``(n, 3)``.
        energy_gev: Total energies, ``(n,)``.
        mass_gev: Generated masses, 0 or less where the file has none, ``(n,)``.
    """

    pdg: NDArray[np.int64]
    momentum_gev: NDArray[np.float64]
    energy_gev: NDArray[np.float64]
    mass_gev: NDArray[np.float64]


def check_particles(found: Written, *, where: str, unit: str) -> None:
    r"""Refuse particles whose energy, momentum and mass contradict each other or the kind.

    The energy has to be :math:`\sqrt{p^2 + m^2}` to 1 %, with the mass of the kind, or the
    generated one if that is within half of it. The mass (generated; without one that of energy
    and momentum) of muons and hadrons has to be that of the kind within half of it up to
    E = 50 m; beyond, where rounding can change it, it must not be 1000 times too large or too
    small. Wrong units of photons and electrons alone cannot be seen. Kinds that the package
    `particle` does not know pass.

    Raises:
        DataFormatError: At the first particle that fails.
    """
    kinds = [species_of(int(pdg)) for pdg in found.pdg]
    known = np.array([kind is not None for kind in kinds], dtype=bool)
    own = np.array([0.0 if kind is None else kind.mass_mev / 1000 for kind in kinds])
    p2 = (found.momentum_gev**2).sum(axis=1)
    of_both = np.sqrt(np.maximum(found.energy_gev**2 - p2, 0.0))
    mass = np.where(found.mass_gev > 0, found.mass_gev, of_both)

    heavy = known & (own > _HEAVY_GEV) & (mass > 0)
    ratio = np.where(heavy, mass, 1.0) / np.where(heavy, own, 1.0)
    factor = np.exp(np.abs(np.abs(np.log(ratio)) - np.log(_UNITS)))
    slow = heavy & (np.abs(found.energy_gev) < _SLOW * own)
    wrong = heavy & (factor < _UNITS_TOLERANCE) | slow & (np.abs(ratio - 1) > _MASS_TOLERANCE)
    _refuse(wrong, found, mass, own, "a mass", where=where, unit=unit)

    near = (found.mass_gev > 0) & (np.abs(found.mass_gev - own) <= _MASS_TOLERANCE * own)
    expected = np.sqrt(p2 + own**2)
    energy = np.sqrt(p2 + np.where(near, found.mass_gev, own) ** 2)
    off = np.minimum(np.abs(found.energy_gev - expected), np.abs(found.energy_gev - energy))
    wrong = known & ~(off <= _ENERGY_TOLERANCE * expected)
    _refuse(wrong, found, found.energy_gev, expected, "an energy", where=where, unit=unit)


def _refuse(
    wrong: NDArray[np.bool_],
    found: Written,
    value_gev: NDArray[np.float64],
    expected_gev: NDArray[np.float64],
    what: str,
    *,
    where: str,
    unit: str,
) -> None:
    if not wrong.any():
        return
    k = int(np.argmax(wrong))
    px, py, pz = found.momentum_gev[k]
    origin = "its kind" if what == "a mass" else "its momentum and kind, to 1 %"
    msg = (
        f"{where}: the particle '{kind_name(int(found.pdg[k]))}' with p = ({px:.6g}, {py:.6g}, "
        f"{pz:.6g}) GeV has {what} of {value_gev[k]:.6g} GeV, expected {expected_gev[k]:.6g} "
        f"GeV from {origin}; the file says that its unit is {unit}: correct it in the lines "
        "'U' if the numbers are in another, else the file is damaged, write it again"
    )
    raise DataFormatError(msg)
