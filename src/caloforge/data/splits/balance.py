"""How particles and showers are shared out between training and validation."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from caloforge.data.images import LABEL
from caloforge.data.particles import kind_name
from caloforge.data.splits.partition import pieces

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from caloforge.data.files.shower_file import ShowerFile, ShowerSample
    from caloforge.data.particles import Particles
    from caloforge.data.splits.split import Split

# 1, 3, 10, 30 ... GeV, as literals: computed ones would be off by a rounding.
_EDGES_GEV = (0.0, *(float(f"{m}e{n}") for n in range(-6, 12) for m in (1, 3)), np.inf)
_MOST_KINDS, _MOST_BINS, _MOST_LABELS = 8, 6, 20


class BalanceRow(NamedTuple):
    """How one kind of particle in one range of energy is shared out.

    Attributes:
        kind: Name of the particle kind.
        low_gev: Lower edge of the energy bin, included, in GeV.
        high_gev: Upper edge, excluded, in GeV.
        train: Incident particles on the training side.
        validation: Incident particles on the validation side. Split by shower, a particle is
            as a rule on both.
        train_showers: Showers on the training side.
        validation_showers: Showers on the validation side.
    """

    kind: str
    low_gev: float
    high_gev: float
    train: int
    validation: int
    train_showers: int = 0
    validation_showers: int = 0

    @property
    def fraction(self) -> float:
        """Share of the validation side; no bin is without particles."""
        return self.validation / (self.train + self.validation)


def balance(
    particles: Particles, train_rows: NDArray[np.int64], validation_rows: NDArray[np.int64]
) -> list[BalanceRow]:
    """Count incident particles and showers on both sides, by kind and energy.

    Arguments:
        particles: The table that was split.
        train_rows: Rows of the training side.
        validation_rows: Rows of the validation side.

    Returns:
        One row for each kind and energy bin that has a particle, sorted by both. The bins are
        a third to a half of a decade: 1, 3, 10, 30 ... GeV.
    """
    count = _Count(len(particles), train_rows, validation_rows)
    count.add(0, particles)
    return count.rows()


def balance_of(source: ShowerFile | ShowerSample, split: Split) -> list[BalanceRow]:
    """Count as `balance`, in one pass over a file in bounded memory: 13 bytes a shower.

    Arguments:
        source: The file or sample that was split.
        split: Rows of the sides.
    """
    count = _Count(len(source), split.train, split.validation)
    for piece in pieces(source, cells=False):
        count.add(piece.start, piece.particles)
    return count.rows()


class _Count:
    """Counts that take in a table piece by piece."""

    def __init__(self, n: int, train: NDArray[np.int64], validation: NDArray[np.int64]) -> None:
        self._side = np.zeros(n, dtype=np.uint8)  # 1, 2, or both
        self._side[train] |= 1
        self._side[validation] |= 2
        self._group = np.empty(n, dtype=np.int32)
        # Eight of the sixteen bytes tell particles apart well enough to count them.
        self._particle = np.empty(n, dtype=np.uint64)
        self._groups: dict[tuple[str, int], int] = {}

    def add(self, start: int, particles: Particles) -> None:
        """Take in rows from ``start`` on."""
        rows = slice(start, start + len(particles))
        if particles.are_images:  # each stands for itself
            self._particle[rows] = particles.incident.astype(np.uint64)
        else:
            self._particle[rows] = particles.identity().view("<u8")[::2]
        bins = np.searchsorted(_EDGES_GEV, particles["energy_gev"], side="right") - 1
        names, kind = np.unique(particles.kinds(), return_inverse=True)
        pairs = np.stack((kind, bins), axis=1)
        found, where = np.unique(pairs, axis=0, return_inverse=True)
        numbers = [
            self._groups.setdefault((str(names[kind]), k), len(self._groups))
            for kind, k in found.tolist()
        ]
        self._group[rows] = np.array(numbers, dtype=np.int32)[where.ravel()]

    def rows(self) -> list[BalanceRow]:
        """Return the table."""
        n = len(self._groups)
        counts = []
        for side in (1, 2):
            on = np.flatnonzero(self._side & side)
            _, first = np.unique(self._particle[on], return_index=True)
            counts.append(np.bincount(self._group[on][first], minlength=n))
            counts.append(np.bincount(self._group[on], minlength=n))
        train, train_showers, validation, validation_showers = (c.tolist() for c in counts)
        return [
            BalanceRow(
                kind,
                _EDGES_GEV[k],
                _EDGES_GEV[k + 1],
                train[g],
                validation[g],
                train_showers[g],
                validation_showers[g],
            )
            for (kind, k), g in sorted(self._groups.items())
            if train[g] + validation[g]
        ]


def of_images(rows: Sequence[BalanceRow]) -> bool:
    """Whether a balance is of images, whose kinds are labels, or which have no particle."""
    return all(row.kind.startswith(f"{LABEL} ") or row.kind == kind_name(0) for row in rows)


def balance_lines(rows: Sequence[BalanceRow], *, showers: bool = False) -> list[str]:
    """Write a balance as a table for the terminal: kinds down, energies across.

    Each entry is "training + validation". Energy bins that would not fit are joined to decades,
    or left out; kinds beyond the eight most frequent are joined. Of images the labels take the
    place of kinds, up to twenty, in their order.

    Arguments:
        rows: As of `balance`.
        showers: Whether to count showers instead of incident particles.
    """
    table: dict[str, dict[tuple[float, float], list[int]]] = {}
    bins = _bins(rows)
    for row in rows:
        train = row.train_showers if showers else row.train
        validation = row.validation_showers if showers else row.validation
        for low, high in ((0.0, np.inf), *bins):
            if low <= row.low_gev and row.high_gev <= high:
                entry = table.setdefault(row.kind, {}).setdefault((low, high), [0, 0])
                entry[0] += train
                entry[1] += validation
    everything = (0.0, np.inf)
    images = of_images(rows)
    most = _MOST_LABELS if images else _MOST_KINDS
    ordered = sorted(table.items(), key=lambda item: (-sum(item[1][everything]), item[0]))
    if len(ordered) > most:
        rest = ordered[most - 1 :]
        joined: dict[tuple[float, float], list[int]] = {}
        for _, entries in rest:
            for where, (train, validation) in entries.items():
                entry = joined.setdefault(where, [0, 0])
                entry[0] += train
                entry[1] += validation
        ordered = [*ordered[: most - 1], (f"{len(rest)} others", joined)]
    elif images and len(ordered) > 1:
        ordered.sort(key=lambda item: float(item[0].split()[1]))
    columns = [everything, *(b for b in bins if len(bins) > 1)]
    head = ["images" if images else "showers" if showers else "particles", "all"]
    head += [f"{low:g} to {high:g} GeV" for low, high in columns[1:]]
    lines = [head]
    for kind, entries in ordered:
        cells = [entries.get(where) for where in columns]
        lines.append([kind, *("-" if c is None else f"{c[0]:,} + {c[1]:,}" for c in cells)])
    widths = [max(len(line[k]) for line in lines) for k in range(len(head))]
    return [
        "  ".join(
            text.rjust(width) if k else text.ljust(width)
            for k, (text, width) in enumerate(zip(line, widths, strict=True))
        ).rstrip()
        for line in lines
    ]


def _bins(rows: Sequence[BalanceRow]) -> list[tuple[float, float]]:
    """Energy bins that occur, joined to decades if they are many; none if even those are."""
    bins = sorted({(row.low_gev, row.high_gev) for row in rows})
    if len(bins) > _MOST_BINS:
        decades = [float(f"1e{n}") for n in range(-6, 12)]
        edges = [0.0, *decades, np.inf]
        bins = [
            (low, high)
            for low, high in pairwise(edges)
            if any(low <= row.low_gev and row.high_gev <= high for row in rows)
        ]
    return bins if len(bins) <= _MOST_BINS else []
