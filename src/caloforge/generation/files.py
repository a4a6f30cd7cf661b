"""From a file of incident particles to a file of showers, in the memory of one batch."""

from __future__ import annotations

import hashlib
import time
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import h5py
import numpy as np

from caloforge.data.files.shower_file import ShowerFile
from caloforge.data.files.shower_writer import ShowerWriter
from caloforge.data.particles import Particles, read_particles
from caloforge.data.sample import resolve
from caloforge.errors import BundleError, DataFormatError
from caloforge.generation.simulation import BATCH_SIZE, GROUP, FastSimulation, load
from caloforge.generation.trained_range import RangeCount
from caloforge.output import check_new

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from numpy.typing import NDArray
    from rich.console import Console

    from caloforge.geometry import DetectorGeometry

# Particles that are read from a shower file at a time; whole groups, so that none is cut.
_ROWS = 32 * GROUP


class GenerationSummary(NamedTuple):
    """What was generated.

    Attributes:
        path: The shower file.
        n_showers: Showers in it.
        n_particles: Rows of the particle file.
        outside: Those of them outside the trained range.
        seconds: Wall time of reading, generating and writing; without loading the model.
    """

    path: Path
    n_showers: int
    n_particles: int
    outside: int
    seconds: float

    @property
    def rate(self) -> float:
        """Showers per second."""
        return self.n_showers / max(self.seconds, 1e-9)


class _Source(NamedTuple):
    """Incident particles of a file, read in parts."""

    path: Path
    n: int
    rows: Callable[[int, int], Particles]
    geometry: DetectorGeometry | None

    def blocks(self) -> Iterator[tuple[int, Particles]]:
        """All rows in blocks of `_ROWS`, each with the number of its first row."""
        for start in range(0, self.n, _ROWS):
            yield start, self.rows(start, min(start + _ROWS, self.n))


_WARM_UP, _SINGLE_SHOWERS = 3, 20


class _LargeCountError(Exception):
    """A cell does not fit into the integers of the file."""


@dataclass(frozen=True, kw_only=True)
class _Job:
    """What to generate, and where to write it."""

    simulation: FastSimulation
    source: _Source
    output: Path
    seed: int
    repeats: int
    batch_size: int
    provenance: dict[str, Any]
    force: bool
    console: Console | None

    def write(self, dtype: type[np.generic]) -> None:
        """Write the file with cells of some type."""
        timed = self.simulation.device.type == "cpu"
        with (
            ShowerWriter(
                self.output,
                self.simulation.geometry,
                provenance=self.provenance,
                dtype=dtype,
                force=self.force,
            ) as writer,
            _progress(self.console, self.source.n * self.repeats) as show,
        ):
            before = time.process_time()
            for particles, showers in self.chunks():
                if showers.dtype == np.uint32 and dtype == np.uint16:
                    raise _LargeCountError
                each = (time.process_time() - before) / len(showers)
                seconds = np.full(len(showers), each, dtype=np.float32) if timed else None
                writer.append(particles, showers, seconds)
                if timed:
                    writer.flush()  # the next showers do not pay for writing these
                show(writer.n_showers)
                before = time.process_time()

    def chunks(self) -> Iterator[tuple[Particles, NDArray[Any]]]:
        """All showers, piece by piece."""
        for start, particles in self.source.blocks():
            yield from self.simulation.chunks(
                particles,
                seed=self.seed,
                repeats=self.repeats,
                first=start * self.repeats,
                batch_size=self.batch_size,
            )


