"""Images as people look at them: upright, in grey or in their colours, and in words."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from caloforge.geometry import GridLayout

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from numpy.typing import NDArray

    from caloforge.geometry import DetectorGeometry

_COLOURS = 3


def drawn_as_image(geometry: DetectorGeometry) -> bool:
    """Whether showers are images: a grid whose cells have a largest value."""
    return geometry.maximum is not None and isinstance(geometry.layout, GridLayout)


def words_of_images(geometry: DetectorGeometry) -> str:
    """How the words of a report, which are those of showers, are read where it is of images.

    Arguments:
        geometry: A grid, or any geometry whose cells have a largest value.
    """
    words = (
        "This page keeps the words of showers: here a shower is an image, full simulation are "
        "the given images, a particle is one of them with its label"
    )
    if not isinstance(geometry.layout, GridLayout):
        return f"{words}."
    across, up = geometry.layout.pitch_cm
    size = f"{across:g} cm" if across == up else f"{across:g} x {up:g} cm"
    return f"{words}; a pixel, which has no size, counts as {size}."


def upright_image(cells: NDArray[Any], geometry: DetectorGeometry) -> NDArray[np.float64]:
    """Turn a shower of an image geometry into a picture, upright.

    Arguments:
        cells: One shower, ``(cell,)``.
        geometry: A grid whose cells have a largest value.

    Returns:
        Values from 0 to 1: ``(row, column, 3)`` of three planes, else ``(row, column)``, the
        mean over the planes.
    """
    layout = geometry.layout
    assert isinstance(layout, GridLayout)
    assert geometry.maximum is not None
    picture = layout.upright(np.asarray(cells, dtype=np.float64)[None])[0] / geometry.maximum
    if layout.planes not in {1, _COLOURS}:
        picture = picture.mean(axis=2)
    clipped: NDArray[np.float64] = np.clip(picture, 0.0, 1.0)
    return clipped


def upright_mean(cells: NDArray[Any], geometry: DetectorGeometry) -> NDArray[np.float64]:
    """Turn cells of an image geometry upright: ``(row, column)``, the mean over the planes.

    Arguments:
        cells: Cells or differences of cells in the unit of the geometry, ``(cell,)``.
        geometry: A grid.
    """
    layout = geometry.layout
    assert isinstance(layout, GridLayout)
    picture = layout.upright(np.asarray(cells, dtype=np.float64)[None])[0]
    flat: NDArray[np.float64] = picture.mean(axis=2) if picture.ndim > 2 else picture
    return flat


def show_image(ax: Axes, cells: NDArray[Any], geometry: DetectorGeometry) -> None:
    """Draw a shower of an image geometry, without ticks."""
    picture = upright_image(cells, geometry)
    ax.imshow(picture, cmap="gray", vmin=0.0, vmax=1.0, interpolation="nearest")
    ax.set(xticks=[], yticks=[])
