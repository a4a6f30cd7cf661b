"""Shower shapes: one number per shower.

Every observable is named, has a unit, and is computed in float64. An empty shower (no response
in any cell) has its centroids, widths and shares at 0, as in the CaloChallenge: how often that
happens is an observable of its own.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from caloforge.geometry import CylinderLayout, GridLayout
from caloforge.metrics.shower.layers import layer_shapes
from caloforge.metrics.shower.moments import basis, moments
from caloforge.metrics.shower.observable import Column, Observable, measure
from caloforge.metrics.shower.shapes import asymmetry, axial_shares, own_shares, spectrum

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from caloforge.geometry import DetectorGeometry

__all__ = ["MAX_LAYERS", "Observable", "measure", "observables"]

MAX_LAYERS = 6


def observables(
    geometry: DetectorGeometry, *, max_layers: int | None = MAX_LAYERS
) -> tuple[Observable, ...]:
    """Shower shapes that make sense in a detector.

    Total response, centroids and widths along x and y in cm, lit cells (above 0), peak cell and
    empty responses; the core fraction and the other rings of the radial profile, the cell
    spectrum, and, where the geometry has the convention ``detector`` with a common channel, the
    asymmetry of common channel and towers. A cylinder adds the mean layer and, of its layers,
    centroids and widths (more than one sector) and the share of lit cells (more than one cell).
    The response of each layer is a channel, so it is not repeated here.

    Cannot see: correlations between cells beyond second moments, and between observables.

    Arguments:
        geometry: The detector.
        max_layers: Most layers that are looked into one by one, evenly spaced; ``None`` takes
            all, as the CaloChallenge does.
    """
    layout = geometry.layout
    centres, unit = layout.centres_cm(), geometry.unit
    total = "Photon sum" if unit == "photons" else "Total response"
    family = partial(moments, basis=basis(centres))
    shapes = [
        Observable("total", total, unit, Column(family, 0)),
        Observable("centroid_x", "Centroid x", "cm", Column(family, 1)),
        Observable("width_x", "Width x", "cm", Column(family, 3)),
        Observable("centroid_y", "Centroid y", "cm", Column(family, 2)),
        Observable("width_y", "Width y", "cm", Column(family, 4)),
        Observable("lit_cells", "Lit cells", "", _lit_cells),
        Observable("peak_cell", "Peak cell", unit, _peak_cell),
        Observable("empty", "Empty responses", "", _empty),
    ]
    shapes += own_shares(layout) if isinstance(layout, GridLayout) else axial_shares(layout)
    shapes += asymmetry(geometry)
    shapes += spectrum(geometry)
    if isinstance(layout, CylinderLayout):
        shapes += layer_shapes(layout, max_layers)
    return tuple(shapes)


def _lit_cells(showers: NDArray[np.float64]) -> NDArray[np.float64]:
    lit: NDArray[np.float64] = (showers > 0).sum(axis=1, dtype=np.float64)
    return lit


def _peak_cell(showers: NDArray[np.float64]) -> NDArray[np.float64]:
    peak: NDArray[np.float64] = showers.max(axis=1)
    return peak


def _empty(showers: NDArray[np.float64]) -> NDArray[np.float64]:
    empty: NDArray[np.float64] = np.asarray(showers.sum(axis=1) == 0, dtype=np.float64)
    return empty