def generate_file(
    bundle: str | Path,
    particles: str | Path,
    output: str | Path,
    *,
    seed: int = 0,
    repeats: int = 1,
    batch_size: int = BATCH_SIZE,
    strict: bool = False,
    force: bool = False,
    device: str = "cpu",
    threads: int = 1,
    console: Console | None = None,
) -> GenerationSummary:
    """Make one shower for each row of a particle file, in its order, ``repeats`` times.

    Of a shower file only the particles of one block are in memory at a time; CSV and Parquet
    files are read whole, about 100 bytes a row. The output is written as `ShowerWriter` does:
    whole or not at all.

    Arguments:
        bundle: Folder of a bundle, or of the run that made it.
        particles: Shower file, sample name, CSV or Parquet file.
        output: Shower file to be written.
        seed: Equal seeds give equal showers.
        repeats: Showers of each row, adjacent.
        batch_size: Showers that are written at a time; they do not depend on it.
        strict: Refuse particles outside the trained range instead of warning.
        force: Whether an existing file may be replaced.
        device: As in `FastSimulation`.
        threads: As in `FastSimulation`.
        console: Where to show a progress bar; none by default.

    Returns:
        How many showers were made, and how fast.

    Raises:
        BundleError: If the bundle cannot be used, or is for another detector than the showers
            that the particles are of.
        DataFormatError: If the particles are unusable, or outside with ``strict``.
        OutputError: If the file exists and ``force`` is not given, or cannot be written.
        ConfigError: If an option is out of range.

    Warns:
        RangeWarning: If particles are outside the trained range.
    """
    check_new(output, force=force)
    source_path = resolve(particles)
    simulation = load(bundle, device=device, threads=threads)
    started = time.perf_counter()
    with _opened(source_path) as source:
        _check_geometry(simulation, source, bundle)
        count, digest = _surveyed(simulation, source)
        count.report(strict=strict, source=str(particles))
        provenance = {
            **simulation.provenance(seed=seed, repeats=repeats),
            "particles": str(particles),
            "particles_sha256": digest,
            "batch_size": batch_size,
        }
        if simulation.device.type == "cpu" and source.n:
            provenance["cpu_seconds_batch_1"] = single_shower_seconds(
                simulation, source.rows(0, 1)
            )
        job = _Job(
            simulation=simulation,
            source=source,
            output=Path(output),
            seed=seed,
            repeats=repeats,
            batch_size=batch_size,
            provenance=provenance,
            force=force,
            console=console,
        )
        if not simulation.geometry.counts:
            job.write(np.float32)
        else:
            try:
                job.write(np.uint16)
            except _LargeCountError:
                job.write(np.uint32)  # from the start: the type of a file cannot change
    seconds = time.perf_counter() - started
    return GenerationSummary(Path(output), source.n * repeats, source.n, count.outside, seconds)


def single_shower_seconds(simulation: FastSimulation, particle: Particles) -> float:
    """CPU time of a shower that is made alone, as a simulation asks for it, in s.

    The median of some twenty showers of one particle, after a few to warm up. A shower that is
    alone pays for a whole tile of the network (see `FastSimulation`).
    """
    seconds = []
    for number in range(_WARM_UP + _SINGLE_SHOWERS):
        before = time.process_time()
        for _ in simulation.chunks(particle, seed=0, first=number, batch_size=1):
            pass
        seconds.append(time.process_time() - before)
    return float(np.median(seconds[_WARM_UP:]))


@contextmanager
def _opened(path: Path) -> Iterator[_Source]:
    """Open a particle file, whatever its kind."""
    if path.is_file() and h5py.is_hdf5(path):
        with ShowerFile(path) as file:
            yield _Source(path, len(file), file.particles, file.geometry)
    else:
        table = read_particles(path)
        yield _Source(
            path, len(table), lambda start, stop: table.select(slice(start, stop)), None
        )


def _check_geometry(simulation: FastSimulation, source: _Source, bundle: str | Path) -> None:
    """Refuse particles of the showers of another detector: most likely a mistake."""
    ours, theirs = simulation.geometry, source.geometry
    if theirs is not None and not ours.same_cells(theirs):
        msg = (
            f"{bundle}: makes showers of geometry '{ours.name}' ({ours.n_cells} cells in "
            f"{ours.unit}), but {source.path} is of '{theirs.name}' ({theirs.n_cells} cells in "
            f"{theirs.unit}); take a bundle trained for it, or give the particles as CSV"
        )
        raise BundleError(msg)


def _surveyed(simulation: FastSimulation, source: _Source) -> tuple[RangeCount, str]:
    """Go through all particles once, before hours of work.

    Returns:
        How many are outside the trained range, and the SHA-256 of their columns.
    """
    count = RangeCount(simulation.bundle)
    digest = hashlib.sha256()
    for _, particles in source.blocks():
        try:
            count.add(particles)
        except DataFormatError as error:
            msg = f"{source.path}: {str(error).removeprefix('particles: ')}"
            raise DataFormatError(msg) from error
        for name in sorted(particles.names):
            column = particles[name]
            digest.update(name.encode())
            digest.update(column.astype(column.dtype.newbyteorder("<")).tobytes())
    return count, digest.hexdigest()


@contextmanager
def _progress(console: Console | None, total: int) -> Iterator[Callable[[int], None]]:
    """Show a bar that vanishes at the end; it takes the number of showers made so far."""
    if console is None:
        yield lambda _: None
        return
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TimeRemainingColumn

    columns = (
        "Generating",
        BarColumn(),
        MofNCompleteColumn(),
        "showers",
        TimeRemainingColumn(),
    )
    quiet = not console.is_terminal
    with Progress(*columns, console=console, transient=True, disable=quiet) as progress:
        task = progress.add_task("", total=total)
        yield lambda done: progress.update(task, completed=done)
