"""What the light owes to steps: to the boundaries of the geometry, and to how a step is read.

    python validation/simulation/steps.py     # 3 CPU minutes

Two Geant4 programs with the same materials, physics and light model can still differ in

* boundaries: caloforge cuts the block into cells (replicas), and Geant4 stops every track at
  their borders. Here the same fibres are also placed into a block without cells.
* how a step becomes light: direction of the whole step or at its start; velocity of the step,
  at its start, or the mean of start and end; or light integrated over the step, its energy
  lost evenly along it, which is closest to the truth. All come from the same steps here.

Electrons of 10 GeV, anywhere in a cell; mean photons at a detection efficiency of 1, without
Poisson noise. Writes ``validation/results/simulation-steps.json``.
"""

from __future__ import annotations

import json
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import numpy as np
from common import CELL, arguments, bright_zn, fixed_gun, mean_error, save, scaled

from caloforge.events import incident_particles
from caloforge.simulation.engine import Engine
from caloforge.simulation.fibres import _CHARGED, FibreCalorimeter
from caloforge.simulation.light import velocity
from caloforge.simulation.seeds import shower_seed
from caloforge.simulation.setup import load_setup

if TYPE_CHECKING:
    import argparse

SETTINGS = (("option1", 0.7), ("option1", 0.1), ("option0", 0.7), ("option0", 0.1))
GEOMETRIES = ("cells", "no cells")
READINGS = ("as caloforge", "direction at start", "mean velocity", "both", "integrated")
PARTS = 8
N, GEV = 100, 10


class Instrumented(FibreCalorimeter):
    """The ZN, with or without borders of cells, that notes more of every step."""

    without_cells = False

    def build(self, world: Any) -> None:
        """Place the fibres."""
        if not self.without_cells:
            super().build(world)
            return
        import geant4_pybind as g4

        x, y, z = (h * g4.mm for h in self.half_size_mm)
        absorber = self.table.absorber.build("absorber")
        core = self.table.fibre.core.build("fibre core")
        box = g4.G4Box("block", x, y, z)
        block = g4.G4LogicalVolume(box, absorber, "block")
        radius = self.table.fibre.core_diameter_um / 2 * g4.um
        tube = g4.G4Tubs("fibre", 0, radius, z, 0, 2 * np.pi)
        self._fibre = g4.G4LogicalVolume(tube, core, "fibre")
        self._kept += [absorber, core, box, block, tube]
        middle = g4.G4ThreeVector(0, 0, z)
        self._kept.append(g4.G4PVPlacement(None, middle, block, "block", world, False, 0))
        for k, (at_x, at_y) in enumerate(self.grid.centres_cm() * 10 * g4.mm):
            at = g4.G4ThreeVector(at_x, at_y, 0)
            placed = g4.G4PVPlacement(None, at, self._fibre, "fibre", block, False, k)
            self._kept.append(placed)

    def record(self) -> None:
        """Note the steps in fibres of all that gives light."""
        import geant4_pybind as g4

        class Recorder(g4.G4VPrimitiveScorer):
            def __init__(self, name: str) -> None:
                super().__init__(name)
                self.steps: list[float] = []

            def Initialize(self, hits: Any) -> None:
                """There is no hits collection."""

            def ProcessHits(self, step: Any, history: Any) -> bool:  # noqa: ARG002
                before, after = step.GetPreStepPoint(), step.GetPostStepPoint()
                self.steps += (
                    before.GetPosition().z, step.GetDeltaPosition().cosTheta(),
                    before.GetMomentumDirection().z, step.GetStepLength(),
                    step.GetDeltaTime(), before.GetBeta(), after.GetBeta(),
                )  # fmt: skip
                return True

        detector = g4.G4MultiFunctionalDetector("fibres")
        g4.G4SDManager.GetSDMpointer().AddNewDetector(detector)
        self._recorders = []
        for charge, names in _CHARGED:
            mass = g4.G4ParticleTable.GetParticleTable().FindParticle(names[0]).GetPDGMass()
            lowest = (self.table.light.threshold_gamma - 1) * mass
            fast = g4.G4SDParticleWithEnergyFilter(f"fast {names[0]}", lowest)
            for name in names:
                fast.add(name)
            recorder = Recorder(names[0])
            recorder.SetFilter(fast)
            detector.RegisterPrimitive(recorder)
            self._recorders.append((charge, recorder))
            self._kept.append(fast)
        self._kept.append(detector)
        self._fibre.SetSensitiveDetector(detector)
        self.light: list[list[float]] = []

    def response(self, event: Any, rng: np.random.Generator) -> Any:  # noqa: ARG002
        """Keep the light of the shower, read in each way; return an empty response."""
        total = np.zeros(len(READINGS) + 2)
        for charge, recorder in self._recorders:
            if not recorder.steps:
                continue
            z, whole, start, length, time, first, last = (
                np.array(recorder.steps).reshape(-1, 7).T
            )
            recorder.steps.clear()
            own, mean = velocity(length, time), (first + last) / 2
            left = 2 * self.half_size_mm[2] - z
            readings = ((own, whole), (own, start), (mean, whole), (mean, start))
            for k, (beta, cos_z) in enumerate(readings):
                total[k] += self.table.light.photons(charge, beta, cos_z, length, left).sum()
            # Velocity at the middles of parts of the step; the Lorentz factor falls evenly.
            gamma = [1 / np.sqrt(np.maximum(1 - beta**2, 1e-12)) for beta in (first, last)]
            for part in (np.arange(PARTS) + 0.5) / PARTS:
                here = gamma[0] + part * (gamma[1] - gamma[0])
                beta = np.sqrt(1 - 1 / here**2)
                made = self.table.light.photons(charge, beta, whole, length / PARTS, left)
                total[4] += made.sum()
            total[-2] += len(z)
            total[-1] += length.sum()
        self.light.append(total.tolist())
        return np.zeros(self.grid.n_cells, np.uint32)


