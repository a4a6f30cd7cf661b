"""What a run makes: its showers, their seeds, and the pieces in which they are made."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from caloforge import __version__
from caloforge.data import PARTICLE_COLUMNS, Particles
from caloforge.errors import ConfigError
from caloforge.simulation.chunks import Chunk, costs, cut
from caloforge.simulation.frames import pack
from caloforge.simulation.progress import Work
from caloforge.simulation.seeds import shower_seed

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from caloforge.events import IncidentParticles
    from caloforge.simulation.setup import Setup


_ABSENT = object()
_LONGEST_TEXT = 60


class Difference(NamedTuple):
    """Where two runs differ.

    Attributes:
        key: Of the setting, with those of the tables that it is in: ``"detector.layout.rows"``.
        before: Its value in the first run, for a message.
        now: That in the second.
    """

    key: str
    before: str
    now: str


def first_difference(before: Mapping[str, Any], now: Mapping[str, Any]) -> Difference | None:
    """Compare two runs by what `Plan.settings` says of them.

    What the engine says of itself is there under ``description``, once it has been asked; only
    what ``now`` has is compared.

    Example:
        >>> first_difference({"a": {"b": 1, "c": 2}}, {"a": {"b": 1, "c": 3}})
        Difference(key='a.c', before='2', now='3')
    """
    for key, value in now.items():
        other = before.get(key, _ABSENT)
        if key == "particles" and isinstance(other, dict):
            if other["sha256"] != value["sha256"]:
                return Difference("particles from", _particles(other), _particles(value))
            continue
        if (found := _descend(other, value, (key,))) is not None:
            path, *values = found
            name = ".".join(map(str, path[1:] if path[0] == "description" else path))
            return Difference(name, *map(_text, values))
    return None


def _descend(before: Any, now: Any, path: tuple[Any, ...]) -> tuple[Any, Any, Any] | None:  # noqa: ANN401 - what JSON holds
    """Return path and values of the first difference, as deep as both have the same form."""
    if before == now:
        return None
    pairs: dict[Any, tuple[Any, Any]] = {}
    if isinstance(before, dict) and isinstance(now, dict):
        pairs = {k: (before.get(k, _ABSENT), now.get(k, _ABSENT)) for k in {**now, **before}}
    elif isinstance(before, list) and isinstance(now, list) and _is_long(before, now):
        pairs = dict(enumerate(zip(before, now, strict=True)))
    for key, (one, other) in pairs.items():
        if (found := _descend(one, other, (*path, key))) is not None:
            return found
    return path, before, now


def _is_long(before: list[Any], now: list[Any]) -> bool:
    """Whether two lists are better compared one by one than shown."""
    nested = any(isinstance(each, (dict, list)) for each in now)
    return len(before) == len(now) and (nested or len(repr(now)) > _LONGEST_TEXT)


def _text(value: Any) -> str:  # noqa: ANN401 - what JSON holds
    """Return a value for a message of one line."""
    if value is _ABSENT:
        return "nothing"
    text = repr(value)
    if len(text) <= _LONGEST_TEXT:
        return text
    if isinstance(value, (dict, list)):
        return f"a {'table' if isinstance(value, dict) else 'list'} of {len(value)}"
    digest = hashlib.sha256(text.encode()).hexdigest()
    return f"{text[: _LONGEST_TEXT // 2]}... (SHA-256 {digest[:8]})"


def _particles(settings: Mapping[str, str]) -> str:
    return f"{settings['from']} (SHA-256 {settings['sha256'][:8]})"


@dataclass(frozen=True)
class Plan:
    """Which showers a run makes, and everything that they depend on.

    Attributes:
        setup: Detector and physics.
        incident: All incident particles.
        repeats: Showers of each.
        seed: Of the run.
        only: Numbers of the showers to make, ascending; empty for all.
        engine: What makes showers, ``"module:Class"``.
    """

    setup: Setup
    incident: IncidentParticles
    repeats: int
    seed: int
    only: tuple[int, ...]
    engine: str

    @cached_property
    def numbers(self) -> NDArray[np.int64]:
        """Number of each shower of the output, ``(n,)``, ascending."""
        n = len(self.incident) * self.repeats
        if not self.only:
            return np.arange(n)
        if not 0 <= self.only[0] <= self.only[-1] < n:
            wrong = next(k for k in self.only if not 0 <= k < n)
            msg = f"--only {wrong}: found no such shower, expected 0 to {n - 1}"
            raise ConfigError(msg)
        return np.array(self.only, dtype=np.int64)

    @cached_property
    def rows(self) -> NDArray[np.int64]:
        """Rows of the particles that are simulated, ascending."""
        return np.unique(self.numbers // self.repeats)

    @cached_property
    def chosen(self) -> Particles:
        """The particles that are simulated."""
        return self.incident.particles.select(self.rows)

    @property
    def missed(self) -> int:
        """How many of these miss the detector."""
        return int(self.incident.misses[self.rows].sum())

    @cached_property
    def costs(self) -> NDArray[np.int64]:
        """Expected cost of each shower, ``(n,)``."""
        row = self.numbers // self.repeats
        return costs(self.incident.particles["energy_gev"][row], self.incident.misses[row])

    @cached_property
    def chunks(self) -> list[Chunk]:
        """Pieces of work."""
        return cut(self.costs)

    @cached_property
    def sha256(self) -> str:
        """SHA-256 of all columns of the particles."""
        digest = hashlib.sha256()
        table = self.incident.particles
        columns = {"incident": table.incident, **table.columns}
        for name in sorted(columns):
            column = columns[name]
            digest.update(f"{name}\n".encode())
            digest.update(column.astype(column.dtype.newbyteorder("<")).tobytes())
        return digest.hexdigest()

    def settings(self) -> dict[str, Any]:
        """Everything that must be the same for a run to go on, as JSON keeps it.

        Where the detector was read does not matter: its content is in it.
        """
        setup = self.setup.as_dict()
        del setup["source"]
        settings = {
            **setup,
            "n": len(self.incident),
            "repeats": self.repeats,
            "seed": self.seed,
            "only": self.only,
            "particles": {"sha256": self.sha256, "from": self._source()},
            "caloforge": __version__,
            "engine": self.engine,
        }
        return dict(json.loads(json.dumps(settings)))

    def _source(self) -> str:
        """Say in two words where the particles come from."""
        origin = self.incident.origin
        return f"gun {origin['gun']}" if "gun" in origin else f"file {origin['file']}"

    def work(self, chunk: Chunk) -> Work:
        """How much a chunk counts for progress."""
        row = self.numbers[chunk.start : chunk.stop] // self.repeats
        energy = float(self.incident.particles["energy_gev"][row].sum())
        return Work(chunk.stop - chunk.start, energy, chunk.cost)

    def task(self, chunk: Chunk, common: Mapping[str, Any]) -> bytes:
        """Return all that a worker must know to make a chunk."""
        numbers = self.numbers[chunk.start : chunk.stop]
        rows, row = np.unique(numbers // self.repeats, return_inverse=True)
        seeds = [shower_seed(self.seed, int(k)) for k in numbers]
        arrays = {
            **self.arrays(self.incident.particles.select(rows)),
            "row": row.astype(np.int64),
            "seed": np.array(seeds, dtype=np.uint64),
            "miss": self.incident.misses[rows][row],
            "number": numbers,
        }
        return pack({**common, "start": chunk.start}, arrays)

    @staticmethod
    def arrays(particles: Particles) -> dict[str, NDArray[Any]]:
        """Return the columns that an engine needs."""
        columns = {name: particles[name] for name in PARTICLE_COLUMNS}
        return {"incident": particles.incident, **columns}
