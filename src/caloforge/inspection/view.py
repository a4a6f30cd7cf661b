"""Some showers of a file, looked at: lit cells, sums, columns as numbers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from caloforge.data import PARTICLE_COLUMNS
from caloforge.errors import DataFormatError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from caloforge.formats.format import Piece
    from caloforge.geometry import DetectorGeometry

_INFINITE = 1e30
_KIND = 2.0**31
_INCIDENT = 2.0**62


@dataclass(frozen=True)
class View:
    """A piece of a file.

    Attributes:
        start: Number of the first shower.
        columns: Properties of the particles as they stand, ``(n,)`` each; NaN where the file
            has none, or one that is infinite.
        missing: Columns that the file does not have.
        incident: Which rows are the same particle, ``(n,)``, if the file says so.
        lit: Number of cells that are not 0, ``(n,)``.
        rows: Shower of each lit cell, from 0 in this piece, ``(lit cell,)``, increasing.
        cells: Number of each lit cell, ``(lit cell,)``.
        raw: Response of each lit cell as it stands, ``(lit cell,)``; NaN if infinite.
        values: The same in float64 with 0 where it is not finite, ``(lit cell,)``.
        sums: Summed response of each shower, ``(n,)``, of finite cells.
        dtype: Type of the cells.
    """

    start: int
    columns: Mapping[str, NDArray[np.float64]]
    missing: tuple[str, ...]
    incident: NDArray[np.int64] | None
    lit: NDArray[np.int64]
    rows: NDArray[np.int64]
    cells: NDArray[np.int64]
    raw: NDArray[Any]
    values: NDArray[np.float64]
    sums: NDArray[np.float64]
    dtype: np.dtype[Any]

    def __len__(self) -> int:
        """Return the number of showers."""
        return len(self.lit)

    def per_shower(self, weights: NDArray[np.float64]) -> NDArray[np.float64]:
        """Sum something of each lit cell over the cells of each shower, ``(n,)``."""
        return np.bincount(self.rows, weights, minlength=len(self)).astype(np.float64)


def view_piece(piece: Piece, start: int, geometry: DetectorGeometry, source: str) -> View:
    """Look at a piece; nothing is judged.

    Raises:
        DataFormatError: If the showers are not ``(n, cell)`` numbers of this geometry, or a
            column is not numbers or of another length.
    """
    showers = np.asarray(piece.showers)
    geometry.check(showers, source=source)
    if showers.dtype.kind == "b":
        showers = showers.astype(np.uint8)
    if showers.dtype.kind not in "uif":
        msg = f"{source}: cells have type {showers.dtype}, expected numbers; convert them"
        raise DataFormatError(msg)
    n, n_cells = showers.shape
    # Most cells of most showers are empty: all that follows touches the others only.
    # (Of an array of bools they are found four times as fast.)
    flat = np.flatnonzero(showers != 0)
    raw = showers.reshape(-1)[flat]
    lit = np.diff(np.searchsorted(flat, np.arange(n + 1) * n_cells))
    rows = np.repeat(np.arange(n), lit)
    values = raw.astype(np.float64)
    if showers.dtype.kind == "f":
        sane = np.abs(values) < _INFINITE
        if not sane.all():
            values[~sane] = 0.0
            raw = np.where(sane, raw, np.nan)
    columns = {
        name: _numbers(name, column, n, source) for name, column in piece.columns.items()
    }
    missing = tuple(name for name in PARTICLE_COLUMNS if name not in columns)
    columns |= {name: np.full(n, np.nan) for name in missing}
    incident = None
    if piece.incident is not None:
        incident = np.asarray(piece.incident)
        if incident.shape != (n,):
            msg = f"{source}: incident has shape {incident.shape}, expected ({n},); correct it"
            raise DataFormatError(msg)
        if incident.dtype.kind not in "iu":
            numbers = _numbers("incident", incident, n, source)
            incident = np.clip(np.nan_to_num(numbers), -_INCIDENT, _INCIDENT)
        incident = incident.astype(np.int64)
    return View(
        start=start,
        columns=columns,
        missing=missing,
        incident=incident,
        lit=lit,
        rows=rows,
        cells=flat - rows * n_cells,
        raw=raw,
        values=values,
        sums=np.bincount(rows, values, minlength=n).astype(np.float64),
        dtype=showers.dtype,
    )


def _numbers(name: str, values: NDArray[Any], n: int, source: str) -> NDArray[np.float64]:
    try:
        numbers = np.asarray(values, dtype=np.float64)
    except (TypeError, ValueError) as error:
        msg = f"{source}: column '{name}' does not hold numbers ({error}); correct it"
        raise DataFormatError(msg) from error
    if numbers.shape != (n,):
        msg = (
            f"{source}: column '{name}' has shape {numbers.shape}, expected ({n},) for {n} "
            "showers; give one row a shower"
        )
        raise DataFormatError(msg)
    # As good as infinite, or as 0: so that no later sum or square overflows.
    numbers = np.where(
        np.abs(numbers) < (_KIND if name == "pdg" else _INFINITE), numbers, np.nan
    )
    return np.where(np.abs(numbers) < 1 / _INFINITE, 0.0, numbers)
