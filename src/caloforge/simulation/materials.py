"""Materials as data, and their Geant4 counterparts."""

from __future__ import annotations

from collections.abc import Mapping  # noqa: TC003 - read at run time by toml_tables
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from caloforge.errors import GeometryError

if TYPE_CHECKING:
    import geant4_pybind as g4


@dataclass(frozen=True)
class Material:
    """A mixture of elements, or a material of Geant4's NIST list.

    Attributes:
        nist: Name in Geant4's NIST list, e.g. ``"G4_W"``; empty for a mixture.
        density_g_cm3: Density; 0 keeps that of the NIST list.
        elements: Share of each element by mass, by symbol; the shares add up to 1.

    Raises:
        GeometryError: If neither or both are given, the density is missing, or the shares do
            not add up to 1.
    """

    nist: str = ""
    density_g_cm3: float = 0.0
    elements: Mapping[str, float] | None = None

    def __post_init__(self) -> None:
        if bool(self.nist) == bool(self.elements):
            msg = "material: expected either nist = 'G4_W' or elements = { W = 1.0 }"
            raise GeometryError(msg)
        if self.elements and not self.density_g_cm3 > 0:
            msg = f"material: found density_g_cm3 = {self.density_g_cm3:g}, expected above 0"
            raise GeometryError(msg)
        if self.density_g_cm3 < 0:
            msg = f"material: found density_g_cm3 = {self.density_g_cm3:g}, expected above 0"
            raise GeometryError(msg)
        total = sum(self.elements.values()) if self.elements else 1.0
        if abs(total - 1) > 1e-3 or (self.elements and min(self.elements.values()) <= 0):
            msg = f"material: found shares that add up to {total:g}, expected 1 (by mass)"
            raise GeometryError(msg)

    def build(self, name: str) -> g4.G4Material:
        """Make the Geant4 material.

        Arguments:
            name: Its name in Geant4.

        Raises:
            GeometryError: If Geant4 knows no such element or material.
        """
        import geant4_pybind as g4

        nist = g4.G4NistManager.Instance()
        density = self.density_g_cm3 * g4.g / g4.cm3
        if not self.elements:
            found: Any = (
                nist.BuildMaterialWithNewDensity(name, self.nist, density)
                if density
                else nist.FindOrBuildMaterial(self.nist)
            )
            if found is None:
                msg = f"material: Geant4 knows no '{self.nist}', expected a name such as 'G4_W'"
                raise GeometryError(msg)
            return found
        material = g4.G4Material(name, density, len(self.elements))
        total = sum(self.elements.values())
        for symbol, share in self.elements.items():
            element = nist.FindOrBuildElement(symbol)
            if element is None:
                msg = f"material: Geant4 knows no element '{symbol}', expected one such as 'W'"
                raise GeometryError(msg)
            material.AddElement(element, share / total)
        return material
