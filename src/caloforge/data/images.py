"""Images as showers: they have no incident particle, and each stands for itself.

An image is a shower of a grid whose cells have a largest value. Its particle columns are those
of `NO_PARTICLE` in every row, which say nothing; what the image shows is a column ``label``.
"""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from caloforge.geometry import DetectorGeometry

LABEL = "label"
"""Column with the class of an image, an integer."""

NO_PARTICLE: Mapping[str, float] = MappingProxyType(
    {
        "pdg": 0,
        "energy_gev": 1.0,
        "x_cm": 0.0,
        "y_cm": 0.0,
        "z_cm": 0.0,
        "px_gev": 0.0,
        "py_gev": 0.0,
        "pz_gev": 1.0,
        "mass_mev": 0.0,
        "charge_e": 0.0,
    }
)
"""Columns of what has no particle: code 0, and a massless 1 GeV along the axis."""


def no_particles(n: int) -> dict[str, NDArray[Any]]:
    """Return the particle columns of ``n`` images."""
    return {
        name: np.full(n, value, dtype=np.int32 if name == "pdg" else np.float64)
        for name, value in NO_PARTICLE.items()
    }


def are_images(columns: Mapping[str, NDArray[Any]], geometry: DetectorGeometry) -> bool:
    """Whether all rows are images: without a particle, in cells that have a largest value."""
    return (
        geometry.maximum is not None
        and "pdg" in columns
        and bool((np.asarray(columns["pdg"]) == NO_PARTICLE["pdg"]).all())
    )
