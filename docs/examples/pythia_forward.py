"""Forward particles of proton-proton collisions at 13.6 TeV, for `caloforge simulate`.

Pythia 8 makes inelastic events; the final-state particles within 4 mrad of either beam go to a
HepMC3 file, with the mother of those that come from a decay on the way, so that the place of
the decay is known. What would decay behind the calorimeters is left as it is.

Needs ``pip install 'caloforge[sim]' pythia8mc==8.317.2`` (newer versions have no wheel and take
very long to build).

    python docs/examples/pythia_forward.py --events 2000 --seed 1 -o out.hepmc
"""

from __future__ import annotations

import argparse
import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pyhepmc

BEAM_GEV = 6800.0
LARGEST_ANGLE = 4e-3  # the corners of ZN and ZP are 0.44 and 3.2 mrad from the beam
FRONT_FACE_MM = 112_612.0
SETTINGS = (
    "Beams:idA = 2212",
    "Beams:idB = 2212",
    f"Beams:eCM = {2 * BEAM_GEV}",
    "SoftQCD:inelastic = on",
    # A Lambda of 1 TeV flies 70 m: what reaches the calorimeters is decayed by Geant4.
    "ParticleDecays:limitCylinder = on",
    "ParticleDecays:xyMax = 10000",
    f"ParticleDecays:zMax = {FRONT_FACE_MM}",
    "Print:quiet = on",
    "Random:setSeed = on",
)


def main() -> None:
    """Make the events that the command line asks for."""
    parser = argparse.ArgumentParser(description="Forward particles of pp at 13.6 TeV (HepMC3)")
    parser.add_argument("--events", type=int, default=2000, metavar="N")
    parser.add_argument("--seed", type=int, default=1, metavar="S", help="1 to 900000000")
    parser.add_argument("-o", "--output", type=Path, default=Path("out.hepmc"), metavar="FILE")
    options = parser.parse_args()
    if options.events < 1 or not 1 <= options.seed <= 900_000_000:
        parser.error("expected --events of 1 or more and --seed from 1 to 900000000")
    if options.output.exists():
        parser.error(f"{options.output} exists already; give another name")

    kept, inelastic_mb = write_events(options.output, options.events, options.seed)
    print(f"{options.output}: {options.events} events, {kept} forward particles")
    print(f"inelastic cross section of Pythia: {inelastic_mb:.1f} mb")
    print("next, all particles on the neutron or proton calorimeter:")
    print(f"  caloforge simulate zn --particles {options.output} -o zn-pythia.h5")
    print(f"  caloforge simulate zp --particles {options.output} -o zp-pythia.h5")


def write_events(path: Path, n: int, seed: int) -> tuple[int, float]:
    """Write ``n`` events and return the number of forward particles, and the cross section."""
    import pyhepmc
    import pythia8mc

    pythia = pythia8mc.Pythia("", False)
    for setting in (*SETTINGS, f"Random:seed = {seed}"):
        pythia.readString(setting)
    if not pythia.init():
        msg = "Pythia could not be initialised"
        raise SystemExit(msg)
    number = kept = 0
    with pyhepmc.open(path, "w", precision=9) as file:
        while number < n:
            if not pythia.next():
                continue  # Pythia gave this event up; it says so itself
            event, forward = convert(pythia.event)
            event.event_number = number
            file.write(event)
            number += 1
            kept += forward
    return kept, pythia.infoPython().sigmaGen()


def convert(record: Any) -> tuple[pyhepmc.GenEvent, int]:
    """Copy beams and forward particles of a Pythia record, and count the latter."""
    from pyhepmc import GenEvent, GenParticle, GenVertex, Units

    event = GenEvent(Units.GEV, Units.MM)
    collision = GenVertex((0.0, 0.0, 0.0, 0.0))
    for sign in (1, -1):
        collision.add_particle_in(GenParticle((0.0, 0.0, sign * BEAM_GEV, BEAM_GEV), 2212, 4))
    event.add_vertex(collision)
    decays: dict[int, Any] = {}
    forward = 0
    for particle in record:
        if not particle.isFinal() or abs(particle.pz()) * LARGEST_ANGLE < particle.pT():
            continue
        made_at = collision
        if math.hypot(particle.xProd(), particle.yProd(), particle.zProd()) > 1e-3:
            mother = particle.mother1()
            if mother not in decays:
                before = copied(record[mother], status=2)
                collision.add_particle_out(before)
                decays[mother] = GenVertex(
                    (particle.xProd(), particle.yProd(), particle.zProd(), particle.tProd())
                )
                decays[mother].add_particle_in(before)
                event.add_vertex(decays[mother])
            made_at = decays[mother]
        made_at.add_particle_out(copied(particle, status=1))
        forward += 1
    return event, forward


def copied(particle: Any, *, status: int) -> Any:
    """Return a HepMC particle like one of Pythia's."""
    from pyhepmc import GenParticle

    momentum = (particle.px(), particle.py(), particle.pz(), particle.e())
    result = GenParticle(momentum, particle.id(), status)
    result.generated_mass = particle.m()
    return result


if __name__ == "__main__":
    main()
