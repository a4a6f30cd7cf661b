"""Spaghetti calorimeters: optical fibres along the beam in an absorber."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from caloforge.errors import GeometryError
from caloforge.geometry import GridLayout
from caloforge.simulation.light import LightModel, slowing_down
from caloforge.simulation.materials import Material  # noqa: TC001 - read by toml_tables
from caloforge.toml_tables import from_table

if TYPE_CHECKING:
    from collections.abc import Mapping

    import geant4_pybind as g4
    from numpy.typing import NDArray

    from caloforge.geometry import DetectorGeometry

# Charge and Geant4's names of particles of one mass. Others that are charged and faster than
# light in the fibre (heavier ions, charmed hadrons) are too rare to be seen in a shower.
_CHARGED = (
    (1, ("e-", "e+")),
    (1, ("mu-", "mu+")),
    (1, ("pi-", "pi+")),
    (1, ("kaon-", "kaon+")),
    (1, ("proton", "anti_proton")),
    (1, ("sigma+", "anti_sigma+")),
    (1, ("sigma-", "anti_sigma-")),
    (1, ("xi-", "anti_xi-")),
    (1, ("omega-", "anti_omega-")),
    (1, ("tau-", "tau+")),
    (1, ("deuteron", "anti_deuteron")),
    (1, ("triton", "anti_triton")),
    (2, ("He3", "anti_He3")),
    (2, ("alpha", "anti_alpha")),
)


@dataclass(frozen=True)
class Fibre:
    """One fibre: its light-guiding core (cladding counts as absorber).

    Attributes:
        core_diameter_um: Diameter of the core.
        core: Its material.
    """

    core_diameter_um: float
    core: Material


@dataclass(frozen=True)
class FibreTable:
    """The ``[construction]`` table of kind ``fibres``.

    Attributes:
        length_cm: Depth of the absorber, and length of the fibres.
        absorber: Its material.
        fibre: What stands in the middle of each cell.
        light: From tracks to detected photons.
    """

    length_cm: float
    absorber: Material
    fibre: Fibre
    light: LightModel


class FibreCalorimeter:
    """A block of absorber with a fibre along z in the middle of every cell of a grid.

    The block is cut into rows and cells by replicas, so that Geant4 finds a fibre without a
    search. Light is read out at the far end, z = length.

    Arguments:
        table: Materials, sizes and light.
        grid: Cells: one fibre each.
    """

    largest_ion_charge = 2

    def __init__(self, table: FibreTable, grid: GridLayout) -> None:
        self.table = table
        self.grid = grid
        self._kept: list[Any] = []

    @classmethod
    def from_table(
        cls, table: Mapping[str, Any], geometry: DetectorGeometry, *, where: str
    ) -> FibreCalorimeter:
        """Read the ``[construction]`` table.

        Raises:
            GeometryError: If the cells are no grid of counts, a length is not above 0, or the
                fibres overlap.
            ConfigError: If a key is unknown, missing or of the wrong type.
        """
        if not isinstance(geometry.layout, GridLayout):
            msg = f"{where} kind: 'fibres' needs kind = 'grid', found '{geometry.kind}'"
            raise GeometryError(msg)
        if not geometry.counts:
            msg = f"{where}: fibres count photons, expected [response] counts = true"
            raise GeometryError(msg)
        read = from_table(FibreTable, table, where=where)
        diameter, pitch = read.fibre.core_diameter_um / 1e4, min(geometry.layout.pitch_cm)
        if not read.length_cm > 0:
            msg = f"{where} length_cm: found {read.length_cm:g}, expected above 0"
            raise GeometryError(msg)
        if not 0 < diameter < pitch:
            msg = (
                f"{where} fibre.core_diameter_um: found {read.fibre.core_diameter_um:g}, "
                f"expected above 0 and below the pitch of {1e4 * pitch:g}: fibres overlap"
            )
            raise GeometryError(msg)
        return cls(read, geometry.layout)

    @property
    def half_size_mm(self) -> tuple[float, float, float]:
        """Half of the size along x, y and z."""
        x, y = self.grid.half_width_cm
        return 10 * x, 10 * y, 5 * self.table.length_cm

    def build(self, world: g4.G4LogicalVolume) -> None:
        """Place block, rows, cells and fibres in the world."""
        import geant4_pybind as g4

        x, y, z = (h * g4.mm for h in self.half_size_mm)
        pitch_x, pitch_y = (10 * p * g4.mm for p in self.grid.pitch_cm)
        n_x, n_y = self.grid.cells
        absorber = self.table.absorber.build("absorber")
        core = self.table.fibre.core.build("fibre core")

        def volume(solid: Any, material: Any, name: str) -> g4.G4LogicalVolume:  # noqa: ANN401
            logical = g4.G4LogicalVolume(solid, material, name)
            self._kept += [solid, logical]
            return logical

        block = volume(g4.G4Box("block", x, y, z), absorber, "block")
        row = volume(g4.G4Box("row", pitch_x / 2, y, z), absorber, "row")
        cell = volume(g4.G4Box("cell", pitch_x / 2, pitch_y / 2, z), absorber, "cell")
        radius = self.table.fibre.core_diameter_um / 2 * g4.um
        self._fibre = volume(g4.G4Tubs("fibre", 0, radius, z, 0, 2 * np.pi), core, "fibre")
        centre = g4.G4ThreeVector(0, 0, z)
        self._kept += [
            absorber,
            core,
            g4.G4PVPlacement(None, centre, block, "block", world, False, 0),
            g4.G4PVReplica("row", row, block, g4.kXAxis, n_x, pitch_x),
            g4.G4PVReplica("cell", cell, row, g4.kYAxis, n_y, pitch_y),
            g4.G4PVPlacement(None, g4.G4ThreeVector(), self._fibre, "fibre", cell, False, 0),
        ]

    def record(self) -> None:
        """Note the steps in fibres of all particles that are fast enough to give light.

        Filters in C++ see to it that Python is called for no other step.
        """
        import geant4_pybind as g4

        detector = g4.G4MultiFunctionalDetector("fibres")
        g4.G4SDManager.GetSDMpointer().AddNewDetector(detector)
        self._recorders = []
        for charge, names in _CHARGED:
            mass = g4.G4ParticleTable.GetParticleTable().FindParticle(names[0]).GetPDGMass()
            lowest = (self.table.light.threshold_gamma - 1) * mass
            light_giving = g4.G4SDParticleWithEnergyFilter(f"fast {names[0]}", lowest)
            for name in names:
                light_giving.add(name)
            recorder = self.recorder(names[0])
            recorder.SetFilter(light_giving)
            detector.RegisterPrimitive(recorder)
            self._recorders.append((charge, mass / g4.MeV, recorder))
            self._kept.append(light_giving)
        self._kept.append(detector)
        self._fibre.SetSensitiveDetector(detector)

    def recorder(self, name: str) -> g4.G4VPrimitiveScorer:
        """Make what notes the steps of one kind of particles; ``steps`` holds its numbers."""
        from caloforge.simulation.geant4 import TrackRecorder

        # A little below: rounding shall not decide.
        return TrackRecorder(name, self.table.light.lowest_cosine - 1e-9)

    def start(
        self,
        x_cm: float,
        y_cm: float,
        direction: NDArray[np.float64],
        rng: np.random.Generator,  # noqa: ARG002
    ) -> tuple[tuple[float, float, float], NDArray[np.float64]]:
        """Return where (mm) and in which direction a particle enters, just before the face."""
        return (10 * x_cm, 10 * y_cm, -0.01), direction

    def response(self, event: g4.G4Event, rng: np.random.Generator) -> NDArray[np.uint32]:  # noqa: ARG002
        """Return the photons of each fibre, ``(n_cells,)``, and forget the steps.

        Arguments:
            event: The event that just ended.
            rng: Source of the Poisson counts.
        """
        return rng.poisson(self.mean_photons()).astype(np.uint32)

    def mean_photons(self) -> NDArray[np.float64]:
        """Return the mean photons of each fibre from the steps noted, ``(n_cells,)``."""
        mean = np.zeros(self.grid.n_cells)
        for charge, mass, recorder in self._recorders:
            if not recorder.steps:
                continue
            steps = np.array(recorder.steps).reshape(-1, 7).T
            x, y, z, cos_z, length, first, deposit = steps
            recorder.steps.clear()
            to_read_out = 2 * self.half_size_mm[2] - z
            light = np.zeros(len(x))
            for share, beta in slowing_down(first, deposit, mass):
                light += self.table.light.photons(
                    charge, beta, cos_z, share * length, to_read_out
                )
            mean += np.bincount(self._cell(x, y), light, minlength=self.grid.n_cells)
        return mean

    def _cell(self, x_mm: NDArray[np.float64], y_mm: NDArray[np.float64]) -> NDArray[np.intp]:
        """Return the flat number of the cell at points, ``(n,)``."""
        index = []
        for at, half, pitch, n in zip(
            (x_mm, y_mm), self.half_size_mm, self.grid.pitch_cm, self.grid.cells, strict=False
        ):
            index.append(np.clip(((at + half) / (10 * pitch)).astype(np.intp), 0, n - 1))
        return index[0] * self.grid.cells[1] + index[1]
