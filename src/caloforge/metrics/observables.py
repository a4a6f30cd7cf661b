"""Shower shapes: one number per shower.

Every observable is named, has a unit, and is computed in float64. An empty shower (no response
in any cell) has its centroids and widths at 0, as in the CaloChallenge: how often that happens
is an observable of its own.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from caloforge.geometry import CylinderLayout

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from caloforge.geometry import DetectorGeometry

    Compute = Callable[[NDArray[np.float64]], NDArray[np.float64]]

MAX_LAYERS = 6
_CHUNK = 2048


@dataclass(frozen=True)
class Observable:
    """One number per shower.

    Attributes:
        name: Key in ``metrics.json``.
        label: For people.
        unit: Unit of the number, ``""`` if none.
        compute: Maps showers ``(n, cell)`` in float64 to ``(n,)``.
    """

    name: str
    label: str
    unit: str
    compute: Compute


def observables(geometry: DetectorGeometry) -> tuple[Observable, ...]:
    """Shower shapes that make sense in a detector.

    Total response, centroids and widths along x and y in cm, lit cells (above 0), peak cell and
    empty responses. A cylinder adds the mean layer, and centroids and width of its layers with
    more than one sector, of six at most, evenly spaced. The response of each layer is a
    channel, so it is not repeated here.

    Cannot see: correlations between cells beyond second moments, and between observables.
    """
    centres = geometry.layout.centres_cm()
    unit = geometry.unit
    total = "Photon sum" if unit == "photons" else "Total response"
    shapes = [
        Observable("total", total, unit, _total),
        *_cross_section(centres, np.ones(len(centres)), "", ""),
        Observable("lit_cells", "Lit cells", "", lambda s: (s > 0).sum(axis=1, dtype=float)),
        Observable("peak_cell", "Peak cell", unit, lambda s: s.max(axis=1)),
        Observable("empty", "Empty responses", "", lambda s: (_total(s) == 0).astype(float)),
    ]
    if isinstance(geometry.layout, CylinderLayout):
        of_cell = geometry.layout.layer_of_cell()
        shapes.append(
            Observable("mean_layer", "Mean layer", "", partial(_mean, at=of_cell.astype(float)))
        )
        segmented = [k for k, layer in enumerate(geometry.layout.layers) if layer.n_angles > 1]
        if segmented:
            few = np.linspace(0, len(segmented) - 1, min(len(segmented), MAX_LAYERS))
            for k in (segmented[i] for i in few.round().astype(int)):
                inside = (of_cell == k).astype(float)
                shapes += _cross_section(centres, inside, f"_layer_{k}", f", layer {k}")
    return tuple(shapes)


def measure(shapes: Sequence[Observable], showers: NDArray[Any]) -> NDArray[np.float64]:
    """Compute observables of showers, in slices that keep memory small.

    Arguments:
        shapes: What to compute.
        showers: ``(n, cell)``, of any number type.

    Returns:
        One column an observable, ``(n, observable)``.
    """
    result = np.empty((len(showers), len(shapes)))
    for start in range(0, len(showers), _CHUNK):
        part = np.asarray(showers[start : start + _CHUNK], dtype=np.float64)
        for column, shape in enumerate(shapes):
            result[start : start + _CHUNK, column] = shape.compute(part)
    return result


def _cross_section(
    centres: NDArray[np.float64], inside: NDArray[np.float64], suffix: str, where: str
) -> list[Observable]:
    moments: list[tuple[str, str, Callable[..., NDArray[np.float64]]]] = [
        ("centroid", "Centroid", _mean),
        ("width", "Width", _width),
    ]
    return [
        Observable(
            f"{name}_{axis}{suffix}",
            f"{label} {axis}{where}",
            "cm",
            partial(function, at=centres[:, k], weight=inside),
        )
        for name, label, function in moments
        for k, axis in enumerate("xy")
    ]


def _total(showers: NDArray[np.float64]) -> NDArray[np.float64]:
    total: NDArray[np.float64] = showers.sum(axis=1)
    return total


def _mean(
    showers: NDArray[np.float64],
    *,
    at: NDArray[np.float64],
    weight: NDArray[np.float64] | float = 1.0,
) -> NDArray[np.float64]:
    """Response-weighted mean of a position, 0 for an empty shower."""
    cells = np.broadcast_to(weight, at.shape)
    total = showers @ cells
    lit = total > 0
    return np.where(lit, showers @ (at * cells) / np.where(lit, total, 1.0), 0.0)


def _width(
    showers: NDArray[np.float64], *, at: NDArray[np.float64], weight: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Response-weighted standard deviation of a position, 0 for an empty shower."""
    mean = _mean(showers, at=at, weight=weight)
    square = _mean(showers, at=at**2, weight=weight)
    width: NDArray[np.float64] = np.sqrt(np.maximum(square - mean**2, 0.0))
    return width
