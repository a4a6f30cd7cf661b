"""Whether a geometry is one for images of a size."""

from __future__ import annotations

from typing import TYPE_CHECKING

from caloforge.errors import DataFormatError
from caloforge.geometry import GridLayout

if TYPE_CHECKING:
    from caloforge.geometry import DetectorGeometry

_LARGEST_VALUE = 255


def checked_layout(
    geometry: DetectorGeometry, size: tuple[int, int], where: str, *, grey: bool = False
) -> GridLayout:
    """Return the grid of a geometry that holds such images.

    Arguments:
        geometry: Where the images are to go.
        size: Their columns and rows.
        where: The file, for the message.
        grey: Whether they can only be grey, so that one plane is expected.

    Raises:
        DataFormatError: If it is no grid, of another size, of other planes than 1 or 3, or its
            cells have no largest value.
    """
    layout = geometry.layout
    columns, rows = size
    if not isinstance(layout, GridLayout) or layout.cells != (columns, rows):
        cells = (
            " x ".join(map(str, layout.cells)) if isinstance(layout, GridLayout) else "no grid"
        )
        msg = (
            f"{where}: images are {columns} x {rows}, expected {cells} for geometry "
            f"'{geometry.name}'; name one of their size with --geometry (docs/images.md)"
        )
        raise DataFormatError(msg)
    planes = (1,) if grey else (1, 3)
    if layout.planes not in planes:
        expected = " or ".join(map(str, planes))
        msg = (
            f"{where}: geometry '{geometry.name}' has {layout.planes} planes, expected "
            f"{expected} for images; correct it"
        )
        raise DataFormatError(msg)
    if geometry.maximum is None or geometry.maximum < _LARGEST_VALUE or not geometry.counts:
        msg = (
            f"{where}: geometry '{geometry.name}' is not one of images, expected counts = true "
            "and maximum = 255 under [response]; add them"
        )
        raise DataFormatError(msg)
    return layout
