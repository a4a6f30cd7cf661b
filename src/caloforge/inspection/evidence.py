"""What is known of a file after one pass over it: what the checks judge by."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from caloforge.data.front_face import front_face_point
from caloforge.errors import DataFormatError
from caloforge.geometry import GridLayout
from caloforge.inspection.cell_tally import CellTally
from caloforge.inspection.column_tally import ColumnTally
from caloforge.inspection.identity_tally import IdentityTally
from caloforge.inspection.response_tally import ResponseTally
from caloforge.inspection.sample import Rows, SampleTally
from caloforge.inspection.view import view_piece

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from numpy.typing import NDArray

    from caloforge.formats.format import ShowerSource
    from caloforge.geometry import DetectorGeometry

_PIECE_BYTES = 16 * 2**20  # of cells, as uint16 of ZN: 4300 showers


@dataclass(frozen=True)
class Evidence:
    """What was counted in a file.

    Attributes:
        source: Name of the file, for people.
        geometry: Its detector.
        n_showers: How many showers there are.
        cells: Counts of the cells.
        columns: Counts of the particle table.
        response: Histograms of the response.
        identity: Fingerprints of showers and particles.
        sample: Showers at equal distances through the file.
        impacts: How many particles of the sample enter at each cell of a grid, ``(cell,)``,
            scaled to the file; zeros in a cylinder.
        conversions: What was converted in reading.
        provenance: What the file says of its origin.
        other: The file that it must not share anything with.
    """

    source: str
    geometry: DetectorGeometry
    n_showers: int
    cells: CellTally
    columns: ColumnTally
    response: ResponseTally
    identity: IdentityTally
    sample: Rows
    impacts: NDArray[np.float64]
    conversions: Sequence[str] = ()
    provenance: Mapping[str, Any] | None = None
    other: Evidence | None = None

    @cached_property
    def repeats(self) -> float:
        """Mean number of showers a particle, by its properties."""
        return self.n_showers / max(len(self.identity.distinct), 1)

    @cached_property
    def images(self) -> bool:
        """Whether these are images, without incident particles (`caloforge.data.images`)."""
        return self.geometry.maximum is not None and "pdg" in self.columns.always_zero

    @cached_property
    def impact_cm(self) -> NDArray[np.float64]:
        """Where the particles of the sample meet the front face, ``(n, 2)`` in cm."""
        return front_face_point(self.sample.columns, self.geometry.front_face_z_cm)


def gather(
    source: ShowerSource, name: str, progress: Callable[[int, int], None] | None = None
) -> Evidence:
    """Go through a file once.

    Arguments:
        source: The file, open.
        name: What to call it.
        progress: Told how many showers are done, and of how many.

    Raises:
        DataFormatError: If it cannot be read, or holds no shower.
        GeometryError: If the showers do not have the cells of the geometry.
    """
    geometry, n = source.geometry, source.n_showers
    if n == 0:
        msg = f"{name}: found no shower, expected at least one; make the file again"
        raise DataFormatError(msg)
    cells, columns = CellTally(geometry), ColumnTally(geometry)
    response, identity = ResponseTally(geometry), IdentityTally(geometry, n)
    sample = SampleTally(geometry, n)
    start = 0
    for piece in source.pieces(max(1, min(8192, _PIECE_BYTES // (2 * geometry.n_cells)))):
        view = view_piece(piece, start, geometry, name)
        if start + len(view) > n:
            msg = f"{name}: found more than the {n} showers that it announces; make it again"
            raise DataFormatError(msg)
        for tally in (cells, columns, response, identity, sample):
            tally.add(view)
        start += len(view)
        if progress is not None:
            progress(start, n)
    if start != n:
        msg = f"{name}: found {start} showers, expected {n}; the file is damaged, make it again"
        raise DataFormatError(msg)
    rows = sample.rows()
    return Evidence(
        source=name,
        geometry=geometry,
        n_showers=n,
        cells=cells,
        columns=columns,
        response=response,
        identity=identity,
        sample=rows,
        impacts=_impact_map(rows, geometry) * (n / len(rows.number)),
        conversions=tuple(source.conversions),
        provenance=source.provenance,
    )


def _impact_map(rows: Rows, geometry: DetectorGeometry) -> NDArray[np.float64]:
    """Count the particles that enter at each cell."""
    layout = geometry.layout
    if not isinstance(layout, GridLayout):
        return np.zeros(geometry.n_cells)
    impact = front_face_point(rows.columns, geometry.front_face_z_cm)
    place = np.full(impact.shape, -1.0)
    for axis in (0, 1):
        place[:, axis] = np.floor(
            (impact[:, axis] + layout.half_width_cm[axis]) / layout.pitch_cm[axis]
        )
    inside = np.isfinite(place).all(axis=1) & (place >= 0).all(axis=1)
    inside &= (place < layout.cells).all(axis=1)
    i, j = place[inside].astype(np.int64).T
    at_place = np.bincount(i * layout.cells[1] + j, minlength=int(np.prod(layout.cells)))
    return np.tile(at_place, layout.planes).astype(np.float64)
