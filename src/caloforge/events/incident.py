"""The incident particles of a simulation, from whatever source."""

from __future__ import annotations

import hashlib
import zlib
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from caloforge.errors import ConfigError, DataFormatError
from caloforge.events.beamline import Beamline, read_beamline
from caloforge.events.gun import gun_names, load_gun
from caloforge.events.hepmc import HEADER, is_gzip, open_text, read_hepmc
from caloforge.events.particle_table import read_incident

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy as np
    from numpy.typing import NDArray

    from caloforge.data import Particles

_MOST = 10**9  # particles of one run: a table of 80 GB
_HEAD = 4096  # bytes that tell what a file is
_NOT_HEPMC = {
    b"<LesHouchesEvents": "Les Houches events; run a generator on it that writes HepMC3",
    b"root": "a ROOT file; write HepMC3 text, or a CSV or Parquet table",
}


@dataclass(frozen=True, eq=False)
class IncidentParticles:
    """Incident particles and where they come from.

    Attributes:
        particles: One row a particle at the front face, ``incident`` = 0, 1, ...
        misses: Which of them do not hit the front face, ``(n,)``; their response is empty.
        origin: Source, settings and counts, as plain values for the record.
    """

    particles: Particles
    misses: NDArray[np.bool_]
    origin: Mapping[str, Any]

    def __len__(self) -> int:
        """Return the number of particles."""
        return len(self.particles)

    @property
    def n_misses(self) -> int:
        """How many miss the front face."""
        return int(self.misses.sum())

    @property
    def dropped(self) -> Mapping[str, int]:
        """How many particles of an event file were left out, by reason."""
        dropped: Mapping[str, int] = self.origin.get("dropped", {})
        return dropped

    def kinds(self) -> dict[str, int]:
        """Return how many there are of each kind, by name, the most frequent first."""
        return dict(Counter(self.particles.kinds().tolist()).most_common())

    def describe(self) -> str:
        """Return one line for people."""
        kinds = ", ".join(f"{count} {name}" for name, count in self.kinds().items())
        energy = self.particles["energy_gev"]
        parts = [
            f"{len(self)} incident particles ({kinds})",
            f"{energy.min():.4g} to {energy.max():.4g} GeV",
        ]
        if self.n_misses:
            parts.append(f"{self.n_misses} miss the front face")
        if self.dropped:
            reasons = ", ".join(f"{reason} {count}" for reason, count in self.dropped.items())
            parts.append(f"left out of {self.origin['events']} events: {reasons}")
        return "; ".join(parts)


def incident_particles(
    detector: str | Path,
    *,
    n: int | None,
    gun: str | Path | None = None,
    particles: str | Path | None = None,
    seed: int,
) -> IncidentParticles:
    """Return the incident particles of a simulation.

    Arguments:
        detector: Name of a detector, or path of its TOML file.
        n: How many. None takes all of a file; a gun needs a number.
        gun: Name or TOML file of a gun. Without it and ``particles`` it is the detector's own:
            the key ``gun`` of its ``[construction]``, else the gun of its name.
        particles: File of particles: shower file, CSV, Parquet, or HepMC text (also gzip); its
            content says which.
        seed: Seed of the gun.

    Returns:
        The first ``n`` particles at the front face, and their origin.

    Raises:
        ConfigError: If both sources are given, ``n`` is missing, above 10^9 or more than a
            file holds, or the gun or seed is wrong.
        DataFormatError: If the file is not what it should be.
        MissingExtraError: If the file needs pyhepmc, and it is not installed.
        GeometryError: If there is no such detector, or its description is wrong.

    Example:
        >>> found = incident_particles("zn", n=3, gun="neutron-100", seed=1)
        >>> found.describe()
        '3 incident particles (3 n); 100 to 100 GeV'
    """
    if gun is not None and particles is not None:
        msg = (
            f"found both a gun ({gun}) and a file of particles ({particles}); give one of them"
        )
        raise ConfigError(msg)
    if n is not None and n < 1:
        msg = f"number of incident particles: found {n}, expected 1 or more"
        raise ConfigError(msg)
    if n is not None and n > _MOST:
        msg = (
            f"number of incident particles: found {n}, expected at most {_MOST}; make several "
            "runs, each with its own seed"
        )
        raise ConfigError(msg)
    beamline = read_beamline(detector)
    if particles is not None:
        table, origin = _from_file(Path(particles), beamline, n)
    else:
        if n is None:
            msg = "found no number of incident particles, but a gun has no end; give -n 100"
            raise ConfigError(msg)
        chosen = load_gun(_own_gun(detector, beamline) if gun is None else gun)
        table = chosen.fire(n, seed=seed, face=beamline.face)
        origin = {"source": "gun", "gun": chosen.name, "table": chosen.table, "seed": seed}
    misses = ~beamline.face.contains(table["x_cm"], table["y_cm"])
    origin |= {"particles": len(table), "misses": int(misses.sum())}
    return IncidentParticles(table, misses, origin)


def _own_gun(detector: str | Path, beamline: Beamline) -> str | Path:
    """Return the gun of a detector: a name, or a file beside the detector's."""
    if beamline.gun in gun_names():
        return beamline.gun
    beside = Path(detector).parent / beamline.gun
    if beside.is_file():
        return beside
    msg = (
        f"detector '{beamline.detector}': found no gun '{beamline.gun}', expected one of "
        f"{', '.join(gun_names())} or a file; give --gun or --particles, or the key gun of "
        "[construction]"
    )
    raise ConfigError(msg)


def _from_file(
    path: Path, beamline: Beamline, n: int | None
) -> tuple[Particles, dict[str, Any]]:
    source = _format(path)
    if source == "HepMC":
        table, counts = read_hepmc(path, beamline, n=n)
        if beamline.dipole is not None:
            counts["dipole"] = {
                "z_cm": beamline.dipole.z_cm,
                "field_tm": beamline.dipole.field_tm,
            }
    else:
        table, counts = read_incident(path, beamline)
        table = table.select(slice(0, n))
    if n is not None and len(table) < n:
        msg = (
            f"{path}: found {len(table)} incident particles, expected {n}; leave the number "
            "out to take all, or repeat each"
        )
        raise ConfigError(msg)
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    return table, {"source": source, "file": path.name, "sha256": digest, **counts}


def _format(path: Path) -> str:
    """Say what a file is by its content: "HepMC" or "table"; `read_incident` knows the rest.

    Raises:
        DataFormatError: If it is missing, or known to be something else.
    """
    if not path.is_file():
        found = "a folder" if path.is_dir() else "no such file"
        msg = f"{path}: found {found}, expected particles (.h5, .csv, .parquet or .hepmc)"
        raise DataFormatError(msg)
    packed = is_gzip(path)
    try:
        with open_text(path) as file:
            head = file.read(_HEAD)
    except (OSError, EOFError, zlib.error) as error:
        msg = f"{path}: cannot be unpacked ({error}); write it again"
        raise DataFormatError(msg) from error
    if HEADER in head:
        return "HepMC"
    for start, what in _NOT_HEPMC.items():
        if head.lstrip().startswith(start):
            msg = f"{path}: found {what}"
            raise DataFormatError(msg)
    if packed or any(suffix.startswith(".hepmc") for suffix in path.suffixes):
        msg = (
            f"{path}: found no line 'HepMC::Asciiv3-START_EVENT_LISTING' at its start, "
            "expected a HepMC3 text file; write the events again"
        )
        raise DataFormatError(msg)
    return "table"
