"""One property of the incident particle swept: the mean response must move as physics says.

Particles of the file are taken as they are, each with a noise of its own, and one property of
all of them is set to one value after the other. Mean and error are those over particles and
noise, so full simulation of the same particles is what the mean is to be compared with.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from scipy import stats

from caloforge.explain.particles import frequent_kinds, swept
from caloforge.geometry import GridLayout
from caloforge.metrics.statistics.bootstrap import draw_counts, measured, ratio

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from caloforge.explain.subject import Subject
    from caloforge.metrics import Measured

    Array = NDArray[np.float64]
    Rows = NDArray[np.int64]

N_KINDS = 3
N_VALUES = 15
N_PARTICLES = 128
N_BINS = 7
N_BOOTSTRAP = 200
# A step against the trend counts if it is larger than so many errors.
N_ERRORS = 2.0
# Reference points of an energy sweep come from the inner part of the detector.
INNER = 0.5
_LEAST = 5  # full-simulation showers in a reference point


class Reference(NamedTuple):
    """Showers of full simulation beside a sweep.

    Attributes:
        x: What is swept, ``(n,)``.
        y: What must follow, ``(n,)``.
        incident: Number of the incident particle, ``(n,)``.
    """

    x: Array
    y: Array
    incident: Rows


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
        incident: Number of the incident particle of each row of `responses`, ``(particle,)``.
        showers: Full simulation.
    """

    column: str
    observable: str
    kind: str
    values: Array
    responses: Array
    incident: Rows
    showers: Reference

    @property
    def logarithmic(self) -> bool:
        """Whether steps are on a logarithmic scale."""
        return self.column == "energy_gev"

    @cached_property
    def reference(self) -> Array:
        """Mean value, mean observable and its error of full simulation, ``(bin, 3)``."""
        return profile(self.showers.x, self.showers.y, logarithmic=self.logarithmic)

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
    def slope(self) -> Measured | None:
        """Straight line through the mean response: for a centroid 1 is perfect."""
        return measured(np.polyfit(self.values, self._replicas.mean.T, 1)[0], "")

    @property
    def reference_slope(self) -> Measured | None:
        """The same of the points of full simulation; ``None`` of fewer than two."""
        x, y = self._replicas.x, self._replicas.y
        if x.shape[1] < 2:
            return None
        return measured(np.array([_slope(*row) for row in zip(x, y, strict=True)]), "")

    @property
    def ratio(self) -> Measured | None:
        """Mean over the points of `ratios`; ``None`` if there are none, or of a centroid."""
        if self.observable != "total":
            return None
        _, ratios = self._ratios
        return measured(ratios.mean(axis=1), "") if ratios.shape[1] else None

    def ratios(self) -> Array:
        """Value, model over full simulation there, and its error, ``(point, 3)``."""
        x, ratios = self._ratios
        points = [measured(column, "") for column in ratios.T]
        found = [(at, p.value, p.error) for at, p in zip(x, points, strict=True) if p]
        return np.array(found).reshape(-1, 3)

    @cached_property
    def _ratios(self) -> tuple[Array, Array]:
        """Points of full simulation within the sweep, and replicas of the ratio there."""
        x, y = self._replicas.x, self._replicas.y
        inside = (x[0] >= self.values[0]) & (x[0] <= self.values[-1]) & (y[0] > 0)
        expected = np.array(
            [
                self._between(at, mean)
                for at, mean in zip(x[:, inside], self._replicas.mean, strict=True)
            ]
        )
        return x[0, inside], ratio(expected, y[:, inside])

    def _between(self, at: Array, mean: Array) -> Array:
        """Mean response between the swept values; in both logarithms if those are."""
        if not self.logarithmic:
            return np.interp(at, self.values, mean)
        least = np.log(np.maximum(mean, 1e-12))
        found: Array = np.exp(np.interp(np.log(at), np.log(self.values), least))
        return found

    @cached_property
    def _replicas(self) -> _Replicas:
        """Model and full simulation with the same resamplings of the incident particles."""
        x, y, _ = self.showers
        both = np.concatenate((self.incident, self.showers.incident))
        _, number = np.unique(both, return_inverse=True)
        rng = np.random.default_rng(0)  # errors alone depend on it
        counts = draw_counts(int(number.max()) + 1, N_BOOTSTRAP, rng)
        model, full = np.split(counts[:, number].astype(np.float64), [len(self.incident)], 1)
        # A resampling may hold none of few particles: those of the sample stand in.
        model[model.sum(axis=1) == 0] = 1
        points = _bins(x, logarithmic=self.logarithmic)
        shape = (len(counts), len(points))
        means = [np.empty(shape), np.empty(shape)]
        for k, part in enumerate(points):
            weight = full[:, part]
            weight[weight.sum(axis=1) == 0] = 1
            for mean, values in zip(means, (x, y), strict=True):
                mean[:, k] = weight @ values[part] / weight.sum(axis=1)
        return _Replicas(model @ self.responses / model.sum(axis=1, keepdims=True), *means)

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
            "slope": _plain(self.slope),
            "slope of full simulation": _plain(self.reference_slope),
            "model over full simulation": _plain(self.ratio),
            "full simulation": [
                dict(zip(("at", "mean", "error"), row, strict=True))
                for row in self.reference.tolist()
            ],
        }


class _Replicas(NamedTuple):
    """Means of the sample as it is, and of resamplings of the incident particles.

    Attributes:
        mean: Of the model, ``(1 + resampling, k)``.
        x: Swept value at the points of full simulation, ``(1 + resampling, bin)``.
        y: Observable there.
    """

    mean: Array
    x: Array
    y: Array


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
    picked = rng.choice(rows, N_PARTICLES)
    chosen = particles.select(picked)
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
    showers = Reference(
        particles[column][rows], subject.observed[observable][rows], subject.particle[rows]
    )
    incident = subject.particle[picked]
    return Sweep(column, observable, kind, values, responses, incident, showers)


def profile(x: Array, y: Array, *, logarithmic: bool) -> Array:
    """Mean of x, mean of y and its error in bins of equal width, ``(bin, 3)``."""
    points = [
        (x[part].mean(), y[part].mean(), y[part].std(ddof=1) / np.sqrt(part.size))
        for part in _bins(x, logarithmic=logarithmic)
    ]
    return np.array(points).reshape(-1, 3)


def _bins(x: Array, *, logarithmic: bool) -> list[Rows]:
    """Rows in each bin of equal width that holds enough of them; none if all are equal."""
    if x.size < _LEAST or np.ptp(x) == 0:
        return []
    make = np.geomspace if logarithmic else np.linspace
    edges = make(x.min(), x.max(), N_BINS + 1)
    where = np.clip(np.searchsorted(edges, x, side="right") - 1, 0, N_BINS - 1)
    rows = (np.flatnonzero(where == k) for k in range(N_BINS))
    return [part for part in rows if part.size >= _LEAST]


def _slope(x: Array, y: Array) -> float:
    return float(np.polyfit(x, y, 1)[0])


def _plain(result: Measured | None) -> dict[str, float | str] | None:
    return result.as_dict() if result else None


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
