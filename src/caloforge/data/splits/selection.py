"""Which showers take part: cuts on their sum, and on energy and kind of their particles."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from caloforge.data.particles import kind_name
from caloforge.errors import ConfigError

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    from caloforge.data.particles import Particles


@dataclass(frozen=True)
class Selection:
    """Showers that take part; by default all do.

    All bounds belong to the selection: a shower of exactly ``min_sum`` is kept. A result is
    only comparable with one of the same selection, above all of the same cut on the sum.

    Attributes:
        min_sum: Least sum of a shower's cells, in the detector's unit; 0 for no cut.
        max_sum: Largest sum of a shower's cells, in the detector's unit; ``None`` for no cut.
        energy_gev: Least and largest energy of the incident particle, in GeV; ``None`` for all.
        kinds: Particle kinds by name (``"n"``, ``"gamma"``) or PDG code (``"2112"``); empty for
            all.

    Raises:
        ConfigError: If a bound is no number, negative, or below the one it belongs to, or a
            kind is listed twice.

    Example:
        >>> Selection(min_sum=10, kinds=("n",)).text()
        'sum of cells >= 10; kinds n'
    """

    min_sum: float = 0.0
    max_sum: float | None = None
    energy_gev: tuple[float, float] | None = None
    kinds: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if not (math.isfinite(self.min_sum) and self.min_sum >= 0):
            msg = f"selection min_sum: found {self.min_sum}, expected 0 or more; 0 cuts nothing"
            raise ConfigError(msg)
        if self.max_sum is not None and not self.max_sum >= self.min_sum:
            msg = (
                f"selection max_sum: found {self.max_sum}, expected {self.min_sum:g} (min_sum) "
                "or more; exchange or correct them"
            )
            raise ConfigError(msg)
        if self.energy_gev is not None and not _is_range(self.energy_gev):
            msg = (
                f"selection energy_gev: found {list(self.energy_gev)}, expected the least and "
                "the largest energy in GeV; write e.g. [100, 1000]"
            )
            raise ConfigError(msg)
        for kind in self.kinds:
            if self.kinds.count(kind) > 1:
                msg = f"selection kinds: found '{kind}' twice, expected it once; remove one"
                raise ConfigError(msg)

    @property
    def active(self) -> bool:
        """Whether any shower can be left out."""
        return self != Selection()

    @property
    def needs_sums(self) -> bool:
        """Whether the cells must be read to say which showers take part."""
        return self.min_sum > 0 or self.max_sum is not None

    def rows(self, particles: Particles, sums: ArrayLike | None = None) -> NDArray[np.bool_]:
        """Say which showers take part.

        Arguments:
            particles: Incident particle of each shower, ``n`` rows.
            sums: Sum of each shower's cells in the detector's unit, ``(n,)``; needed if
                `needs_sums`.

        Returns:
            Mask ``(n,)``.

        Raises:
            ValueError: If the sums are needed and missing, or of another length.
        """
        kept = np.ones(len(particles), dtype=bool)
        if self.needs_sums:
            total = np.asarray([] if sums is None else sums, dtype=np.float64)
            if total.shape != kept.shape:
                msg = f"sums have shape {total.shape}, expected {kept.shape}"
                raise ValueError(msg)
            kept &= total >= self.min_sum
            if self.max_sum is not None:
                kept &= total <= self.max_sum
        if self.energy_gev is not None:
            low, high = self.energy_gev
            energy = particles["energy_gev"]
            kept &= (energy >= low) & (energy <= high)
        if self.kinds:
            codes, where = np.unique(particles["pdg"], return_inverse=True)
            kept &= np.array([self.has_kind(int(code)) for code in codes], dtype=bool)[where]
        return kept

    def has_kind(self, pdg: int) -> bool:
        """Whether particles of a PDG code take part."""
        return not self.kinds or str(pdg) in self.kinds or kind_name(pdg) in self.kinds

    def narrowed(self, other: Selection) -> Selection:
        """Return the selection of what passes both.

        Raises:
            ConfigError: If nothing can pass both.
        """
        upper = [s.max_sum for s in (self, other) if s.max_sum is not None]
        ranges = [s.energy_gev for s in (self, other) if s.energy_gev is not None]
        kinds = self.kinds or other.kinds
        if self.kinds and other.kinds:
            theirs = set(map(_kind, other.kinds))
            kinds = tuple(kind for kind in self.kinds if _kind(kind) in theirs)
            if not kinds:
                msg = (
                    f"selection kinds: found {', '.join(self.kinds)} of showers that are of "
                    f"{', '.join(other.kinds)} alone, expected some of these"
                )
                raise ConfigError(msg)
        return Selection(
            min_sum=max(self.min_sum, other.min_sum),
            max_sum=min(upper) if upper else None,
            energy_gev=(
                (max(low for low, _ in ranges), min(high for _, high in ranges))
                if ranges
                else None
            ),
            kinds=kinds,
        )

    def as_dict(self) -> dict[str, Any]:
        """Return plain numbers and lists for JSON; `from_dict` reads them back."""
        table = asdict(self)
        table["energy_gev"] = list(self.energy_gev) if self.energy_gev else None
        table["kinds"] = list(self.kinds)
        return table

    @classmethod
    def from_dict(cls, table: Any) -> Selection:  # noqa: ANN401 - from a file of any origin
        """Build what `as_dict` described; anything else is no selection.

        Provenance is free text to others, so that nothing in it is an error.
        """
        if not isinstance(table, Mapping):
            return cls()
        energy, kinds = table.get("energy_gev"), table.get("kinds")
        try:
            upper = table.get("max_sum")
            return cls(
                min_sum=float(table.get("min_sum") or 0.0),
                max_sum=None if upper is None else float(upper),
                energy_gev=(float(energy[0]), float(energy[1])) if energy else None,
                kinds=tuple(map(str, kinds)) if isinstance(kinds, Sequence) else (),
            )
        except (ConfigError, TypeError, ValueError, LookupError):
            return cls()

    def text(self) -> str:
        """Say it in one line, ``"all showers"`` without a cut."""
        parts = []
        if self.min_sum > 0 and self.max_sum is not None:
            parts.append(f"sum of cells {self.min_sum:g} to {self.max_sum:g}")
        elif self.min_sum > 0:
            parts.append(f"sum of cells >= {self.min_sum:g}")
        elif self.max_sum is not None:
            parts.append(f"sum of cells <= {self.max_sum:g}")
        if self.energy_gev is not None:
            parts.append("energy {:g} to {:g} GeV".format(*self.energy_gev))
        if self.kinds:
            parts.append(f"kinds {', '.join(self.kinds)}")
        return "; ".join(parts) or "all showers"


def told_selection(provenance: Mapping[str, Any], key: str = "selection") -> Selection | None:
    """Return the selection that a provenance tells of, ``None`` if it tells of none.

    A file that was converted keeps the provenance of what it was made of under ``source``: one
    table, or one for each of several inputs. What all of them tell counts as well.

    Arguments:
        provenance: As stored with showers.
        key: ``"selection"``: under which they were taken from a larger file.
            ``"training selection"``: that of the showers that their generator was trained on.
    """
    own = Selection.from_dict(provenance[key]) if provenance.get(key) else None
    source = provenance.get("source")
    before = told_selection(source, key) if isinstance(source, Mapping) else None
    if before is None and isinstance(source, Mapping):
        inputs = [table for table in source.values() if isinstance(table, Mapping)]
        told = [told_selection(table, key) for table in inputs]
        alike = told and all(one == told[0] for one in told)
        before = told[0] if alike and len(inputs) == len(source) else None
    if own is None or before is None:
        return own or before
    try:
        return own.narrowed(before)
    except ConfigError:
        return own


def _kind(text: str) -> str:
    """Name of a kind that is given by name or code."""
    return kind_name(int(text)) if text.removeprefix("-").isdecimal() else text


def _is_range(bounds: Sequence[float]) -> bool:
    """Whether two numbers are an increasing range of finite energies."""
    return len(bounds) == 2 and all(map(math.isfinite, bounds)) and 0 <= bounds[0] <= bounds[1]
