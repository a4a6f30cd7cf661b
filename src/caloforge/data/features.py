"""Conditions: the incident particle as a named, ordered, documented feature vector.

A run file lists features by name. Any column of the particles is a feature; the others are
derived (`DERIVED`); some stand for several numbers (``kind`` is one-hot, ``edges`` is four).
"""

from __future__ import annotations

import difflib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from caloforge.data.columns import PARTICLE_COLUMNS
from caloforge.errors import ConfigError
from caloforge.geometry import GridLayout

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from numpy.typing import NDArray

    from caloforge.data.particles import Particles
    from caloforge.geometry import DetectorGeometry

# The nine of the ALICE data set, in its order.
DEFAULT_CONDITIONS = (
    "energy_gev",
    "x_cm",
    "y_cm",
    "z_cm",
    "px_gev",
    "py_gev",
    "pz_gev",
    "mass_mev",
    "charge_e",
)

# Share of the trained range beyond which a particle counts as outside it.
_RANGE_MARGIN = 1e-3


@dataclass(frozen=True)
class Derived:
    """A feature computed from columns and geometry.

    Attributes:
        description: What it is.
        unit: Unit of each of its numbers.
        parts: Suffixes of its numbers; one empty suffix for a single number.
        compute: Particles and geometry to ``(n, len(parts))``.
        needs_grid: Whether it is defined by a grid of cells.
        ranged: Whether a value outside the trained range is worth a warning.
    """

    description: str
    unit: str
    parts: tuple[str, ...]
    compute: Callable[[Particles, DetectorGeometry], NDArray[np.float64]]
    needs_grid: bool = False
    ranged: bool = True


def impact_in_cells(particles: Particles, layout: GridLayout) -> NDArray[np.float64]:
    """Impact point on the front face in cells from the grid's low corner, ``(n, 2)``."""
    position = np.stack((particles["x_cm"], particles["y_cm"]), axis=1)
    impact: NDArray[np.float64] = (position + layout.half_width_cm) / layout.pitch_cm
    return impact


def _grid(geometry: DetectorGeometry) -> GridLayout:
    if not isinstance(geometry.layout, GridLayout):  # unreachable: checked by ConditionSet
        raise TypeError
    return geometry.layout


def _log_energy(particles: Particles, _: DetectorGeometry) -> NDArray[np.float64]:
    log_energy: NDArray[np.float64] = np.log(particles["energy_gev"])[:, None]
    return log_energy


def _impact(particles: Particles, geometry: DetectorGeometry) -> NDArray[np.float64]:
    layout = _grid(geometry)
    return 2 * impact_in_cells(particles, layout) / layout.cells - 1


def _cell_offset(particles: Particles, geometry: DetectorGeometry) -> NDArray[np.float64]:
    impact = impact_in_cells(particles, _grid(geometry))
    offset: NDArray[np.float64] = impact - np.floor(impact) - 0.5
    return offset


def _edges(particles: Particles, geometry: DetectorGeometry) -> NDArray[np.float64]:
    layout = _grid(geometry)
    low = impact_in_cells(particles, layout)
    distance = np.concatenate((low, np.asarray(layout.cells) - low), axis=1)
    near: NDArray[np.float64] = np.exp(-np.clip(distance, 0.0, None) / 3)
    return near


def _slope(particles: Particles, _: DetectorGeometry) -> NDArray[np.float64]:
    across = np.stack((particles["px_gev"], particles["py_gev"]), axis=1)
    along = np.maximum(np.abs(particles["pz_gev"]), 1e-9)
    slope: NDArray[np.float64] = 1000 * across / along[:, None]
    return slope


DERIVED: Mapping[str, Derived] = {
    "log_energy": Derived("logarithm of the energy in GeV", "", ("",), _log_energy),
    "impact": Derived(
        "impact point on the front face over the half width", "", ("_x", "_y"), _impact, True
    ),
    "cell_offset": Derived(
        "impact point within its cell, from the cell's centre",
        "cells",
        ("_x", "_y"),
        _cell_offset,
        needs_grid=True,
        ranged=False,
    ),
    "edges": Derived(
        "nearness of the four edges, exp(-distance / 3 cells)",
        "",
        ("_low_x", "_low_y", "_high_x", "_high_y"),
        _edges,
        needs_grid=True,
        ranged=False,
    ),
    "slope": Derived(
        "direction, transverse over longitudinal momentum", "mrad", ("_x", "_y"), _slope
    ),
}


@dataclass(frozen=True)
class Feature:
    """One number of the condition vector.

    Attributes:
        name: E.g. ``"energy_gev"``, ``"impact_x"`` or ``"kind_2112"``.
        unit: Its unit, ``""`` if none.
        description: What it is.
        mean: Mean over the training showers: subtracted.
        scale: Standard deviation over the training showers: divided by; 0 marks a constant
            feature, which scales to 0.
        low: Smallest trained value.
        high: Largest trained value.
        ranged: Whether values outside ``[low, high]`` are worth a warning.
    """

    name: str
    unit: str
    description: str
    mean: float
    scale: float
    low: float
    high: float
    ranged: bool = True


