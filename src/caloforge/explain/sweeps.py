"""One property of the incident particle swept: the mean response must move as physics says.

Particles of the file are taken as they are, each with a noise of its own, and one property of
all of them is set to one value after the other. Mean and error are those over particles and
noise, so full simulation of the same particles is what the mean is to be compared with.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import stats

from caloforge.explain.particles import frequent_kinds, swept
from caloforge.geometry import GridLayout

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from caloforge.explain.subject import Subject

    Array = NDArray[np.float64]

N_KINDS = 3
N_VALUES = 15
N_PARTICLES = 128
N_BINS = 7
# A step against the trend counts if it is larger than so many errors.
N_ERRORS = 2.0
# Reference points of an energy sweep come from the inner part of the detector.
INNER = 0.5
_LEAST = 5  # full-simulation showers in a reference point


@dataclass(frozen=True, eq=False)
class Sweep:
    """Mean response of a model while one property of the particle moves.

    The same particles and noises are used at all values: a row of `responses` is of one of
    each, and a step from one value to the next has an error of its own, from the steps of rows.

    Attributes:
        column: What is swept, a column of the particles.
        observable: What must follow: ``"total"`` or a centroid.
        kind: Kind of the particle.
        values: Swept values, increasing, ``(k,)``.
        responses: Observable of the expected cells, ``(particle, k)``.
        reference: Mean value, mean observable and its error of full simulation, ``(bin, 3)``.
    """

    column: str
    observable: str
    kind: str
    values: Array
    responses: Array
    reference: Array

    @property
    def mean(self) -> Array:
        """Averaged over particles and noise, ``(k,)``."""
        mean: Array = self.responses.mean(axis=0)
        return mean

    @property
    def error(self) -> Array:
        """Of the mean, ``(k,)``."""
        return _error(self.responses)

    @property
    def spearman(self) -> float:
        """Rank correlation of the mean response with the swept value; 0 if it never moves."""
        if np.ptp(self.mean) == 0:
            return 0.0
        return float(stats.spearmanr(self.values, self.mean).statistic)

    @property
    def wrong_steps(self) -> float:
        """Share of steps that go down by more than `N_ERRORS` of their errors."""
        steps = np.diff(self.responses, axis=1)
        mean = steps.mean(axis=0)
        return float((mean < -N_ERRORS * _error(steps) - 1e-9 * np.abs(self.mean[1:])).mean())

    @property
    def slope(self) -> float:
        """Straight line through the mean response: for a centroid 1 is perfect."""
        return float(np.polyfit(self.values, self.mean, 1)[0])

    def ratio(self) -> Array:
        """Model over full simulation at the reference points within the sweep, ``(bin,)``."""
        x, y = self.reference[:, 0], self.reference[:, 1]
        inside = (x >= self.values[0]) & (x <= self.values[-1]) & (y > 0)
        expected = np.interp(x[inside], self.values, self.mean)
        ratio: Array = expected / y[inside]
        return ratio

    def as_dict(self) -> dict[str, Any]:
        """Return plain strings, numbers and lists, for JSON."""
        return {
            "swept": self.column,
            "observable": self.observable,
            "kind": self.kind,
            "values": self.values.tolist(),
            "mean": self.mean.tolist(),
            "error": self.error.tolist(),
            "particles and noises": len(self.responses),
            "spearman": self.spearman,
            "share of steps against the trend": self.wrong_steps,
            "slope": self.slope,
            "full simulation": [
                dict(zip(("at", "mean", "error"), row, strict=True))
                for row in self.reference.tolist()
            ],
        }


def energy_sweeps(subject: Subject, rng: np.random.Generator) -> list[Sweep]:
    """Energy swept for the most frequent kinds, within what the model was trained on."""
    sweeps = []
    particles = subject.sample.particles
    kinds = particles.kinds()
    for kind in frequent_kinds(particles, N_KINDS):
        rows = np.flatnonzero((kinds == kind) & _inner(subject))
        if rows.size < _LEAST:
            continue
        energies = particles["energy_gev"][rows]
        values = np.geomspace(energies.min(), energies.max(), N_VALUES)
        sweep = _sweep(subject, rows, "energy_gev", values, "total", kind, rng)
        sweeps += [sweep] if sweep else []
    return sweeps


def impact_sweeps(subject: Subject, rng: np.random.Generator) -> list[Sweep]:
    """Impact point swept across the face, along x and y, for the most frequent kind."""
    particles = subject.sample.particles
    (kind,) = frequent_kinds(particles, 1)
    rows = np.flatnonzero((particles.kinds() == kind) & (subject.observed["total"] > 0))
    sweeps = []
    for axis in "xy" if rows.size >= _LEAST else "":
        low, high = np.quantile(particles[f"{axis}_cm"][rows], (0.01, 0.99))
        values = np.linspace(low, high, 2 * N_VALUES - 1)
        sweep = _sweep(subject, rows, f"{axis}_cm", values, f"centroid_{axis}", kind, rng)
        sweeps += [sweep] if sweep else []
    return sweeps


def _sweep(
    subject: Subject,
    rows: NDArray[np.int64],
    column: str,
    values: Array,
    observable: str,
    kind: str,
    rng: np.random.Generator,
) -> Sweep | None:
    """Sweep within the trained range; ``None`` if there is nothing to be swept."""
    particles = subject.sample.particles
    chosen = particles.select(rng.choice(rows, N_PARTICLES))
    values = np.unique(values)
    first = swept(chosen.select(np.zeros(values.size, dtype=np.int64)), column, values)
    outside = subject.bundle.conditions.outside(first, subject.geometry)
    outside = {name: far for name, far in outside.items() if 0 < far.sum() < values.size}
    if outside:
        values = values[~np.logical_or.reduce(list(outside.values()))]
    if values.size < 3 or np.ptp(values) <= 1e-6 * np.abs(values).max():
        return None
    noise = subject.noise(N_PARTICLES, rng)
    responses = np.empty((N_PARTICLES, values.size))
    for k, value in enumerate(values):
        cells = subject.expected(swept(chosen, column, np.full(N_PARTICLES, value)), noise)
        responses[:, k] = subject.shapes(cells)[observable]
    reference = profile(
        particles[column][rows],
        subject.observed[observable][rows],
        logarithmic=column == "energy_gev",
    )
    return Sweep(column, observable, kind, values, responses, reference)


def profile(x: Array, y: Array, *, logarithmic: bool) -> Array:
    """Mean of x, mean of y and its error in bins of equal width, ``(bin, 3)``."""
    if x.size < _LEAST or np.ptp(x) == 0:
        return np.empty((0, 3))
    make = np.geomspace if logarithmic else np.linspace
    edges = make(x.min(), x.max(), N_BINS + 1)
    where = np.clip(np.searchsorted(edges, x, side="right") - 1, 0, N_BINS - 1)
    points = []
    for k in range(N_BINS):
        part = where == k
        if part.sum() >= _LEAST:
            error = y[part].std(ddof=1) / np.sqrt(part.sum())
            points.append((x[part].mean(), y[part].mean(), error))
    return np.array(points).reshape(-1, 3)


def _inner(subject: Subject) -> NDArray[np.bool_]:
    """Showers whose particle hits the inner part of a grid; all of other layouts."""
    particles, layout = subject.sample.particles, subject.geometry.layout
    inside = np.ones(len(particles), dtype=bool)
    if isinstance(layout, GridLayout):
        for axis, half in zip("xy", layout.half_width_cm, strict=True):
            inside &= np.abs(particles[f"{axis}_cm"]) <= INNER * half
    return inside


def _error(values: Array) -> Array:
    """Standard error of the mean over rows."""
    error: Array = values.std(axis=0, ddof=1) / np.sqrt(len(values))
    return error
