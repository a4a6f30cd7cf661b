"""Baseline without a model: a training shower of the nearest energy, moved to the impact."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from caloforge.data.derived import impact_in_cells
from caloforge.data.files.shower_file import ShowerSample
from caloforge.errors import ConfigError
from caloforge.generation import random_numbers as keyed
from caloforge.geometry import GridLayout

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    from caloforge.data.particles import Particles

_ROWS = 1024  # showers that are moved at a time


class NearestShower:
    """Gives each particle a shower of full simulation that it nearly could have made.

    Of the training showers of the same kind of particle, the `neighbours` nearest in the
    logarithm of the energy are candidates (of all kinds, if there is none of that kind); one of
    them is taken at random, so that repeats differ. On a grid it is moved by whole cells, from
    the cell that its own particle hit to the cell that the new one hits: what leaves the
    grid is lost, and cells that enter are 0. On other layouts it stays where it is.

    A model should be better than this: the shower is real, but its energy, slope and place
    within the cell are those of another particle, and near the edges it lacks cells.

    Arguments:
        sample: Full simulation.
        rows: Training showers among them, indices or a mask; all by default.
        neighbours: Candidates for each particle.

    Raises:
        ConfigError: If there is no candidate.
    """

    def __init__(
        self, sample: ShowerSample, rows: ArrayLike | None = None, *, neighbours: int = 5
    ) -> None:
        self.sample = sample if rows is None else sample.select(rows)
        if neighbours < 1 or not len(self.sample):
            msg = (
                f"nearest shower: found {neighbours} neighbours among {len(self.sample)} "
                "showers, expected at least one"
            )
            raise ConfigError(msg)
        self.neighbours = neighbours

    def generate(
        self, particles: Particles, *, seed: int = 0, repeats: int = 1
    ) -> ShowerSample:
        """Choose and move one shower for each particle, ``repeats`` times.

        Arguments:
            particles: Incident particles, ``n`` rows.
            seed: Equal seeds give equal showers.
            repeats: Showers of each particle, adjacent in the result.

        Returns:
            ``n * repeats`` showers in the order of the particles.

        Raises:
            ConfigError: If the seed or ``repeats`` is out of range.
        """
        if repeats < 1:
            msg = f"repeats: found {repeats}, expected 1 or more; correct it"
            raise ConfigError(msg)
        keyed.check_seed(seed)
        asked = particles.repeated(repeats)
        donors = self.donors(asked, seed=seed)
        showers = np.empty(
            (len(asked), self.sample.geometry.n_cells), self.sample.showers.dtype
        )
        for start in range(0, len(asked), _ROWS):
            part = slice(start, start + _ROWS)
            showers[part] = self._moved(donors[part], asked.select(part))
        return ShowerSample(
            particles=asked,
            showers=showers,
            geometry=self.sample.geometry,
            cpu_seconds=None,
            provenance={
                "model": "nearest training shower",
                "showers from": self.sample.source,
                "neighbours": self.neighbours,
                "seed": seed,
                "repeats": repeats,
            },
            source="nearest training shower",
        )

    def donors(self, particles: Particles, *, seed: int) -> NDArray[np.int64]:
        """Training shower whose cells each particle gets, ``(n,)``: rows of `sample`."""
        own = self.sample.particles
        chance = keyed.uniform(seed, np.arange(len(particles)), 0, keyed.DONORS)[:, 0]
        result = np.empty(len(particles), dtype=np.int64)
        for pdg in np.unique(particles["pdg"]):
            asked = np.flatnonzero(particles["pdg"] == pdg)
            candidates = np.flatnonzero(own["pdg"] == pdg)
            if not len(candidates):
                candidates = np.arange(len(own))
            energies = np.log(own["energy_gev"][candidates])
            by_energy = np.argsort(energies, kind="stable")
            wanted = np.log(particles["energy_gev"][asked])
            near = _nearest(energies[by_energy], wanted, self.neighbours)
            chosen = (chance[asked] * near.shape[1]).astype(np.int64)
            result[asked] = candidates[by_energy[near[np.arange(len(asked)), chosen]]]
        return result

    def _moved(self, donors: NDArray[np.int64], particles: Particles) -> NDArray[Any]:
        """Cells of training showers after the move to the impact points of particles."""
        showers = self.sample.showers[donors]
        geometry = self.sample.geometry
        layout = geometry.layout
        if not isinstance(layout, GridLayout):
            return showers
        size = np.asarray(layout.cells)
        there, here = (
            np.clip(np.floor(impact_in_cells(p, geometry)).astype(np.int64), 0, size - 1)
            for p in (particles, self.sample.particles.select(donors))
        )
        # Where each cell of the result comes from, along x and along y.
        i = np.arange(size[0]) - (there - here)[:, :1]
        j = np.arange(size[1]) - (there - here)[:, 1:]
        inside = ((i >= 0) & (i < size[0]))[:, :, None] & ((j >= 0) & (j < size[1]))[:, None]
        origin = (i[:, :, None] * size[1] + j[:, None, :]).reshape(len(donors), -1)
        first = np.arange(layout.planes)[:, None] * (size[0] * size[1])
        origin = (origin[:, None, :] + first).reshape(len(donors), -1)
        inside = np.tile(inside.reshape(len(donors), -1), (1, layout.planes))
        moved = np.take_along_axis(showers, np.where(inside, origin, 0), axis=1)
        return np.where(inside, moved, moved.dtype.type(0))


def _nearest(
    increasing: NDArray[np.float64], wanted: NDArray[np.float64], n: int
) -> NDArray[np.int64]:
    """Places of the ``n`` nearest numbers in a sequence, ``(len(wanted), n)`` or fewer."""
    n = min(n, len(increasing))
    window = np.searchsorted(increasing, wanted)[:, None] + np.arange(-n, n)
    distance = np.abs(increasing[np.clip(window, 0, len(increasing) - 1)] - wanted[:, None])
    distance[(window < 0) | (window >= len(increasing))] = np.inf
    nearest = np.argsort(distance, axis=1, kind="stable")[:, :n]
    return np.take_along_axis(window, nearest, axis=1)
