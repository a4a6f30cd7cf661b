"""Incident particles from event generators: HepMC3 files, and the older HepMC2."""

from __future__ import annotations

import gzip
import io
import zlib
from collections import Counter
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from caloforge.data import Particles
from caloforge.errors import DataFormatError, MissingExtraError
from caloforge.events.consistency import Written, check_particles
from caloforge.events.quiet import quiet
from caloforge.events.species import NEUTRINOS, species_of
from caloforge.events.transport import to_front_face

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from numpy.typing import NDArray

    from caloforge.events.beamline import Beamline

HEADER = b"HepMC::"
_FINAL = 1  # status of a particle that leaves the generator
_END = b"END_EVENT_LISTING"
_CM_PER_UNIT = {"MM": 0.1, "CM": 1.0}
_GEV_PER_UNIT = {"MEV": 0.001, "GEV": 1.0}


class _Candidates(NamedTuple):
    """Particles of one event that may reach the detector, see `_candidates`."""

    pdg: NDArray[np.int64]
    momentum_gev: NDArray[np.float64]
    vertex_cm: NDArray[np.float64]


def read_hepmc(
    path: Path, beamline: Beamline, *, n: int | None
) -> tuple[Particles, dict[str, Any]]:
    """Read the particles of an event file that hit the front face of a detector.

    Final-state particles (status 1), and those that the generator let decay behind the face,
    are carried to it by `to_front_face` if they fly to the detector's side; those that hit it
    are kept, in the order of the file; their decay products are not. Mass and
    charge are those of the package `particle`, momenta those of the file; the energy follows.
    The energies and masses of the file have to agree with that, see `check_particles`.
    Neutrinos are left out. One event is held in memory at a time, the file may be compressed
    (gzip). Event weights are not used.

    Arguments:
        path: HepMC3 or HepMC2 text, ``U`` lines respected (GeV or MeV, mm or cm).
        beamline: Face, its place, and the dipole before it.
        n: Stop after this many particles; None reads all.

    Returns:
        One row a particle that hits, with the number of its event as column ``event``; and the
        counts of events, particles seen and kept, and those dropped by reason.

    Raises:
        MissingExtraError: If pyhepmc is not installed.
        DataFormatError: If the file is damaged, cut off or in other units than it says, or no
            particle hits the face.
    """
    counts: Counter[str] = Counter()
    dropped: Counter[str] = Counter()
    kept: list[dict[str, NDArray[Any]]] = []
    weights: set[tuple[float, ...]] = set()
    for event in _events(path):
        counts["events"] += 1
        if len(weights) < 2:
            weights.add(tuple(event.weights))
        candidates = _candidates(event, beamline, counts, dropped, path)
        columns = _arrivals(candidates, beamline, dropped)
        columns["event"] = np.full(len(columns["pdg"]), event.event_number)
        kept.append(columns)
        counts["kept"] += len(columns["pdg"])
        if n is not None and counts["kept"] >= n:
            break
    if not counts["kept"]:
        reasons = ", ".join(f"{reason}: {k}" for reason, k in dropped.most_common())
        msg = (
            f"{path}: found no particle that hits '{beamline.detector}' in {counts['events']} "
            f"events ({reasons or 'no final-state particle'}), expected at least one; make "
            "more events"
        )
        raise DataFormatError(msg)
    joined = {name: np.concatenate([columns[name] for columns in kept]) for name in kept[0]}
    rows = slice(0, n)
    particles = Particles(
        {name: column[rows] for name, column in joined.items()},
        np.arange(len(joined["pdg"][rows])),
    )
    summary: dict[str, Any] = {
        "events": counts["events"],
        "seen": counts["seen"],
        "kept": counts["kept"],
        "dropped": dict(dropped),
        "event_weights_differ": len(weights) > 1,
    }
    return particles, summary


def _candidates(
    event: Any,  # noqa: ANN401 - a GenEvent, whose package may be absent
    beamline: Beamline,
    counts: Counter[str],
    dropped: Counter[str],
    path: Path,
) -> _Candidates:
    """Return the final-state particles of known kind that fly to the detector's side."""
    table, beam = event.numpy.particles, beamline.face.beam
    cm = _CM_PER_UNIT[event.length_unit.name]
    final = np.asarray(table.status) == _FINAL
    behind = np.asarray(event.numpy.vertices.z) * cm * beam > beamline.face.z_cm * beam
    for k in np.flatnonzero(behind).tolist():
        final[[mother.id - 1 for mother in event.vertices[k].particles_in]] = True
    pdg = np.array(table.pid, dtype=np.int64)
    momentum = np.stack((table.px, table.py, table.pz), axis=1)
    gev = _GEV_PER_UNIT[event.momentum_unit.name]
    energy = np.asarray(table.e)
    if not (np.isfinite(momentum[final]).all() and np.isfinite(energy[final]).all()):
        msg = (
            f"{path}: event {event.event_number} has a momentum that is not a finite number; "
            "the file is damaged, write it again"
        )
        raise DataFormatError(msg)
    given = np.where(table.is_generated_mass_set, table.generated_mass, 0.0)
    check_particles(
        Written(pdg[final], momentum[final] * gev, energy[final] * gev, given[final] * gev),
        where=f"{path}: event {event.event_number}",
        unit=event.momentum_unit.name,
    )
    counts["seen"] += int(final.sum())
    remaining = final.copy()
    for reason, wrong in (
        ("flies the other way", ~(momentum[:, 2] * beam > 0)),
        ("neutrino", np.isin(pdg, list(NEUTRINOS))),
        ("unknown kind", np.array([species_of(int(kind)) is None for kind in pdg], dtype=bool)),
    ):
        _count(dropped, reason, remaining & wrong)
        remaining &= ~wrong
    rows = np.flatnonzero(remaining)
    # The arrays do not say at which vertex a particle was made: ask the few that matter.
    particles = event.particles
    vertex = np.zeros((len(rows), 3))
    for k, row in enumerate(rows.tolist()):
        made_at = particles[row].production_vertex
        if made_at is not None:
            position = made_at.position
            vertex[k] = position.x, position.y, position.z
    return _Candidates(
        pdg[rows],
        momentum[rows] * gev,
        vertex * cm,
    )


