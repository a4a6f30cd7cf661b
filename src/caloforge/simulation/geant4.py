"""The classes that Geant4 calls. Import this in a Geant4 process only: it loads Geant4."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import geant4_pybind as g4

if TYPE_CHECKING:
    from collections.abc import Callable

    from caloforge.simulation.construction import Calorimeter

_MARGIN_MM = 5.0


class World(g4.G4VUserDetectorConstruction):
    """The detector in vacuum, its front face at z = 0."""

    def __init__(self, calorimeter: Calorimeter) -> None:
        super().__init__()
        self._calorimeter = calorimeter
        x, y, z = calorimeter.half_size_mm
        self.half_size_mm = (x + _MARGIN_MM, y + _MARGIN_MM, 2 * z + _MARGIN_MM)

    def Construct(self) -> g4.G4VPhysicalVolume:
        """Build the geometry."""
        vacuum = g4.G4NistManager.Instance().FindOrBuildMaterial("G4_Galactic")
        box = g4.G4Box("world", *(h * g4.mm for h in self.half_size_mm))
        self._world = g4.G4LogicalVolume(box, vacuum, "world")
        self._placed = g4.G4PVPlacement(
            None, g4.G4ThreeVector(), self._world, "world", None, False, 0
        )
        self._kept = (vacuum, box)
        self._calorimeter.build(self._world)
        return self._placed

    def ConstructSDandField(self) -> None:
        """Attach what records hits."""
        self._calorimeter.record()


class Source(g4.G4VUserPrimaryGeneratorAction):
    """One particle an event, as set before."""

    def __init__(self) -> None:
        super().__init__()
        self.gun = g4.G4ParticleGun(1)

    def GeneratePrimaries(self, event: g4.G4Event) -> None:
        """Shoot it."""
        self.gun.GeneratePrimaryVertex(event)


class Events(g4.G4UserEventAction):
    """Hands every finished event on, and keeps what goes wrong there for `check`."""

    def __init__(self, ended: Callable[[g4.G4Event], None]) -> None:
        super().__init__()
        self._ended = ended
        self._error: Exception | None = None

    def EndOfEventAction(self, event: g4.G4Event) -> None:
        """Read the event while its hits exist."""
        try:
            self._ended(event)
        except Exception as error:  # noqa: BLE001 - C++ above must not see it; `check` raises it
            self._error = error

    def check(self) -> None:
        """Raise what went wrong in the last event."""
        if self._error is not None:
            error, self._error = self._error, None
            raise error


class Actions(g4.G4VUserActionInitialization):
    """Source and event action, handed over to Geant4."""

    def __init__(self, source: Source, events: Events) -> None:
        super().__init__()
        self._actions = (source, events)

    def Build(self) -> None:
        """Register them."""
        for action in self._actions:
            self.SetUserAction(action)


class TrackRecorder(g4.G4VPrimitiveScorer):
    """Notes every step that a filter in C++ lets through.

    A step becomes seven numbers, as few as light needs: each costs a call from C++ to Python.

    Arguments:
        name: Name in Geant4.
        lowest_cosine: Cosine to the z axis from which on a step counts.

    Attributes:
        steps: x, y, z of the start in mm, cosine to the z axis, length in mm, velocity
            at the start in c and energy deposited in MeV, of one step after the other.
    """

    def __init__(self, name: str, lowest_cosine: float) -> None:
        super().__init__(name)
        self.steps: list[float] = []
        self._lowest_cosine = lowest_cosine

    def Initialize(self, hits: Any) -> None:  # noqa: ANN401 - Geant4's name
        """Do nothing: there is no hits collection."""

    def ProcessHits(self, step: g4.G4Step, history: Any) -> bool:  # noqa: ANN401, ARG002
        """Note one step."""
        # First, since it leaves out most: every further question costs a fraction of a us.
        cosine = step.GetDeltaPosition().cosTheta()
        if cosine < self._lowest_cosine:
            return False
        start = step.GetPreStepPoint()
        at = start.GetPosition()
        self.steps += (
            at.x,
            at.y,
            at.z,
            cosine,
            step.GetStepLength(),
            # Not length over time: Geant4's length has the detours of multiple scattering, its
            # time has not.
            start.GetBeta(),
            step.GetTotalEnergyDeposit(),
        )
        return True
