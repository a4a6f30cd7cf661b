"""Particles unlike those that a model was trained on: counted, warned about, or refused."""

from __future__ import annotations

import math
import warnings
from typing import TYPE_CHECKING

import numpy as np

from caloforge.data.particles import kind_name
from caloforge.errors import DataFormatError
from caloforge.geometry import GridLayout

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from caloforge.data.features import Feature
    from caloforge.data.particles import Particles
    from caloforge.training.bundle import Bundle


# Of a kind's own range of energies, which ends at the last particle that was trained.
_MARGIN = 0.01
_ENERGY_OF, _DIRECTION, _MASS = "energy of ", "direction", "energy, momentum and mass"
_ENERGIES = ("log_energy", "energy_gev")
# Total energy against momentum and mass: more than this is no rounding.
_MASS_MARGIN = 0.02


class RangeWarning(UserWarning):
    """Particles lie outside the trained range: their showers are an extrapolation."""


class RangeCount:
    """Counts particles outside the trained range, table after table.

    Arguments:
        bundle: The model, with the range of each of its features.

    Attributes:
        n: Particles seen.
        outside: Those of them that are outside in any feature.
        by_feature: How many are outside in each feature, features with some only.
    """

    def __init__(self, bundle: Bundle) -> None:
        self._bundle = bundle
        self.n = 0
        self.outside = 0
        self.by_feature: dict[str, int] = {}

    def add(self, particles: Particles) -> None:
        """Count the particles of a table.

        Raises:
            DataFormatError: If a column that the model needs is missing.
        """
        found = self._bundle.conditions.outside(particles, self._bundle.geometry)
        told = [found[name] for name in _ENERGIES if name in found]
        of_kinds = self._of_kinds(particles, ~np.logical_or.reduce(told) if told else True)
        found |= of_kinds | self._away(particles) | _inconsistent(particles)
        self.n += len(particles)
        if found:
            self.outside += int(np.logical_or.reduce(list(found.values())).sum())
        for name, rows in found.items():
            self.by_feature[name] = self.by_feature.get(name, 0) + int(rows.sum())

    def _of_kinds(
        self, particles: Particles, among: NDArray[np.bool_] | bool
    ) -> dict[str, NDArray[np.bool_]]:
        """Say which ``among`` them have an energy that was trained for other kinds only."""
        ranges = self._bundle.info.get("kinds")
        if not ranges:
            return {}
        names, energy, found = particles.kinds(), particles["energy_gev"], {}
        for name, one in ranges.items():
            low, high = one["low_gev"] * (1 - _MARGIN), one["high_gev"] * (1 + _MARGIN)
            rows = (names == name) & ((energy < low) | (energy > high)) & among
            if rows.any():
                found[f"{_ENERGY_OF}{name}"] = rows
        return found

    def _away(self, particles: Particles) -> dict[str, NDArray[np.bool_]]:
        """Particles that fly away from the detector, or along its front face."""
        face = self._bundle.geometry.front_face_z_cm
        if not face:
            return {}
        rows = particles["pz_gev"] * np.sign(face) <= 0
        return {_DIRECTION: rows} if rows.any() else {}

    def report(self, *, strict: bool, source: str, stacklevel: int = 2) -> None:
        """Warn if any particle is outside.

        Arguments:
            strict: Raise instead of warning.
            source: Where the particles came from, for the message.
            stacklevel: As in `warnings.warn`.

        Raises:
            DataFormatError: If any particle is outside and ``strict`` is given.
        """
        if not self.outside:
            return
        which = ", ".join(
            "{0} in {2:,} ({1})".format(*self._trained(name), count)
            for name, count in self.by_feature.items()
        )
        text = f"{source}: {self.outside:,} of {self.n:,} particles lie outside the trained"
        text += f" range: {which}"
        if strict:
            msg = f"{text}; remove them, or generate without --strict"
            raise DataFormatError(msg)
        warnings.warn(
            f"{text}; their showers are extrapolated", RangeWarning, stacklevel=stacklevel + 1
        )

    def _trained(self, name: str) -> tuple[str, str]:
        """Say what it is that is outside, and on what it was trained."""
        conditions = self._bundle.conditions
        if name == _DIRECTION:
            return name, "they do not fly towards the detector"
        if name == _MASS:
            return name, "they do not go together: E^2 = p^2 + m^2, with the total energy"
        if name.startswith(_ENERGY_OF):
            one = self._bundle.info["kinds"][name.removeprefix(_ENERGY_OF)]
            return name, f"trained {one['low_gev']:.4g} to {one['high_gev']:.4g} GeV"
        if name == "kind":
            return name, f"trained on {', '.join(map(kind_name, conditions.kinds))}"
        feature = next(feature for feature in conditions.features if feature.name == name)
        called, low, high, unit = self._physical(feature)
        if feature.low == feature.high:
            return called, f"trained at {low:.4g}{unit} only"
        return called, f"trained {low:.4g} to {high:.4g}{unit}"

    def _physical(self, feature: Feature) -> tuple[str, float, float, str]:
        """Name, range and unit of a feature in the words of a particle table."""
        name, layout = feature.name, self._bundle.geometry.layout
        if name == "log_energy":
            return "energy", math.exp(feature.low), math.exp(feature.high), " GeV"
        if name in ("impact_x", "impact_y") and isinstance(layout, GridLayout):
            axis = "xy".index(name[-1])
            half = layout.cells[axis] * layout.pitch_cm[axis] / 2
            called = f"impact point {name[-1]} from the centre"
            return called, half * feature.low, half * feature.high, " cm"
        unit = f" {feature.unit}" if feature.unit else ""
        return name.replace("slope_", "slope along "), feature.low, feature.high, unit


def _inconsistent(particles: Particles) -> dict[str, NDArray[np.bool_]]:
    """Particles whose energy is another than momentum and mass say."""
    energy, mass = particles["energy_gev"], particles["mass_mev"] / 1000
    squared = sum(particles[f"p{axis}_gev"].astype(np.float64) ** 2 for axis in "xyz")
    expected = np.sqrt(squared + mass.astype(np.float64) ** 2)
    rows = np.abs(energy - expected) > _MASS_MARGIN * energy
    return {_MASS: rows} if rows.any() else {}
