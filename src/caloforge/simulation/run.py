"""From a detector and incident particles to a file of showers, on any number of workers."""

from __future__ import annotations

import json
import time
import warnings
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from caloforge import __version__
from caloforge.data import ShowerWriter
from caloforge.errors import ConfigError, DataFormatError
from caloforge.events import incident_particles
from caloforge.output import check_new
from caloforge.simulation import worker
from caloforge.simulation.chunks import dearest_first
from caloforge.simulation.cluster import cluster_workers, default_workers, local_workers
from caloforge.simulation.frames import pack
from caloforge.simulation.journal import Journal
from caloforge.simulation.plan import Plan, first_difference
from caloforge.simulation.progress import SimulationProgress, Work
from caloforge.simulation.setup import (
    DEFAULT_CUT_MM,
    DEFAULT_EM,
    DEFAULT_PHYSICS,
    load_setup,
)

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping

    from numpy.typing import NDArray
    from rich.console import Console

    from caloforge.simulation.cluster import Workers

ENGINE = "caloforge.simulation.engine:Engine"
# Cells that are held at a time while the file is written.
_PIECE_BYTES = 16 * 2**20
# Far beyond what anyone simulates in one run, and within the memory of a large machine.
_MOST_SHOWERS = 10**9


class Simulated(NamedTuple):
    """What was simulated.

    Attributes:
        path: The shower file.
        n_showers: Showers in it.
        n_particles: Incident particles that they are of.
        kinds: How many of these there are of each kind, the most frequent first.
        missed: How many of these miss the detector; their showers are empty.
        cpu_seconds: CPU time of all showers together.
        seconds: Wall time of this call.
        made: Showers that this call made; the others were there from an interrupted one.
        events: Events that an event file was read for; 0 for other sources.
        dropped: How many of their particles were left out, by reason.
    """

    path: Path
    n_showers: int
    n_particles: int
    kinds: dict[str, int]
    missed: int
    cpu_seconds: float
    seconds: float
    made: int
    events: int
    dropped: Mapping[str, int]

    @property
    def rate(self) -> float:
        """Showers per second of wall time."""
        return self.made / max(self.seconds, 1e-9)


def partial_path(output: str | Path) -> Path:
    """Return where the showers of an unfinished run are kept."""
    return Path(f"{output}.partial")


def simulate_file(
    detector: str | Path,
    output: str | Path,
    *,
    n: int | None = None,
    repeats: int = 1,
    gun: str | Path | None = None,
    particles: str | Path | None = None,
    physics: str = DEFAULT_PHYSICS,
    em: str = DEFAULT_EM,
    cut_mm: float = DEFAULT_CUT_MM,
    seed: int = 0,
    workers: int | None = None,
    cluster: str | None = None,
    resume: bool = False,
    only: Collection[int] = (),
    force: bool = False,
    console: Console | None = None,
    engine: str = ENGINE,
) -> Simulated:
    """Simulate the showers of incident particles with Geant4 and write a shower file.

    Shower ``k`` is that of particle ``k // repeats`` and depends on nothing but the setup, that
    particle, ``seed`` and ``k``: not on the workers, their deaths, or interruptions. Finished
    showers are kept in ``OUTPUT.partial`` until the file is complete.

    Arguments:
        detector: Name of a detector, or path of its TOML file.
        output: Shower file to be written.
        n: Incident particles; None takes all of a file.
        repeats: Showers of each particle, adjacent.
        gun: As in `caloforge.events.incident_particles`.
        particles: As there.
        physics: As in `load_setup`.
        em: As there.
        cut_mm: As there, in mm.
        seed: Equal seeds give equal particles and showers; 0 to 2^63 - 1.
        workers: Geant4 processes on this machine; by default one a core.
        cluster: Address of a Dask scheduler whose workers are used instead.
        resume: Take over what an interrupted run has left, if it has left anything.
        only: Numbers of the showers to make; all if empty.
        force: Whether an existing file may be replaced, and an interrupted run dropped.
        console: Where to show progress; None shows none.
        engine: What makes showers, ``"module:Class"``; for tests.

    Returns:
        How many showers there are, and how long they took.

    Raises:
        ConfigError: If an option is wrong, the interrupted run had other settings, or the
            cluster cannot be reached.
        DataFormatError: If the particles are unusable.
        GeometryError: If the detector is.
        MissingExtraError: If Dask or geant4-pybind is not installed.
        OutputError: If the file exists and ``force`` is not given, another run writes it, or it
            cannot be written.
        SimulationError: If Geant4 or the cluster fails. If showers are finished, this and any
            other exception has a note that says where they are.
    """
    started = time.perf_counter()
    check_new(output, force=force)
    _check_options(repeats, workers, cluster, seed)
    _check_number(n or 1, repeats)
    setup = load_setup(detector, physics=physics, em=em, cut_mm=cut_mm)
    with Journal(partial_path(output), resume=resume, force=force) as journal:
        incident = incident_particles(detector, n=n, gun=gun, particles=particles, seed=seed)
        _check_number(len(incident), repeats)
        plan = Plan(setup, incident, repeats, seed, tuple(sorted({*only})), engine)
        run = _Run(plan, journal)
        if journal.damaged:
            _warn(
                f"{journal.path}: {journal.damaged} damaged "
                f"{'record' if journal.damaged == 1 else 'records'} left out; showers that "
                "are missing are made again",
                console,
            )
        before = journal.n_showers
        try:
            if run.left:
                run.make(workers, cluster, console)
            run.write(Path(output), force=force)
        except BaseException as error:
            if journal.entries:
                of = f"{journal.n_showers:,} of {len(plan.numbers):,}"
                error.add_note(f"{of} showers are kept in {journal.path}")
            raise
        made = journal.n_showers - before
        journal.remove()
    return Simulated(
        path=Path(output),
        n_showers=len(plan.numbers),
        n_particles=len(plan.rows),
        kinds=dict(Counter(plan.chosen.kinds().tolist()).most_common()),
        missed=plan.missed,
        cpu_seconds=sum(entry.cpu_seconds for entry in journal.entries.values()),
        seconds=time.perf_counter() - started,
        made=made,
        events=incident.origin.get("events", 0),
        dropped=incident.dropped,
    )


