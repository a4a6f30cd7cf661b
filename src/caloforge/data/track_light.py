"""How the light of one track lies in neighbouring cells, measured from repeated showers.

Given the incident particle, the counts of two cells of a shower are not independent: one track
makes many photons, most of them in one fibre, some in those around it. Two showers of the same
particle share the mean of every cell and no track, so that products of cells within a shower,
less products across two showers, count pairs of photons of one track.

Showers of a particle differ in more than tracks. That one is brighter than the other as a whole
is taken out; that one is wider is not, and counts as tracks: a spread of 15 % in width makes
1.2 companions look like 1.5. Pairs that a shower's structure makes grow with its light, those
of tracks do not, so that tracks are measured on the dimmest third of the pairs: on the embedded
ZN hadrons have 0.9 companions there, 1.4 and 1.6 in the others
(docs/tables/correlations.md). Photons and electrons, whose
showers are all alike, are measured on all.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.optimize import least_squares

from caloforge.data.features import ELECTROMAGNETIC
from caloforge.errors import ConfigError
from caloforge.geometry import GridLayout

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from caloforge.data.features import ConditionSet
    from caloforge.data.particles import Particles
    from caloforge.data.transforms import CellFrame

    Array = NDArray[np.float64]

RADIUS = 4
"""Furthest cell that a photon of a track reaches, in cells."""

# Cells nearer to the impact point are full of the light of many tracks, and tell little.
_CORE = 2
# Distances at which hardly any two photons are of one track: what is seen there are
# fluctuations of whole showers.
_LONG = tuple((0, d) for d in range(6, 11))
# Pairs of showers that it takes: on the ZN they leave companions uncertain by a sixth.
FEWEST_PAIRS = 500
# For photons and electrons alone, whose tracks have few companions.
FEWEST_ELECTROMAGNETIC = 250
# The dimmest of the pairs are used: a shower's structure is not seen in them.
DIM_SHARE = 1 / 3
# Bounds of companions, wander and reach: from none to what is beyond any detector.
_BOUNDS = ((1e-3, 0.0, 0.3), (20.0, 0.95, 5.0))


@lru_cache(maxsize=16)
def steps(reach: float) -> tuple[NDArray[np.int64], Array]:
    """Return the steps of a wandering photon and their chances.

    Arguments:
        reach: Chances fall as ``exp(-distance / reach)``, in cells.

    Returns:
        Steps along x and y ``(m, 2)``, none of them (0, 0), and chances ``(m,)`` that sum to 1.
    """
    line = np.arange(-RADIUS, RADIUS + 1)
    x, y = (axis.ravel() for axis in np.meshgrid(line, line, indexing="ij"))
    distance = np.hypot(x, y)
    chosen = (distance > 0) & (distance <= RADIUS)
    chances = np.exp(-distance[chosen] / reach)
    return np.stack((x, y), axis=1)[chosen], chances / chances.sum()


@dataclass(frozen=True)
class TrackLight:
    """Photons of one track.

    Attributes:
        companions: Mean number of other photons of its track that a photon has.
        wander: Chance that a photon tries to leave the cell that its track was drawn to.
        reach: Scale of the distance that it goes, in cells: see `steps`.
        electromagnetic: Those of photons and electrons, if they were measured apart.
        columns: Numbers of the condition vector of which one is 1 for photons and electrons.
    """

    companions: float
    wander: float
    reach: float
    electromagnetic: TrackLight | None = None
    columns: tuple[int, ...] = ()

    @classmethod
    def by_family(
        cls,
        frame: CellFrame,
        particles: Particles,
        showers: NDArray[Any],
        conditions: ConditionSet,
    ) -> TrackLight:
        """Measure it, for photons and electrons apart if the model can tell them.

        Tracks of electromagnetic showers are short and give few photons; a hadron may cross
        many fibres.

        Arguments:
            frame: As in `fit`.
            particles: As in `fit`.
            showers: As in `fit`.
            conditions: The model's conditions. One law is measured for all if they do not name
                the kind, or there are too few pairs of either family.

        Raises:
            ConfigError: As `fit`.
        """
        columns = conditions.electromagnetic
        apart = np.isin(np.abs(particles["pdg"]), ELECTROMAGNETIC)
        n = np.count_nonzero(apart) // 2
        few = n < FEWEST_ELECTROMAGNETIC or len(apart) // 2 - n < FEWEST_PAIRS
        if not columns or few:
            return cls.fit(frame, particles, showers)
        own, rest = np.flatnonzero(apart), np.flatnonzero(~apart)
        return replace(
            cls.fit(frame, particles.select(rest), showers[rest]),
            electromagnetic=cls.fit(
                frame,
                particles.select(own),
                showers[own],
                fewest=FEWEST_ELECTROMAGNETIC,
                share=1.0,
            ),
            columns=columns,
        )

    @classmethod
    def fit(
        cls,
        frame: CellFrame,
        particles: Particles,
        showers: NDArray[Any],
        *,
        fewest: int = FEWEST_PAIRS,
        share: float = DIM_SHARE,
    ) -> TrackLight:
        """Measure it.

        Excess pairs of photons at each distance are fitted by what tracks would make that lie
        as the mean shower does, so that photons stay where there is light (see
        `expected_pairs`). Each pair of showers counts as one photon of it.

        Arguments:
            frame: The model's frame of cells.
            particles: Incident particles; rows 2k and 2k + 1 are the same particle.
            showers: Their cells in the detector's order, ``(2 n, cell)``.
            fewest: Pairs that it takes.
            share: Share of the pairs, the dimmest, that are used.

        Raises:
            ConfigError: If the detector is no grid of counts, or there are too few pairs.
        """
        layout, n = frame.geometry.layout, len(particles) // 2
        if not isinstance(layout, GridLayout) or layout.planes > 1 or not frame.geometry.counts:
            msg = (
                f"model.cells: found 'tracks' for geometry '{frame.geometry.name}', expected a "
                "grid that counts; take 'negative-binomial', or 'deposits' for energies"
            )
            raise ConfigError(msg)
        if n < fewest:
            msg = (
                f"model.cells: found {n} particles with repeated showers, expected "
                f"{fewest} or more for 'tracks'; take 'negative-binomial'"
            )
            raise ConfigError(msg)
        pairs = PairCounts(layout.cells)
        light = showers.sum(axis=1, dtype=np.int64).reshape(n, 2).sum(axis=1)
        dim = np.sort(np.argsort(light, kind="stable")[: math.ceil(share * n)])
        both = np.stack((2 * dim, 2 * dim + 1), axis=1).ravel()
        for start in range(0, len(both), 512):
            rows = both[start : start + 512]
            some = particles.select(rows)
            cells = np.take_along_axis(showers[rows], frame.order(some), axis=1)
            pairs.add(cells * frame.near(some))
        return pairs.light()


class PairCounts:
    """Counts pairs of photons by their distance, within and across showers of one particle.

    Arguments:
        cells: Cells along x and y.
    """

    def __init__(self, cells: tuple[int, int]) -> None:
        self._cells = cells
        line = np.abs(np.indices(cells) - np.array(cells)[:, None, None] // 2)
        self._outside = line.max(axis=0) >= min(_CORE, min(cells) // 4)
        near = {tuple(sorted(map(abs, step))) for step in steps(1.0)[0].tolist()}
        self._lags = [(0, 0), *sorted(near)]
        self._mean = np.zeros(cells)
        self._within, self._across = np.zeros((2, len(self._lags) + len(_LONG)))
        self._light = 0.0

    def add(self, showers: NDArray[Any]) -> None:
        """Take in showers in the model's frame, ``(2 n, cell)``, two of each particle."""
        x = showers.reshape(-1, 2, *self._cells).astype(np.float64)
        weight = 1 / (1 + x.sum(axis=(1, 2, 3)) / 2)
        self._mean += np.einsum("n,nkij->ij", weight, x) / 2
        x *= self._outside
        light = np.einsum("n,nkij->", weight, x) / 2
        self._light += light
        one, other = x[:, 0], x[:, 1]
        for place, lag in enumerate((*self._lags, *_LONG)):
            for step in _like(lag):
                share = 1 / len(_like(lag))
                self._within[place] += share * sum(
                    _products(a, a, step, weight) / 2 for a in (one, other)
                )
                self._across[place] += share * _products(one, other, step, weight)
            if lag == (0, 0):  # a photon is no companion of itself
                self._within[place] -= light

    def light(self) -> TrackLight:
        """Fit what was counted."""
        n = len(self._lags)
        across = self._across[n:].sum()
        whole = self._within[n:].sum() / across if across > 0 else 1.0
        excess = (self._within[:n] - whole * self._across[:n]) / max(self._light, 1e-9)
        many = np.array([len(_like(lag)) for lag in self._lags])

        def residuals(parameters: Array) -> Array:
            light = TrackLight(*parameters.tolist())
            expected = expected_pairs(light, self._mean, self._outside, self._lags)
            weighted: Array = many * (expected - excess)
            return weighted

        fit = least_squares(residuals, (1.0, 0.5, 1.2), bounds=_BOUNDS)
        return TrackLight(*fit.x.tolist())


