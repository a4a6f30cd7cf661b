"""What a shower file holds, in one pass over it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from caloforge.data.files.shower_file import ShowerFile
from caloforge.data.images import LABEL, NO_PARTICLE
from caloforge.data.particles import kind_name

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from numpy.typing import NDArray

    from caloforge.geometry import DetectorGeometry

# 1, 2, 5, 10 ... as literals: computed edges would be off by a rounding. Below them is zero.
_EDGES = np.array([float(f"{m}e{n}") for n in range(-12, 18) for m in (1, 2, 5)] + [np.inf])


class Bin(NamedTuple):
    """Number of showers with a value in ``[low, high)``."""

    low: float
    high: float
    showers: int


class Kind(NamedTuple):
    """How often one kind of particle occurs."""

    name: str
    particles: int
    showers: int


@dataclass(frozen=True, eq=False)
class Summary:
    """Content of a shower file.

    Attributes:
        geometry: Detector that the showers are of.
        provenance: Where they come from.
        created: When the file was written, ISO 8601.
        dtype: Type of a cell in the file.
        n_showers: Number of showers.
        n_particles: Number of distinct incident particles.
        repeats: Number of particles by the number of their showers.
        kinds: Particle kinds, the most frequent first.
        energy_gev: Least and largest energy of an incident particle, in GeV.
        energy_bins: Showers by the energy of their particle, in GeV.
        total: Least, mean and largest sum of the cells, in the detector's unit.
        total_bins: Showers by the sum of their cells; the first bin, up to 1e-12, is of empty
            showers.
        empty_cells: Share of the cells that are zero.
        largest_cell: Largest cell, in the detector's unit.
        cpu_seconds: Time on one core that all showers took, in s, if known.
        images: Whether the showers are images, without particles; kinds then are labels.
    """

    geometry: DetectorGeometry
    provenance: dict[str, Any]
    created: str
    dtype: str
    n_showers: int
    n_particles: int
    repeats: dict[int, int]
    kinds: tuple[Kind, ...]
    energy_gev: tuple[float, float]
    energy_bins: tuple[Bin, ...]
    total: tuple[float, float, float]
    total_bins: tuple[Bin, ...]
    empty_cells: float
    largest_cell: float
    cpu_seconds: float | None
    images: bool = False


def summarise(path: str | Path, *, size: int | None = None) -> Summary:
    """Go once through a shower file.

    Memory: one piece, and 12 bytes a shower to tell particles apart.

    Arguments:
        path: The file.
        size: Showers in a piece, by default as many as take a few MiB.

    Raises:
        DataFormatError: If the file is none, or its showers are unusable.
    """
    with ShowerFile(path) as file:
        energies, totals = _Range(), _Range()
        n_zero, largest, dtype, labelled = 0, 0.0, "", False
        for _, particles, showers in file.chunks(size):
            energies.add(particles["energy_gev"])
            totals.add(showers.sum(axis=1, dtype=np.float64))
            n_zero += showers.size - int(np.count_nonzero(showers))
            largest = max(largest, float(showers.max()))
            dtype = str(showers.dtype)
            labelled = LABEL in particles.columns
        kinds = file.column("pdg")
        images = (energies.low, energies.high) == (NO_PARTICLE["energy_gev"],) * 2
        images = images and file.geometry.maximum is not None and not kinds.any()
        if labelled and images:  # their classes
            kinds = file.column(LABEL)
            names = {k: f"{LABEL} {k:g}" for k in np.unique(kinds).tolist()}
        else:
            names = {k: kind_name(k) for k in np.unique(kinds).tolist()}
        _, first, counts = np.unique(
            file.column("incident"), return_index=True, return_counts=True
        )
        cpu_seconds = file.cpu_seconds()
        return Summary(
            geometry=file.geometry,
            provenance=file.provenance,
            created=file.created,
            dtype=dtype,
            n_showers=len(file),
            n_particles=len(counts),
            repeats=_counted(counts),
            kinds=_kinds(kinds, first, names),
            energy_gev=(energies.low, energies.high),
            energy_bins=energies.bins(),
            total=(totals.low, totals.sum / len(file), totals.high),
            total_bins=totals.bins(),
            empty_cells=n_zero / (len(file) * file.geometry.n_cells),
            largest_cell=largest,
            cpu_seconds=(
                None if cpu_seconds is None else float(cpu_seconds.sum(dtype=np.float64))
            ),
            images=images,
        )


class _Range:
    """Range, sum and histogram of numbers that arrive in pieces."""

    def __init__(self) -> None:
        self.low, self.high, self.sum = np.inf, -np.inf, 0.0
        self._counts = np.zeros(len(_EDGES), dtype=np.int64)

    def add(self, values: NDArray[Any]) -> None:
        """Take in non-negative values ``(n,)``."""
        self.low = min(self.low, float(values.min()))
        self.high = max(self.high, float(values.max()))
        self.sum += float(values.sum())
        where = np.searchsorted(_EDGES, values, side="right")
        self._counts += np.bincount(where, minlength=len(_EDGES))

    def bins(self) -> tuple[Bin, ...]:
        """Return the bins from the first to the last with a count, that of zero if filled."""
        edges = [0.0, *_EDGES.tolist()]
        filled = np.flatnonzero(self._counts[1:]) + 1
        shown = range(int(filled[0]), int(filled[-1]) + 1) if filled.size else range(0)
        zero = [0] if self._counts[0] else []
        return tuple(Bin(edges[k], edges[k + 1], int(self._counts[k])) for k in [*zero, *shown])


def _counted(values: NDArray[Any]) -> dict[int, int]:
    """Count equal values."""
    found, counts = np.unique(values, return_counts=True)
    return dict(zip(found.tolist(), counts.tolist(), strict=True))


def _kinds(
    pdg: NDArray[Any], first: NDArray[Any], names: Mapping[float, str]
) -> tuple[Kind, ...]:
    """Count showers and particles of each kind."""
    showers, particles = _counted(pdg), _counted(pdg[first])
    kinds = [Kind(names[k], particles.get(k, 0), n) for k, n in showers.items()]
    return tuple(sorted(kinds, key=lambda kind: -kind.showers))
