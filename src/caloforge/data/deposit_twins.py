"""Deposits that one particle leaves in two cells of a cylinder, measured.

Given the incident particle, deposits of two cells of a shower are not independent: a particle
crosses sectors, rings and layers. Two showers of equal particles share the mean of every cell
and no particle, so that products of cells within a shower, less products across two showers,
count pairs of deposits of one particle. Showers also differ as a whole, in where they begin,
say. That is the same on all sides of the axis: what is seen half a turn away is taken out.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from caloforge.errors import ConfigError
from caloforge.geometry import CylinderLayout

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from caloforge.data.features import ConditionSet
    from caloforge.data.particles import Particles
    from caloforge.geometry import DetectorGeometry

    Array = NDArray[np.float64]

# Pairs of showers that it takes.
FEWEST_PAIRS = 300
# Showers of particles that are next in energy stand for repeats if these are all conditions.
_OF_ENERGY = {"energy_gev", "log_energy", "kind", "pdg"}
_ENERGY_MARGIN = 0.05
# Of fewer, half a turn is no further than a step.
_FEWEST_SECTORS = 8
# Steps in layers, sectors and rings at which twins are looked for, in either direction.
STEPS = (
    (0, 1, 0),
    (0, 2, 0),
    (0, 0, 1),
    (0, 1, 1),
    (0, 0, 2),
    (1, 0, 0),
    (1, 1, 0),
    (1, 0, 1),
    (2, 0, 0),
)


def like(step: tuple[int, int, int]) -> list[tuple[int, int, int]]:
    """Return the steps of equal length: with either sign of each part."""
    signs = (1, -1)
    a, b, c = step
    return sorted({(i * a, j * b, k * c) for i in signs for j in signs for k in signs})


@dataclass(frozen=True, eq=False)
class DepositTwins:
    r"""Pairs of deposits of one particle.

    Deposits of two cells with the expected numbers :math:`\lambda` and :math:`\lambda'` come
    in pairs, :math:`\kappa \min(\lambda, \lambda')` of them. All numbers stay Poisson's, with
    the same means: some deposits are in pairs, no more than there are.

    Attributes:
        chances: :math:`\kappa` at each of `STEPS`, for the inner one of the two rings,
            ``(step, ring)``; 0 beyond the outermost.
        together: Mean number of twins of a deposit in its own layer.
    """

    chances: Array
    together: float


def equal_pairs(particles: Particles, conditions: ConditionSet) -> NDArray[np.int64]:
    """Find pairs of showers of equal particles, ``(pair, 2)``, each shower in one at most.

    Arguments:
        particles: Incident particles of the showers.
        conditions: The model's conditions: if they are energy and kind alone, particles that
            are next in energy are as good as equal.
    """
    incident = particles.incident
    order = np.argsort(incident, kind="stable")
    same = incident[order][1:] == incident[order][:-1]
    pairs = _neighbours(order, same)
    if len(pairs) < FEWEST_PAIRS and set(conditions.names) <= _OF_ENERGY:
        energy, pdg = particles["energy_gev"], particles["pdg"]
        order = np.lexsort((energy, pdg))
        close = np.diff(energy[order]) <= _ENERGY_MARGIN * energy[order][1:]
        pairs = _neighbours(order, close & (np.diff(pdg[order]) == 0))
    return pairs


def _neighbours(order: NDArray[np.int64], same: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Pairs of rows next to each other where they are the same, ``(pair, 2)``."""
    pairs, k = [], 0
    while k < len(same):
        if same[k]:
            pairs.append((order[k], order[k + 1]))
            k += 1
        k += 1
    return np.array(pairs, dtype=np.int64).reshape(-1, 2)


def deposit_twins(geometry: DetectorGeometry, showers: NDArray[Any]) -> DepositTwins:
    """Measure them.

    Arguments:
        geometry: The detector.
        showers: Rows 2k and 2k + 1 are of equal particles, ``(2 n, cell)``.

    Raises:
        ConfigError: If the detector is no cylinder of equal layers that measures energies, or
            there are too few pairs.
    """
    layout = geometry.layout
    shapes: set[tuple[int, int]] = set()
    if isinstance(layout, CylinderLayout) and not geometry.counts:
        shapes = {layer.shape for layer in layout.layers}
    sectors = max((shape[0] for shape in shapes), default=0)
    if len(shapes) != 1 or sectors < _FEWEST_SECTORS or not isinstance(layout, CylinderLayout):
        msg = (
            f"model.cells: found 'deposit-tracks' for geometry '{geometry.name}', expected a "
            f"cylinder of equal layers of {_FEWEST_SECTORS} sectors or more that measures "
            "energies; take 'deposits'"
        )
        raise ConfigError(msg)
    n = len(showers) // 2
    if n < FEWEST_PAIRS:
        msg = (
            f"model.cells: found {n} pairs of showers of equal particles, expected "
            f"{FEWEST_PAIRS} or more for 'deposit-tracks'; take 'deposits', or repeat particles"
        )
        raise ConfigError(msg)
    pairs = PairEnergies((len(layout.layers), *shapes.pop()))
    for start in range(0, 2 * n, 256):
        pairs.add(showers[start : min(start + 256, 2 * n)])
    return pairs.twins()


