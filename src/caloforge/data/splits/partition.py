"""Training and validation side of a shower file: how they are chosen, and which rows they are.

The file is read piece by piece; 16 bytes a shower stay in memory, and the rows of the sides.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from caloforge.data.files.shower_file import ShowerFile, ShowerSample
from caloforge.data.files.shower_format import piece_rows
from caloforge.data.particles import kind_name
from caloforge.data.splits.selection import Selection
from caloforge.data.splits.shower_identity import EmptyShowers, shower_identity
from caloforge.data.splits.split import Split, check_numbers, uniforms
from caloforge.data.splits.validation_list import read_validation_list
from caloforge.errors import ConfigError, DataFormatError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from caloforge.data.particles import Particles

SPLIT_BY = ("particle", "shower")
_PARTICLE_ROWS = 65536


@dataclass(frozen=True)
class SplitPlan:
    """How the showers of a file are split.

    Attributes:
        fraction: Share kept for validation; not used with folds or a list.
        key: Another key gives another, independent split, at most 64 bytes.
        split_by: ``"particle"``: all showers of an incident particle are on the same side.
            ``"shower"``: each shower for itself, for files whose particles are few by design.
        folds: Number of folds, or 0 for none. Every particle (shower) is in the validation
            side of one fold. Fold 0 of k is the split of fraction 1 / k.
        fold: Number of the fold that is kept for validation, from 0.
        validation_list: File that lists the validation side: a shower file, a CSV or Parquet
            file of particles, or a text file of incident numbers. ``""`` for none.

    Raises:
        ConfigError: If values are out of range, or contradict each other.
    """

    fraction: float = 0.15
    key: str = "caloforge"
    split_by: str = "particle"
    folds: int = 0
    fold: int = 0
    validation_list: str = ""

    def __post_init__(self) -> None:
        if not 0 < self.fraction < 1:
            msg = (
                f"data.validation_fraction: found {self.fraction}, expected a share "
                "between 0 and 1; try 0.15"
            )
            raise ConfigError(msg)
        if len(self.key.encode()) > 64:
            msg = (
                f"data.split_key: found {len(self.key.encode())} bytes, expected at most 64; "
                "shorten it"
            )
            raise ConfigError(msg)
        if self.split_by not in SPLIT_BY:
            msg = (
                f"data.split_by: found '{self.split_by}', expected one of {', '.join(SPLIT_BY)}"
            )
            raise ConfigError(msg)
        if self.folds < 0 or self.folds == 1:
            msg = f"data.folds: found {self.folds}, expected 2 or more, or 0 for none"
            raise ConfigError(msg)
        if not 0 <= self.fold < max(self.folds, 1):
            expected = f"0 to {self.folds - 1}" if self.folds else "0 without data.folds"
            msg = f"data.fold: found {self.fold}, expected {expected}; correct it"
            raise ConfigError(msg)
        if self.folds and self.validation_list:
            msg = (
                f"data.validation_list: found it with data.folds = {self.folds}, expected one "
                "of them; leave the other out"
            )
            raise ConfigError(msg)

    def text(self) -> str:
        """Say it in one line."""
        unit = "incident particle" if self.split_by == "particle" else "shower"
        if self.validation_list:
            return f"by {unit}, validation as listed in {self.validation_list}"
        part = (
            f"fold {self.fold} of {self.folds}"
            if self.folds
            else f"{100 * self.fraction:g} % for validation"
        )
        key = "" if self.key == "caloforge" else f", key '{self.key}'"
        return f"by {unit}, {part}{key}"

    def chosen(self, number: NDArray[np.float64]) -> NDArray[np.bool_]:
        """Which go to validation by their numbers in ``[0, 1)``, ``(n,)``; lists aside."""
        if not self.folds:
            return number < self.fraction
        low, high = self.fold / self.folds, (self.fold + 1) / self.folds
        return (number >= low) & (number < high)


class Piece(NamedTuple):
    """Some rows of a file or sample.

    Attributes:
        start: Number of the first row.
        particles: Incident particles.
        showers: Their cells, ``(n, cell)``, if asked for.
    """

    start: int
    particles: Particles
    showers: NDArray[Any] | None

    @property
    def rows(self) -> slice:
        """Where they stand in the whole."""
        return slice(self.start, self.start + len(self.particles))


def pieces(source: ShowerFile | ShowerSample, *, cells: bool) -> Iterator[Piece]:
    """Go through a file or sample piece by piece.

    Arguments:
        source: The showers.
        cells: Whether the cells are needed.
    """
    size, n = _PARTICLE_ROWS, len(source)
    if cells:
        size = min(size, piece_rows(source.geometry.n_cells))
    for start in range(0, n, size):
        stop = min(start + size, n)
        if isinstance(source, ShowerFile):
            showers = source.read(start, stop) if cells else None
            yield Piece(start, source.particles(start, stop), showers)
        else:
            some = slice(start, stop)
            showers = source.showers[some] if cells else None
            yield Piece(start, source.particles.select(some), showers)


def partition(
    source: ShowerFile | ShowerSample,
    plan: SplitPlan,
    selection: Selection | None = None,
) -> Split:
    r"""Split the showers that a selection keeps into training and validation.

    A particle (or shower) has a keyed hash :math:`h \in [0, 1)` that depends on nothing but
    its properties (and its cells). It goes to validation if :math:`h < f` for a fraction
    :math:`f`, or if :math:`h` is in :math:`[i/k, (i+1)/k)` for fold :math:`i` of :math:`k`.
    So it never changes side when the file grows, is re-ordered, or another selection is made.

    Arguments:
        source: A shower file, or showers in memory.
        plan: How to split.
        selection: Which showers take part, by default all.

    Returns:
        Rows of the two sides, each increasing; showers that the selection leaves out are in
        neither.

    Raises:
        DataFormatError: If ``incident`` gives one number to different particles, the selection
            keeps nothing or names a kind that is not there, the list matches nothing, or a side
            has fewer than 2 showers.
    """
    selection = selection or Selection()
    name = _name(source)
    by_shower = plan.split_by == "shower"
    listed = read_validation_list(plan.validation_list, by_shower=by_shower)
    number, kept = np.empty(len(source)), np.ones(len(source), dtype=bool)
    incident = np.empty(0 if by_shower else len(source), dtype=np.int64)
    empty, seen = EmptyShowers(), _Seen()
    for piece in pieces(source, cells=by_shower or selection.needs_sums):
        particles, showers = piece.particles, piece.showers
        if selection.active:
            sums = None if showers is None else showers.sum(axis=1, dtype=np.float64)
            kept[piece.rows] = selection.rows(particles, sums)
            seen.add(particles, sums)
        digests = particles.identity()
        if by_shower and showers is not None:
            empty.add(piece.start, digests, showers)
            digests = shower_identity(digests, showers)
        else:
            incident[piece.rows] = particles.incident
        number[piece.rows] = uniforms(digests, plan.key)
    if selection.active:
        seen.check(selection, kept, name)
    if by_shower:
        rows, digests = empty.numbered()
        number[rows] = uniforms(digests, plan.key)
    else:
        check_numbers(incident, number)
    if listed is not None:
        chosen = listed.chosen(number, incident, plan.key, name)
    else:
        chosen = plan.chosen(number)
    split = Split(np.flatnonzero(kept & ~chosen), np.flatnonzero(kept & chosen))
    if min(map(len, split)) < 2:
        raise DataFormatError(_too_small(name, split, plan))
    return split


class _Seen:
    """What there is to select from, for messages."""

    def __init__(self) -> None:
        self.sums, self.energies = (np.inf, -np.inf), (np.inf, -np.inf)
        self.codes: set[int] = set()

    def add(self, particles: Particles, sums: NDArray[np.float64] | None) -> None:
        """Take in a piece."""
        energy = particles["energy_gev"]
        self.energies = (
            min(self.energies[0], float(energy.min())),
            max(self.energies[1], float(energy.max())),
        )
        if sums is not None:
            self.sums = (
                min(self.sums[0], float(sums.min())),
                max(self.sums[1], float(sums.max())),
            )
        self.codes |= set(np.unique(particles["pdg"]).tolist())

    def check(self, selection: Selection, kept: NDArray[np.bool_], name: str) -> None:
        """Refuse a selection of nothing, or of a kind that is not there."""
        there = {kind_name(code) for code in self.codes}
        for kind in selection.kinds:
            if kind not in there | set(map(str, self.codes)):
                msg = (
                    f"{name}: found no particle of kind '{kind}' (data.kinds), expected some "
                    f"of {', '.join(sorted(there))}; correct it"
                )
                raise DataFormatError(msg)
        if not kept.any():
            ranges = ["energies {:.4g} to {:.4g} GeV".format(*self.energies)]
            if selection.needs_sums:
                ranges.append("sums of cells {:.6g} to {:.6g}".format(*self.sums))
            msg = (
                f"{name}: found none of {len(kept)} showers in the selection "
                f"({selection.text()}), expected some; the file has {', '.join(ranges)}"
            )
            raise DataFormatError(msg)


def _too_small(name: str, split: Split, plan: SplitPlan) -> str:
    if plan.validation_list:
        cure = "change data.validation_list"
    elif plan.folds:
        cure = "change data.folds or data.fold"
    else:
        cure = "change data.validation_fraction"
    if plan.split_by == "particle":
        cure += ", or data.split_by = 'shower' if the particles are few by design"
    return (
        f"{name}: {sum(map(len, split))} showers split into {len(split.train)} for training "
        f"and {len(split.validation)} for validation, expected at least 2 each; add showers "
        f"or {cure}"
    )


def _name(source: ShowerFile | ShowerSample) -> str:
    return str(source.path) if isinstance(source, ShowerFile) else source.source
