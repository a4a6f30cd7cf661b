"""ALICE npz: responses in one file, nine conditions and the kind of the particle in another."""

from __future__ import annotations

import json
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from caloforge.data.columns import PARTICLE_COLUMNS
from caloforge.errors import DataFormatError
from caloforge.formats.challenge.binning_xml import named_geometry
from caloforge.formats.format import (
    Format,
    LargeCountError,
    Piece,
    ReadOptions,
    ShowerSink,
    ShowerSource,
    WriteOptions,
)
from caloforge.formats.kinds import said
from caloforge.formats.mapping.whole import whole_numbers
from caloforge.formats.npz.arrays import StoredArray, is_npz, stored_arrays
from caloforge.formats.npz.folder import PARTICLES, RESPONSES, NpzFolder
from caloforge.formats.npz.pairs import DETECTORS, LAYOUT, grouped, is_particles, is_responses
from caloforge.geometry import DetectorGeometry, GridLayout, load_geometry

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from caloforge.data import Particles

_WIDER = "uint32"
# In the order of the data set; the kind comes last, or in an array of its own.
CONDITIONS = (*(name for name in PARTICLE_COLUMNS if name != "pdg"), "pdg")


@dataclass(frozen=True)
class _Arrays:
    """The arrays of one set of files.

    Attributes:
        responses: Cells, ``(n, x, y)``.
        particles: Conditions, ``(n, 9)`` or ``(n, 10)``.
        single: Further arrays ``(n,)``: pdg, incident, cpu_seconds, where they are there.
        provenance: What `NpzFolder` says of the origin.
    """

    responses: StoredArray
    particles: StoredArray
    single: Mapping[str, StoredArray]
    provenance: Mapping[str, Any]


@dataclass(frozen=True)
class _Source:
    """A set of npz files, read row by row."""

    arrays: _Arrays
    geometry: DetectorGeometry
    pdg: int | None

    @property
    def n_showers(self) -> int:
        """Number of showers."""
        return self.arrays.responses.shape[0]

    @property
    def conversions(self) -> tuple[str, ...]:
        """Units are ours already."""
        told = self.arrays.particles.shape[1] == len(CONDITIONS) or "pdg" in self.arrays.single
        return () if self.pdg is None or told else (f"pdg: {self.pdg} for all, as was said",)

    @property
    def provenance(self) -> Mapping[str, Any]:
        """What the files say of their origin."""
        return self.arrays.provenance

    def pieces(self, size: int) -> Iterator[Piece]:
        """Go through all arrays at once."""
        arrays = self.arrays
        single = {name: array.rows(size) for name, array in arrays.single.items()}
        start = 0
        for cells, table in zip(
            arrays.responses.rows(size), arrays.particles.rows(size), strict=True
        ):
            columns = {
                name: table[:, k].astype(np.float64)
                for k, name in enumerate(CONDITIONS[: table.shape[1]])
            }
            extra = {name: next(rows) for name, rows in single.items()}
            if "pdg" in extra:
                columns["pdg"] = extra["pdg"]
            kinds = columns.get("pdg", np.zeros(len(table)))
            columns["pdg"] = said(kinds, self.pdg, where=arrays.particles.where)
            cpu = extra.get("cpu_seconds")
            incident = extra.get("incident")
            if incident is not None:
                where = str(arrays.single["incident"].path)
                incident = whole_numbers(incident, "incident", where, start)
            start += len(cells)
            yield Piece(
                columns={name: columns[name] for name in PARTICLE_COLUMNS},
                incident=incident,
                showers=cells.reshape(len(cells), -1),
                cpu_seconds=None if cpu is None else cpu.astype(np.float32),
            )


def _recognise(path: Path) -> bool:
    """Whether it is an npz of plain numbers, or a folder with some."""
    if path.is_dir():
        return any(_recognise(file) for file in path.glob("*.npz"))
    if not is_npz(path):
        return False
    try:
        return not any(array.dtype.hasobject for array in stored_arrays(path))
    except DataFormatError:
        return True  # damaged: reading it will say how


@contextmanager
def _read(paths: tuple[Path, ...], options: ReadOptions) -> Iterator[ShowerSource]:
    """Open a set of npz files."""
    found = _arrays(paths)
    n_conditions = found.particles.shape[1]
    if options.pdg is None and n_conditions < len(CONDITIONS) and "pdg" not in found.single:
        msg = (
            f"{found.particles.where}: has {n_conditions} columns and no pdg, expected "
            f"{len(CONDITIONS)}; say which particle it is with --pdg"
        )
        raise DataFormatError(msg)
    yield _Source(found, _geometry(found.responses, options.geometry), options.pdg)


