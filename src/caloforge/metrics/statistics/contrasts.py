"""Statistics that tell two labels apart, for many labellings of the same showers at once.

All take showers ordered by incident particle, and labels ``(labelling, n)`` that are true for a
generated shower, with the same number of generated showers of each particle in every row. All
return ``(labelling, column)``, larger for more different, 0 upwards but for `rank_shift`.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from scipy import sparse, stats

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    Array = NDArray[np.float64]

MOST_REPEATS = 8
_SLICE = 2048  # showers at a time: keeps copies small
_BLOCK = 64  # labellings at a time: keeps slices in the cache


@dataclass(frozen=True, eq=False)
class Labelling:
    """Labels of showers that are ordered by particle.

    Attributes:
        labels: True for generated, ``(labelling, n)``.
        start: First shower of each particle, ``(particle,)``.
    """

    labels: NDArray[np.bool_]
    start: NDArray[np.int64]

    @cached_property
    def n(self) -> NDArray[np.int64]:
        """Showers of each particle, ``(particle,)``."""
        return np.diff(self.start, append=self.labels.shape[1])

    @cached_property
    def n_generated(self) -> NDArray[np.int64]:
        """Generated showers of each particle, the same in every labelling, ``(particle,)``."""
        found: NDArray[np.int64] = np.add.reduceat(self.labels[0].astype(np.int64), self.start)
        return found

    @cached_property
    def weights(self) -> NDArray[np.float32]:
        """What makes a difference of two means over showers of a sum, ``(labelling, n)``.

        Every particle counts alike on either side, however many showers it has there.
        """
        n = self.n_generated * self.start.size
        m = (self.n - self.n_generated) * self.start.size
        generated, reference = (
            np.repeat(1 / size, self.n).astype(np.float32) for size in (n, m)
        )
        return np.where(self.labels, generated, -reference)

    def blocks(self) -> Iterator[slice]:
        """Cut the labellings into slices."""
        for first in range(0, len(self.labels), _BLOCK):
            yield slice(first, first + _BLOCK)


def wasserstein(labelling: Labelling, values: Array) -> Array:
    r"""First Wasserstein distance of every column, :math:`\int |F_g - F_r|`."""
    result = np.empty((len(labelling.labels), values.shape[1]))
    for column, x in enumerate(values.T):
        order = np.argsort(x, kind="stable")
        ascending = x[order]
        # Equal values need one step only: counts have few different ones.
        last = np.flatnonzero(np.diff(ascending, append=np.inf) > 0)
        steps = np.diff(ascending[last])
        for part in labelling.blocks():
            cumulated = np.cumsum(labelling.weights[part][:, order], axis=1)[:, last[:-1]]
            result[part, column] = np.abs(cumulated) @ steps
    return result


class Shifts(NamedTuple):
    """Distances of means, ``(labelling, column)`` each.

    A particle's difference of means, generated minus reference, has the variance
    1/generated + 1/reference in units of the spread; its inverse is the particle's weight.

    Attributes:
        overall: Absolute value of the mean difference over all particles.
        particle: Root mean square over particles of the difference: sees a generator that
            answers to the wrong particle, whatever its average.
        group: Root mean square over groups of particles of their mean difference: sees one
            that fails for a kind or an energy.
    """

    overall: Array
    particle: Array
    group: Array


def shifts(labelling: Labelling, values: Array, group: NDArray[np.int64]) -> Shifts:
    """Distances of means of every column.

    Arguments:
        labelling: Labels.
        values: One number a shower and column, ``(n, column)``.
        group: Group of each particle from 0, e.g. a bin of kind and energy, ``(particle,)``.
    """
    n = labelling.n_generated
    m = labelling.n - n
    weight = n * m / (n + m)
    member = sparse.csr_array((weight, (group, np.arange(group.size))))
    total = np.add.reduceat(values, labelling.start, axis=0)
    in_group = member.sum(axis=1)
    kept = in_group > 0
    found = Shifts(*(np.empty((len(labelling.labels), values.shape[1])) for _ in range(3)))
    for part in labelling.blocks():
        labels = labelling.labels[part]
        for column, x in enumerate(values.T):
            sums = np.add.reduceat(labels * x, labelling.start, axis=1)
            shift = sums / n - (total[:, column] - sums) / m
            found.overall[part, column] = np.abs(shift @ weight) / weight.sum()
            found.particle[part, column] = np.sqrt(shift**2 @ weight / weight.sum())
            mean = (member @ shift.T)[kept] / in_group[kept, None]
            square = in_group[kept] @ mean**2 / weight.sum()
            found.group[part, column] = np.sqrt(square)
    return found


def spread(labelling: Labelling, values: Array) -> Array | None:
    r"""Distance of the spreads of a particle's showers, :math:`|\ln(s_g / s_r)|`.

    The squares of the spreads are means over particles of unbiased variances. ``None`` unless
    some particles have two showers or more of either kind.
    """
    n, m = labelling.n_generated, labelling.n - labelling.n_generated
    kept = np.flatnonzero((n > 1) & (m > 1))
    if kept.size == 0:
        return None
    means = np.add.reduceat(values, labelling.start, axis=0) / labelling.n[:, None]
    centred = values - np.repeat(means, labelling.n, axis=0)
    total, square = (np.add.reduceat(v, labelling.start, axis=0) for v in (centred, centred**2))
    result = np.empty((len(labelling.labels), values.shape[1]))
    for part in labelling.blocks():
        labels = labelling.labels[part].astype(np.float64)
        for column in range(values.shape[1]):
            s1 = np.add.reduceat(labels * centred[:, column], labelling.start, axis=1)
            s2 = np.add.reduceat(labels * centred[:, column] ** 2, labelling.start, axis=1)
            generated = (s2 - s1**2 / n)[:, kept] @ (1 / (n[kept] - 1))
            rest = square[:, column] - s2 - (total[:, column] - s1) ** 2 / np.maximum(m, 1)
            reference = rest[:, kept] @ (1 / (m[kept] - 1))
            result[part, column] = _log_ratio(generated, reference) / 2
    return np.abs(result)


def cell_shift(labelling: Labelling, showers: NDArray[Any]) -> Array:
    r"""Distance of the mean cells, :math:`\sqrt{\sum_c (\bar g_c - \bar r_c)^2 / s_c^2}`.

    Cells are weighted by their variance over all showers plus a tenth of the mean one, so that
    dark cells neither dominate nor vanish.
    """
    slices = range(0, len(showers), _SLICE)
    cells = sparse.vstack(
        [sparse.csr_array(showers[k : k + _SLICE].astype(np.float64)) for k in slices],
        format="csr",
    )
    mean = cells.mean(axis=0)
    variance = (cells**2).mean(axis=0) - mean**2
    weight = 1 / np.maximum(variance + 0.1 * variance.mean(), 1e-300)
    result = np.empty((len(labelling.labels), 1))
    for part in labelling.blocks():
        difference = (cells.T @ labelling.weights[part].T.astype(np.float64)).T
        result[part, 0] = np.sqrt(difference**2 @ weight)
    return result


def rank_shift(labelling: Labelling, scores: Array) -> Array:
    """Area under the ROC curve of scores minus 1/2, ``(labelling, 1)``, of either sign.

    It is the difference of the mean ranks over the number of showers, particles alike. Only
    large values count as different: one below 0 says that the classifier learned nothing that
    holds.
    """
    ranks = (stats.rankdata(scores) / scores.size).astype(np.float32)
    shift = np.concatenate([labelling.weights[part] @ ranks for part in labelling.blocks()])
    return shift.astype(np.float64)[:, None]


def twins(labelling: Labelling, showers: NDArray[Any]) -> Array:
    """Generated showers that equal another generated shower in every cell, as a share.

    Empty showers do not count.
    """
    lit = np.flatnonzero(showers.any(axis=1))
    keys = np.array([hash(row.tobytes()) for row in np.ascontiguousarray(showers[lit])])
    _, group, size = np.unique(keys, return_inverse=True, return_counts=True)
    shared = size[group] > 1
    lit, group = lit[shared], group[shared]
    result = np.zeros((len(labelling.labels), 1))
    if lit.size == 0:
        return result
    order = np.argsort(group, kind="stable")
    start = np.flatnonzero(np.diff(group[order], prepend=-1))
    for part in labelling.blocks():
        labels = labelling.labels[part][:, lit[order]].astype(np.int64)
        together = np.add.reduceat(labels, start, axis=1)
        result[part, 0] = np.where(together > 1, together, 0).sum(axis=1)
    return result / int(labelling.labels[0].sum())


def copies(labelling: Labelling, showers: NDArray[Any]) -> Array:
    """Share of generated showers that equal a reference shower of their particle.

    Empty showers do not count. Sees a generator that gives the reference back; with one shower
    on either side labels make no difference, and nothing can be said.
    """
    lit = np.flatnonzero(showers.any(axis=1))
    particle = np.repeat(np.arange(labelling.start.size), labelling.n)[lit]
    keys = np.array(
        [hash((int(k), row.tobytes())) for k, row in zip(particle, showers[lit], strict=True)]
    )
    _, group, size = np.unique(keys, return_inverse=True, return_counts=True)
    shared = size[group] > 1
    lit, group = lit[shared], group[shared]
    result = np.zeros((len(labelling.labels), 1))
    if lit.size == 0:
        return result
    order = np.argsort(group, kind="stable")
    start = np.flatnonzero(np.diff(group[order], prepend=-1))
    size = np.diff(start, append=order.size)
    for part in labelling.blocks():
        labels = labelling.labels[part][:, lit[order]].astype(np.int64)
        together = np.add.reduceat(labels, start, axis=1)
        result[part, 0] = np.where(together < size, together, 0).sum(axis=1)
    return result / int(labelling.labels[0].sum())


def diversity(
    labelling: Labelling, showers: NDArray[Any], rng: np.random.Generator
) -> Array | None:
    r"""Distance of the variety of a particle's showers, :math:`|\ln(d_g / d_r)|`.

    :math:`d` is the mean distance between two showers of a particle, in square roots of cells.
    Of particles with more than `MOST_REPEATS` showers some are chosen, whatever their label.
    ``None`` unless two showers of a particle occur on either side.
    """
    chosen = np.concatenate(
        [
            first + np.sort(rng.permutation(n)[:MOST_REPEATS])
            for first, n in zip(labelling.start, labelling.n, strict=True)
        ]
    )
    size = np.minimum(labelling.n, MOST_REPEATS)
    own = np.repeat(np.arange(size.size), size)
    pairs = [
        (first, first + gap)
        for gap in range(1, int(size.max()))
        for first in [np.flatnonzero(own[gap:] == own[: own.size - gap])]
    ]
    one, two = (chosen[np.concatenate(side)] for side in zip(*pairs, strict=True))
    distance = np.empty(one.size)
    for k in range(0, one.size, _SLICE):
        part = slice(k, k + _SLICE)
        roots = (np.sqrt(showers[rows[part]].astype(np.float64)) for rows in (one, two))
        distance[part] = np.linalg.norm(next(roots) - next(roots), axis=1)
    # Pairs are weighted so that every particle is expected to count alike on either side.
    place = np.repeat(np.arange(size.size), size)[np.concatenate([first for first, _ in pairs])]
    n, m = labelling.n_generated, labelling.n - labelling.n_generated
    pair_weights = [
        np.divide(1.0, k * (k - 1), out=np.zeros(k.size), where=k > 1)[place] for k in (n, m)
    ]
    result = np.empty((len(labelling.labels), 1))
    for part in labelling.blocks():
        first, second = labelling.labels[part][:, one], labelling.labels[part][:, two]
        kinds = [
            k * w
            for k, w in zip((first & second, ~(first | second)), pair_weights, strict=True)
        ]
        totals = [kind.sum(axis=1) for kind in kinds]
        if not all((total > 0).all() for total in totals):
            return None
        means = (k @ distance / total for k, total in zip(kinds, totals, strict=True))
        result[part, 0] = np.abs(_log_ratio(next(means), next(means)))
    return result


def _log_ratio(first: Array, second: Array) -> Array:
    """Logarithm of a ratio; 0 for 0/0, large but finite where one is 0."""
    scale = np.maximum(first, second)
    tiny = 1e-12 * np.where(scale > 0, scale, 1.0)
    ratio: Array = np.log(np.maximum(first, tiny) / np.maximum(second, tiny))
    return ratio