def expected_pairs(
    light: TrackLight,
    mean: Array,
    counted: NDArray[np.bool_],
    lags: list[tuple[int, int]],
) -> Array:
    """Companions at each distance, for tracks that lie as a mean shower does.

    Arguments:
        light: The tracks.
        mean: Mean shower ``(nx, ny)``.
        counted: Cells in which pairs are counted, ``(nx, ny)``.
        lags: Distances along x and y.

    Returns:
        Mean number of companions in one cell at each distance, a photon, ``(lag,)``.
    """
    chance = {(0, 0): np.ones_like(mean)}
    for step, share in zip(*steps(light.reach), strict=True):
        there = _moved(mean, step)
        accepted = np.minimum(1.0, there / np.maximum(mean, 1e-12))
        chance[tuple(step)] = light.wander * share * accepted
        chance[0, 0] = chance[0, 0] - chance[tuple(step)]
    # Photons that end in a cell where pairs are counted.
    ends = {step: p * _moved(counted.astype(float), step) for step, p in chance.items()}
    light_there = sum((mean * end).sum() for end in ends.values())
    found = np.zeros(len(lags))
    for place, lag in enumerate(lags):
        for dx, dy in _like(lag):
            pairs = sum(
                (mean * end * ends[x + dx, y + dy]).sum()
                for (x, y), end in ends.items()
                if (x + dx, y + dy) in ends
            )
            found[place] += light.companions * pairs / light_there / len(_like(lag))
    return found


