"""Conditions: the incident particle as a named, ordered, documented feature vector.

A run file lists features by name, or none for a model without condition. Any column of the
particles is a feature; the others are derived (`caloforge.data.derived`); some stand for
several numbers (``edges`` is four). A PDG code is a name and not a quantity: ``kind`` and
``pdg`` are both its one-hot. So is the class of an image, ``label``.
"""

from __future__ import annotations

import difflib
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from caloforge.data.columns import PARTICLE_COLUMNS, unit_of
from caloforge.data.derived import DERIVED, impact_in_cells
from caloforge.data.images import LABEL
from caloforge.data.labels import label_columns, labels_of, one_hot_labels
from caloforge.errors import ConfigError, DataFormatError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from caloforge.data.particles import Particles
    from caloforge.geometry import DetectorGeometry

__all__ = [
    "DEFAULT_CONDITIONS",
    "ConditionSet",
    "Feature",
    "catalogue",
    "impact_in_cells",
    "one_hot_kinds",
]

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

_ONE_HOT = ("kind", "pdg")

ELECTROMAGNETIC = (11, 22)
"""PDG codes, without sign, of particles that make electromagnetic showers alone."""

# Share of the trained range beyond which a particle counts as outside it.
_RANGE_MARGIN = 1e-3


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
        kinds: PDG codes of the one-hot ``kind`` or ``pdg``, in its order; empty without.
        features: Every number of the vector with its scaling and trained range.
        labels: Classes of the one-hot ``label``, in its order; empty without.
    """

    names: tuple[str, ...]
    kinds: tuple[int, ...]
    features: tuple[Feature, ...]
    labels: tuple[int, ...] = ()

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
        kinds = one_hot_kinds(names, particles["pdg"])
        labels = one_hot_labels(names, labels_of(names, particles))
        raw = _raw(names, kinds, labels, particles, geometry)
        columns = [raw[:, column] for column in range(raw.shape[1])]
        return cls.of_statistics(
            names,
            kinds,
            labels,
            mean=[float(values.mean()) for values in columns],
            spread=[float(values.std()) for values in columns],
            low=[float(values.min()) for values in columns],
            high=[float(values.max()) for values in columns],
        )

    @classmethod
    def of_statistics(
        cls,
        names: Sequence[str],
        kinds: Sequence[int],
        labels: Sequence[int] = (),
        *,
        mean: Sequence[float],
        spread: Sequence[float],
        low: Sequence[float],
        high: Sequence[float],
    ) -> ConditionSet:
        """Build the set from what is known of each number over the training showers.

        Arguments:
            names: Features as in the run file.
            kinds: As of `one_hot_kinds`.
            labels: As of `one_hot_labels`.
            mean: Mean of each number, in its own unit.
            spread: Its standard deviation.
            low: Its smallest value.
            high: Its largest value.
        """
        features = []
        described = _described(names, kinds, labels)
        for k, (name, unit, description, ranged, one_hot) in enumerate(described):
            # A constant column has a spread of rounding size, not of zero.
            constant = high[k] - low[k] <= 1e-9 * max(abs(low[k]), abs(high[k]))
            features.append(
                Feature(
                    name=name,
                    unit=unit,
                    description=description,
                    mean=0.0 if one_hot else mean[k],
                    scale=1.0 if one_hot else 0.0 if constant else spread[k],
                    low=low[k],
                    high=high[k],
                    ranged=ranged,
                )
            )
        return cls(tuple(names), tuple(kinds), tuple(features), tuple(labels))

    @property
    def electromagnetic(self) -> tuple[int, ...]:
        """Numbers of the vector of which one is 1 for photons and electrons; or none."""
        kinds = [kind for kind in self.kinds if abs(kind) in ELECTROMAGNETIC]
        names = {f"{name}_{kind}" for name in _ONE_HOT for kind in kinds}
        names |= {"family_photon", "family_electron"}
        found = [k for k, feature in enumerate(self.features) if feature.name in names]
        return tuple(found)

    def raw(self, particles: Particles, geometry: DetectorGeometry) -> NDArray[np.float64]:
        """Features in their own units, ``(n, dim)``.

        Raises:
            DataFormatError: If a column that a feature needs is missing, or a label was not
                trained on.
        """
        missing = [n for n in self.names if n not in (*DERIVED, *_ONE_HOT, *particles.columns)]
        if missing:
            msg = (
                f"particles: found no column {', '.join(missing)}, expected it as a condition "
                f"of the model ({', '.join(self.names)}); add it to the table"
            )
            raise DataFormatError(msg)
        return _raw(self.names, self.kinds, self.labels, particles, geometry)

    def scaled(self, particles: Particles, geometry: DetectorGeometry) -> NDArray[np.float32]:
        """Scaled features as models see them, ``(n, dim)``."""
        mean, inverse = self._scaling
        scaled = (self.raw(particles, geometry) - mean) * inverse
        return np.asarray(scaled, dtype=np.float32)

    @cached_property
    def _scaling(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Mean and inverse scale of each number; those that never vary become 0."""
        mean = np.array([feature.mean for feature in self.features])
        scale = np.array([feature.scale for feature in self.features])
        return mean, np.divide(1.0, scale, out=np.zeros_like(scale), where=scale > 0)

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
        table: dict[str, Any] = {
            "names": list(self.names),
            "kinds": list(self.kinds),
            "features": [vars(feature) for feature in self.features],
        }
        if self.labels:
            table["labels"] = list(self.labels)
        return table

    @classmethod
    def from_dict(cls, table: Mapping[str, Any]) -> ConditionSet:
        """Build what `as_dict` described."""
        return cls(
            names=tuple(table["names"]),
            kinds=tuple(int(kind) for kind in table["kinds"]),
            features=tuple(Feature(**feature) for feature in table["features"]),
            labels=tuple(int(label) for label in table.get("labels", ())),
        )


