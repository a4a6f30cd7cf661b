"""Physics lists: which processes Geant4 simulates."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from caloforge.errors import ConfigError, did_you_mean

if TYPE_CHECKING:
    import geant4_pybind as g4

HADRONIC = {
    "FTFP_BERT": "G4HadronPhysicsFTFP_BERT",
    "FTFP_BERT_ATL": "G4HadronPhysicsFTFP_BERT_ATL",
    "FTFP_BERT_TRV": "G4HadronPhysicsFTFP_BERT_TRV",
    "FTF_BIC": "G4HadronPhysicsFTF_BIC",
    "QGSP_BERT": "G4HadronPhysicsQGSP_BERT",
    "QGSP_BIC": "G4HadronPhysicsQGSP_BIC",
    "QGSP_FTFP_BERT": "G4HadronPhysicsQGSP_FTFP_BERT",
}
"""Constructor of the inelastic hadronic processes of each physics list."""

EM = {
    "option0": "G4EmStandardPhysics",
    "option1": "G4EmStandardPhysics_option1",
    "option2": "G4EmStandardPhysics_option2",
    "option3": "G4EmStandardPhysics_option3",
    "option4": "G4EmStandardPhysics_option4",
}
"""Constructor of the electromagnetic processes of each option."""

# What the reference lists add to the two above, in their order.
_COMMON = (
    "G4EmExtraPhysics",
    "G4DecayPhysics",
    "G4HadronElasticPhysics",
    "G4StoppingPhysics",
    "G4IonPhysics",
)

ENERGY_GEV = (1e-3, 1e5)
"""Energies that all of these lists cover: Geant4's models end at 100 TeV."""

_LENGTHS_MM = {"um": 1e-3, "µm": 1e-3, "mm": 1.0, "cm": 10.0, "m": 1000.0}
_CUT_MM = (1e-6, 1e3)


def check_physics(physics: str, em: str, cut_mm: float) -> None:
    """Refuse a physics list, option or cut that there is not.

    Raises:
        ConfigError: If one of them is unknown or out of range.
    """
    for option, found, known in (("--physics", physics, HADRONIC), ("--em", em, EM)):
        if found not in known:
            msg = f"{option}: found '{found}', expected one of {', '.join(known)}; "
            raise ConfigError(msg + did_you_mean(found, known))
    if not _CUT_MM[0] <= cut_mm <= _CUT_MM[1]:
        msg = f"--cut: found {cut_mm:g} mm, expected {_CUT_MM[0]:g} to {_CUT_MM[1]:g} mm"
        raise ConfigError(msg)


def length_mm(text: str, *, where: str) -> float:
    """Read a length such as ``"0.1mm"``, ``"20 um"`` or ``"0.1"`` (mm).

    Raises:
        ConfigError: If it is none.

    Example:
        >>> length_mm("0.01cm", where="--cut")
        0.1
    """
    match = re.fullmatch(r"\s*([0-9.]+(?:[eE][-+]?[0-9]+)?)\s*([a-zµ]*)\s*", text)
    unit = (match[2] or "mm") if match else ""
    try:
        if match is not None and unit in _LENGTHS_MM:
            return float(match[1]) * _LENGTHS_MM[unit]
    except ValueError:
        pass
    msg = f"{where}: found '{text}', expected a length such as 0.1mm, 20um or 0.01cm"
    raise ConfigError(msg)


def constructors(physics: str, em: str) -> tuple[str, ...]:
    """Return the names of the Geant4 physics constructors of a list, in their order."""
    return (EM[em], *_COMMON[:3], HADRONIC[physics], *_COMMON[3:])


def physics_list(physics: str, em: str) -> g4.G4VModularPhysicsList:
    """Make the physics list.

    It is put together from its constructors: the factory of reference lists fails in
    geant4-pybind, and knows fewer combinations.
    """
    import geant4_pybind as g4

    made = g4.G4VModularPhysicsList()
    made.SetVerboseLevel(0)
    for name in constructors(physics, em):
        made.RegisterPhysics(getattr(g4, name)())
    return made
