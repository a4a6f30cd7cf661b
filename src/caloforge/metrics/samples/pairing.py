"""Which generated showers belong to which incident particle of the reference."""

from __future__ import annotations

from dataclasses import dataclass
from functools import reduce
from typing import TYPE_CHECKING

import numpy as np

from caloforge.errors import DataFormatError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

BY_ID = "incident id"
BY_PROPERTIES = "identical properties"


@dataclass(frozen=True, eq=False)
class Incidents:
    """The incident particle of every shower of one sample.

    Attributes:
        incident: Id of the particle, ``(n,)``.
        properties: Its physical properties, ``(n, property)``, with the same columns in every
            sample that is paired.
        source: Name of the sample, for messages.
    """

    incident: NDArray[np.int64]
    properties: NDArray[np.float64]
    source: str

    def select(self, rows: NDArray[np.bool_]) -> Incidents:
        """The particles of some of the showers."""
        return Incidents(self.incident[rows], self.properties[rows], self.source)


@dataclass(frozen=True, eq=False)
class Pairing:
    """Common incident particles of several samples.

    Attributes:
        way: ``"incident id"`` or ``"identical properties"``.
        n_particles: Number of particles that every sample has.
        groups: For each sample, the number of each shower's particle from 0 to
            ``n_particles - 1``, or -1 if not every sample has it, ``(n,)``.
    """

    way: str
    n_particles: int
    groups: tuple[NDArray[np.int64], ...]

    def repeats(self) -> list[NDArray[np.int64]]:
        """Number of showers of each particle, ``(particle,)`` a sample."""
        return [np.bincount(g[g >= 0], minlength=self.n_particles) for g in self.groups]


def pair(samples: Sequence[Incidents]) -> Pairing:
    """Find the incident particles that all samples share.

    Ids are used if the samples share some and the particles of equal id agree in all properties
    to a relative 1e-5; two files that merely number their particles alike are not mistaken for
    a pair. Otherwise particles with exactly equal properties are taken to be the same.

    Arguments:
        samples: The reference first, then the generated ones.

    Raises:
        DataFormatError: If no particle is in all samples.
    """
    common = reduce(np.intersect1d, (sample.incident for sample in samples))
    shared_ids = common.size > 0
    if shared_ids:
        groups = tuple(_positions(sample.incident, common) for sample in samples)
        if _properties_agree(samples, groups, common.size):
            return Pairing(BY_ID, common.size, groups)

    if samples[0].properties.shape[1]:
        labels = _label_rows([sample.properties for sample in samples])
        common = reduce(np.intersect1d, labels)
        if common.size:
            groups = tuple(_positions(label, common) for label in labels)
            return Pairing(BY_PROPERTIES, common.size, groups)

    found = (
        "equal incident ids of different particles" if shared_ids else "no common incident id"
    )
    names = ", ".join(sample.source for sample in samples[1:])
    msg = (
        f"{names} against {samples[0].source}: found {found} and no particle of identical "
        "properties, expected showers of the same particles; generate them for the "
        "reference's particles"
    )
    raise DataFormatError(msg)


def rows_by_repeat(
    group: NDArray[np.int64], kept: NDArray[np.int64], repeats: int
) -> NDArray[np.int64]:
    """Rows of the first showers of each particle.

    Arguments:
        group: Particle number of each shower, -1 for none, ``(n,)``.
        kept: Particle numbers to take, each with at least ``repeats`` showers.
        repeats: Showers to take of each.

    Returns:
        Row numbers, ``(kept particle, repeat)``, in the order of the file.
    """
    order = np.argsort(group, kind="stable")
    start = np.searchsorted(group[order], kept)
    rows: NDArray[np.int64] = order[start[:, None] + np.arange(repeats)]
    return rows


def _positions(ids: NDArray[np.int64], common: NDArray[np.int64]) -> NDArray[np.int64]:
    at = np.minimum(np.searchsorted(common, ids), common.size - 1)
    return np.where(common[at] == ids, at, -1)


def _properties_agree(
    samples: Sequence[Incidents], groups: Sequence[NDArray[np.int64]], n_particles: int
) -> bool:
    first = rows_by_repeat(groups[0], np.arange(n_particles), 1)[:, 0]
    expected = samples[0].properties[first]
    return all(
        np.allclose(sample.properties[g >= 0], expected[g[g >= 0]], rtol=1e-5, atol=1e-9)
        for sample, g in zip(samples, groups, strict=True)
    )


def _label_rows(tables: Sequence[NDArray[np.float64]]) -> list[NDArray[np.int64]]:
    """Give rows the same number exactly if they are equal, over all tables."""
    rows = np.concatenate(tables) + 0.0  # turns -0.0 into 0.0
    _, labels = np.unique(rows, axis=0, return_inverse=True)
    ends = np.cumsum([len(table) for table in tables])[:-1]
    return np.split(labels.reshape(-1).astype(np.int64), ends)
