"""What is simulated: detector, physics list and production cut."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from caloforge.events import beam_of
from caloforge.geometry import DetectorGeometry, read_description
from caloforge.simulation.construction import read_construction
from caloforge.simulation.physics import check_physics

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from caloforge.simulation.construction import Calorimeter

DEFAULT_PHYSICS, DEFAULT_EM, DEFAULT_CUT_MM = "FTFP_BERT", "option0", 0.1


@dataclass(frozen=True)
class Setup:
    """Everything that a Geant4 process must know; plain enough for JSON.

    Attributes:
        detector: Content of the detector's TOML file, ``[construction]`` included.
        source: Its name, for messages.
        physics: Hadronic physics list.
        em: Option of the electromagnetic physics.
        cut_mm: Production cut in range for photons, electrons, positrons and protons, in mm.
    """

    detector: Mapping[str, Any]
    source: str
    physics: str = DEFAULT_PHYSICS
    em: str = DEFAULT_EM
    cut_mm: float = DEFAULT_CUT_MM

    @cached_property
    def geometry(self) -> DetectorGeometry:
        """Cells of the detector."""
        return DetectorGeometry.from_dict(self.detector, source=self.source)

    @cached_property
    def calorimeter(self) -> Calorimeter:
        """The detector, ready to be built; one Geant4 process builds it once."""
        return read_construction(self.detector, self.geometry, source=self.source)

    @property
    def beam(self) -> int:
        """Sign of the momentum along z of what enters the front face."""
        return beam_of(self.detector, source=self.source)

    def as_dict(self) -> dict[str, Any]:
        """Return the fields, for JSON."""
        return asdict(self)

    @classmethod
    def from_dict(cls, table: Mapping[str, Any]) -> Setup:
        """Return what `as_dict` was made of."""
        return cls(**table)


def load_setup(
    detector: str | Path,
    *,
    physics: str = DEFAULT_PHYSICS,
    em: str = DEFAULT_EM,
    cut_mm: float = DEFAULT_CUT_MM,
) -> Setup:
    """Read a detector and check all that can be checked without Geant4.

    Arguments:
        detector: Name of a detector that comes along, or the path of its TOML file.
        physics: One of `caloforge.simulation.physics.HADRONIC`.
        em: One of `caloforge.simulation.physics.EM`.
        cut_mm: Production cut in range, in mm.

    Raises:
        GeometryError: If there is no such detector, or it cannot be built.
        ConfigError: If the physics list, the option or the cut is unusable.
    """
    check_physics(physics, em, cut_mm)
    table, source = read_description(detector)
    setup = Setup(table, source, physics, em, cut_mm)
    _ = setup.calorimeter  # refuses what cannot be built
    return setup
