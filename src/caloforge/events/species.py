"""Kinds of particles by the names that physicists use."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, NamedTuple

from caloforge.errors import ConfigError, did_you_mean

if TYPE_CHECKING:
    from collections.abc import Mapping

NEUTRINOS = frozenset((12, -12, 14, -14, 16, -16))
"""Numbers of the particles that leave no signal in any calorimeter."""

# Beside the names of the package `particle`: words, Geant4's names, older notations.
_ALIASES: Mapping[str, int] = {
    "neutron": 2112, "n0": 2112, "antineutron": -2112, "anti_neutron": -2112, "nbar": -2112,
    "proton": 2212, "p+": 2212, "antiproton": -2212, "anti_proton": -2212, "pbar": -2212,
    "p-": -2212, "photon": 22, "g": 22, "electron": 11, "positron": -11, "e": 11, "muon": 13,
    "K0L": 130, "KL0": 130, "KL": 130, "K_L": 130, "K_L0": 130, "kaon0L": 130,
    "K0S": 310, "KS0": 310, "KS": 310, "K_S": 310, "K_S0": 310, "kaon0S": 310,
    "kaon+": 321, "kaon-": -321, "lambda": 3122, "Lambda0": 3122, "anti_lambda": -3122,
    "sigma+": 3222, "sigma-": 3112, "xi-": 3312, "omega-": 3334,
    "deuteron": 1000010020, "d": 1000010020, "triton": 1000010030, "t": 1000010030,
    "alpha": 1000020040,
}  # fmt: skip


class Species(NamedTuple):
    """A kind of particle.

    Attributes:
        name: Name in the package `particle`.
        pdg: Number in the scheme of the Particle Data Group.
        mass_mev: Mass in MeV/c2.
        charge_e: Charge in units of e.
    """

    name: str
    pdg: int
    mass_mev: float
    charge_e: float


def find_species(name: str | int, *, where: str) -> Species:
    """Look a kind up by name or number.

    Arguments:
        name: ``"n"``, ``"gamma"``, ``"pi+"``, ``"K0L"``, ``"Lambda"``, ``"He4"``, any name of
            the package `particle`, or a PDG number, also of an ion (1000020040).
        where: Where the name was found, for the message.

    Raises:
        ConfigError: If there is none of that name.

    Example:
        >>> find_species("K0L", where="example").name, find_species(22, where="example").name
        ('K(L)0', 'gamma')
    """
    if isinstance(name, str) and name.strip().lstrip("+-").isdecimal():
        name = int(name)
    if isinstance(name, int) and not isinstance(name, bool):
        species = species_of(name)
        if species is None:
            msg = (
                f"{where}: found PDG number {name}, expected one that the package 'particle' "
                "knows with its mass; correct it"
            )
            raise ConfigError(msg)
        return species
    if not isinstance(name, str):
        msg = f"{where}: found {name!r}, expected a name like 'n' or a PDG number"
        raise ConfigError(msg)
    names = _names()
    species = species_of(names[name]) if name in names else None
    if species is None:
        msg = f"{where}: unknown particle '{name}'; {_hint(name, names)}"
        raise ConfigError(msg)
    return species


@cache
def species_of(pdg: int) -> Species | None:
    """Return the kind of a PDG number, None if its mass or charge is not known."""
    # Imported here: the table of all particles takes a while to load.
    from particle import InvalidParticle, Particle, ParticleNotFound

    try:
        found = Particle.from_pdgid(pdg)
    except (ParticleNotFound, InvalidParticle):
        return None
    mass = 0.0 if pdg in NEUTRINOS else found.mass
    if mass is None or found.charge is None:
        return None
    return Species(str(found.name), pdg, float(mass), float(found.charge))


@cache
def _names() -> dict[str, int]:
    from particle import Particle

    # Particles before ions and excited states: a name that two share means the common one.
    ordered = sorted(Particle.all(), key=lambda found: abs(int(found.pdgid)), reverse=True)
    names = {str(found.programmatic_name): int(found.pdgid) for found in ordered}
    names |= {str(found.name): int(found.pdgid) for found in ordered}
    return names | dict(_ALIASES)


def _hint(name: str, names: Mapping[str, int]) -> str:
    """Suggest a name; short ones first, because of the thousands in the table few are meant."""
    folded = [known for known in names if known.lower() == name.lower()]
    if folded:
        return f"did you mean '{folded[0]}'?"
    common = [*_ALIASES, "n", "p", "gamma", "e-", "e+", "mu-", "mu+", "pi+", "pi-", "pi0"]
    common += ["K+", "K-", "Lambda", "Sigma+", "Sigma-", "Xi-", "Omega-"]
    hint = did_you_mean(name, common)
    if hint.startswith("known"):
        hint = did_you_mean(name, names)
    return hint if not hint.startswith("known") else "give a PDG number, e.g. 2112"
