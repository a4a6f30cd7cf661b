"""Our own shower files, as one format among others; broken ones can be looked into."""

from __future__ import annotations

import json
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from caloforge.data.columns import PARTICLE_COLUMNS
from caloforge.data.files import shower_format
from caloforge.data.files.chunk_codec import DamagedChunkError
from caloforge.data.files.chunk_reader import ChunkReader
from caloforge.data.files.chunk_threads import Threads
from caloforge.data.files.shower_format import (
    CPU_SECONDS,
    INCIDENT,
    SHOWERS,
    attribute,
    open_file,
)
from caloforge.data.files.shower_writer import ShowerWriter
from caloforge.errors import DataFormatError, GeometryError, did_you_mean
from caloforge.formats.challenge.binning_xml import named_geometry
from caloforge.formats.damage import UNREADABLE, damage
from caloforge.formats.format import (
    Format,
    LargeCountError,
    Piece,
    ReadOptions,
    ShowerSink,
    ShowerSource,
    WriteOptions,
)
from caloforge.formats.hdf5 import is_hdf5
from caloforge.formats.kinds import said
from caloforge.geometry import DetectorGeometry, GridLayout

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    import h5py
    from numpy.typing import NDArray

_WIDER = "uint32"


@dataclass
class _Source:
    """An open shower file whose rows nobody has checked."""

    path: Path
    file: h5py.File
    geometry: DetectorGeometry
    provenance: Mapping[str, Any]
    threads: Threads
    pdg: int | None
    conversions: tuple[str, ...] = ()
    columns: tuple[str, ...] = field(init=False)
    n_showers: int = field(init=False)

    def __post_init__(self) -> None:
        import h5py

        if not isinstance(self.file.get(SHOWERS), h5py.Dataset):
            msg = (
                f"{self.path}: found no data set '{SHOWERS}'; "
                f"{did_you_mean(SHOWERS, self.file)} (docs/shower-file.md)"
            )
            raise DataFormatError(msg)
        shape = self.file[SHOWERS].shape
        if len(shape) != 2 or shape[1] != self.geometry.n_cells:
            msg = (
                f"{self.path}: showers have shape {shape}, expected (n, "
                f"{self.geometry.n_cells}) for geometry '{self.geometry.name}'; store them flat"
            )
            raise DataFormatError(msg)
        for name, dataset in self.file.items():
            if name != SHOWERS and getattr(dataset, "shape", None) != shape[:1]:
                found = getattr(dataset, "shape", "a group")
                msg = (
                    f"{self.path}: '{name}' has shape {found}, expected {shape[:1]} for "
                    f"{shape[0]} showers; give one row a shower"
                )
                raise DataFormatError(msg)
        there = [n for n in self.file if n not in {SHOWERS, INCIDENT, CPU_SECONDS}]
        ours = [n for n in PARTICLE_COLUMNS if n in there]  # inspected without the others
        self.columns = tuple(dict.fromkeys((*ours, *there)))
        self.n_showers = int(shape[0])
        self._readers: dict[str, ChunkReader] = {}

    def pieces(self, size: int) -> Iterator[Piece]:
        """Go through the file as it stands."""
        for start in range(0, self.n_showers, size):
            rows = slice(start, min(start + size, self.n_showers))
            cpu = self._rows(CPU_SECONDS, rows) if CPU_SECONDS in self.file else None
            columns = {name: self._rows(name, rows) for name in self.columns}
            if "pdg" in columns:
                columns["pdg"] = said(columns["pdg"], self.pdg, where=str(self.path))
            yield Piece(
                columns=columns,
                incident=self._rows(INCIDENT, rows) if INCIDENT in self.file else None,
                showers=self._rows(SHOWERS, rows),
                cpu_seconds=None if cpu is None else cpu.astype(np.float32, copy=False),
            )

    def _rows(self, name: str, rows: slice) -> NDArray[Any]:
        """Read some rows of a data set."""
        try:
            if name not in self._readers:
                self._readers[name] = ChunkReader(self.file[name], self.threads)
            return self._readers[name].read(rows.start, rows.stop)
        except (DamagedChunkError, OSError, RuntimeError) as error:
            msg = f"{self.path}: '{name}' is damaged; copy or make the file again"
            raise DataFormatError(msg) from error


