"""A detector with a dipole, and HepMC files made with pyhepmc itself."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from caloforge.events.species import species_of

DETECTOR = """
name = "toy"
kind = "grid"
front_face_z_cm = -10000
response = { unit = "photons", counts = true }
grid = { cells = [10, 4], pitch_cm = [1.0, 1.0] }
"""
DIPOLE = "dipole = { z_cm = -6000, field_tm = 30.0 }"

WriteEvents = Callable[..., Path]


@pytest.fixture
def toy_detector(tmp_path) -> Callable[[str], Path]:
    """Write a grid of 10 cm x 4 cm at z = -100 m with the given ``[construction]``."""

    def write(construction: str = "") -> Path:
        path = tmp_path / "toy.toml"
        path.write_text(f"{DETECTOR}\n[construction]\n{construction}\n")
        return path

    return write


@pytest.fixture
def write_events(tmp_path) -> WriteEvents:
    """Write events: each a list of (pdg, momentum in GeV, vertex in mm, status)."""
    pyhepmc = pytest.importorskip("pyhepmc", reason="needs the extra 'sim'")

    def made(pdg, p, status, gev):
        kind = species_of(pdg)
        mass = 0.0 if kind is None else kind.mass_mev / 1000
        energy = 1.001 * (sum(x * x for x in p) + mass**2) ** 0.5  # as if rounded
        four = (*(x * gev for x in p), energy * gev)
        particle = pyhepmc.GenParticle(four, pdg, status)
        particle.generated_mass = mass * gev
        return particle

    def write(events, *, name="events.hepmc", momentum="GEV", length="MM", **options) -> Path:
        gev = 1 if momentum == "GEV" else 1000
        mm = 1 if length == "MM" else 0.1
        units = getattr(pyhepmc.Units, momentum), getattr(pyhepmc.Units, length)
        path = tmp_path / name
        with pyhepmc.open(path, "w", **options) as file:
            for number, particles in enumerate(events):
                event = pyhepmc.GenEvent(*units)
                event.event_number = 10 + number
                vertex = pyhepmc.GenVertex((0, 0, 0, 0))
                for sign in (1, -1):
                    beam = (0, 0, sign * 6800 * gev, 6800 * gev)
                    vertex.add_particle_in(pyhepmc.GenParticle(beam, 2212, 4))
                event.add_vertex(vertex)
                for pdg, p, at, status in particles:
                    particle = made(pdg, p, status, gev)
                    if any(at):
                        mother = made(3122, p, 2, gev)
                        vertex.add_particle_out(mother)
                        decay = pyhepmc.GenVertex((*(x * mm for x in at), 0))
                        decay.add_particle_in(mother)
                        decay.add_particle_out(particle)
                        event.add_vertex(decay)
                    else:
                        vertex.add_particle_out(particle)
                file.write(event)
        return path

    return write
