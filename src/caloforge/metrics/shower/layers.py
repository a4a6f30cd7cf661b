"""Shower shapes of the layers of a cylinder, as in the CaloChallenge.

References:
    | CaloChallenge 2022: A Community Challenge for Fast Calorimeter Simulation
    | (Krause et al., 2024), https://arxiv.org/abs/2410.21611
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from caloforge.metrics.shower.moments import basis, moments
from caloforge.metrics.shower.observable import Column, Observable

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from caloforge.geometry import CylinderLayout, DetectorGeometry


def layer_shapes(layout: CylinderLayout, max_layers: int | None) -> list[Observable]:
    """Mean layer; of single layers centroids, widths and share of lit cells.

    Centroid and width are those along x and y (the challenge's eta and phi) in cm, of layers
    with more than one sector. The share of lit cells is the challenge's sparsity, of layers
    with more than one cell.

    Arguments:
        layout: The layers.
        max_layers: Most layers that are looked into, evenly spaced; ``None`` takes all.
    """
    of_cell = layout.layer_of_cell()
    mean = partial(_mean_layer, basis=np.stack((np.ones(of_cell.size), of_cell), axis=1))
    shapes = [Observable("mean_layer", "Mean layer", "", mean)]
    centres = layout.centres_cm()
    segmented = [k for k, layer in enumerate(layout.layers) if layer.n_angles > 1]
    for k in _evenly([k for k in segmented if layout.layers[k].n_cells], max_layers):
        part = layout.slices[k]
        family = partial(_moments_inside, part=part, basis=basis(centres[part]))
        shapes += [
            Observable(
                f"{name}_{axis}_layer_{k}",
                f"{label} {axis}, layer {k}",
                "cm",
                Column(family, index),
                headline=False,
            )
            for name, label, first in (("centroid", "Centroid", 1), ("width", "Width", 3))
            for index, axis in enumerate("xy", start=first)
        ]
    several = [k for k, layer in enumerate(layout.layers) if layer.n_cells > 1]
    shapes += [
        Observable(
            f"lit_share_layer_{k}",
            f"Share of lit cells, layer {k}",
            "",
            partial(_lit_share, part=layout.slices[k]),
            headline=False,
        )
        for k in _evenly(several, max_layers)
    ]
    return shapes


def layer_energies(geometry: DetectorGeometry) -> list[Observable]:
    """Response of every layer that has cells, as the CaloChallenge's classifiers use it.

    A comparison has them as channels already; they are no part of `observables`.
    """
    channels = geometry.channels("layers")
    sums = partial(_sums, weights=channels.masks.T.astype(np.float64))
    return [
        Observable(
            f"response_{name.replace(' ', '_')}",
            f"Response, {name}",
            geometry.unit,
            Column(sums, k),
            headline=False,
        )
        for k, name in enumerate(channels.names)
    ]


def _evenly(numbers: Sequence[int], most: int | None) -> list[int]:
    if most is None or len(numbers) <= most:
        return list(numbers)
    return [numbers[i] for i in np.linspace(0, len(numbers) - 1, most).round().astype(int)]


def _mean_layer(
    showers: NDArray[np.float64], *, basis: NDArray[np.float64]
) -> NDArray[np.float64]:
    total, weighted = (showers @ basis).T
    lit = total > 0
    return np.where(lit, weighted / np.where(lit, total, 1.0), 0.0)


def _moments_inside(
    showers: NDArray[np.float64], *, part: slice, basis: NDArray[np.float64]
) -> NDArray[np.float64]:
    return moments(showers[:, part], basis=basis)


def _lit_share(showers: NDArray[np.float64], *, part: slice) -> NDArray[np.float64]:
    share: NDArray[np.float64] = (showers[:, part] > 0).mean(axis=1)
    return share


def _sums(showers: NDArray[np.float64], *, weights: NDArray[np.float64]) -> NDArray[np.float64]:
    sums: NDArray[np.float64] = showers @ weights
    return sums
