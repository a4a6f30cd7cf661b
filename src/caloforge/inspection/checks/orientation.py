"""Whether showers lie where their particles enter: turned, mirrored or shifted pictures."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from caloforge.geometry import GridLayout
from caloforge.inspection.checks.cylinder import judge_cylinder
from caloforge.inspection.checks.strays import Strays, judge_strays
from caloforge.inspection.finding import Check, Finding

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from caloforge.inspection.evidence import Evidence

# Points of impact that differ, at least, and showers bright enough for a centroid.
_POINTS = 30
_LEAST_COUNTS = 10
# Impact and centroid of a good file: correlation 0.9. Another reading must be better by this,
# and by five errors (Fisher's z).
_BETTER = 0.2
_GOOD = 0.3
_SIGMAS = 5.0
_NONE = 0.2
# Of the half width, by which impacts and centroids differ on average.
_SHIFT = 0.25
# Centroid in cm over impact in cm; leaks at the edge lower it to 0.7.
_SCALE = (0.3, 3.0)


class Reading(NamedTuple):
    """One way to read the cells of a picture.

    Attributes:
        name: What is wrong with the picture if this reading fits, ``""`` for nothing.
        swapped: Whether the cells are stored with x running fastest.
        mirror: Signs of x and y.
        score: Correlation of impact and centroid, mean over the axes along which impacts vary.
    """

    name: str
    swapped: bool
    mirror: tuple[int, int]
    score: float

    def centroid(self, aligned: Alignment) -> NDArray[np.float64]:
        """Return where the showers lie, so read, ``(n, 2)`` in cm."""
        return (aligned.swapped if self.swapped else aligned.centroid) * self.mirror

    @property
    def cure(self) -> str:
        """What to do with an array of cells to get it right."""
        steps = []
        if self.swapped:
            steps.append(
                "swap the axes: store cell (x, y) at x * cells_y + y, not y * cells_x + x"
            )
        flips = [f"axis {axis}" for axis, sign in enumerate(self.mirror) if sign < 0]
        if flips:
            steps.append(f"reverse {' and '.join(flips)} of the pictures (or the sign of x, y)")
        return "; ".join(steps)


class Alignment(NamedTuple):
    """Showers that can be compared with their impact point.

    Attributes:
        impact: ``(n, 2)`` in cm.
        centroid: ``(n, 2)`` in cm.
        swapped: Centroid under the other order of cells, ``(n, 2)`` in cm.
        sums: Summed response, ``(n,)``.
        numbers: Number of each shower, ``(n,)``.
        axes: Axes along which impacts vary.
        points: Number of different impact points.
    """

    impact: NDArray[np.float64]
    centroid: NDArray[np.float64]
    swapped: NDArray[np.float64]
    sums: NDArray[np.float64]
    numbers: NDArray[np.int64]
    axes: tuple[int, ...]
    points: int


def align(evidence: Evidence) -> Alignment:
    """Choose the showers of a grid that can be judged: bright, and of particles that hit it."""
    layout, sample = evidence.geometry.layout, evidence.sample
    assert isinstance(layout, GridLayout)
    impact = evidence.impact_cm
    least = _LEAST_COUNTS if evidence.geometry.counts else 0.0
    usable = (sample.sums > least) & np.isfinite(impact).all(axis=1)
    usable &= np.isfinite(sample.centroid).all(axis=1) & np.isfinite(sample.swapped).all(axis=1)
    usable &= (np.abs(impact) <= layout.half_width_cm).all(axis=1)
    where = impact[usable]
    axes = tuple(
        axis
        for axis in (0, 1)
        if len(where) > 1 and where[:, axis].std() > 0.5 * layout.pitch_cm[axis]
    )
    points = len(np.unique(where, axis=0))
    chosen = sample.select(usable)
    return Alignment(
        where, chosen.centroid, chosen.swapped, chosen.sums, chosen.number, axes, points
    )


def readings(aligned: Alignment) -> list[Reading]:
    """Score all eight readings, the right one first."""
    found = []
    for swapped in (False, True):
        for mirror in ((1, 1), (-1, 1), (1, -1), (-1, -1)):
            reading = Reading(_NAMES[swapped, mirror], swapped, mirror, 0.0)
            centroid = reading.centroid(aligned)
            score = np.mean(
                [_correlation(centroid[:, a], aligned.impact[:, a]) for a in aligned.axes]
            )
            found.append(reading._replace(score=float(score)))
    return found


def _judge(evidence: Evidence) -> Iterator[Finding]:
    layout = evidence.geometry.layout
    if not isinstance(layout, GridLayout):
        yield from judge_cylinder(evidence)
        return
    aligned = align(evidence)
    if aligned.points < _POINTS or not aligned.axes:
        text = (
            f"{aligned.points:,} different impact points on the front face: "
            f"{_POINTS} that vary are needed to compare them with the showers"
        )
        yield Finding("not judged", text)
        return
    scores = readings(aligned)
    best = max(scores, key=lambda r: r.score)
    own, n, first = scores[0].score, len(aligned.numbers), int(aligned.numbers[0])
    better = np.arctanh(min(best.score, 0.999)) - np.arctanh(np.clip(own, -0.999, 0.999))
    sure = better * np.sqrt(aligned.points - 3) > _SIGMAS
    marked = Strays(evidence, aligned, np.array(layout.half_width_cm))
    parts = list(judge_strays(evidence, marked, scores[1:]))
    if best.score > _GOOD and best.score > own + _BETTER and sure:
        if parts and marked.many_as(best):
            yield from parts
            return
        text = (
            f"the pictures are {best.name}: so read, impact and centroid have a correlation of "
            f"{best.score:.2f}, as stored {own:.2f}"
        )
        yield Finding("error", text, n, first, best.cure)
        return
    if own < _NONE and _SIGMAS / np.sqrt(aligned.points) < 1 - _NONE and not marked.in_a_part:
        text = f"impact and centroid have a correlation of {own:.2f} only"
        cure = (
            "check that rows of particles and showers belong together, and where x, y are taken"
        )
        yield Finding("error", text, n, first, cure)
        return
    yield from parts
    if not parts:
        yield from _shifts(aligned, layout, n, first)
    yield Finding(
        "ok",
        f"impact and centroid have a correlation of {own:.2f} ({aligned.points:,} points, "
        f"{' and '.join('xy'[a] for a in aligned.axes)})",
    )


def _shifts(aligned: Alignment, layout: GridLayout, n: int, first: int) -> Iterator[Finding]:
    """Positions in another frame or another unit."""
    for axis in aligned.axes:
        name, half = "xy"[axis], layout.half_width_cm[axis]
        shift = float(np.median(aligned.impact[:, axis] - aligned.centroid[:, axis]))
        if abs(shift) > _SHIFT * half:
            text = f"{name} of impact and centroid differ by {shift:.3g} cm (median)"
            cure = f"give {name}_cm from the centre of the front face: subtract {shift:.3g}"
            yield Finding("warning", text, n, first, cure)
        spread = aligned.impact[:, axis].var()
        covariance = np.mean(
            (aligned.impact[:, axis] - aligned.impact[:, axis].mean())
            * (aligned.centroid[:, axis] - aligned.centroid[:, axis].mean())
        )
        scale = float(covariance / spread)
        if not _SCALE[0] < scale < _SCALE[1]:
            text = (
                f"the centroid moves by {scale:.3g} cm along {name} where the impact moves by 1"
            )
            cure = f"check the unit of {name}_cm (mm or m for cm?) and the pitch of the cells"
            yield Finding("warning", text, n, first, cure)


def _correlation(a: NDArray[np.float64], b: NDArray[np.float64]) -> float:
    if a.std() == 0 or b.std() == 0:
        return 0.0
    return float(np.corrcoef(a, b)[0, 1])


_NAMES = {
    (False, (1, 1)): "",
    (False, (-1, 1)): "mirrored along x",
    (False, (1, -1)): "mirrored along y",
    (False, (-1, -1)): "turned by 180 degrees",
    (True, (1, 1)): "transposed (axes swapped)",
    (True, (-1, 1)): "transposed (axes swapped) and mirrored along x",
    (True, (1, -1)): "transposed (axes swapped) and mirrored along y",
    (True, (-1, -1)): "transposed (axes swapped) and turned by 180 degrees",
}
ORIENTATION = Check(
    name="orientation",
    title="Orientation",
    finds="pictures, all or some, that are transposed, mirrored, turned, shifted or of other "
    "rows than the particles' impact points; cells of a cylinder in another order, layers from "
    "back to front",
    matters="a model learns the wrong position, and towers are mixed up when its showers are "
    "read out (AliceO2 reads y * cells_x + x)",
    cure="bring the cells into the order of the geometry",
    judge=_judge,
)