def _arrivals(
    candidates: _Candidates, beamline: Beamline, dropped: Counter[str]
) -> dict[str, NDArray[Any]]:
    """Return the columns of those that hit the front face."""
    kinds = [species_of(int(pdg)) for pdg in candidates.pdg]
    charge = np.array([kind.charge_e for kind in kinds if kind is not None], dtype=np.float64)
    mass = np.array([kind.mass_mev for kind in kinds if kind is not None], dtype=np.float64)
    arrival = to_front_face(candidates.vertex_cm, candidates.momentum_gev, charge, beamline)
    hits = np.ones(len(kinds), dtype=bool)
    for reason, wrong in (
        ("made behind the face", arrival.behind),
        ("bent away", arrival.bent_away),
        ("misses the face", ~beamline.face.contains(arrival.x_cm, arrival.y_cm)),
    ):
        _count(dropped, reason, hits & wrong)
        hits &= ~wrong
    momentum = arrival.momentum_gev[hits]
    return {
        "pdg": candidates.pdg[hits],
        "energy_gev": np.sqrt((momentum**2).sum(axis=1) + (mass[hits] / 1000) ** 2),
        "x_cm": arrival.x_cm[hits],
        "y_cm": arrival.y_cm[hits],
        "z_cm": np.full(int(hits.sum()), beamline.face.z_cm),
        "px_gev": momentum[:, 0],
        "py_gev": momentum[:, 1],
        "pz_gev": momentum[:, 2],
        "mass_mev": mass[hits],
        "charge_e": charge[hits],
    }


def _count(dropped: Counter[str], reason: str, rows: NDArray[np.bool_]) -> None:
    if rows.any():
        dropped[reason] += int(rows.sum())


def _events(path: Path) -> Iterator[Any]:
    """Yield the events of a file, and refuse it at the end if some were lost.

    pyhepmc ends its loop silently at a damaged event and at the end of a file that was cut off:
    what passes through `_Tap` tells both from the true end.
    """
    try:
        import pyhepmc
    except ImportError as error:
        msg = "pyhepmc is not installed; pip install 'caloforge[sim]' to read HepMC files"
        raise MissingExtraError(msg) from error

    with open_text(path) as file, _silent(pyhepmc.Setup):
        tap = _Tap(file)
        is_new = b"HepMC::Asciiv3" in file.peek(512)[:512]
        done = 0
        with pyhepmc.open(tap, format="HepMC3" if is_new else "HepMC2") as events:
            following = iter(events)
            while True:
                with quiet():  # HepMC prints some complaints whatever its settings
                    event = next(following, None)
                if event is None:
                    break
                done += 1
                yield event
        if tap.error is not None:
            reason = " ".join(str(tap.error).split())
            msg = f"{path}: cannot be read after event {done} ({reason}); write it again"
            raise DataFormatError(msg)
        if tap.events > done:
            msg = (
                f"{path}: event number {done + 1} of {tap.events} in the file is damaged, "
                "empty or cut off, expected whole events; write the file again"
            )
            raise DataFormatError(msg)
        if _END not in tap.end:
            name = "Asciiv3" if is_new else "IO_GenEvent"
            msg = (
                f"{path}: ends after {done} events without its last line, expected "
                f"'HepMC::{name}-{_END.decode()}'; if these are all the events, add that line"
            )
            raise DataFormatError(msg)


def open_text(path: Path) -> gzip.GzipFile | io.BufferedReader:
    """Open a file for reading bytes, unpacked if it is compressed with gzip."""
    return gzip.open(path, "rb") if is_gzip(path) else path.open("rb")


def is_gzip(path: Path) -> bool:
    """Whether a file is compressed with gzip, by its first bytes."""
    with path.open("rb") as file:
        return file.read(2) == b"\x1f\x8b"


@contextmanager
def _silent(setup: Any) -> Iterator[None]:  # noqa: ANN401 - a class of an optional package
    """Keep HepMC from printing what is said in one line of ours."""
    before = setup.print_errors, setup.print_warnings, setup.debug_level
    setup.print_errors, setup.print_warnings, setup.debug_level = False, False, 0
    try:
        yield
    finally:
        setup.print_errors, setup.print_warnings, setup.debug_level = before


class _Tap(io.RawIOBase):
    """File for pyhepmc to read that counts the events passing through.

    Attributes:
        events: How many have begun.
        end: The last bytes.
        error: Why reading stopped, if it failed; pyhepmc would swallow the exception.
    """

    def __init__(self, file: gzip.GzipFile | io.BufferedReader) -> None:
        self._file = file
        self.events = 0
        self.end = b""
        self.error: Exception | None = None

    def readable(self) -> bool:
        """Whether it can be read: yes."""
        return True

    def readinto(self, buffer: Any, /) -> int:  # noqa: ANN401 - any buffer, as in io
        """Fill a buffer and return how many bytes it got, 0 at the end."""
        if self.error is not None:
            return 0
        try:
            size = self._file.readinto(buffer)
        except (OSError, EOFError, zlib.error) as error:
            self.error = error
            return 0
        data = bytes(buffer[:size])
        self.events += (self.end[-2:] + data).count(b"\nE ")
        self.end = (self.end + data)[-64:]
        return size