class PairEnergies:
    """Adds up products of cells a step apart, within and across showers of equal particles.

    Arguments:
        shape: Layers, sectors and rings.
    """

    def __init__(self, shape: tuple[int, int, int]) -> None:
        self._shape = shape
        self._mean = np.zeros(shape)
        self._excess = np.zeros((len(STEPS) + 1, shape[2]))

    def add(self, showers: NDArray[Any]) -> None:
        """Take in showers, two of each particle, ``(2 n, cell)``."""
        x = showers.astype(np.float64).reshape(-1, 2, *self._shape)
        weight = 1 / np.maximum(x.sum(axis=(1, 2, 3, 4)) / 2, 1e-300)
        self._mean += np.einsum("nkzsr,n->zsr", x, weight) / 2
        one, other = x[:, 0], x[:, 1]
        for k, step in enumerate(((0, 0, 0), *STEPS)):
            self._excess[k] += pair_excess(one, other, step, weight)
            around = (step[0], self._shape[1] // 2, step[2])
            self._excess[k] -= pair_excess(one, other, around, weight)

    def twins(self) -> DepositTwins:
        """Turn what was added up into chances."""
        # A cell's variance over its mean is twice its mean deposit.
        light = self._mean.sum(axis=(0, 1))
        deposit = self._excess[0] / (2 * np.maximum(light, 1e-300))
        mean = np.broadcast_to(self._mean.mean(axis=1, keepdims=True), self._shape)
        chances, shared = np.zeros((2, len(STEPS), self._shape[2]))
        for k, step in enumerate(STEPS):
            here, there = _apart(mean, mean, step)
            n_rings = here.shape[2]
            own, others = deposit[:n_rings], deposit[len(deposit) - n_rings :]
            # Energy that is in pairs if all of the smaller number of deposits are.
            products = np.minimum(here * others, there * own).sum(axis=(0, 1))
            shared[k, :n_rings] = products / np.maximum(others, 1e-300)
            some = products > 0
            chances[k, :n_rings][some] = self._excess[k + 1, :n_rings][some] / products[some]
        chances = np.clip(chances, 0, 1)
        # No cell may have more twins than deposits; both cells of a pair must have room.
        room = 1 / np.maximum(1, total_chances(chances))
        for k, (_, _, rings) in enumerate(STEPS):
            chances[k] *= np.minimum(room, np.append(room[rings:], np.ones(rings))[: len(room)])
        in_layer = [step[0] == 0 for step in STEPS]
        many = np.array([len(like(step)) for step in STEPS])[:, None]
        pairs = (many * chances * shared)[in_layer].sum()
        return DepositTwins(chances, float(pairs / max(light.sum(), 1e-300)))


def signed_chances(chances: Array) -> tuple[list[tuple[int, int, int]], Array]:
    """Chances of all steps in either direction.

    Arguments:
        chances: As of `DepositTwins`.

    Returns:
        The steps, and their chances from a cell of each ring, ``(step, ring)``.
    """
    steps, rows = [], []
    rings = np.arange(chances.shape[1])
    for step, of_ring in zip(STEPS, chances, strict=True):
        for signed in like(step):
            there = rings + signed[2]
            inside = (there >= 0) & (there < len(rings))
            steps.append(signed)
            inner = np.clip(np.minimum(rings, there), 0, None)
            rows.append(np.where(inside, of_ring[inner], 0.0))
    return steps, np.array(rows)


def total_chances(chances: Array) -> Array:
    """Chance that a deposit of each ring looks for a twin, ``(ring,)``."""
    return np.asarray(signed_chances(chances)[1].sum(axis=0))


def pair_excess(one: Array, other: Array, step: tuple[int, int, int], weight: Array) -> Array:
    """Products of cells a step apart within showers, less those across, by ring.

    Arguments:
        one: Showers, ``(n, layer, sector, ring)``.
        other: Showers of equal particles.
        step: In layers, sectors and rings; the mean is taken over the signs of its parts.
        weight: Of each pair of showers, ``(n,)``.

    Returns:
        The mean of both showers, for the inner one of the two rings, ``(ring,)``.
    """
    steps = like(step)
    found = np.zeros(one.shape[3])
    for signed in steps:
        for x, y, sign in ((one, one, 0.5), (other, other, 0.5), (one, other, -1.0)):
            here, there = _apart(x, y, signed)
            by_ring = np.einsum("nzsr,nzsr,n->r", here, there, weight)
            found[: len(by_ring)] += sign * by_ring / len(steps)
    return found


def _apart(one: Array, other: Array, step: tuple[int, int, int]) -> tuple[Array, Array]:
    """Cells and those a step further, ``(..., layer, sector, ring)``; sectors go around."""
    layers, sectors, rings = step
    n_layers, n_rings = one.shape[-3], one.shape[-1]
    if abs(layers) >= n_layers or abs(rings) >= n_rings:
        return one[..., :0, :, :0], other[..., :0, :, :0]
    other = np.roll(other, -sectors, axis=-2)
    near = slice(max(-layers, 0), n_layers - max(layers, 0))
    far = slice(max(layers, 0), n_layers + min(layers, 0))
    inner = slice(max(-rings, 0), n_rings - max(rings, 0))
    outer = slice(max(rings, 0), n_rings + min(rings, 0))
    return one[..., near, :, inner], other[..., far, :, outer]
