"""Write showers as point clouds in the layout of the showerdata package."""

from __future__ import annotations

import json
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np

from caloforge.data.checks import check_showers
from caloforge.data.columns import unit_of
from caloforge.errors import DataFormatError
from caloforge.formats.point_cloud.cells import PointCells
from caloforge.formats.units import conversion
from caloforge.output import SafeFile, new_file

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    import h5py
    from numpy.typing import NDArray

    from caloforge.data import Particles
    from caloforge.formats.format import ShowerSink, WriteOptions
    from caloforge.geometry import DetectorGeometry

SIGN = "showerdata_version"
"""Attribute that the package leaves in its files."""
GROUP = "caloforge"
"""Group with all that the layout has no place for; other programs pass over it."""
GEOMETRY, PROVENANCE = "geometry", "provenance"
UNIT = "points_unit"
"""Attribute with the unit of the points' values, GeV if it is absent."""
# The version whose layout this is; the tests hold it against the package.
_VERSION = "0.7.0"
_CHUNK = 4096
# Beyond this a float32 holds no single counts.
_LARGEST_COUNT = 2**24


@contextmanager
def write(
    path: Path, geometry: DetectorGeometry, options: WriteOptions
) -> Iterator[ShowerSink]:
    """Create a file of point clouds; it appears, whole, at the end of the block.

    Raises:
        OutputError: If the file exists and may not be replaced, or cannot be written.
        DataFormatError: If no shower is written, or a count is too large for a float32.
    """
    import h5py

    with (
        new_file(path, force=options.force) as temporary,
        SafeFile(temporary, path) as safe,
        h5py.File(safe, "w") as file,
    ):
        sink = _Sink(path, geometry, options, file, safe)
        yield sink
        sink.finish()


class _Sink:
    """A file of point clouds being written."""

    def __init__(
        self,
        path: Path,
        geometry: DetectorGeometry,
        options: WriteOptions,
        file: h5py.File,
        safe: SafeFile,
    ) -> None:
        self._path, self._geometry, self._options = path, geometry, options
        self._file, self._safe = file, safe
        cells = PointCells(geometry, geometry.unit, source=str(path))
        self._places = cells.places().astype(np.float32)
        self._unit = conversion(geometry.unit, cells.points_unit(), where=str(path))
        self._n_rows, self._most = 0, 0
        self._names: tuple[str, ...] = ()

    def append(
        self,
        particles: Particles,
        showers: NDArray[Any],
        cpu_seconds: NDArray[np.float32] | None = None,
    ) -> None:
        """Write some showers, a point for each cell that is not 0."""
        import h5py

        source = f"showers for {self._path}"
        check_showers(showers, self._geometry, source=source, first_row=self._n_rows)
        if self._geometry.counts and showers.size and showers.max() > _LARGEST_COUNT:
            msg = (
                f"{source}: the largest cell is {showers.max()}, expected at most "
                f"{_LARGEST_COUNT} in points of 32 bits; take another format"
            )
            raise DataFormatError(msg)
        values = np.asarray(self._unit.apply(showers)).astype(np.float32)
        row, cell = np.nonzero(values)
        points = np.concatenate((self._places[cell], values[row, cell, None]), axis=1)
        counts = np.bincount(row, minlength=len(values))
        clouds = np.empty(len(values), dtype=h5py.vlen_dtype(np.dtype("float32")))
        ends = np.cumsum(counts)
        for k, (stop, count) in enumerate(zip(ends.tolist(), counts.tolist(), strict=True)):
            clouds[k] = points[stop - count : stop].ravel()
        own: dict[str, NDArray[Any]] = {"incident": particles.incident, **particles.columns}
        if cpu_seconds is not None:
            own["cpu_seconds"] = np.asarray(cpu_seconds, dtype=np.float32)
        if not self._names:
            self._create(own)
        if set(own) != set(self._names):
            differ = ", ".join(sorted(set(own) ^ set(self._names)))
            msg = f"{source}: pieces differ in column {differ}; make them alike"
            raise DataFormatError(msg)
        ids = np.arange(self._n_rows, self._n_rows + len(values), dtype=np.int32)
        self._extend("energies", particles["energy_gev"].astype(np.float32)[:, None])
        self._extend("directions", _directions(particles))
        self._extend("pdg", particles["pdg"])
        self._extend("shower_ids", ids)
        self._extend("num_points", counts.astype(np.int32))
        self._extend("showers", clouds)
        for name, column in own.items():
            self._extend(f"{GROUP}/{name}", column)
        self._n_rows += len(values)
        self._most = max(self._most, int(counts.max(initial=0)))
        self._safe.check()

    def finish(self) -> None:
        """Write what is known only at the end."""
        if self._n_rows == 0:
            msg = f"{self._path}: found no shower to write, expected at least one"
            raise DataFormatError(msg)
        self._file.create_dataset("shape", data=np.array((self._n_rows, self._most, 4), "i4"))
        self._file.attrs[SIGN] = _VERSION
        self._file.attrs[UNIT] = self._unit.wanted
        group = self._file[GROUP]
        group.attrs[GEOMETRY] = self._geometry.to_json()
        group.attrs[PROVENANCE] = json.dumps(dict(self._options.provenance))

    def _create(self, own: Mapping[str, NDArray[Any]]) -> None:
        """Create the data sets, empty, once the columns are known."""
        import h5py

        def create(name: str, shape: tuple[int, ...], dtype: Any) -> h5py.Dataset:  # noqa: ANN401
            return self._file.create_dataset(
                name, (0, *shape), maxshape=(None, *shape), chunks=(_CHUNK, *shape), dtype=dtype
            )

        create("showers", (), h5py.vlen_dtype(np.dtype("float32")))
        create("energies", (1,), "f4")
        create("directions", (3,), "f4")
        for name in ("pdg", "shower_ids", "num_points"):
            create(name, (), "i4")
        for name, column in own.items():
            dataset = create(f"{GROUP}/{name}", (), column.dtype)
            dataset.attrs["unit"] = "s" if name == "cpu_seconds" else unit_of(name)
        self._names = tuple(own)

    def _extend(self, name: str, values: NDArray[Any]) -> None:
        """Write rows at the end of a data set."""
        import h5py

        dataset = self._file[name]
        dataset.resize(self._n_rows + len(values), axis=0)
        if values.dtype != object:
            dataset[self._n_rows :] = values
            return
        # Lists of equal length would be taken for a matrix (h5py issue 2429).
        place = dataset.id.get_space()
        place.select_hyperslab((self._n_rows,), (len(values),))
        memory = h5py.h5s.create_simple((len(values),))
        dataset.id.write(memory, place, values, h5py.h5t.py_create(values.dtype))


def _directions(particles: Particles) -> NDArray[np.float32]:
    """Unit vectors along the momenta, ``(n, 3)``; along z for a particle at rest."""
    momenta = np.stack([particles[name] for name in ("px_gev", "py_gev", "pz_gev")], axis=1)
    length = np.sqrt(np.square(momenta).sum(axis=1, keepdims=True))
    at_rest = length[:, 0] == 0
    unit = momenta / np.where(length == 0, 1, length)
    unit[at_rest, 2] = 1.0
    return unit.astype(np.float32)
