"""Kinds of calorimeters that can be simulated, by the ``kind`` of their ``[construction]``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

from caloforge.errors import CaloforgeError, GeometryError, did_you_mean
from caloforge.simulation.fibres import FibreCalorimeter
from caloforge.simulation.layers import LayeredCalorimeter
from caloforge.toml_tables import as_table

if TYPE_CHECKING:
    from collections.abc import Mapping

    import geant4_pybind as g4
    import numpy as np
    from numpy.typing import NDArray

    from caloforge.geometry import DetectorGeometry


class Calorimeter(Protocol):
    """A detector that Geant4 can build, and that turns its hits into cells.

    The front face lies at z = 0 around the origin and the detector extends to +z, whichever way
    the particles of the experiment fly. A new kind is one class with these methods and a row in
    `KINDS`.
    """

    largest_ion_charge: int
    """Charge of the heaviest incident ions whose signal is simulated."""

    @classmethod
    def from_table(
        cls, table: Mapping[str, Any], geometry: DetectorGeometry, *, where: str
    ) -> Calorimeter:
        """Read the ``[construction]`` table, and refuse what cannot be built."""

    @property
    def half_size_mm(self) -> tuple[float, float, float]:
        """Half of the size along x, y and z."""

    def build(self, world: g4.G4LogicalVolume) -> None:
        """Place the detector in the world; keep references to all that is made."""

    def record(self) -> None:
        """Attach what records hits, after the geometry is built."""

    def response(self, event: g4.G4Event, rng: np.random.Generator) -> NDArray[Any]:
        """Return the cells of the event, ``(n_cells,)``, and forget its hits."""

    def start(
        self,
        x_cm: float,
        y_cm: float,
        direction: NDArray[np.float64],
        rng: np.random.Generator,
    ) -> tuple[tuple[float, float, float], NDArray[np.float64]] | None:
        """Return position (mm) and direction of a particle, ``None`` if it misses."""


KINDS: dict[str, type[Calorimeter]] = {
    "fibres": FibreCalorimeter,
    "layers": LayeredCalorimeter,
}


# Keys of the same table that say where particles come from: `caloforge.events` reads them.
_OF_EVENTS = ("beam", "centre_cm", "dipole", "gun")


def read_construction(
    table: Mapping[str, Any], geometry: DetectorGeometry, *, source: str
) -> Calorimeter:
    """Return the calorimeter that a detector's file describes.

    Arguments:
        table: Content of the file.
        geometry: Its cells.
        source: Its name, for messages.

    Raises:
        GeometryError: If it has no ``[construction]``, or one that cannot be built.
    """
    if "construction" not in table:
        msg = (
            f"{source}: found no table [construction], which says how to build the detector; "
            "see docs/simulation.md"
        )
        raise GeometryError(msg)
    where = f"{source} [construction]"
    try:
        construction = as_table(table["construction"], where=where)
        kind = construction.pop("kind", None)
        for key in _OF_EVENTS:
            construction.pop(key, None)
        if kind not in KINDS:
            msg = f"{where} kind: found {kind!r}, expected one of {', '.join(KINDS)}"
            raise GeometryError(
                msg + ("" if kind is None else f"; {did_you_mean(str(kind), KINDS)}")
            )
        return KINDS[kind].from_table(construction, geometry, where=where)
    except CaloforgeError as error:
        text = str(error)
        msg = text if text.startswith(source) else f"{source}: {text}"
        raise GeometryError(msg) from error