def one_hot_kinds(names: Sequence[str], codes: NDArray[np.int32]) -> tuple[int, ...]:
    """PDG codes of the one-hot among some features, increasing; empty without one."""
    wanted = any(name in _ONE_HOT for name in names)
    return tuple(sorted(set(np.unique(codes).tolist()))) if wanted else ()


def catalogue() -> list[tuple[str, int | None, str, str]]:
    """List what may stand under ``data.conditions``: name, how many numbers, unit, meaning.

    The number is ``None`` where the data decide. Further columns of a file can be listed, too.
    """
    rows: list[tuple[str, int | None, str, str]] = [
        (column.name, 1, column.unit, column.description)
        for column in PARTICLE_COLUMNS.values()
        if column.name not in _ONE_HOT
    ]
    rows += [
        (
            name,
            len(derived.parts),
            derived.unit,
            derived.description + (" (grids)" if derived.needs_grid else ""),
        )
        for name, derived in DERIVED.items()
    ]
    rows += [(name, None, "", "1 for its PDG code, of those trained on") for name in _ONE_HOT]
    rows.append((LABEL, None, "", "1 for its class, of those trained on (images)"))
    return rows


def check_names(names: Sequence[str], particles: Particles, geometry: DetectorGeometry) -> None:
    """Refuse features that do not exist, are repeated, or need another geometry.

    Raises:
        ConfigError: Naming the feature and what to do.
    """
    known = tuple(dict.fromkeys((*particles.columns, *DERIVED, *_ONE_HOT)))
    if all(name in names for name in _ONE_HOT):
        msg = "conditions: found 'kind' and 'pdg', which are the same; leave one out"
        raise ConfigError(msg)
    for name in names:
        if name == LABEL and name not in known:
            msg = (
                f"conditions: feature '{LABEL}' needs a column '{LABEL}', found "
                f"{', '.join(particles.columns)}; leave it out, or convert images with labels"
            )
            raise ConfigError(msg)
        if name not in known:
            close = difflib.get_close_matches(name, known, n=1)
            hint = f"did you mean '{close[0]}'?" if close else f"known: {', '.join(known)}"
            msg = f"conditions: unknown feature '{name}'; {hint}"
            raise ConfigError(msg)
        if names.count(name) > 1:
            msg = f"conditions: feature '{name}' is listed twice; list it once"
            raise ConfigError(msg)
        if name in DERIVED and name in particles.columns:
            msg = (
                f"conditions: feature '{name}' is computed, and the showers have a column of "
                "that name, too; rename the column"
            )
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
    labels: Sequence[int],
    particles: Particles,
    geometry: DetectorGeometry,
) -> NDArray[np.float64]:
    parts = [np.empty((len(particles), 0))]
    for name in names:
        # Bundles of older versions have "pdg" as a number: then there are no kinds.
        if name == "kind" or (name == "pdg" and kinds and "kind" not in names):
            parts.append((particles["pdg"][:, None] == np.asarray(kinds)).astype(np.float64))
        elif name == LABEL and labels:  # older bundles have it as a number, too
            parts.append(label_columns(particles[LABEL], labels))
        elif name in DERIVED:
            parts.append(DERIVED[name].compute(particles, geometry))
        else:
            parts.append(particles[name].astype(np.float64)[:, None])
    return np.concatenate(parts, axis=1)


def _described(
    names: Sequence[str], kinds: Sequence[int], labels: Sequence[int]
) -> list[tuple[str, str, str, bool, bool]]:
    """Name, unit, description, whether ranged and whether one-hot, of every number."""
    described = []
    for name in names:
        if name in _ONE_HOT:
            described += [
                (f"{name}_{k}", "", f"1 for PDG code {k}", False, True) for k in kinds
            ]
        elif name == LABEL and labels:
            described += [(f"{LABEL}_{k}", "", f"1 for label {k}", False, True) for k in labels]
        elif name in DERIVED:
            derived = DERIVED[name]
            described += [
                (
                    name + part,
                    derived.unit,
                    derived.description,
                    derived.ranged,
                    derived.one_hot,
                )
                for part in derived.parts
            ]
        elif name in PARTICLE_COLUMNS:
            column = PARTICLE_COLUMNS[name]
            described.append((name, column.unit, column.description, True, False))
        else:
            described.append((name, unit_of(name), "column of the shower file", True, False))
    return described
