"""What is fitted on training showers that stay in their file."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from caloforge.data.deposit_twins import DepositTwins, deposit_twins, equal_pairs
from caloforge.data.far_light import FarLightFit
from caloforge.data.features import ConditionSet, check_names, one_hot_kinds
from caloforge.data.files.shower_format import SHOWERS, open_file, piece_rows
from caloforge.data.labels import labels_of, one_hot_labels
from caloforge.data.track_light import TrackLight
from caloforge.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from caloforge.data.far_light import FarLight
    from caloforge.data.files.shower_file import ShowerFile
    from caloforge.data.particles import Particles
    from caloforge.data.transforms import CellFrame
    from caloforge.geometry import DetectorGeometry

_PARTICLE_ROWS, _BLOCK_BYTES = 65536, 512 * 1024

# Training showers on which the far light is measured at most; it is a few means.
FOR_LIGHT = 131072
# Pairs of repeated showers from which tracks are measured at most.
FOR_TRACKS = 4096


def particle_pieces(
    file: ShowerFile, rows: NDArray[np.int64], size: int = _PARTICLE_ROWS
) -> Iterator[Particles]:
    """Go through the particles of some rows piece by piece."""
    for start in range(0, len(rows), size):
        yield file.particles_at(rows[start : start + size])


def shower_pieces(
    file: ShowerFile, rows: NDArray[np.int64]
) -> Iterator[tuple[Particles, NDArray[np.uint16] | NDArray[np.float32]]]:
    """Go through particles and cells of some rows in a few MiB; cells are checked."""
    size = piece_rows(file.geometry.n_cells)
    for start in range(0, len(rows), size):
        some = rows[start : start + size]
        yield file.particles_at(some), file.read_rows(some)


def fit_conditions(
    names: Sequence[str],
    pieces: Callable[[], Iterator[Particles]],
    geometry: DetectorGeometry,
) -> ConditionSet:
    """Fit conditions as `ConditionSet.fit` does, in the memory of one piece.

    Arguments:
        names: Features as in the run file.
        pieces: Starts to go through the particles of the training showers, at least one.
        geometry: Their detector.

    Raises:
        ConfigError: If a feature is unknown, repeated, or does not fit the geometry.
    """
    codes: set[int] = set()
    classes: set[int] = set()
    for particles in pieces():
        if not codes:
            check_names(names, particles, geometry)
        codes |= set(np.unique(particles["pdg"]).tolist())
        classes |= labels_of(names, particles)
    kinds = one_hot_kinds(names, np.array(sorted(codes), dtype=np.int32))
    labels = one_hot_labels(names, classes)
    zeros = np.zeros(1)
    unscaled = ConditionSet(tuple(names), kinds, (), labels)
    n, total, low, high = 0, zeros, zeros + np.inf, zeros - np.inf
    for particles in pieces():
        raw = unscaled.raw(particles, geometry)
        n, total = n + len(raw), total + raw.sum(axis=0)
        low, high = np.minimum(low, raw.min(axis=0)), np.maximum(high, raw.max(axis=0))
    mean, squares = total / n, zeros
    for particles in pieces():
        squares = squares + ((unscaled.raw(particles, geometry) - mean) ** 2).sum(axis=0)
    return ConditionSet.of_statistics(
        names,
        kinds,
        labels,
        mean=mean.tolist(),
        spread=np.sqrt(squares / n).tolist(),
        low=low.tolist(),
        high=high.tolist(),
    )


def fit_light(
    file: ShowerFile, rows: NDArray[np.int64], frame: CellFrame, rng: np.random.Generator
) -> FarLight:
    """Check the cells of the training showers, and measure the far light.

    Arguments:
        file: The shower file.
        rows: Training rows, increasing.
        frame: The model's frame of cells.
        rng: Chooses the showers to measure on, of more than `FOR_LIGHT`.

    Raises:
        DataFormatError: If a cell is damaged, negative, not finite, or (counts) no integer.
    """
    fit = FarLightFit(frame)
    measured = np.ones(len(rows), dtype=bool)
    if len(rows) > FOR_LIGHT:
        measured[:] = False
        measured[rng.permutation(len(rows))[:FOR_LIGHT]] = True
    # Whole numbers without a sign cannot be bad; that they can be read tells the checksum.
    if stored(file.path).dtype.kind == "u":
        rows = rows[measured] if frame.centre_on_impact else rows[:0]
        measured = np.ones(len(rows), dtype=bool)
    start = 0
    for particles, showers in shower_pieces(file, rows):
        chosen = measured[start : start + len(showers)]
        fit.add(particles.select(chosen), showers[chosen])
        start += len(showers)
    return fit.light()


def group_starts(incident: NDArray[np.int64], source: Path) -> NDArray[np.bool_]:
    """Find where the showers of a new particle start, ``(n,)``.

    Arguments:
        incident: Incident particle of each training row, in the order of the file.
        source: The file, for the message.

    Raises:
        ConfigError: If the showers of a particle do not follow one another.
    """
    start = np.concatenate(([True], incident[1:] != incident[:-1]))
    numbers, count = np.unique(incident[start], return_counts=True)
    if (count > 1).any():
        msg = (
            f"data.pair_repeats: {source}: showers of incident {numbers[count > 1][0]} lie "
            f"apart ({int((count > 1).sum())} such particles), expected repeats side by side "
            "for streaming; sort the file by incident, or set data.loading = 'memory'"
        )
        raise ConfigError(msg)
    return start


class Stored(NamedTuple):
    """How the cells of a shower file are stored.

    Attributes:
        dtype: Type of a cell.
        row_bytes: Size of a shower in memory.
        chunk_rows: Showers that are read together; about 512 KiB of them without chunks.
    """

    dtype: np.dtype[Any]
    row_bytes: int
    chunk_rows: int


def stored(path: Path) -> Stored:
    """Look up how the cells of a shower file are stored.

    Raises:
        DataFormatError: If it is no shower file.
    """
    with open_file(path) as file:
        dataset = file[SHOWERS]
        row_bytes = int(dataset.dtype.itemsize * dataset.shape[1])
        chunk_rows = dataset.chunks[0] if dataset.chunks else _BLOCK_BYTES // row_bytes
        return Stored(dataset.dtype, row_bytes, max(1, int(chunk_rows)))


def track_light(
    file: ShowerFile, rows: NDArray[np.int64], frame: CellFrame, conditions: ConditionSet
) -> TrackLight:
    """Measure tracks on the first two showers of particles that have two.

    Arguments:
        file: A shower file.
        rows: Rows of the training side.
        frame: The model's frame of cells.
        conditions: The model's conditions.

    Raises:
        ConfigError: As `TrackLight.fit`.
    """
    incident = file.column("incident")[rows]
    order = np.argsort(incident, kind="stable")
    same = np.flatnonzero(np.diff(incident[order]) == 0)
    first = np.concatenate(([True], np.diff(incident[order]) != 0))
    same = same[first[same]][:FOR_TRACKS]
    pairs = rows[np.stack((order[same], order[same + 1]), axis=1).ravel()]
    in_file, where = np.unique(pairs, return_inverse=True)  # a file is read forwards
    particles, showers = file.particles_at(in_file), file.read_rows(in_file)
    return TrackLight.by_family(frame, particles.select(where), showers[where], conditions)


def twins_of_deposits(
    file: ShowerFile, rows: NDArray[np.int64], conditions: ConditionSet
) -> DepositTwins:
    """Measure twins on showers of equal particles.

    Arguments:
        file: A shower file.
        rows: Rows of the training side.
        conditions: The model's conditions.

    Raises:
        ConfigError: As `deposit_twins`.
    """
    pairs = equal_pairs(file.particles_at(rows), conditions)
    if len(pairs) > FOR_TRACKS:  # of all energies
        pairs = pairs[np.linspace(0, len(pairs) - 1, FOR_TRACKS).astype(np.int64)]
    pairs = rows[pairs.ravel()]
    in_file, where = np.unique(pairs, return_inverse=True)  # a file is read forwards
    return deposit_twins(file.geometry, file.read_rows(in_file)[where])