def _arrays(paths: Sequence[Path]) -> _Arrays:
    """Find the arrays of one set by their shapes."""
    arrays = [array for path in paths for array in stored_arrays(path)]
    where = " + ".join(map(str, paths))
    responses = [a for a in arrays if is_responses(a)]
    particles = [a for a in arrays if is_particles(a)]
    for what, found in (("responses", responses), ("particles", particles)):
        if len(found) != 1:
            shapes = ", ".join(f"{a.name or a.path.name} {a.shape}" for a in arrays)
            msg = (
                f"{where}: found {len(found)} arrays of {what} ({shapes}), expected {LAYOUT}; "
                "give one of each"
            )
            raise DataFormatError(msg)
    single = {
        a.name: a
        for a in arrays
        if a.name in {"pdg", "incident", "cpu_seconds"} and len(a.shape) == 1
    }
    for array in (particles[0], *single.values()):
        if array.shape[0] != responses[0].shape[0]:
            msg = (
                f"{array.where}: has {array.shape[0]} rows, expected "
                f"{responses[0].shape[0]} as {responses[0].where}; they do not belong together"
            )
            raise DataFormatError(msg)
        if array.dtype.kind not in "iuf":
            msg = f"{array.where}: has type {array.dtype}, expected numbers; convert it"
            raise DataFormatError(msg)
    return _Arrays(responses[0], particles[0], single, _provenance(arrays))


def _provenance(arrays: Sequence[StoredArray]) -> Mapping[str, Any]:
    """Read what `NpzFolder` wrote of the origin; an array of that name may be anything else."""
    found = [a for a in arrays if a.name == "provenance" and a.dtype.kind == "U"]
    if len(found) != 1 or np.prod(found[0].shape) != 1:
        return {}
    try:
        return dict(json.loads(str(found[0].whole()[0])))
    except (TypeError, ValueError, RecursionError):
        return {}


def _geometry(responses: StoredArray, name: str | None) -> DetectorGeometry:
    """Find the detector by the shape, or check the one that is named."""
    shape = responses.shape[1:]
    cells = tuple(n for n in shape if n != 1) if len(shape) == 3 else shape
    if name is None:
        known: dict[tuple[int, ...], str] = {**DETECTORS}
        known |= {(x * y,): detector for (x, y), detector in DETECTORS.items()}
        if cells not in known:
            turned = " (x and y exchanged?)" if cells[::-1] in known else ""
            msg = (
                f"{responses.where}: responses are {' x '.join(map(str, cells))}{turned}, "
                "expected 44 x 44 (ZN) or 56 x 30 (ZP); name the detector with --geometry"
            )
            raise DataFormatError(msg)
        return load_geometry(known[cells])
    geometry = named_geometry(name)
    layout = geometry.layout
    if not isinstance(layout, GridLayout) or cells not in {layout.cells, (layout.n_cells,)}:
        size = (
            " x ".join(map(str, layout.cells)) if isinstance(layout, GridLayout) else "no grid"
        )
        msg = (
            f"{responses.where}: responses are {' x '.join(map(str, cells))}, expected {size} "
            f"for geometry '{geometry.name}'; name the detector that made them"
        )
        raise DataFormatError(msg)
    return geometry


@contextmanager
def _write(
    path: Path, geometry: DetectorGeometry, options: WriteOptions
) -> Iterator[ShowerSink]:
    """Create the two files in a folder."""
    layout = geometry.layout
    if not isinstance(layout, GridLayout):
        msg = (
            f"{path}: geometry '{geometry.name}' is a {geometry.kind}, expected a grid; "
            "write another format, e.g. calochallenge"
        )
        raise DataFormatError(msg)
    dtype = np.dtype(options.dtype or ("uint16" if geometry.counts else "float32"))
    with NpzFolder.created(path, force=options.force) as folder:
        yield _Sink(folder, layout.cells, dtype)
        folder.finish(options.provenance)


@dataclass(frozen=True)
class _Sink:
    """The two files being written."""

    folder: NpzFolder
    cells: tuple[int, int]
    dtype: np.dtype[Any]

    def append(
        self,
        particles: Particles,
        showers: NDArray[Any],
        cpu_seconds: NDArray[np.float32] | None = None,
    ) -> None:
        """Write some showers."""
        if (
            self.dtype == np.uint16
            and showers.size
            and showers.max() > np.iinfo(self.dtype).max
        ):
            raise LargeCountError(_WIDER)
        cells = showers.reshape(-1, *self.cells).astype(self.dtype, copy=False)
        self.folder.append(RESPONSES, "arr_0", cells)
        table = np.stack([particles[name] for name in CONDITIONS], axis=1)
        self.folder.append(PARTICLES, "arr_0", table.astype(np.float64))
        self.folder.append(PARTICLES, "incident", particles.incident)
        if cpu_seconds is not None:
            self.folder.append(PARTICLES, "cpu_seconds", cpu_seconds)


FORMAT = Format(
    name="alice-npz",
    title="ALICE npz: responses and particles in two files, or in one",
    suffixes=(),
    recognise=_recognise,
    read=_read,
    write=_write,
    group=grouped,
    loses="columns of particles other than the nine conditions and pdg",
)
