"""A straight line in the space of codes, decoded: from one shower to another."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from caloforge.explain.particles import between, frequent_kinds

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from caloforge.explain.subject import Subject

    Array = NDArray[np.float64]

N_STEPS = 7
N_CLASSES = 2


class Line(NamedTuple):
    """Showers on the way from one shower to another.

    Attributes:
        name: ``"one particle"`` or ``"two particles"``; of images their class.
        title: What lies at the ends, in words.
        steps: Where on the way, from 0 to 1, ``(step,)``.
        ends: The two showers of full simulation, ``(2, cell)``.
        decoded: Expected cells of the codes on the way, ``(step, cell)``.
        energies: Energies of the particles on the way in GeV, ``(step,)``.
    """

    name: str
    title: str
    steps: Array
    ends: NDArray[Any]
    decoded: NDArray[np.float32]
    energies: Array

    @property
    def totals(self) -> Array:
        """Total response of the decoded showers, ``(step,)``."""
        totals: Array = self.decoded.sum(axis=1, dtype=np.float64)
        return totals

    @property
    def evenness(self) -> float:
        """Largest over mean step, as distances of square roots of cells: 1 is even."""
        roots = np.sqrt(self.decoded.astype(np.float64))
        size = np.linalg.norm(np.diff(roots, axis=0), axis=1)
        return float(size.max() / size.mean()) if size.mean() > 0 else 1.0

    def as_dict(self) -> dict[str, Any]:
        """Return plain strings, numbers and lists, for JSON."""
        return {
            "between": self.name,
            "ends": self.title,
            "steps": self.steps.tolist(),
            "total response": self.totals.tolist(),
            "total response of the ends": self.ends.sum(axis=1, dtype=np.float64).tolist(),
            "energies_gev": self.energies.tolist(),
            "largest over mean step": self.evenness,
        }


def lines(subject: Subject) -> list[Line]:
    """Lines between two showers of one particle and of two particles, where there are such."""
    if subject.images:
        return _of_images(subject)
    found = [_one_particle(subject), _two_particles(subject)]
    return [line for line in found if line is not None]


def _of_images(subject: Subject) -> list[Line]:
    """Lines between two images of one class whose codes lie far apart, for two classes."""
    particles = subject.sample.particles
    found = []
    for name in frequent_kinds(particles, N_CLASSES):
        rows = np.flatnonzero((particles.kinds() == name) & (subject.observed["total"] > 0))
        if rows.size < 2:
            continue
        codes = subject.encoded(rows)
        first = _far(np.linalg.norm(codes - codes.mean(axis=0), axis=1))
        last = _far(np.linalg.norm(codes - codes[first], axis=1))
        if first != last:
            text = f"two images of {name}"
            found.append(_line(subject, name, text, rows[[first, last]]))
    return found


def _far(distance: NDArray[Any]) -> int:
    """Which is far, but no outlier."""
    return int(np.argsort(distance, kind="stable")[int(0.9 * (len(distance) - 1))])


def _one_particle(subject: Subject) -> Line | None:
    """Two showers of one bright particle whose codes lie far apart."""
    total, particle = subject.observed["total"], subject.particle
    order = np.argsort(particle, kind="stable")
    same = np.flatnonzero(particle[order[1:]] == particle[order[:-1]])
    pairs = np.stack((order[same], order[same + 1]), axis=1)
    if not len(pairs):
        return None
    smaller = total[pairs].min(axis=1)
    pairs = pairs[smaller >= np.quantile(smaller, 0.7)]
    codes = [subject.encoded(rows) for rows in pairs.T]
    distance = np.linalg.norm(codes[0] - codes[1], axis=1)
    # Far apart, but no outlier.
    chosen = np.argsort(distance)[int(0.9 * (len(pairs) - 1))]
    rows = pairs[chosen]
    text = f"two showers of one particle ({_named(subject, rows[0])})"
    return _line(subject, "one particle", text, rows)


def _two_particles(subject: Subject) -> Line | None:
    """A shower of low energy on one side, one of high energy on the other."""
    particles = subject.sample.particles
    (kind,) = frequent_kinds(particles, 1)
    rows = np.flatnonzero((particles.kinds() == kind) & (subject.observed["total"] > 0))
    if rows.size < 2:
        return None
    energy = particles["energy_gev"][rows]
    x = particles["x_cm"][rows]
    low, high = np.quantile(energy, (0.35, 0.9))
    side = np.quantile(x, (0.25, 0.75))
    first = rows[np.argmin(np.abs(np.log(energy / low)) + np.abs(x - side[0]))]
    last = rows[np.argmin(np.abs(np.log(energy / high)) + np.abs(x - side[1]))]
    if first == last:
        return None
    text = f"showers of two particles ({_named(subject, first)}, {_named(subject, last)})"
    return _line(subject, "two particles", text, np.array((first, last)))


def _line(subject: Subject, name: str, title: str, rows: NDArray[np.int64]) -> Line:
    particles = subject.sample.particles
    steps = np.linspace(0, 1, N_STEPS)
    codes = subject.encoded(rows)
    way = ((1 - steps[:, None]) * codes[0] + steps[:, None] * codes[1]).astype(np.float32)
    passed = between(particles.select(rows[:1]), particles.select(rows[1:]), steps)
    return Line(
        name,
        title,
        steps,
        subject.sample.showers[rows],
        subject.decoded(way, passed),
        passed["energy_gev"],
    )


def _named(subject: Subject, row: np.int64) -> str:
    one = subject.sample.particles.select(np.array([row]))
    return f"{one.kinds()[0]} of {one['energy_gev'][0]:.3g} GeV"
