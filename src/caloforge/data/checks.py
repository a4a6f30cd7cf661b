"""Refuse showers that the rest of the package could only misread."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from caloforge.errors import DataFormatError, GeometryError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from caloforge.geometry import DetectorGeometry


def check_showers(
    showers: NDArray[Any],
    geometry: DetectorGeometry,
    *,
    source: str,
    first_row: int = 0,
    rows: NDArray[np.intp] | None = None,
) -> None:
    """Check the shape and the cells of showers.

    Arguments:
        showers: Cell responses in the detector's unit, expected ``(n, cell)``.
        geometry: The detector that they are of.
        source: Where the array came from, for the message.
        first_row: Number of the first shower, for the message.
        rows: Numbers of the showers, ``(n,)``, if they do not follow one another.

    Raises:
        DataFormatError: If the shape is wrong, or a cell is not a number, not finite, negative,
            or, in a detector that counts, not an integer. The message names the first such
            shower and cell.
    """
    try:
        geometry.check(showers, source=source)
    except GeometryError as error:
        raise DataFormatError(str(error)) from error
    if showers.dtype.kind == "u":
        return
    if rows is None:
        rows = np.arange(first_row, first_row + len(showers))
    if showers.dtype.kind not in "if":
        msg = f"{source}: cells have type {showers.dtype}, expected numbers; convert them"
        raise DataFormatError(msg)
    # The minimum of an array with a NaN in it is NaN, so two passes tell that all is well.
    if len(showers) and not (showers.min() >= 0 and np.isfinite(showers.max())):
        bad = ~(np.isfinite(showers) & (showers >= 0))
        cure = "a full simulation deposits none; remove noise and pedestal subtraction"
        raise _bad_cells(bad, showers, "negative or not finite", cure, source, rows)
    if geometry.counts and showers.dtype.kind == "f":
        bad = showers != np.floor(showers)
        if bad.any():
            cure = (
                f"geometry '{geometry.name}' counts {geometry.unit}; undo scaling or logarithm"
            )
            raise _bad_cells(bad, showers, "not integers", cure, source, rows)


def _bad_cells(
    bad: NDArray[np.bool_],
    showers: NDArray[Any],
    what: str,
    cure: str,
    source: str,
    rows: NDArray[np.intp],
) -> DataFormatError:
    """Name the first bad cell."""
    row, cell = np.unravel_index(int(np.argmax(bad)), bad.shape)
    return DataFormatError(
        f"{source}: {int(bad.sum())} cells are {what}, first in shower "
        f"{int(rows[row])} at cell {int(cell)} ({showers[row, cell]:.6g}); {cure}"
    )