def _like(lag: tuple[int, int]) -> list[tuple[int, int]]:
    """Return the steps of a distance: with either sign, and with x and y exchanged."""
    x, y = lag
    signs = (1, -1)
    return sorted({(s * a, t * b) for a, b in ((x, y), (y, x)) for s in signs for t in signs})


def _moved(cells: Array, step: NDArray[np.int64] | tuple[int, int]) -> Array:
    """What lies a step further, at each cell; 0 beyond the edges."""
    padded = np.pad(cells, RADIUS)
    (nx, ny), (dx, dy) = cells.shape, step
    return padded[RADIUS + dx : RADIUS + dx + nx, RADIUS + dy : RADIUS + dy + ny]


def _products(x: Array, y: Array, step: tuple[int, int], weight: Array) -> float:
    """Sum over cells of ``x`` times ``y`` a step further, weighted over showers."""
    (nx, ny), (dx, dy) = x.shape[1:], step
    if abs(dx) >= nx or abs(dy) >= ny:
        return 0.0
    here = x[:, max(-dx, 0) : nx - max(dx, 0), max(-dy, 0) : ny - max(dy, 0)]
    there = y[:, max(dx, 0) : nx + min(dx, 0), max(dy, 0) : ny + min(dy, 0)]
    return float(np.einsum("nij,nij,n->", here, there, weight))
