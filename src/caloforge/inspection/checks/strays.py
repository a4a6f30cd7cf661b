"""Showers that lie far from their impact point: some rows turned, or of other particles."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from caloforge.inspection.checks.parts import many, rows_of, runs
from caloforge.inspection.finding import Finding, percent

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from caloforge.inspection.checks.orientation import Alignment, Reading
    from caloforge.inspection.evidence import Evidence

# Distance of centroid and impact, in half widths of the detector, of a shower of 30 photons:
# 0.5 % of the samples' are farther, and 60 % of those of another particle.
FAR = 0.3
_BRIGHT_COUNTS = 30
_BRIGHT_SHARE = 0.3  # of the showers are too dim to tell, where cells are energies
# Share of showers that may be so, and what is no matter of stray particles any more.
_SOME = 0.02
MANY = 0.04
# Of them, as lie where another reading puts them: by chance one in ten. Then fewer suffice.
_EXPLAINED = 0.6
_SOME_TURNED = 0.005
# Runs over so much of the file are the whole file.
_WHOLE = 0.95


class Strays:
    """Bright showers, and which of them lie far from where their particles enter.

    Arguments:
        evidence: What was counted.
        aligned: Showers that can be compared with their impact point.
        half: Half widths of the detector, ``(2,)`` in cm.

    Attributes:
        aligned: The showers that are bright enough to tell.
        far: Those of them that are far, ``(n,)``.
        found: Runs of rows with many of them.
    """

    def __init__(
        self, evidence: Evidence, aligned: Alignment, half: NDArray[np.float64]
    ) -> None:
        sums = aligned.sums
        least = _BRIGHT_COUNTS if evidence.geometry.counts else np.quantile(sums, _BRIGHT_SHARE)
        chosen = sums >= least
        self.aligned = aligned._replace(
            impact=aligned.impact[chosen],
            centroid=aligned.centroid[chosen],
            swapped=aligned.swapped[chosen],
            sums=sums[chosen],
            numbers=aligned.numbers[chosen],
        )
        self._half, self._repeats = half, evidence.repeats
        self.far = is_far(self.aligned.impact, self.aligned.centroid, half)
        self.found = runs(self.far, self._repeats)

    @property
    def in_a_part(self) -> bool:
        """Whether they lie in a part of the file, with enough other rows that are right."""
        within = sum(run.end - run.begin for run in self.found)
        return bool(self.found) and within < _WHOLE * len(self.far)

    def many_as(self, reading: Reading) -> bool:
        """Whether another reading leaves many far, too."""
        far = is_far(self.aligned.impact, reading.centroid(self.aligned), self._half)
        return many(int(np.count_nonzero(far)), len(far), MANY, self._repeats)

    def near(self, reading: Reading) -> float:
        """Share of far ones, in the runs if any, that another reading puts near the impact."""
        chosen = self.far
        if self.found:
            chosen = np.zeros(len(self.far), dtype=bool)
            for run in self.found:
                chosen[run.begin : run.end] = self.far[run.begin : run.end]
        apart = reading.centroid(self.aligned)[chosen] - self.aligned.impact[chosen]
        return float(np.mean(np.hypot(*(apart / self._half).T) < FAR / 2))


def is_far(
    impact: NDArray[np.float64], centroid: NDArray[np.float64], half: NDArray[np.float64]
) -> NDArray[np.bool_]:
    """Whether centroids are far from impacts; a frame or a unit of their own is no matter.

    Arguments:
        impact: ``(n, 2)`` in cm.
        centroid: ``(n, 2)`` in cm.
        half: Half widths of the detector, ``(2,)`` in cm.
    """
    if not len(impact):
        return np.zeros(0, dtype=bool)
    # Quartiles do not mind which shower belongs to which particle.
    a, b = (np.quantile(values, (0.25, 0.5, 0.75), axis=0) for values in (impact, centroid))
    scale = (a[2] - a[0]) / np.where(b[2] > b[0], b[2] - b[0], np.inf)
    own = (impact - a[1]) / np.where(scale > 0, scale, 1.0), centroid - b[1]
    distances = [
        np.hypot(*((place - other) / half).T) for place, other in ((impact, centroid), own)
    ]
    found = [distance > FAR for distance in distances]
    return min(found, key=np.count_nonzero)


def judge_strays(
    evidence: Evidence, marked: Strays, others: Sequence[Reading]
) -> Iterator[Finding]:
    """Say which rows are turned, mirrored, or of other particles where the rest is right.

    Arguments:
        evidence: What was counted.
        marked: Showers that are far from their impact points.
        others: Readings of the cells other than that of the geometry.
    """
    far, found, numbers = marked.far, marked.found, marked.aligned.numbers
    n, count = len(far), int(np.count_nonzero(far))
    if not count:
        return
    best = max(others, key=marked.near)
    explained = marked.near(best)
    turned = explained > _EXPLAINED and (
        bool(found) or many(round(count * explained), n, _SOME_TURNED, evidence.repeats)
    )
    if not (found or turned or many(count, n, _SOME, evidence.repeats)):
        return
    first = int(numbers[found[0].begin if found else np.argmax(far)])
    scaled = max(1, round(count / n * evidence.n_showers))
    where = f"in {rows_of(found, numbers)}" if found else "here and there in the file"
    text = (
        f"{percent(count / n)} of the bright showers lie far from their impact point, {where}"
    )
    if turned:
        text += f": {percent(explained)} of those are {best.name}, the other rows are not"
        cure = f"bring these rows, and no others, into order: {best.cure}"
        yield Finding("error", text, scaled, first, cure)
        return
    severe = bool(found) or count > MANY * n
    yield Finding("error" if severe else "warning", text, scaled, first, _APART)


_APART = (
    "rows of particles and showers do not belong together there: look at how files were joined "
    "or sorted, and go back to those of the simulation"
)
