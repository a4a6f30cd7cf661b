r"""Rare kinds of particles more often: how often each shower comes in an epoch.

A kind with :math:`n_k` training showers gets a share proportional to :math:`n_k^{1 - a}` of
the showers of an epoch. With :math:`a` = 0 each shower comes once; with :math:`a` = 1 all
kinds come alike. An epoch has as many showers as there are. Showers of a common kind take
turns in being left out, from epoch to epoch; those of a rare kind come several times.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from caloforge.data.images import LABEL, NO_PARTICLE

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray

    from caloforge.data.particles import Particles

# A stream of random numbers next to those of orders, blocks and pools; see training.
_TIMES = 5


@dataclass(frozen=True, eq=False)
class Kinds:
    """The kinds of particles, or the labels, of some showers.

    Attributes:
        number: Number of each shower's kind, ``(n,)``.
        names: Names by number; each has a shower.
    """

    number: NDArray[np.int32]
    names: tuple[str, ...]

    @classmethod
    def of(cls, pieces: Iterable[Particles]) -> Kinds:
        """Number the kinds of a table that comes in pieces, at least one."""
        names: dict[str, int] = {}
        numbers = []
        for piece in pieces:
            codes = piece["pdg"]
            if LABEL in piece.columns and (codes == NO_PARTICLE["pdg"]).all():
                codes = piece[LABEL]
            _, first, where = np.unique(codes, return_index=True, return_inverse=True)
            found = piece.select(first).kinds().tolist()
            known = [names.setdefault(name, len(names)) for name in found]
            numbers.append(np.array(known, dtype=np.int32)[where])
        return cls(np.concatenate(numbers), tuple(names))

    def shares(self, exponent: float) -> NDArray[np.float64]:
        """Share of each kind in an epoch, ``(kinds,)``; 0 leaves them, 1 makes them equal."""
        weight = np.bincount(self.number) ** (1.0 - exponent)
        shares: NDArray[np.float64] = weight / weight.sum()
        return shares

    def times(
        self,
        exponent: float,
        *,
        seed: int,
        epoch: int,
        group: NDArray[np.int64] | None = None,
    ) -> NDArray[np.int64]:
        """Draw how often each shower comes in an epoch.

        Systematic sampling: the number of showers of a kind is its share, rounded up or down,
        and each comes as often as any other of its kind, but for one time.

        Arguments:
            exponent: As of `shares`.
            seed: Seed of the run.
            epoch: Number of the epoch; nothing else is random.
            group: Group of each shower, all numbers from 0 on, ``(n,)``: the showers of a
                group come equally often, by the kind of its last one. ``None`` for none.

        Returns:
            Whole numbers, ``(n,)``. Their sum is n; with groups of different sizes it may be
            more.
        """
        n, rng = len(self.number), np.random.default_rng((seed, _TIMES, epoch))
        mean = self.shares(exponent) * n / np.bincount(self.number)
        if group is None:
            return _drawn(mean[self.number], self.number, rng)
        size = np.bincount(group)
        kind = np.empty(len(size), dtype=np.int32)
        kind[group] = self.number
        mean = mean[kind]
        times = _drawn(mean, kind, rng)
        missing = n - int((times * size).sum())
        while missing > 0:
            one = int(rng.choice(len(size), p=mean / mean.sum()))
            times[one] += 1
            missing -= int(size[one])
        return times[group]


def _drawn(
    mean: NDArray[np.float64], kind: NDArray[np.int32], rng: np.random.Generator
) -> NDArray[np.int64]:
    """Whole numbers of given means, one for each kind, ``(n,)``; their sum is that of means."""
    order = np.lexsort((rng.random(len(mean)), kind))
    edges = np.concatenate(([0.0], np.cumsum(mean[order])))
    edges[-1] = np.round(edges[-1], 6)  # a whole number stays one
    times = np.empty(len(mean), dtype=np.int64)
    times[order] = np.diff(np.floor(edges + rng.random())).astype(np.int64)
    return times


def repeated_order(
    times: NDArray[np.int64], rng: np.random.Generator, group: NDArray[np.int64] | None = None
) -> NDArray[np.int64]:
    """Permute rows that come several times.

    Arguments:
        times: How often each row comes, ``(n,)``.
        rng: Permutes them.
        group: Group of each row, ``(n,)``, all its rows coming equally often. They stay side by
            side, each copy of a group for itself. ``None`` if each row is for itself.

    Returns:
        Numbers of rows, ``(sum of times,)``.
    """
    rows = np.repeat(np.arange(len(times)), times)
    if group is None:
        return rng.permutation(rows)
    copy = np.arange(len(rows)) - np.repeat(np.cumsum(times) - times, times)
    _, unit = np.unique(group[rows] * (times.max() + 1) + copy, return_inverse=True)
    rank = rng.permutation(unit.max() + 1)[unit]
    order: NDArray[np.int64] = rows[np.lexsort((rng.random(len(rows)), rank))]
    return order
