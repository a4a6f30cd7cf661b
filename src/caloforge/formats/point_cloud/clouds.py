"""Point clouds of the showerdata package: read into cells, and written from cells.

The layout is plain HDF5 and is read and written here without the package, so that files of any
size stream through, and broken ones can be looked into; the tests hold it against the package.
"""

from __future__ import annotations

import json
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np

from caloforge.data.columns import PARTICLE_COLUMNS
from caloforge.data.files.shower_format import attribute
from caloforge.errors import DataFormatError
from caloforge.formats.format import Format, Piece
from caloforge.formats.hdf5 import is_hdf5, opened
from caloforge.formats.kinds import said
from caloforge.formats.mapping.columns import ColumnPlan
from caloforge.formats.mapping.names import BranchMapping, ColumnRule
from caloforge.formats.point_cloud.cells import Lost, PointCells
from caloforge.formats.point_cloud.writer import GEOMETRY, GROUP, PROVENANCE, SIGN, UNIT, write
from caloforge.geometry import DetectorGeometry, load_geometry

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    import h5py
    from numpy.typing import NDArray

    from caloforge.formats.format import ReadOptions, ShowerSource

_SCALARS = {"energies": (1,), "directions": (3,), "pdg": (), "shower_ids": (), "num_points": ()}
_PIECE_BYTES = 64 * 1024**2
_ROWS = 1024  # showers whose points are in memory at once, at most
_POINT_VALUES = 4_000_000  # numbers of points in memory at once, unless one shower has more
_ROWS_COMPARED = 1 << 20
_AXES = {"px_gev": "x", "py_gev": "y", "pz_gev": "z"}


