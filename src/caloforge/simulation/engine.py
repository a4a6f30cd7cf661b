"""Geant4 itself: one process, one detector, one physics list, shower after shower."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from caloforge.errors import DataFormatError, GeometryError, SimulationError
from caloforge.simulation.data_sets import check_installed, describe, use_data_sets
from caloforge.simulation.physics import ENERGY_GEV, constructors, physics_list

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from caloforge.data.particles import Particles
    from caloforge.simulation.setup import Setup

_QUIET = (
    "/control/verbose 0",
    "/run/verbose 0",
    "/event/verbose 0",
    "/tracking/verbose 0",
    "/process/verbose 0",
    "/process/em/verbose 0",
    "/process/had/verbose 0",
)

_IONS = 1_000_000_000  # PDG numbers above are 10LZZZAAAI


class Engine:
    """Geant4 with a detector, ready for showers. There can be one in the life of a process.

    Arguments:
        setup: Detector, physics list and cut.

    Raises:
        MissingExtraError: If geant4-pybind or Geant4's data are not installed.
        SimulationError: If this process has had an engine.
        GeometryError: If the detector cannot be built.
    """

    _started = False

    def __init__(self, setup: Setup) -> None:
        if Engine._started:
            msg = "Geant4: this process has an engine already; start a new process for another"
            raise SimulationError(msg)
        self._data_sets = use_data_sets()
        Engine._started = True
        import geant4_pybind as g4

        from caloforge.simulation.geant4 import Actions, Events, Source, World

        self.setup = setup
        self._calorimeter = setup.calorimeter
        self._finished: list[NDArray[Any]] = []
        self._random = g4.MixMaxRng()
        g4.G4Random.setTheEngine(self._random)
        self._manager = g4.G4RunManagerFactory.CreateRunManager(g4.G4RunManagerType.SerialOnly)
        self._commands = g4.G4UImanager.GetUIpointer()
        self._world = World(self._calorimeter)
        self._physics = physics_list(setup.physics, setup.em)
        for part in (self._world, self._physics):
            self._manager.SetUserInitialization(part)
        self._source = Source()  # Geant4 wants the physics list first
        self._events = Events(self._ended)
        self._actions = Actions(self._source, self._events)
        self._manager.SetUserInitialization(self._actions)
        for command in _QUIET:
            self._commands.ApplyCommand(command)
        if not _has_gamma_nuclear(self._data_sets):
            self._commands.ApplyCommand("/physics_lists/em/UseGammaNuclearXS false")
        try:
            self._manager.Initialize()
        except GeometryError as error:
            msg = f"{setup.source}: {error}"
            raise GeometryError(msg) from error
        # Before this, Geant4 has no region that the cut could be set for.
        self._commands.ApplyCommand(f"/run/setCut {setup.cut_mm} mm")
        self._manager.BeamOn(0)

    def check(self, particles: Particles) -> None:
        """Refuse particles that Geant4 does not know, or whose energy no model covers.

        Raises:
            DataFormatError: Naming the first such row.
        """
        kinds, which = np.unique(particles["pdg"], return_inverse=True)
        mass_gev = np.zeros(len(kinds))
        for k, pdg in enumerate(kinds):
            row = int(np.argmax(particles["pdg"] == pdg))
            definition = self._definition(int(pdg))
            # Quarks, gluons and resonances have a name in Geant4, but are not tracked.
            if definition is None or definition.IsShortLived():
                msg = (
                    f"particles: Geant4 cannot track pdg {pdg} (row {row}), expected a "
                    "particle that lives long enough to reach the detector; remove it"
                )
                raise DataFormatError(msg)
            largest = self._calorimeter.largest_ion_charge
            if abs(int(pdg)) > _IONS and abs(int(pdg)) // 10_000 % 1000 > largest:
                msg = (
                    f"particles: pdg {pdg} (row {row}) is an ion heavier than helium, whose "
                    "light is not simulated; remove it"
                )
                raise DataFormatError(msg)
            mass_gev[k] = definition.GetPDGMass() / 1000
        energy = particles["energy_gev"]
        kinetic = energy - mass_gev[which]
        low, high = ENERGY_GEV
        wrong = (kinetic < low) | (kinetic > high)
        if wrong.any():
            row = int(np.argmax(wrong))
            msg = (
                f"particles: energy {energy[row]:g} GeV (row {row}, pdg "
                f"{particles['pdg'][row]}) is outside what {self.setup.physics} covers, "
                f"expected {low:g} to {high:g} GeV of kinetic energy; remove the row"
            )
            raise DataFormatError(msg)
        if not (self.setup.beam * particles["pz_gev"] > 0).all():
            row = int(np.argmin(self.setup.beam * particles["pz_gev"] > 0))
            sign = "above" if self.setup.beam > 0 else "below"
            msg = (
                f"particles: pz_gev is {particles['pz_gev'][row]:g} (row {row}), expected "
                f"{sign} 0: the particle flies away from the detector; turn it round"
            )
            raise DataFormatError(msg)

    def shower(self, particles: Particles, row: int, seed: int) -> NDArray[Any]:
        """Simulate one shower.

        Arguments:
            particles: Table of incident particles that `check` has passed.
            row: Which of them.
            seed: Seed of the shower, 0 to 2^64 - 1. Equal seeds give equal showers, whatever
                was simulated before.

        Returns:
            Cells, ``(n_cells,)``: uint32 counts or float32 energies in MeV. All 0 if the
            particle misses the detector.
        """
        import geant4_pybind as g4

        momentum = np.array([particles[name][row] for name in ("px_gev", "py_gev", "pz_gev")])
        momentum[2] *= self.setup.beam
        rng = np.random.Generator(np.random.Philox(key=seed))
        start = self._calorimeter.start(
            float(particles["x_cm"][row]),
            float(particles["y_cm"][row]),
            momentum / np.linalg.norm(momentum),
            rng,
        )
        geometry = self.setup.geometry
        dtype = np.uint32 if geometry.counts else np.float32
        if start is None or any(
            abs(at) >= half for at, half in zip(start[0], self._world.half_size_mm, strict=True)
        ):
            return np.zeros(geometry.n_cells, dtype=dtype)
        position, direction = start
        definition = self._definition(int(particles["pdg"][row]))
        gun = self._source.gun
        gun.SetParticleDefinition(definition)
        energy = float(particles["energy_gev"][row]) * g4.GeV - definition.GetPDGMass()
        gun.SetParticleEnergy(energy)
        gun.SetParticlePosition(g4.G4ThreeVector(*(at * g4.mm for at in position)))
        gun.SetParticleMomentumDirection(g4.G4ThreeVector(*direction))
        # MixMax has a stream of its own for every four numbers of 32 bits but four zeros, with
        # which it gives nothing but zeros.
        self._random.setSeeds([seed & 0xFFFFFFFF, seed >> 32, int(seed == 0), 0])
        self._rng = rng
        self._finished.clear()
        self._manager.BeamOn(1)
        self._events.check()
        if not self._finished:
            msg = "Geant4: an event was aborted; simulate again with --only to see why"
            raise SimulationError(msg)
        return self._finished[0].astype(dtype, copy=False)

    def description(self) -> dict[str, Any]:
        """Return what the showers depend on beside detector and particles, for provenance."""
        import geant4_pybind as g4

        data_sets = describe(self._data_sets)
        needed = [d for d in self._data_sets if d.needed]
        return {
            "program": "Geant4",
            "geant4": _version(g4),
            "geant4_pybind": check_installed(),
            "physics_list": self.setup.physics,
            "em_option": self.setup.em,
            "physics_constructors": list(constructors(self.setup.physics, self.setup.em)),
            "gamma_nuclear_data": _has_gamma_nuclear(self._data_sets),
            "cut_mm": self.setup.cut_mm,
            "official_data_sets": all(d.is_official for d in needed),
            "data_sets": data_sets,
        }

    def _definition(self, pdg: int) -> Any:  # noqa: ANN401
        """Geant4's particle of a PDG number, ``None`` if it has none."""
        import geant4_pybind as g4

        table = g4.G4ParticleTable.GetParticleTable()
        found = table.FindParticle(pdg)
        if found is None and abs(pdg) > _IONS:
            found = g4.G4IonTable.GetIonTable().GetIon(pdg)
        return found

    def _ended(self, event: Any) -> None:  # noqa: ANN401
        """Read an event while its hits exist."""
        self._finished.append(self._calorimeter.response(event, self._rng))


def _has_gamma_nuclear(data_sets: tuple[Any, ...]) -> bool:
    """Whether there are tables for photons on nuclei; without, Geant4 uses its own formula."""
    path = next(d.path for d in data_sets if d.variable == "G4PARTICLEXSDATA")
    return any((path / "gamma").glob("inel*"))


def _version(g4: Any) -> str:  # noqa: ANN401
    """Geant4's version, e.g. ``"11.4.1"``."""
    number = int(g4.G4VERSION_NUMBER)
    return f"{number // 100}.{number // 10 % 10}.{number % 10}"
