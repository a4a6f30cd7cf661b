"""Sampling calorimeters: layers of absorber and active material across the particle."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from caloforge.errors import GeometryError
from caloforge.geometry import CylinderLayer, CylinderLayout
from caloforge.simulation.materials import Material  # noqa: TC001 - read by toml_tables
from caloforge.toml_tables import from_table

if TYPE_CHECKING:
    from collections.abc import Mapping

    import geant4_pybind as g4
    from numpy.typing import NDArray

    from caloforge.geometry import DetectorGeometry

# Far above Geant4's tolerance of 1e-9 mm, far below any cell.
_OFF_AXIS_MM = 1e-4


@dataclass(frozen=True)
class Slab:
    """One sheet of a layer.

    Attributes:
        material: What it is made of.
        thickness_mm: Along the particle.
        active: Whether energy deposited in it is read out.
    """

    material: Material
    thickness_mm: float
    active: bool = False

    def __post_init__(self) -> None:
        if not self.thickness_mm > 0:
            msg = f"thickness_mm: found {self.thickness_mm:g}, expected above 0"
            raise GeometryError(msg)


@dataclass(frozen=True)
class LayerTable:
    """The ``[construction]`` table of kind ``layers``.

    Attributes:
        radius_cm: Of the discs.
        slabs: Sheets that are repeated, from the front.
        repeats: How often they are repeated in one layer of the read-out.
    """

    radius_cm: float
    slabs: tuple[Slab, ...]
    repeats: int = 1


class LayeredCalorimeter:
    """Discs one after the other, read out in the rings and sectors of a cylinder layout.

    The particle enters in the middle, along the axis, whatever its position and direction: as
    in CaloChallenge the read-out is built around the particle, and the detector stands across
    its direction and is much wider than a shower. Energies are those deposited in the active
    sheets, in MeV, without calibration or threshold. Geant4's own scorer adds them up in C++.

    Arguments:
        table: Materials and sizes.
        layout: Layers, rings and sectors.
    """

    largest_ion_charge = 118

    def __init__(self, table: LayerTable, layout: CylinderLayout) -> None:
        self.table = table
        self.layout = layout
        self._kept: list[Any] = []

    @classmethod
    def from_table(
        cls, table: Mapping[str, Any], geometry: DetectorGeometry, *, where: str
    ) -> LayeredCalorimeter:
        """Read the ``[construction]`` table.

        Raises:
            GeometryError: If the cells are no cylinder of energies in MeV, nothing is active, a
                size is not above 0, or the rings do not fit into the disc.
            ConfigError: If a key is unknown, missing or of the wrong type.
        """
        if not isinstance(geometry.layout, CylinderLayout):
            msg = f"{where} kind: 'layers' needs kind = 'cylinder', found '{geometry.kind}'"
            raise GeometryError(msg)
        if geometry.counts or geometry.unit != "MeV":
            msg = f"{where}: layers give energies, expected [response] unit = 'MeV', no counts"
            raise GeometryError(msg)
        read = from_table(LayerTable, table, where=where)
        outer = max(max(layer.r_edges_mm, default=0.0) for layer in geometry.layout.layers)
        if not read.repeats >= 1:
            msg = f"{where} repeats: found {read.repeats}, expected 1 or more"
            raise GeometryError(msg)
        if not any(slab.active for slab in read.slabs):
            msg = f"{where} slabs: found none with active = true, expected at least one"
            raise GeometryError(msg)
        if not 10 * read.radius_cm >= outer:
            msg = (
                f"{where} radius_cm: found {read.radius_cm:g}, expected at least "
                f"{outer / 10:g}, the largest of r_edges_mm"
            )
            raise GeometryError(msg)
        return cls(read, geometry.layout)

    @property
    def half_size_mm(self) -> tuple[float, float, float]:
        """Half of the size along x, y and z."""
        sheets = sum(slab.thickness_mm for slab in self.table.slabs)
        depth = len(self.layout.layers) * self.table.repeats * sheets
        return 10 * self.table.radius_cm, 10 * self.table.radius_cm, depth / 2

    def build(self, world: g4.G4LogicalVolume) -> None:
        """Place all sheets in the world, the active ones with rings and sectors in them."""
        import geant4_pybind as g4

        radius = 10 * self.table.radius_cm * g4.mm
        materials = [
            slab.material.build(f"slab {k}") for k, slab in enumerate(self.table.slabs)
        ]
        self._cells: list[g4.G4LogicalVolume] = []
        sheets: dict[Any, g4.G4LogicalVolume] = {}
        z = 0.0
        for number, layer in enumerate(self.layout.layers):
            for k in range(self.table.repeats * len(self.table.slabs)):
                which = k % len(self.table.slabs)
                slab = self.table.slabs[which]
                half = slab.thickness_mm / 2 * g4.mm
                key = (which, layer if slab.active else None)
                if key not in sheets:
                    disc = g4.G4Tubs("sheet", 0, radius, half, 0, 2 * np.pi)
                    sheets[key] = g4.G4LogicalVolume(disc, materials[which], f"sheet {which}")
                    self._kept.append(disc)
                    if slab.active and layer.n_cells:
                        self._divide(sheets[key], layer, half, materials[which])
                at = g4.G4ThreeVector(0, 0, z + half)
                self._kept.append(
                    g4.G4PVPlacement(None, at, sheets[key], "sheet", world, False, number)
                )
                z += 2 * half
        self._kept += [*materials, *sheets.values()]

    def _divide(
        self,
        sheet: g4.G4LogicalVolume,
        layer: CylinderLayer,
        half: float,
        material: Any,  # noqa: ANN401
    ) -> None:
        """Cut an active sheet: copy numbers are sector (one level up) and ring."""
        import geant4_pybind as g4

        edges = [r * g4.mm for r in layer.r_edges_mm]
        width = 2 * np.pi / layer.n_angles

        def volume(name: str, inner: float, outer: float, start: float, angle: float) -> Any:  # noqa: ANN401
            solid = g4.G4Tubs(name, inner, outer, half, start, angle)
            logical = g4.G4LogicalVolume(solid, material, name)
            self._kept += [solid, logical]
            return logical

        mesh = volume("mesh", edges[0], edges[-1], 0, 2 * np.pi)
        # A sector of the whole turn is no replica: Geant4 refuses one copy of a full circle.
        start = -width / 2 if layer.n_angles > 1 else 0.0
        sector = volume("sector", edges[0], edges[-1], start, width)
        middle = g4.G4ThreeVector()
        self._kept += [
            g4.G4PVPlacement(None, middle, mesh, "mesh", sheet, False, 0),
            g4.G4PVReplica("sector", sector, mesh, g4.kPhi, layer.n_angles, width)
            if layer.n_angles > 1
            else g4.G4PVPlacement(None, middle, sector, "sector", mesh, False, 0),
        ]
        for ring in range(len(edges) - 1):
            cell = volume("cell", edges[ring], edges[ring + 1], start, width)
            self._kept.append(g4.G4PVPlacement(None, middle, cell, "cell", sector, False, ring))
            self._cells.append(cell)

    def record(self) -> None:
        """Let Geant4's scorer add up the deposits of every cell."""
        import geant4_pybind as g4

        shapes = [layer.shape for layer in self.layout.layers]
        n_angles, n_rings = (max(shape[k] for shape in shapes) for k in (0, 1))
        detector = g4.G4MultiFunctionalDetector("layers")
        g4.G4SDManager.GetSDMpointer().AddNewDetector(detector)
        scorer = g4.G4PSEnergyDeposit3D("energy", len(shapes), n_angles, n_rings, 3, 1, 0)
        detector.RegisterPrimitive(scorer)
        for cell in self._cells:
            cell.SetSensitiveDetector(detector)
        self._kept += [detector, scorer]
        self._collection = -1
        # From the scorer's number of a cell, all layers alike, to its place in a flat shower.
        place = np.full((len(shapes), n_angles, n_rings), -1, dtype=np.intp)
        for k, (part, shape) in enumerate(zip(self.layout.slices, shapes, strict=True)):
            places = np.arange(part.start, part.stop).reshape(shape)
            place[k, : shape[0], : shape[1]] = places
        self._place = place.reshape(-1)

    def start(
        self,
        x_cm: float,
        y_cm: float,
        direction: NDArray[np.float64],
        rng: np.random.Generator,
    ) -> tuple[tuple[float, float, float], NDArray[np.float64]] | None:
        """Return the middle and the axis, or ``None`` for a particle beside the disc."""
        del direction
        if np.hypot(x_cm, y_cm) > self.table.radius_cm:
            return None
        # All sectors meet on the axis; Geant4 would count a straight track there to the first.
        angle = rng.uniform(0, 2 * np.pi)
        at = (_OFF_AXIS_MM * np.cos(angle), _OFF_AXIS_MM * np.sin(angle), -0.01)
        return at, np.array([0.0, 0.0, 1.0])

    def response(self, event: g4.G4Event, rng: np.random.Generator) -> NDArray[np.float32]:  # noqa: ARG002
        """Return the energy in each cell, ``(n_cells,)`` in MeV."""
        import geant4_pybind as g4

        if self._collection < 0:
            manager = g4.G4SDManager.GetSDMpointer()
            self._collection = manager.GetCollectionID("layers/energy")
        hits = list(event.GetHCofThisEvent().GetHC(self._collection))
        cells = np.zeros(self.layout.n_cells, dtype=np.float32)
        if hits:
            numbers, energies = zip(*hits, strict=True)
            cells[self._place[list(numbers)]] = np.array(energies) / g4.MeV
        return cells