class PointCloudSource:
    """A file of point clouds, open for reading.

    Arguments:
        path: The file.
        file: The same, opened by h5py.
        options: What the user says of it.

    Raises:
        DataFormatError: If a data set is missing or of another shape, or no geometry is known.
        GeometryError: If the geometry is unknown.
    """

    def __init__(self, path: Path, file: h5py.File, options: ReadOptions) -> None:
        self._path, self._file, self._pdg = path, file, options.pdg
        self.n_showers, self._width = _checked(path, file)
        own = file.get(GROUP)
        text = attribute(own, GEOMETRY) if own is not None else ""
        written = None
        if text:
            written = DetectorGeometry.from_json(text, source=f"{path}: group '{GROUP}'")
        self._replaced = ""
        if options.geometry is not None:
            self.geometry = load_geometry(options.geometry)
            if written is not None and not written.same_cells(self.geometry):
                self._replaced = (
                    f"geometry '{written.name}', with a point in the middle of each cell, "
                    f"replaced by '{self.geometry.name}'"
                )
        elif written is not None:
            self.geometry = written
        else:
            msg = (
                f"{path}: points do not say which cells there are; give --geometry with those "
                "to sort them into (layers of rings and sectors, or a grid)"
            )
            raise DataFormatError(msg)
        unit = attribute(file, UNIT) or "GeV"
        self._cells = PointCells(self.geometry, unit, source=str(path))
        self._own = own is not None and self._agrees(own)
        self._plan = _plan(self.geometry, options.pdg, str(path))
        self._lost: Lost | None = None
        self.provenance: Mapping[str, Any] = self._provenance(own)

    @property
    def conversions(self) -> tuple[str, ...]:
        """What is converted; the points that lie outside of all cells are counted once."""
        if self._lost is None:
            lost = Lost()
            for start, stop in self._ranges(_ROWS):
                points, counts = self._points(start, stop)
                lost.add(*self._cells.sort(points, counts, start))
            self._lost = lost
        texts = [self._replaced, *self._cells.conversions, self._lost.text(self.geometry)]
        if self._width > 4:
            texts.append("times of the points: left out")
        if not self._own:
            texts += ["energies: taken as total energies", *self._plan.conversions]
        return tuple(text for text in texts if text)

    def pieces(self, size: int) -> Iterator[Piece]:
        """Go through the file; of large showers, fewer than ``size`` at a time."""
        size = max(1, min(size, _PIECE_BYTES // (8 * self.geometry.n_cells)))
        for start, stop in self._ranges(size):
            points, counts = self._points(start, stop)
            cell, value = self._cells.sort(points, counts, start)
            columns, incident, cpu = self._particles(start, stop)
            showers = self._cells.showers(cell, value, counts)
            yield Piece(columns, incident, showers, cpu)

    def _ranges(self, size: int) -> Iterator[tuple[int, int]]:
        """Cut the file into rows whose points fit into memory."""
        start = 0
        while start < self.n_showers:
            counts = self._rows("num_points", start, min(start + size, self.n_showers))
            total = np.cumsum(np.maximum(counts, 0).astype(np.int64) * self._width)
            fit = int(np.searchsorted(total, _POINT_VALUES, side="right"))
            stop = start + max(1, min(fit, len(counts)))
            yield start, stop
            start = stop

    def _points(self, start: int, stop: int) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
        """Return the points of some showers ``(sum of counts, 4 or 5)``, and their counts."""
        clouds = self._rows("showers", start, stop)
        sizes = np.array([len(cloud) for cloud in clouds], dtype=np.int64)
        wrong = np.flatnonzero(sizes % self._width)
        if len(wrong):
            row = int(wrong[0])
            msg = (
                f"{self._path}: shower {start + row} has {sizes[row]} numbers, expected "
                f"{self._width} for each point; write the file again"
            )
            raise DataFormatError(msg)
        flat = np.concatenate([np.asarray(cloud, np.float32) for cloud in clouds])
        return flat.reshape(-1, self._width), sizes // self._width

    def _particles(
        self, start: int, stop: int
    ) -> tuple[dict[str, NDArray[Any]], NDArray[np.int64] | None, NDArray[np.float32] | None]:
        """Return the columns, numbers of particles and CPU times of some showers."""
        n = stop - start
        if self._own:
            group = self._file[GROUP]
            columns = {name: group[name][start:stop] for name in group}
            columns["pdg"] = said(columns["pdg"], self._pdg, where=str(self._path))
            incident = columns.pop("incident", None)
            return columns, incident, columns.pop("cpu_seconds", None)
        directions = self._rows("directions", start, stop).astype(np.float64)
        branches = {
            "energies": self._rows("energies", start, stop).reshape(n).astype(np.float64),
            "pdg": self._rows("pdg", start, stop),
            **{f"direction {axis}": directions[:, k] for k, axis in enumerate("xyz")},
        }
        return self._plan.columns(branches, n), None, None

    def _rows(self, name: str, start: int, stop: int) -> NDArray[Any]:
        """Read some rows of a data set."""
        try:
            return np.asarray(self._file[name][start:stop])
        except (OSError, RuntimeError, ValueError) as error:
            msg = f"{self._path}: '{name}' is damaged; copy or make the file again"
            raise DataFormatError(msg) from error

    def _agrees(self, own: h5py.Group) -> bool:
        """Whether the columns that we once added still belong to these showers."""
        shapes = {getattr(own[name], "shape", None) for name in own}
        if shapes != {(self.n_showers,)} or not {*PARTICLE_COLUMNS} <= {*own}:
            return False
        for start in range(0, self.n_showers, _ROWS_COMPARED):
            stop = min(start + _ROWS_COMPARED, self.n_showers)
            for name, theirs in (("energy_gev", "energies"), ("pdg", "pdg")):
                found = self._rows(theirs, start, stop).reshape(-1)
                if not np.array_equal(own[name][start:stop].astype(found.dtype), found):
                    return False
        return True

    def _provenance(self, own: h5py.Group | None) -> Mapping[str, Any]:
        """Return what the file says of its origin."""
        text = attribute(own, PROVENANCE) if own is not None else ""
        try:
            found = dict(json.loads(text)) if text else {}
        except (TypeError, ValueError) as error:
            msg = f"{self._path}: '{GROUP}' has no readable provenance; make the file again"
            raise DataFormatError(msg) from error
        return found or {
            name: attribute(self._file, name) for name in self._file.attrs if name != UNIT
        }


def _plan(geometry: DetectorGeometry, pdg: int | None, source: str) -> ColumnPlan:
    """Return how our columns follow from energies, directions and kinds."""
    place = {"x_cm": 0.0, "y_cm": 0.0, "z_cm": geometry.front_face_z_cm or 0.0}
    mapping = BranchMapping(
        source="the layout of showerdata",
        columns={
            "energy_gev": ColumnRule(branch="energies"),
            **{name: ColumnRule(value=value) for name, value in place.items()},
            **{name: ColumnRule(derive_from="direction") for name in _AXES},
        },
        direction={axis: ColumnRule(branch=f"direction {axis}") for axis in _AXES.values()},
    )
    branches = ["energies", "pdg", *(f"direction {axis}" for axis in _AXES.values())]
    return ColumnPlan(mapping, branches, pdg=pdg, source=source)


def _checked(path: Path, file: h5py.File) -> tuple[int, int]:
    """Check names and shapes; return the number of showers and of numbers a point."""
    import h5py

    for name in ("showers", "shape", *_SCALARS):
        if not isinstance(file.get(name), h5py.Dataset):
            hint = (
                "it holds incident particles only"
                if name == "showers" and "energies" in file
                else "write it again with showerdata"
            )
            msg = f"{path}: found no data set '{name}' of a point cloud file; {hint}"
            raise DataFormatError(msg)
    shape = np.asarray(file["shape"]).tolist()
    if len(shape) != 3 or shape[2] not in (4, 5):
        msg = f"{path}: 'shape' is {shape}, expected (showers, points, 4 or 5); write it again"
        raise DataFormatError(msg)
    if file["showers"].ndim != 1 or h5py.check_vlen_dtype(file["showers"].dtype) is None:
        msg = (
            f"{path}: 'showers' has shape {file['showers'].shape}, expected one list of "
            "numbers a shower; write it again with showerdata"
        )
        raise DataFormatError(msg)
    n = len(file["showers"])
    for name, rest in _SCALARS.items():
        found = file[name].shape
        if found not in {(n, *rest), (n, *(rest or (1,)))}:
            msg = (
                f"{path}: '{name}' has shape {found}, expected {(n, *rest)} for {n} showers; "
                "write it again with showerdata"
            )
            raise DataFormatError(msg)
    return n, int(shape[2])


def _recognise(path: Path) -> bool:
    """Whether it is a file of showerdata, with or without showers."""
    if not is_hdf5(path):
        return False
    import h5py

    try:
        with h5py.File(path, "r", locking="best-effort") as file:
            named = {"showers", "energies", "directions", "pdg", "num_points"} <= set(file)
            return named or SIGN in file.attrs
    except OSError:
        return False


@contextmanager
def _read(paths: tuple[Path, ...], options: ReadOptions) -> Iterator[ShowerSource]:
    """Open a file of point clouds."""
    (path,) = paths
    with opened(path) as file:
        yield PointCloudSource(path, file, options)


FORMAT = Format(
    name="showerdata",
    title="point clouds of showerdata (HDF5)",
    suffixes=(),  # .h5, as those of several formats: to be named with --to
    recognise=_recognise,
    read=_read,
    write=write,
    loses="the last digit of energies (GeV as float32); other programs see energies, kinds, "
    "directions and points only",
)
