"""Showers of a foreign file that cannot be used, and why."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from caloforge.errors import DataFormatError, GeometryError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from caloforge.formats.format import Piece
    from caloforge.geometry import DetectorGeometry


_LARGEST_COUNT = float(np.iinfo(np.uint32).max)


class Fault(NamedTuple):
    """Showers of a piece that share a fault.

    Attributes:
        reason: What is wrong with them, e.g. ``"negative cells"``.
        rows: Which they are, ``(n,)``.
        example: The first offending value, with its place.
        cure: What to do about it.
    """

    reason: str
    rows: NDArray[np.bool_]
    example: str
    cure: str


def faults(piece: Piece, geometry: DetectorGeometry) -> list[Fault]:
    """Find the showers that a shower file cannot hold.

    Arguments:
        piece: Showers as they stand in a file.
        geometry: Detector that they are of.

    Returns:
        One entry for each kind of fault that occurs; a shower may have several.
    """
    return [*_cells(piece, geometry), *_particles(piece)]


def check_shape(piece: Piece, geometry: DetectorGeometry, *, source: str) -> None:
    """Refuse pieces that are no showers of this detector.

    Raises:
        DataFormatError: If the shape or the type of the cells is wrong.
    """
    try:
        geometry.check(piece.showers, source=source)
    except GeometryError as error:
        raise DataFormatError(str(error)) from error
    if piece.showers.dtype.kind not in "iuf":
        msg = f"{source}: cells have type {piece.showers.dtype}, expected numbers; convert them"
        raise DataFormatError(msg)


def _cells(piece: Piece, geometry: DetectorGeometry) -> Iterator[Fault]:
    """Find cells that are not finite, negative or, in a detector that counts, no integers."""
    cells = piece.showers
    if cells.size == 0:
        return
    # The minimum of an array with a NaN in it is NaN, so two passes tell that all is well.
    low, high = cells.min(), cells.max()
    yield from _large(cells, float(high), geometry)
    if cells.dtype.kind == "u":
        return
    if not (low >= 0 and np.isfinite(high)):
        cure = "look for failed jobs"
        yield from _fault("cells that are not finite", cells, ~np.isfinite(cells), cure)
        cure = "a full simulation deposits none: remove noise and pedestal subtraction"
        yield from _fault("negative cells", cells, cells < 0, cure)
    if geometry.counts and cells.dtype.kind == "f":
        with np.errstate(invalid="ignore"):
            wrong = np.isfinite(cells) & (cells != np.floor(cells))
        cure = (
            f"geometry '{geometry.name}' counts {geometry.unit}: undo scaling or logarithm, or "
            "name the geometry of the file"
        )
        yield from _fault("cells that are not integers", cells, wrong, cure)


def _large(cells: NDArray[Any], high: float, geometry: DetectorGeometry) -> Iterator[Fault]:
    """Find cells above the detector's largest value, or the widest type of a shower file."""
    limit = _LARGEST_COUNT if geometry.counts else float(np.finfo(np.float32).max)
    cure = "look for failed jobs"
    if geometry.maximum is not None and geometry.maximum < limit:
        limit = geometry.maximum
        cure = (
            f"geometry '{geometry.name}' has a largest value under [response]: undo the "
            "scaling, or name the geometry of the file"
        )
    if high <= limit:
        return
    wide = cells.astype(np.float64) if cells.dtype.kind == "f" else cells
    with np.errstate(invalid="ignore"):
        wrong = np.isfinite(cells) & (wide > limit)
    yield from _fault(f"cells above {limit:.10g}", cells, wrong, cure)


def _particles(piece: Piece) -> Iterator[Fault]:
    """Find particles whose properties are no numbers, or impossible."""
    for name, column in piece.columns.items():
        values = np.asarray(column, dtype=np.float64)
        finite = np.isfinite(values)
        yield from _fault(f"{name} that is not finite", values, ~finite, "correct it")
        if name == "energy_gev":
            cure = "a total energy includes the mass"
            yield from _fault(
                "energy that is not above 0", values, finite & (values <= 0), cure
            )
        if name == "pdg":
            limit = np.iinfo(np.int32).max
            wrong = finite & ((values != np.floor(values)) | (np.abs(values) > limit))
            yield from _fault("pdg that is no particle code", values, wrong, "correct it")


def _fault(
    reason: str, values: NDArray[Any], wrong: NDArray[np.bool_], cure: str
) -> Iterator[Fault]:
    """Describe a fault, if there is one."""
    if not wrong.any():
        return
    first = np.unravel_index(int(np.argmax(wrong)), wrong.shape)
    place = f" at cell {int(first[1])}" if values.ndim == 2 else ""
    rows: NDArray[np.bool_] = np.asarray(wrong.reshape(len(wrong), -1).any(axis=1))
    yield Fault(reason, rows, f"{values[first]:.6g}{place}", cure)
