"""What the light owes to steps: to the boundaries of the geometry, and to how a step is read.

    python validation/simulation/steps.py     # 3 CPU minutes

Two Geant4 programs with the same materials, physics and light model can still differ in

* boundaries: caloforge cuts the block into cells (replicas), and Geant4 stops every track at
  their borders. Here the same fibres are also placed into a block without cells.
* the velocity of a step: its length over its time (what caloforge did at first, and wrong:
  multiple scattering makes the path longer than the one that the time is for), that at its
  start, that of a particle that loses its energy evenly along it, or the mean of start and end
  (wrong in principle: sudden losses come at the end).
* its direction: of the whole step, or at its start.
* its length: of the path with the detours of multiple scattering, or straight to its end.

All readings are of the same steps, so their ratios have next to no error. Electrons and
neutrons, anywhere in a cell; mean photons at a detection efficiency of 1, without Poisson
noise. Writes ``validation/results/simulation-steps.json``.
"""

from __future__ import annotations

import json
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import numpy as np
from common import CELL, arguments, fixed_gun, mean_error, save, scaled, with_efficiency

from caloforge.events import incident_particles
from caloforge.simulation.engine import Engine
from caloforge.simulation.fibres import FibreCalorimeter
from caloforge.simulation.seeds import shower_seed
from caloforge.simulation.setup import load_setup

if TYPE_CHECKING:
    import argparse

    from numpy.typing import NDArray

CASES = (
    ("e-", "cells", "option1", 0.7),
    ("e-", "no cells", "option1", 0.7),
    ("e-", "cells", "option1", 0.1),
    ("e-", "cells", "option0", 0.7),
    ("e-", "cells", "option0", 0.1),
    ("e-", "no cells", "option0", 0.1),
    ("n", "cells", "option1", 0.7),
    ("n", "cells", "option0", 0.1),
)
SHOTS = {"e-": (10, 100), "n": (50, 16)}  # GeV, showers
READINGS = (
    "velocity at start", "length over time", "slowing down", "mean of start and end",
    "direction at start", "straight length",
)  # fmt: skip
NODES = 4
C_MM_NS = 299.792458


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

    def recorder(self, name: str) -> Any:
        """Make what notes all that the readings need."""
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
                    step.GetTotalEnergyDeposit(), step.GetDeltaPosition().mag(),
                )  # fmt: skip
                return True

        return Recorder(name)

    def record(self) -> None:
        """Note the steps in fibres of all that gives light."""
        super().record()
        self.light: list[list[float]] = []

    def response(self, event: Any, rng: np.random.Generator) -> Any:  # noqa: ARG002
        """Keep the light of the shower, read in each way; return an empty response."""
        total = np.zeros(len(READINGS) + 2)
        for charge, mass, recorder in self._recorders:
            if not recorder.steps:
                continue
            z, whole, start, length, time, first, last, deposit, straight = (
                np.array(recorder.steps).reshape(-1, 9).T
            )
            recorder.steps.clear()
            left = 2 * self.half_size_mm[2] - z

            def light(beta: Any, cos_z: Any, part: Any, left: Any = left) -> float:
                return float(self.table.light.photons(charge, beta, cos_z, part, left).sum())  # noqa: B023

            total[0] += light(first, whole, length)
            with np.errstate(divide="ignore", invalid="ignore"):
                total[1] += light(np.clip(length / (C_MM_NS * time), 0, 1), whole, length)
            gamma = 1 / np.sqrt(np.maximum(1 - first**2, 1e-14))
            for node, weight in zip(*np.polynomial.legendre.leggauss(NODES), strict=True):
                here = np.maximum(gamma - (1 + node) / 2 * deposit / mass, 1.0)
                total[2] += light(np.sqrt(1 - here**-2), whole, weight / 2 * length)
            total[3] += light((first + last) / 2, whole, length)
            total[4] += light(first, start, length)
            total[5] += light(first, whole, straight)
            total[-2] += len(z)
            total[-1] += length.sum()
        self.light.append(total.tolist())
        return np.zeros(self.grid.n_cells, np.uint32)


def one(options: argparse.Namespace, kind: str, geometry: str, em: str, cut_mm: float) -> None:
    """Simulate one combination in this process and print what each shower gave."""
    setup = load_setup(with_efficiency(options, "zn", 1), em=em, cut_mm=cut_mm)
    known = setup.calorimeter
    assert isinstance(known, FibreCalorimeter)
    mine = Instrumented(known.table, known.grid)
    mine.without_cells = geometry == "no cells"
    setup.__dict__["calorimeter"] = mine  # in place of the cached one
    engine = Engine(setup)
    gev, n = SHOTS[kind]
    gun, n = fixed_gun(options, kind, gev, CELL), scaled(options, n)
    particles = incident_particles("zn", n=n, gun=gun, seed=options.seed).particles
    for k in range(n):
        engine.shower(particles, k, shower_seed(options.seed, k))
    print("RESULT", json.dumps({"light": mine.light, "description": engine.description()}))


def main() -> None:
    parser = arguments(__doc__)
    parser.add_argument(
        "--one", nargs=4, help="kind, geometry, EM option and cut: in this process"
    )
    options = parser.parse_args()
    if options.one:
        one(options, *options.one[:3], float(options.one[3]))
        return
    rows = []
    for kind, geometry, em, cut_mm in CASES:
        command = [
            sys.executable, __file__, "--one", kind, geometry, em, str(cut_mm),
            "--seed", str(options.seed), "--scale", str(options.scale),
            "--work", str(options.work),
        ]  # fmt: skip
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        line = next(x for x in done.stdout.splitlines() if x.startswith("RESULT"))
        values = np.array(json.loads(line[7:])["light"])
        means = values[:, : len(READINGS)].mean(axis=0)
        row = {
            "kind": kind, "gev": SHOTS[kind][0], "geometry": geometry, "em": em,
            "cut_mm": cut_mm, "showers": len(values),
            "photons_with_velocity_at_start": mean_error(values[:, 0]),
            "over_velocity_at_start": {
                name: [means[k] / means[0], ratio_error(values[:, k], values[:, 0])]
                for k, name in enumerate(READINGS)
            },
            "steps_in_fibres": mean_error(values[:, -2]),
            "track_in_fibres_mm": mean_error(values[:, -1]),
        }  # fmt: skip
        rows.append(row)
        print(row, flush=True)
        save("steps", {"efficiency": 1.0, "rows": rows})


def ratio_error(above: NDArray[Any], below: NDArray[Any]) -> float:
    """Error of the ratio of two means over the same showers."""
    ratio = above.mean() / below.mean()
    return float((above - ratio * below).std(ddof=1) / np.sqrt(len(above)) / below.mean())


if __name__ == "__main__":
    main()
