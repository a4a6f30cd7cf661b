"""Incident particles of a simulation: guns, tables, and event generators."""

from caloforge.events.beamline import Beamline, Dipole, FrontFace, beam_of, read_beamline
from caloforge.events.gun import Gun, gun_from_table, gun_names, load_gun
from caloforge.events.hepmc import read_hepmc
from caloforge.events.incident import IncidentParticles, incident_particles
from caloforge.events.transport import Arrival, to_front_face

__all__ = [
    "Arrival",
    "Beamline",
    "Dipole",
    "FrontFace",
    "Gun",
    "IncidentParticles",
    "beam_of",
    "gun_from_table",
    "gun_names",
    "incident_particles",
    "load_gun",
    "read_beamline",
    "read_hepmc",
    "to_front_face",
]