@dataclass
class _Sink:
    """A shower file being written."""

    writer: ShowerWriter
    largest: int | None

    def append(
        self,
        particles: Any,  # noqa: ANN401 - Particles; as ShowerWriter
        showers: NDArray[Any],
        cpu_seconds: NDArray[np.float32] | None = None,
    ) -> None:
        """Write some showers; ask for wider integers if they do not fit."""
        if self.largest and showers.size and float(showers.max()) > self.largest:
            raise LargeCountError(_WIDER)
        self.writer.append(particles, showers, cpu_seconds)


def _recognise(path: Path) -> bool:
    """Whether it is a shower file, of whatever version."""
    if not is_hdf5(path):
        return False
    import h5py

    try:
        with h5py.File(path, "r", locking="best-effort") as file:
            return attribute(file, "format") == shower_format.FORMAT
    except UNREADABLE:
        return False


@contextmanager
def _read(paths: tuple[Path, ...], options: ReadOptions) -> Iterator[ShowerSource]:
    """Open a shower file; a geometry that is given takes the place of the file's."""
    (path,) = paths
    with damage(path):
        opened = open_file(path)
    with opened as file:
        with damage(path):
            text = attribute(file, "geometry")
            provenance = _provenance(path, file)
        geometry = DetectorGeometry.from_json(text, source=f"{path} attribute geometry")
        conversions: tuple[str, ...] = ()
        if options.geometry is not None:
            given = named_geometry(options.geometry)
            if _shape(given) != _shape(geometry):
                msg = (
                    f"{path}: the file is of detector '{geometry.name}' ({geometry.n_cells} "
                    f"cells in {geometry.unit}), found --geometry '{given.name}' "
                    f"({given.n_cells} cells in {given.unit}); leave --geometry out"
                )
                raise GeometryError(msg)
            if given != geometry:
                conversions = (f"geometry '{geometry.name}' replaced by '{given.name}'",)
            geometry = given
        threads = Threads()
        try:
            with damage(path):
                source = _Source(
                    path, file, geometry, provenance, threads, options.pdg, conversions
                )
            yield source
        finally:
            threads.close()


def _shape(geometry: DetectorGeometry) -> tuple[Any, ...]:
    """Number and unit of the cells, without their sizes, which a user may correct."""
    layout = geometry.layout
    if isinstance(layout, GridLayout):
        return geometry.unit, layout.planes, layout.cells
    return geometry.unit, *(layer.shape for layer in layout.layers)


@contextmanager
def _write(
    path: Path, geometry: DetectorGeometry, options: WriteOptions
) -> Iterator[ShowerSink]:
    """Create a shower file; what has come to the provenance meanwhile is written at the end."""
    dtype = np.dtype(options.dtype or ("uint16" if geometry.counts else "float32"))
    with ShowerWriter(
        path, geometry, provenance=options.provenance, dtype=dtype, force=options.force
    ) as writer:
        yield _Sink(writer, int(np.iinfo(dtype).max) if dtype == np.uint16 else None)
        writer.describe(options.provenance)


def _provenance(path: Path, file: h5py.File) -> Mapping[str, Any]:
    """Read what the file says of its origin."""
    try:
        return dict(json.loads(attribute(file, "provenance") or "{}"))
    except (TypeError, ValueError) as error:
        msg = f"{path}: attribute provenance is not a JSON object; make it again"
        raise DataFormatError(msg) from error


FORMAT = Format(
    name="caloforge",
    title="shower file of caloforge (HDF5)",
    suffixes=(".h5",),
    recognise=_recognise,
    read=_read,
    write=_write,
    planes=True,
)
