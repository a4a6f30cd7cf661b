"""Known distortions of full simulation: what a trustworthy evaluation has to see.

Each takes a sample of full simulation and returns one that is wrong in one way. Counts stay
counts: light is added and removed photon by photon, never by rounding scaled cells, which would
leave traces (a cell of 1 that can never become 2) that no real generator has. Energies are
scaled or shared. See docs/metrics-power.md for which metric sees which, with how many showers.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from caloforge.errors import GeometryError
from caloforge.geometry import GridLayout

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from numpy.typing import NDArray

    from caloforge.data import ShowerSample
    from caloforge.geometry import DetectorGeometry

    Distort = Callable[[ShowerSample, np.random.Generator], ShowerSample]


@dataclass(frozen=True)
class Distortion:
    """One way to be wrong.

    Attributes:
        label: For tables.
        meaning: What is done to the showers.
        apply: Maps a sample to the distorted one.
        must_be_seen: Whether the ``full`` suite is guaranteed to see it on ``zn-test``.
    """

    label: str
    meaning: str
    apply: Distort
    must_be_seen: bool = True


def brighter(sample: ShowerSample, rng: np.random.Generator, *, share: float) -> ShowerSample:
    """More light: every photon brings another one with a probability of ``share``."""
    if not sample.geometry.counts:
        return _with(sample, sample.showers * np.asarray(1 + share, sample.showers.dtype))
    return _with(sample, sample.showers + rng.binomial(sample.showers, share))


def wider(sample: ShowerSample, rng: np.random.Generator, *, share: float) -> ShowerSample:
    """Wider by a share on average: photons step to the next cell, away from the centroid.

    A photon at a distance of :math:`x` from its shower's centroid steps one pitch :math:`d`
    outwards with a probability of :math:`p`, along x and likewise along y. That adds
    :math:`p (2 d |x| + d^2)` to the variance, on average over the photons. A grid only.
    """
    layout = _grid(sample)
    showers = sample.showers
    for axis, pitch in enumerate(layout.pitch_cm):
        total = np.maximum(showers.sum(axis=1, dtype=np.float64), 1e-300)
        position = layout.centres_cm()[:, axis]
        mean = (showers @ position) / total
        offset = position - mean[:, None]
        variance = ((showers * offset**2).sum(axis=1) / total).mean()
        reach = ((showers * np.abs(offset)).sum(axis=1) / total).mean()
        p = min(1.0, ((1 + share) ** 2 - 1) * variance / (2 * pitch * reach + pitch**2))
        outwards = np.where(offset > 0, _next(layout, axis, 1), _next(layout, axis, -1))
        showers = _move(showers, outwards, p, sample.geometry.counts, rng)
    return _with(sample, showers)


def blurred(sample: ShowerSample, rng: np.random.Generator, *, share: float) -> ShowerSample:
    """A share of the photons steps to the next cell, in each of the four directions."""
    layout = _grid(sample)
    showers = sample.showers
    for axis in range(2):
        for step in (1, -1):
            showers = _move(
                showers, _next(layout, axis, step), share, sample.geometry.counts, rng
            )
    return _with(sample, showers)


def mirrored(sample: ShowerSample, rng: np.random.Generator) -> ShowerSample:  # noqa: ARG001
    """Mirrored in x, while the incident particles stay where they are."""
    cells = _grid(sample).by_plane(sample.showers)[:, :, ::-1]
    return _with(sample, cells.reshape(sample.showers.shape))


def shuffled_conditions(sample: ShowerSample, rng: np.random.Generator) -> ShowerSample:
    """Every shower belongs to another particle: the whole sample is right, no shower is."""
    return _with(sample, sample.showers[rng.permutation(len(sample))])


def duplicated(sample: ShowerSample, rng: np.random.Generator) -> ShowerSample:
    """Half of the showers are copies of another shower, of the same particle if it has one."""
    order = np.lexsort((rng.random(len(sample)), sample.particles.incident))
    showers = sample.showers.copy()
    pairs = order[: 2 * (len(order) // 2)].reshape(-1, 2)
    showers[pairs[:, 1]] = sample.showers[pairs[:, 0]]
    return _with(sample, showers)


def resampled_sum(sample: ShowerSample, rng: np.random.Generator) -> ShowerSample:
    """The total response is that of another shower of the same kind, whatever its energy."""
    kinds = sample.particles.kinds()
    donor = np.arange(len(sample))
    for kind in np.unique(kinds):
        rows = np.flatnonzero(kinds == kind)
        donor[rows] = rng.permutation(rows)
    total = sample.showers.sum(axis=1, dtype=np.float64)
    wanted = np.where(total > 0, total[donor], 0)
    if not sample.geometry.counts:
        factor = wanted / np.where(total > 0, total, 1)
        return _with(sample, sample.showers * factor[:, None])
    showers = sample.showers.astype(np.int64)
    for row, n in enumerate(wanted.astype(np.int64)):
        showers[row] = _with_total(showers[row], int(n), rng)
    return _with(sample, showers)


def dead_row(sample: ShowerSample, rng: np.random.Generator) -> ShowerSample:  # noqa: ARG001
    """Cells of one row beside the middle (one layer of a cylinder) are always dark."""
    layout = sample.geometry.layout
    showers = sample.showers.copy()
    if isinstance(layout, GridLayout):
        row = np.arange(layout.n_cells) // layout.cells[1] % layout.cells[0]
        showers[:, row == layout.cells[0] // 2 + 2] = 0
    else:
        slices = [part for part in layout.slices if part.stop > part.start]
        showers[:, slices[len(slices) // 2]] = 0
    return _with(sample, showers)


def memorised(
    sample: ShowerSample, rng: np.random.Generator, *, training: ShowerSample
) -> ShowerSample:
    """Showers of a training set, replayed: those of the most similar training particles.

    Similar is of the same kind, near in impact point and log energy. Repeats of a particle get
    the showers of the next similar ones, in random order.
    """
    own, other = sample.particles, training.particles
    rows = np.empty(len(sample), dtype=np.int64)
    ids, first, group = np.unique(own.incident, return_index=True, return_inverse=True)
    scale_cm = np.maximum(_impact_cm(training).std(axis=0), 1e-9)
    known, points = _place(training, scale_cm), _place(sample, scale_cm)
    kinds, wanted = other.kinds(), own.kinds()
    for k in range(ids.size):
        mine = np.flatnonzero(group == k)
        candidates = np.flatnonzero(kinds == wanted[first[k]])
        if candidates.size < mine.size:
            candidates = np.arange(len(training))
        distance = ((known[candidates] - points[first[k]]) ** 2).sum(axis=1)
        near = candidates[np.argsort(distance, kind="stable")[: mine.size]]
        rows[mine] = rng.permutation(near)[: mine.size] if near.size >= mine.size else near[0]
    return _with(sample, training.showers[rows])


def distortions(
    geometry: DetectorGeometry, training: ShowerSample | None = None
) -> Mapping[str, Distortion]:
    """All distortions that a detector allows, by name.

    Arguments:
        geometry: Widening, blurring and mirroring need a grid.
        training: Full simulation of other particles, for the replayed training set; without it
            that distortion is left out.
    """
    found = {
        "light-2": Distortion(
            "2 % more light",
            "every photon brings another one with 2 %",
            partial(brighter, share=0.02),
            must_be_seen=False,
        ),
        "light-5": Distortion(
            "5 % more light",
            "every photon brings another one with 5 %",
            partial(brighter, share=0.05),
        ),
    }
    if isinstance(geometry.layout, GridLayout):
        found["wider-5"] = Distortion(
            "5 % wider", "photons step to the next cell outwards", partial(wider, share=0.05)
        )
        found["blurred"] = Distortion(
            "blurred", "5 % of the photons step to each next cell", partial(blurred, share=0.05)
        )
        found["mirrored"] = Distortion(
            "mirrored", "showers mirrored in x, particles not", mirrored
        )
    found |= {
        "shuffled": Distortion(
            "conditions shuffled", "every shower given to another particle", shuffled_conditions
        ),
        "duplicated": Distortion(
            "half duplicated", "half of the showers are copies of others", duplicated
        ),
        "sum-resampled": Distortion(
            "sum resampled",
            "total response of another shower of that kind, whatever its energy",
            resampled_sum,
        ),
        "dead-row": Distortion(
            "one dead row", "one row (one layer of a cylinder) always dark", dead_row
        ),
    }
    if training is not None:
        found["memorised"] = Distortion(
            "memorised training set",
            "showers of the most similar training particles, replayed",
            partial(memorised, training=training),
        )
    return found


def _grid(sample: ShowerSample) -> GridLayout:
    layout = sample.geometry.layout
    if not isinstance(layout, GridLayout):
        msg = (
            f"{sample.source}: found a {layout.kind}, expected a grid; take another distortion"
        )
        raise GeometryError(msg)
    return layout


def _next(layout: GridLayout, axis: int, step: int) -> NDArray[np.int64]:
    """The cell one step further, or -1 beyond the edge, ``(cell,)``."""
    number = np.full((layout.planes, *(n + 2 for n in layout.cells)), -1)
    number[:, 1:-1, 1:-1] = np.arange(layout.n_cells).reshape(layout.planes, *layout.cells)
    shifted: NDArray[np.int64] = np.roll(number, -step, axis=1 + axis)[:, 1:-1, 1:-1].ravel()
    return shifted


def _with(sample: ShowerSample, showers: NDArray[Any]) -> ShowerSample:
    """The sample with other showers, of its type or of a wider one if they need it."""
    dtype = sample.showers.dtype
    if dtype.kind in "iu" and showers.size:
        dtype = np.promote_types(dtype, np.min_scalar_type(int(showers.max())))
    return replace(sample, showers=np.asarray(showers).astype(dtype), cpu_seconds=None)


def _impact_cm(sample: ShowerSample) -> NDArray[np.float64]:
    return np.stack((sample.particles["x_cm"], sample.particles["y_cm"]), axis=1)


def _place(sample: ShowerSample, scale_cm: NDArray[np.float64]) -> NDArray[np.float64]:
    log_energy = np.log(sample.particles["energy_gev"])
    return np.column_stack((2 * _impact_cm(sample) / scale_cm, log_energy))


def _with_total(
    shower: NDArray[np.int64], wanted: int, rng: np.random.Generator
) -> NDArray[np.int64]:
    """Remove or add single photons; new ones fall like those that are there."""
    have = int(shower.sum())
    if wanted <= have:
        return rng.multivariate_hypergeometric(shower, wanted, method="marginals")
    return shower + rng.multinomial(wanted - have, shower / have)


def _move(
    showers: NDArray[Any],
    to: NDArray[np.int64],
    share: float,
    counts: bool,
    rng: np.random.Generator,
) -> NDArray[Any]:
    """Move a share of every cell to another cell; what would leave the detector stays."""
    rows, cells = np.nonzero(showers)
    there = np.broadcast_to(to, showers.shape)[rows, cells]
    inside = there >= 0
    rows, cells, there = rows[inside], cells[inside], there[inside]
    values = showers[rows, cells]
    moved = rng.binomial(values, share) if counts else values * share
    result = showers.astype(np.int64 if counts else np.float64)
    np.subtract.at(result, (rows, cells), moved)
    np.add.at(result, (rows, there), moved)
    return result
