"""Columns without which a check has nothing to judge by."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

_PLACE = ("x_cm", "y_cm", "z_cm")
_MOMENTUM = ("px_gev", "py_gev", "pz_gev")

NEEDS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "energy": ("pdg", "energy_gev"),
        "orientation": (*_PLACE, *_MOMENTUM),
        "kinematics": ("energy_gev", *_MOMENTUM, "mass_mev"),
        "front-face": (*_PLACE, *_MOMENTUM),
    }
)
"""By the name of the check; a file that lacks one of them is not judged by it."""
