"""Shower shapes of the whole cross-section: radial shares, cell spectrum, asymmetry."""

from __future__ import annotations

from functools import partial
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

from caloforge.metrics.shower.observable import Column, Observable

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from caloforge.geometry import CylinderLayout, DetectorGeometry, GridLayout

RING_EDGES = (2.0, 4.0, 8.0, 16.0)
COUNT_EDGES = (1, 2, 4, 8, 16, 32)
ENERGY_EDGES = (0.0, 0.01, 0.1, 1.0, 10.0, 100.0)


def own_shares(layout: GridLayout) -> list[Observable]:
    """Share of the response in rings around the shower's own centroid, for a grid.

    The rings end at 2, 4, 8 and 16 cells (geometric mean of the pitches) and the last has no
    end. The first is the core fraction. A cell belongs to the ring of its centre. All are 0 for
    an empty shower, else they sum to 1.

    Cannot see: which way the shower leans.
    """
    pitch = float(np.sqrt(np.prod(layout.pitch_cm)))
    edges = tuple(edge * pitch for edge in RING_EDGES)
    family = partial(_own_shares, centres=layout.centres_cm(), edges=np.array(edges))
    where = [f"{a:.3g}-{b:.3g} cm" for a, b in pairwise(edges)] + [f"above {edges[-1]:.3g} cm"]
    return [
        Observable(
            "core_fraction", f"Core fraction ({edges[0]:.3g} cm)", "", Column(family, 0)
        ),
        *(
            Observable(
                f"ring_{k + 1}",
                f"Share at {label} from the centroid",
                "",
                Column(family, k),
                headline=False,
            )
            for k, label in enumerate(where, start=1)
        ),
    ]


def axial_shares(layout: CylinderLayout) -> list[Observable]:
    """Share of the response in rings around the axis of a cylinder, in all layers together.

    The radii of the cells (middle of their ring) are cut into five groups of as equally many
    different radii as possible; the first is the core fraction. All are 0 for an empty shower.
    A cylinder with one radius only has none.

    Cannot see: which way the shower leans.
    """
    radii = np.concatenate(
        [
            np.tile((edges[1:] + edges[:-1]) / 20, layer.n_angles)  # mm to cm
            for layer in layout.layers
            if layer.n_cells
            for edges in [np.asarray(layer.r_edges_mm)]
        ]
    )
    different = np.unique(radii)
    if different.size < 2:
        return []
    groups = np.array_split(different, min(5, different.size))
    last = np.array([group[-1] for group in groups])
    inside = np.searchsorted(last, radii)[:, None] == np.arange(len(groups))
    family = partial(_shares, weights=inside.astype(np.float64))
    return [
        Observable(
            f"ring_{k + 1}" if k else "core_fraction",
            f"Share at {group[0]:.3g}-{group[-1]:.3g} cm from the axis"
            if k
            else f"Core fraction (to {group[-1]:.3g} cm)",
            "",
            Column(family, k),
            headline=k == 0,
        )
        for k, group in enumerate(groups)
    ]


def spectrum(geometry: DetectorGeometry) -> list[Observable]:
    """How many cells have how much response.

    Counts: cells of 1, 2-3, 4-7, 8-15, 16-31, and 32 or more. Energies: cells above 0 and below
    0.01, then by decades up to 100, and above, in the unit of a cell. The lowest edge belongs
    to the bin.

    Cannot see: where the cells are.
    """
    edges = COUNT_EDGES if geometry.counts else ENERGY_EDGES
    family = partial(_spectrum, edges=np.array(edges[1:], dtype=np.float64))
    found = []
    for k, low in enumerate(edges):
        high = edges[k + 1] if k + 1 < len(edges) else None
        if high is None:
            name, text = f"from_{low:g}", f"{low:g} or more"
        elif geometry.counts:
            top = int(high) - 1
            name, text = (f"{low}_to_{top}", f"{low}-{top}") if top > low else (f"{low}",) * 2
        else:
            name, text = f"to_{high:g}", f"{low:g} to {high:g}"
        found.append(
            Observable(
                f"cells_{name}",
                f"Cells of {text} {geometry.unit}",
                "",
                Column(family, k),
                headline=False,
            )
        )
    return found


def asymmetry(geometry: DetectorGeometry) -> list[Observable]:
    r"""Asymmetry of common channel and towers, :math:`(C - \sum T) / (C + \sum T)`.

    For geometries with a convention ``detector`` that has a channel ``common``. -1 to 1; 0 for
    an empty shower. Half of the fibres feed each, so it is close to 0 but for narrow showers.

    Cannot see: how the light is shared between the towers.
    """
    if "detector" not in geometry.convention_names:
        return []
    channels = geometry.channels("detector")
    if "common" not in channels.names:
        return []
    is_common = np.array([name == "common" for name in channels.names])
    signs = np.where(is_common, 1.0, -1.0)
    weights = np.stack((signs @ channels.masks, channels.masks.sum(axis=0)), axis=1)
    return [
        Observable(
            "common_asymmetry",
            "Asymmetry common - towers",
            "",
            partial(_quotient, weights=weights.astype(np.float64)),
        )
    ]


def _own_shares(
    showers: NDArray[np.float64], *, centres: NDArray[np.float64], edges: NDArray[np.float64]
) -> NDArray[np.float64]:
    row, cell = np.nonzero(showers)  # few cells are lit
    value = showers[row, cell]
    n, n_rings = len(showers), edges.size + 1
    total = np.bincount(row, weights=value, minlength=n)
    scale = 1 / np.where(total > 0, total, 1.0)
    square = np.zeros(row.size)
    for at in centres.T:
        mean = np.bincount(row, weights=value * at[cell], minlength=n) * scale
        square += (at[cell] - mean[row]) ** 2
    # A centroid in the middle between cells must not depend on rounding.
    ring = np.searchsorted((edges * (1 + 1e-9)) ** 2, square)
    place = row * n_rings + ring
    sums = np.bincount(place, weights=value, minlength=n * n_rings).reshape(n, n_rings)
    shares: NDArray[np.float64] = sums * scale[:, None]
    return shares


def _spectrum(
    showers: NDArray[np.float64], *, edges: NDArray[np.float64]
) -> NDArray[np.float64]:
    row, cell = np.nonzero(showers > 0)
    n, n_bins = len(showers), edges.size + 1
    place = row * n_bins + np.searchsorted(edges, showers[row, cell], side="right")
    numbers = np.bincount(place, minlength=n * n_bins).reshape(n, n_bins)
    return numbers.astype(np.float64)


def _shares(
    showers: NDArray[np.float64], *, weights: NDArray[np.float64]
) -> NDArray[np.float64]:
    sums = showers @ weights
    total = sums.sum(axis=1, keepdims=True)
    shares: NDArray[np.float64] = np.where(total > 0, sums / np.where(total > 0, total, 1), 0)
    return shares


def _quotient(
    showers: NDArray[np.float64], *, weights: NDArray[np.float64]
) -> NDArray[np.float64]:
    above, below = (showers @ weights).T
    return np.where(below > 0, above / np.where(below > 0, below, 1.0), 0.0)
