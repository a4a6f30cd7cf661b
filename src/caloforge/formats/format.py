"""What a file format promises: to recognise a file, to read it, and perhaps to write it."""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from caloforge.errors import DataFormatError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from contextlib import AbstractContextManager
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray

    from caloforge.data import Particles
    from caloforge.geometry import DetectorGeometry


WARNING = "WARNING: "
"""How a conversion begins that a user should not overlook."""


class LargeCountError(DataFormatError):
    """A cell does not fit into the integers of a file that is being written.

    Arguments:
        dtype: Type to start again with, as `WriteOptions.dtype`.
    """

    def __init__(self, dtype: str) -> None:
        super().__init__(f"a cell is too large for the type of the file; write it as {dtype}")
        self.dtype = dtype


class Piece(NamedTuple):
    """Some showers of a foreign file, as they stand in it but in our units; nothing is checked.

    Attributes:
        columns: Properties of the incident particles by name, each ``(n,)``; all of
            `caloforge.data.PARTICLE_COLUMNS`, with their units, and any further numbers.
        incident: Which rows are the same particle, ``(n,)``, where the file says so; ``None``
            lets equal properties be the same particle, but for images
            (`caloforge.data.images`), each of which is one of its own.
        showers: Cell responses, flat, ``(n, cell)``, in the unit and order of the geometry.
        cpu_seconds: Time on one core that each shower took, ``(n,)`` in s, if known.
        unreadable: How many showers were left out here as they could not be read, by what is
            wrong with them; only where `ReadOptions.skip_bad` allows it.
    """

    columns: Mapping[str, NDArray[Any]]
    incident: NDArray[np.int64] | None
    showers: NDArray[Any]
    cpu_seconds: NDArray[np.float32] | None = None
    unreadable: Mapping[str, int] = MappingProxyType({})


class ShowerSource(Protocol):
    """A foreign file, open for reading piece by piece."""

    @property
    def geometry(self) -> DetectorGeometry:
        """Detector that the showers are of."""
        ...

    @property
    def n_showers(self) -> int:
        """Number of showers."""
        ...

    @property
    def conversions(self) -> Sequence[str]:
        """What is converted, a sentence each with the factor, for the provenance.

        E.g. ``"incident_energies: MeV to GeV, times 0.001"``. What should not be overlooked
        begins with `WARNING`.
        """
        ...

    @property
    def provenance(self) -> Mapping[str, Any]:
        """What the file says of its origin: anything that JSON can hold."""
        ...

    def pieces(self, size: int) -> Iterator[Piece]:
        """Go through the file in the memory of ``size`` showers, in the order of the file."""
        ...


class ShowerSink(Protocol):
    """A foreign file being written."""

    def append(
        self,
        particles: Particles,
        showers: NDArray[Any],
        cpu_seconds: NDArray[np.float32] | None = None,
    ) -> None:
        """Write some showers: ``n`` particles and ``(n, cell)`` in the geometry's unit."""
        ...


@dataclass(frozen=True)
class ReadOptions:
    """What a user may say of a foreign file that it does not say itself.

    Attributes:
        geometry: Name of a detector, or path of a TOML or binning XML file.
        mapping: TOML file that names branches or columns.
        pdg: Particle kind of all showers.
        skip_bad: Leave out showers that cannot be read, and count them in their `Piece`.
    """

    geometry: str | None = None
    mapping: Path | None = None
    pdg: int | None = None
    skip_bad: bool = False


@dataclass(frozen=True)
class WriteOptions:
    """How a file is to be written.

    Attributes:
        provenance: Where the showers come from; complete only at the end of the ``with``
            statement, when all showers are written.
        force: Whether an existing file may be replaced.
        mapping: TOML file that names branches or columns.
        dtype: Type of the cells, e.g. ``"uint32"``, where the format has a choice; ``None``
            leaves it to the format, which may raise `LargeCountError` to be asked again.
    """

    provenance: Mapping[str, Any]
    force: bool = False
    mapping: Path | None = None
    dtype: str | None = None


@dataclass(frozen=True)
class Format:
    """A way to store showers.

    Attributes:
        name: As given to ``--from`` and ``--to``.
        title: One line for people.
        suffixes: Endings of file names that mean this format where a file is to be written.
        recognise: Whether a file is of this format, by its content.
        group: Sorts files of this format into sets that are read together, e.g. responses and
            particles that lie in two files.
        read: Opens one such set. Raises DataFormatError if it is unusable.
        write: Creates a file, in a ``with`` statement at whose end it appears, whole; ``None``
            if it cannot be written. Raises DataFormatError if the geometry does not fit.
        loses: What a file that is written here does not keep, ``""`` if it keeps everything.
        mapped: Whether a mapping names its branches or columns.
        planes: Whether it can hold grids of several planes, as of colour images.
    """

    name: str
    title: str
    suffixes: tuple[str, ...]
    recognise: Callable[[Path], bool]
    read: Callable[[tuple[Path, ...], ReadOptions], AbstractContextManager[ShowerSource]]
    write: (
        Callable[[Path, DetectorGeometry, WriteOptions], AbstractContextManager[ShowerSink]]
        | None
    ) = None
    group: Callable[[Sequence[Path]], list[tuple[Path, ...]]] | None = None
    loses: str = ""
    mapped: bool = False
    planes: bool = False