@dataclass(frozen=True)
class ConditionSet:
    """The condition vector of a model: which features, and how they are scaled.

    Attributes:
        names: As listed in the run file.
        kinds: PDG codes of the ``kind`` one-hot, in its order; empty without ``kind``.
        features: Every number of the vector with its scaling and trained range.
    """

    names: tuple[str, ...]
    kinds: tuple[int, ...]
    features: tuple[Feature, ...]

    @property
    def dim(self) -> int:
        """Length of the condition vector."""
        return len(self.features)

    @classmethod
    def fit(
        cls, names: Sequence[str], particles: Particles, geometry: DetectorGeometry
    ) -> ConditionSet:
        """Choose the features and fit their scaling.

        Arguments:
            names: Features as in the run file.
            particles: Incident particles of the *training* showers only.
            geometry: Their detector.

        Returns:
            Scaling to mean 0 and standard deviation 1 over the given showers. One-hot features
            are left as 0 and 1. A constant feature scales to 0, never to NaN.

        Raises:
            ConfigError: If a feature is unknown, repeated, or does not fit the geometry.
        """
        check_names(names, particles, geometry)
        kinds = tuple(sorted(set(particles["pdg"].tolist()))) if "kind" in names else ()
        raw = _raw(names, kinds, particles, geometry)
        features = []
        for column, (name, unit, description, ranged) in enumerate(_described(names, kinds)):
            values = raw[:, column]
            low, high = float(values.min()), float(values.max())
            # A constant column has a spread of rounding size, not of zero.
            constant = high - low <= 1e-9 * max(abs(low), abs(high))
            one_hot = name.startswith("kind_")
            features.append(
                Feature(
                    name=name,
                    unit=unit,
                    description=description,
                    mean=0.0 if one_hot else float(values.mean()),
                    scale=1.0 if one_hot else 0.0 if constant else float(values.std()),
                    low=low,
                    high=high,
                    ranged=ranged,
                )
            )
        return cls(tuple(names), kinds, tuple(features))

    def raw(self, particles: Particles, geometry: DetectorGeometry) -> NDArray[np.float64]:
        """Features in their own units, ``(n, dim)``."""
        return _raw(self.names, self.kinds, particles, geometry)

    def scaled(self, particles: Particles, geometry: DetectorGeometry) -> NDArray[np.float32]:
        """Scaled features as models see them, ``(n, dim)``."""
        mean = np.array([feature.mean for feature in self.features])
        scale = np.array([feature.scale for feature in self.features])
        inverse = np.divide(1.0, scale, out=np.zeros_like(scale), where=scale > 0)
        scaled = (self.raw(particles, geometry) - mean) * inverse
        return np.asarray(scaled, dtype=np.float32)

    def outside(
        self, particles: Particles, geometry: DetectorGeometry
    ) -> dict[str, NDArray[np.bool_]]:
        """Which particles lie outside the trained range, by feature; only features with some.

        An incident particle of a kind that was not trained is reported under ``"kind"``.
        """
        raw = self.raw(particles, geometry)
        found = {}
        for column, feature in enumerate(self.features):
            if not feature.ranged:
                continue
            margin = _RANGE_MARGIN * max(feature.high - feature.low, abs(feature.high) * 1e-6)
            values = raw[:, column]
            rows = (values < feature.low - margin) | (values > feature.high + margin)
            if rows.any():
                found[feature.name] = rows
        if self.kinds:
            rows = ~np.isin(particles["pdg"], self.kinds)
            if rows.any():
                found["kind"] = rows
        return found

    def as_dict(self) -> dict[str, Any]:
        """Return plain lists and numbers for JSON."""
        return {
            "names": list(self.names),
            "kinds": list(self.kinds),
            "features": [vars(feature) for feature in self.features],
        }

    @classmethod
    def from_dict(cls, table: Mapping[str, Any]) -> ConditionSet:
        """Build what `as_dict` described."""
        return cls(
            names=tuple(table["names"]),
            kinds=tuple(int(kind) for kind in table["kinds"]),
            features=tuple(Feature(**feature) for feature in table["features"]),
        )


def check_names(names: Sequence[str], particles: Particles, geometry: DetectorGeometry) -> None:
    """Refuse features that do not exist, are repeated, or need another geometry.

    Raises:
        ConfigError: Naming the feature and what to do.
    """
    known = (*particles.columns, *DERIVED, "kind")
    if not names:
        msg = "conditions: found none, expected at least one feature; try ['energy_gev']"
        raise ConfigError(msg)
    for name in names:
        if name not in known:
            close = difflib.get_close_matches(name, known, n=1)
            hint = f"did you mean '{close[0]}'?" if close else f"known: {', '.join(known)}"
            msg = f"conditions: unknown feature '{name}'; {hint}"
            raise ConfigError(msg)
        if names.count(name) > 1:
            msg = f"conditions: feature '{name}' is listed twice; list it once"
            raise ConfigError(msg)
        if name in DERIVED and DERIVED[name].needs_grid and geometry.kind != "grid":
            msg = (
                f"conditions: feature '{name}' needs a grid of cells, and geometry "
                f"'{geometry.name}' is a {geometry.kind}; leave it out"
            )
            raise ConfigError(msg)


def _raw(
    names: Sequence[str],
    kinds: Sequence[int],
    particles: Particles,
    geometry: DetectorGeometry,
) -> NDArray[np.float64]:
    parts = []
    for name in names:
        if name == "kind":
            parts.append((particles["pdg"][:, None] == np.asarray(kinds)).astype(np.float64))
        elif name in DERIVED:
            parts.append(DERIVED[name].compute(particles, geometry))
        else:
            parts.append(particles[name].astype(np.float64)[:, None])
    return np.concatenate(parts, axis=1)


def _described(names: Sequence[str], kinds: Sequence[int]) -> list[tuple[str, str, str, bool]]:
    described = []
    for name in names:
        if name == "kind":
            described += [(f"kind_{k}", "", f"1 for PDG code {k}", False) for k in kinds]
        elif name in DERIVED:
            derived = DERIVED[name]
            described += [
                (name + part, derived.unit, derived.description, derived.ranged)
                for part in derived.parts
            ]
        elif name in PARTICLE_COLUMNS:
            column = PARTICLE_COLUMNS[name]
            described.append((name, column.unit, column.description, True))
        else:
            described.append((name, "", "column of the shower file", True))
    return described
