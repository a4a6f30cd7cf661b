"""Showers that are compared: paired by particle, cut, with channels and observables."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from caloforge.data.images import are_images

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from caloforge.geometry import ChannelSet, DetectorGeometry
    from caloforge.metrics.shower.catalogue import Observable
    from caloforge.metrics.statistics.floor import Design

REFERENCE = "full simulation"


@dataclass(frozen=True, eq=False)
class Incoming:
    """What a trial knows of its incident particles, one row each.

    Attributes:
        energy_gev: Energy, ``(particle,)``.
        kind: Name of the particle, e.g. ``"n"``, ``(particle,)``.
        pdg: Its number in the PDG scheme, ``(particle,)``.
        impact_cm: Point on the front face, ``(particle, 2)``.
        properties: All columns that the files share, ``(particle, property)``.
        names: Names of these columns.
    """

    energy_gev: NDArray[np.float64]
    kind: NDArray[np.str_]
    pdg: NDArray[np.int64]
    impact_cm: NDArray[np.float64]
    properties: NDArray[np.float64]
    names: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.energy_gev)

    def features(self) -> NDArray[np.float64]:
        """Conditions for learned metrics: log energy, impact, one-hot kind, ``(particle, f)``.

        Kinds with less than 2 % of the particles share one column.
        """
        kinds, number = np.unique(self.kind, return_counts=True)
        frequent = kinds[number >= 0.02 * len(self)]
        one_hot = (self.kind[:, None] == frequent).astype(np.float64)
        log_energy = np.log(self.energy_gev)[:, None]
        return np.concatenate((log_energy, self.impact_cm, one_hot), axis=1)


@dataclass(frozen=True, eq=False)
class Side:
    """Showers of one sample, in the order of the file.

    Attributes:
        name: ``"full simulation"`` or the name of the generated sample.
        showers: Cell responses as stored, ``(n, cell)``.
        particle: Number of the common incident particle of each shower, ``(n,)``.
        incoming: All incident particles of the trial.
        channels: Channel sums, ``(n, channel)``.
        observables: Shower shapes, ``(n, observable)``.
        cpu_seconds: Time on one core of each shower in s, ``(n,)``, if known.
        provenance: Where the showers come from.
    """

    name: str
    showers: NDArray[Any]
    particle: NDArray[np.int64]
    incoming: Incoming
    channels: NDArray[np.float64]
    observables: NDArray[np.float64]
    cpu_seconds: NDArray[np.float32] | None = None
    provenance: Mapping[str, Any] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.showers)

    @property
    def energy_gev(self) -> NDArray[np.float64]:
        """Energy of the incident particle of each shower, ``(n,)``."""
        return self.incoming.energy_gev[self.particle]

    @property
    def kind(self) -> NDArray[np.str_]:
        """Kind of the incident particle of each shower, ``(n,)``."""
        return self.incoming.kind[self.particle]


class Draw(NamedTuple):
    """Rows of equally many showers, particle by particle in the same order.

    Attributes:
        reference: Rows of the reference, ``(n,)``.
        other: Rows of other showers of the reference, for the floor, ``(n,)``.
        generated: Rows of each generated sample, ``(n,)`` each.
        particle: Particle of each row of ``reference``, ``(n,)``. Matched: of all others too.
        other_particle: Particle of each row of ``other`` and of ``generated``.
    """

    reference: NDArray[np.int64]
    other: NDArray[np.int64]
    generated: tuple[NDArray[np.int64], ...]
    particle: NDArray[np.int64]
    other_particle: NDArray[np.int64]


class Passing(NamedTuple):
    """Showers of the reference and of one generated sample before the cut.

    Attributes:
        particle: Number of the common particle from 0, ``(n,)``.
        generated: Whether the shower is generated, ``(n,)``.
        passed: Whether it passes the cut, ``(n,)``.
    """

    particle: NDArray[np.int64]
    generated: NDArray[np.bool_]
    passed: NDArray[np.bool_]

    def share(self, *, generated: bool) -> float:
        """Share of the showers of a label that pass."""
        return float(self.passed[self.generated == generated].mean())


@dataclass(frozen=True, eq=False)
class Trial:
    """One comparison, ready for metrics.

    All sides have showers of the same incident particles, numbered from 0.

    Attributes:
        geometry: Detector.
        channels: Channel sums and their convention.
        shapes: The observables, columns of `Side.observables`.
        incoming: The incident particles.
        design: What is compared with what; its `kept` are all particles, `arange(particle)`.
        reference: Full simulation.
        generated: The generated samples.
        source: Name of the reference, for tables and messages.
        pairing: ``"incident id"`` or ``"identical properties"``.
        n_particles_reference: Incident particles of the reference, before cut and pairing.
        cut: Least total response of the showers that take part; 0 is no cut.
        before_cut: Which showers pass it, by the name of the generated sample; empty if none
            was cut.
    """

    geometry: DetectorGeometry
    channels: ChannelSet
    shapes: tuple[Observable, ...]
    incoming: Incoming
    design: Design
    reference: Side
    generated: tuple[Side, ...]
    source: str
    pairing: str
    n_particles_reference: int
    cut: float
    before_cut: Mapping[str, Passing] = field(default_factory=dict)

    @property
    def images(self) -> bool:
        """Whether the showers are images, which have a label and no particle."""
        return are_images({"pdg": self.incoming.pdg}, self.geometry)

    @property
    def matched(self) -> bool:
        """Whether the reference has repeats, so that floors are of the same particles."""
        return self.design.matched

    @cached_property
    def repeats(self) -> int:
        """Showers of each particle on either side of an estimator (`draw`): at least 1."""
        if not self.matched:
            return 1
        fewest = [
            int(np.bincount(side.particle, minlength=self.n_particles).min())
            for side in (self.reference, *self.generated)
        ]
        return max(1, min(fewest[0] // 2, *fewest[1:]))

    @property
    def sides(self) -> tuple[Side, ...]:
        """The reference, then the generated samples."""
        return (self.reference, *self.generated)

    @property
    def floor_label(self) -> str:
        """``"floor"`` or ``"unmatched floor"``."""
        return "floor" if self.matched else "unmatched floor"

    @property
    def total(self) -> int:
        """Column of the total response in `Side.observables`."""
        return [shape.name for shape in self.shapes].index("total")

    @property
    def n_particles(self) -> int:
        """Incident particles that take part."""
        return len(self.incoming)

    def draw(self, rng: np.random.Generator, max_showers: int | None = None) -> Draw:
        """Choose showers for one evaluation of an estimator and of its floor.

        With repeats: `repeats` showers of every particle for each part, without a common
        shower in reference and other. Without: the reference's first shower of one random half
        of the particles, and the others' of the other half.

        Arguments:
            rng: Source of the choice.
            max_showers: Take a random part of the particles so that each part has no more.
        """
        chosen = rng.permutation(self.n_particles)
        if self.matched:
            if max_showers is not None:
                chosen = chosen[: max(2, max_showers // self.repeats)]
            chosen = np.sort(chosen)
            first, second = chosen, chosen
        else:
            half = len(chosen) // 2
            if max_showers is not None:
                half = min(half, max(1, max_showers))
            first, second = np.sort(chosen[:half]), np.sort(chosen[half : 2 * half])
        own = _shuffled_rows(self.reference.particle, self.n_particles, rng)
        k = self.repeats
        shift = k if self.matched else 0
        return Draw(
            reference=_take(own, first, 0, k),
            other=_take(own, second, shift, k),
            generated=tuple(
                _take(_shuffled_rows(side.particle, self.n_particles, rng), second, 0, k)
                for side in self.generated
            ),
            particle=np.repeat(first, k),
            other_particle=np.repeat(second, k),
        )


class _Rows(NamedTuple):
    order: NDArray[np.int64]
    start: NDArray[np.int64]


def _shuffled_rows(
    particle: NDArray[np.int64], n_particles: int, rng: np.random.Generator
) -> _Rows:
    """Rows sorted by particle, in random order within it."""
    order = np.lexsort((rng.random(particle.size), particle))
    return _Rows(order, np.searchsorted(particle[order], np.arange(n_particles)))


def _take(rows: _Rows, particles: NDArray[np.int64], first: int, n: int) -> NDArray[np.int64]:
    places = rows.start[particles][:, None] + first + np.arange(n)
    taken: NDArray[np.int64] = rows.order[places].ravel()
    return taken