class _Run:
    """A plan on its way to a file.

    Raises:
        ConfigError: If the journal is of another plan.
    """

    def __init__(self, plan: Plan, journal: Journal) -> None:
        self.plan, self.journal = plan, journal
        if journal.settings is not None:
            self._check_same(plan.settings())
        of_plan = {chunk.start: chunk.stop for chunk in plan.chunks}
        if any(of_plan.get(k) != entry.stop for k, entry in journal.entries.items()):
            msg = f"{journal.path}: chunks of another run; --force to start again"
            raise DataFormatError(msg)
        self.left = [chunk for chunk in plan.chunks if chunk.start not in journal.entries]

    def make(self, workers: int | None, cluster: str | None, console: Console | None) -> None:
        """Make the showers that are missing."""
        plan = self.plan
        total = [plan.work(chunk) for chunk in plan.chunks]
        before = [plan.work(c) for c in plan.chunks if c.start in self.journal.entries]
        connection = (
            cluster_workers(cluster)
            if cluster is not None
            else local_workers(min(workers or default_workers(), len(self.left)))
        )
        with (
            SimulationProgress(console, _sum(total), _sum(before)) as progress,
            connection as pool,
        ):
            common = self._common(pool, progress)
            progress.start()
            chunk_of = {chunk.start: chunk for chunk in self.left}
            tasks = ((c.start, plan.task(c, common)) for c in dearest_first(self.left))
            for found in pool.make(tasks):
                if found is not None:
                    self.journal.append(found[1])
                    progress.add(plan.work(chunk_of[found[0]]))
                elif pool.count():
                    progress.tick()
                else:
                    progress.waiting(f"waiting for a worker of {pool.address}")

    def write(self, output: Path, *, force: bool) -> None:
        """Write the shower file from the journal, in the memory of a piece."""
        plan, entries = self.plan, self.journal.entries
        geometry = plan.setup.geometry
        large = max(entry.largest for entry in entries.values()) > np.iinfo(np.uint16).max
        counts = np.uint32 if large else np.uint16
        with ShowerWriter(
            output,
            geometry,
            provenance=self._provenance(),
            dtype=counts if geometry.counts else np.float32,
            force=force,
        ) as writer:
            for start, cells, cpu_seconds in self._pieces(geometry.n_cells):
                row = plan.numbers[start : start + len(cells)] // plan.repeats
                writer.append(plan.incident.particles.select(row), cells, cpu_seconds)

    def _pieces(self, n_cells: int) -> Iterator[tuple[int, NDArray[Any], NDArray[np.float32]]]:
        """All showers in order, ``(n, cell)``, with their first place and CPU times."""
        most = max(1, _PIECE_BYTES // (4 * n_cells))
        dtype = np.uint32 if self.plan.setup.geometry.counts else np.float32
        cells: list[NDArray[Any]] = []
        seconds: list[NDArray[np.float32]] = []
        held = place = 0
        for chunk in self.plan.chunks:
            showers = self.journal.read(chunk.start)
            for start in range(0, len(showers.lit), most):
                stop = min(start + most, len(showers.lit))
                cells.append(showers.dense(start, stop).astype(dtype, casting="same_kind"))
                seconds.append(showers.cpu_seconds[start:stop])
                held += stop - start
                if held >= most or chunk.stop == len(self.plan.numbers):
                    yield place, np.concatenate(cells), np.concatenate(seconds)
                    place, held = place + held, 0
                    cells, seconds = [], []

    def _common(self, pool: Workers, progress: SimulationProgress) -> dict[str, Any]:
        """Start an engine, let it see what comes, and return what all tasks share."""
        plan = self.plan
        setting = {
            "engine": plan.engine,
            "setup": plan.setup.as_dict(),
            "n_cells": plan.setup.geometry.n_cells,
        }
        common = {"caloforge": __version__, "run": pool.run, "setting": setting}

        def wait() -> None:
            what = "starting Geant4" if pool.count() else "waiting for a worker"
            progress.waiting(f"{what} of {pool.address}" if not pool.count() else what)

        question = pack(common, plan.arrays(plan.chosen))
        description = json.loads(pool.ask(worker.check, question, pack(common), wait))
        settings = {**plan.settings(), "description": description}
        if self.journal.settings is None:
            self.journal.begin(settings)
        else:
            self._check_same(settings)
        return {**common, "description": description}

    def _check_same(self, settings: Mapping[str, Any]) -> None:
        """Refuse to go on with a run of other settings."""
        found = first_difference(self.journal.settings or {}, settings)
        if found is not None:
            msg = (
                f"{self.journal.path}: the run to be resumed has {found.key} {found.before}, "
                f"here it is {found.now}; give its own settings, or --force without --resume "
                "to start again"
            )
            raise ConfigError(msg)

    def _provenance(self) -> dict[str, Any]:
        """Say how the showers were made: the same words, wherever they were made."""
        plan, settings = self.plan, self.journal.settings or {}
        return {
            "program": f"caloforge {__version__}",
            "simulation": settings.get("description", {}),
            **plan.setup.as_dict(),
            "particles": dict(plan.incident.origin),
            "particles_sha256": plan.sha256,
            "seed": plan.seed,
            "repeats": plan.repeats,
            "showers": list(plan.only) or "all",
            "particles that miss the detector": plan.missed,
        }


def _warn(text: str, console: Console | None) -> None:
    """Tell in one line what did not stop the run."""
    if console is None:
        warnings.warn(text, stacklevel=3)
    else:
        console.print(text, markup=False, highlight=False, soft_wrap=True)


def _sum(works: list[Work]) -> Work:
    return Work(
        sum(work.showers for work in works),
        sum(work.energy_gev for work in works),
        sum(work.cost for work in works),
    )


def _check_number(n: int, repeats: int) -> None:
    if n * repeats > _MOST_SHOWERS:
        msg = (
            f"{n:,} particles, {repeats:,} showers of each: found {n * repeats:,} showers, "
            f"expected at most {_MOST_SHOWERS:,}; make several runs with other seeds"
        )
        raise ConfigError(msg)


def _check_options(repeats: int, workers: int | None, cluster: str | None, seed: int) -> None:
    for name, value in (("repeats", repeats), ("workers", workers)):
        if value is not None and value < 1:
            msg = f"{name}: found {value}, expected 1 or more"
            raise ConfigError(msg)
    if not 0 <= seed < 2**63:
        msg = f"seed: found {seed}, expected 0 to 2^63 - 1"
        raise ConfigError(msg)
    if workers is not None and cluster is not None:
        msg = "found both --workers and --cluster; a cluster brings its own workers"
        raise ConfigError(msg)