def one(options: argparse.Namespace, geometry: str, em: str, cut_mm: float) -> None:
    """Simulate one combination in this process and print what each shower gave."""
    setup = load_setup(bright_zn(options), em=em, cut_mm=cut_mm)
    known = setup.calorimeter
    assert isinstance(known, FibreCalorimeter)
    mine = Instrumented(known.table, known.grid)
    mine.without_cells = geometry == "no cells"
    setup.__dict__["calorimeter"] = mine  # in place of the cached one
    engine = Engine(setup)
    gun = fixed_gun(options, "e-", GEV, CELL)
    n = scaled(options, N)
    particles = incident_particles("zn", n=n, gun=gun, seed=options.seed).particles
    for k in range(n):
        engine.shower(particles, k, shower_seed(options.seed, k))
    print("RESULT", json.dumps({"light": mine.light, "description": engine.description()}))


def main() -> None:
    parser = arguments(__doc__)
    parser.add_argument("--one", nargs=3, help="geometry, EM option and cut: in this process")
    options = parser.parse_args()
    if options.one:
        one(options, options.one[0], options.one[1], float(options.one[2]))
        return
    rows = []
    for em, cut_mm in SETTINGS:
        for geometry in GEOMETRIES:
            command = [
                sys.executable, __file__, "--one", geometry, em, str(cut_mm),
                "--seed", str(options.seed), "--scale", str(options.scale),
                "--work", str(options.work),
            ]  # fmt: skip
            done = subprocess.run(command, capture_output=True, text=True, check=True)
            line = next(x for x in done.stdout.splitlines() if x.startswith("RESULT"))
            values = np.array(json.loads(line[7:])["light"])
            row = {
                "em": em, "cut_mm": cut_mm, "geometry": geometry, "showers": len(values),
                "photons": {
                    name: mean_error(values[:, k]) for k, name in enumerate(READINGS)
                },
                "steps_in_fibres": mean_error(values[:, -2]),
                "track_in_fibres_mm": mean_error(values[:, -1]),
            }  # fmt: skip
            rows.append(row)
            print(row, flush=True)
            save("steps", {"particle": f"e- of {GEV} GeV", "efficiency": 1.0, "rows": rows})


if __name__ == "__main__":
    main()
