"""Write showers as a flat tree of a ROOT file."""

from __future__ import annotations

import json
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np

from caloforge.data.columns import PARTICLE_COLUMNS
from caloforge.errors import ConfigError, DataFormatError, MissingExtraError
from caloforge.formats.format import LargeCountError, ShowerSink, WriteOptions
from caloforge.formats.mapping.names import BranchMapping, read_mapping
from caloforge.formats.units import conversion
from caloforge.geometry import GridLayout
from caloforge.output import SafeFile, new_file

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path
    from types import ModuleType

    from numpy.typing import NDArray

    from caloforge.data import Particles
    from caloforge.geometry import DetectorGeometry

SIGN = "caloforge"
"""Name of the text in a ROOT file that tells geometry, names, units and provenance."""
_TREE = "showers"
_HITS = "hits"
_WIDER = "uint32"
# Rows that ROOT packs together: enough to compress well, little to read for one row.
_BASKET_BYTES = 4 * 1024**2


def import_uproot(path: Path) -> ModuleType:
    """Return uproot.

    Raises:
        MissingExtraError: If it is not installed.
    """
    try:
        import awkward  # noqa: F401 - uproot needs it for lists
        import uproot
    except ImportError as error:
        msg = f"{path}: ROOT files need uproot; pip install 'caloforge[root]'"
        raise MissingExtraError(msg) from error
    module: ModuleType = uproot
    return module


@contextmanager
def write(
    path: Path, geometry: DetectorGeometry, options: WriteOptions
) -> Iterator[ShowerSink]:
    """Create a ROOT file with one tree; it appears, whole, at the end of the block.

    Raises:
        ConfigError: If the mapping is unusable, or says what cannot be written.
        OutputError: If the file exists and may not be replaced, or cannot be written.
        DataFormatError: If no shower is written.
        LargeCountError: If a count needs more than the 16 bits that are tried first.
    """
    uproot = import_uproot(path)
    mapping = BranchMapping()
    if options.mapping is not None:
        mapping = read_mapping(options.mapping)
    sink = _Sink(path, geometry, mapping, options)
    with (
        new_file(path, force=options.force) as temporary,
        SafeFile(temporary, path) as safe,
        uproot.recreate(safe, compression=uproot.ZLIB(1)) as file,
    ):
        sink.file = file
        yield sink
        sink.finish()
        safe.check()


class _Sink:
    """A tree being written."""

    def __init__(
        self,
        path: Path,
        geometry: DetectorGeometry,
        mapping: BranchMapping,
        options: WriteOptions,
    ) -> None:
        self.file: Any = None
        self._path, self._geometry, self._options = path, geometry, options
        self._mapping = mapping
        self._dtype = np.dtype(options.dtype or (np.uint16 if geometry.counts else np.float32))
        self._tree: Any = None
        self._waiting: list[dict[str, NDArray[Any]]] = []
        self._n_waiting = 0
        self._rows = max(1, _BASKET_BYTES // (geometry.n_cells * self._dtype.itemsize))
        self._units = self._checked()

    def append(
        self,
        particles: Particles,
        showers: NDArray[Any],
        cpu_seconds: NDArray[np.float32] | None = None,
    ) -> None:
        """Write some showers; they wait until a basket is full."""
        columns: dict[str, NDArray[Any]] = {"incident": particles.incident}
        columns |= {name: self._convert(name, particles[name]) for name in particles.names}
        if cpu_seconds is not None:
            columns["cpu_seconds"] = np.asarray(cpu_seconds, dtype=np.float32)
        table = {self._mapping.branch_of(name): values for name, values in columns.items()}
        if len(table) < len(columns):
            msg = f"{self._mapping.source}: two columns have the same branch; rename one"
            raise ConfigError(msg)
        table["showers"] = self._cells(showers)
        for start in range(0, len(showers), self._rows):
            part = {name: values[start : start + self._rows] for name, values in table.items()}
            self._waiting.append(part)
            self._n_waiting += len(part["showers"])
            if self._n_waiting >= self._rows:
                self._flush()

    def finish(self) -> None:
        """Write what waits, and the note."""
        self._flush()
        if self._tree is None:
            msg = f"{self._path}: found no shower to write, expected at least one"
            raise DataFormatError(msg)
        note = {
            "mapping": self._note(),
            "geometry": self._geometry.as_dict(),
            "provenance": dict(self._options.provenance),
        }
        self.file[SIGN] = json.dumps(note)

    def _checked(self) -> dict[str, Any]:
        """Refuse a mapping that cannot be written; return the conversion of each column."""
        mapping, cells = self._mapping, self._mapping.cells
        where, layout = mapping.source, self._geometry.layout
        if len(cells.branch) > 1:
            msg = f"{where} [cells] branch: found {len(cells.branch)} names, expected one"
            raise ConfigError(msg)
        kind = {2: "grid", 3: "cylinder"}.get(len(cells.index), layout.kind)
        if kind != layout.kind or (cells.order == "yx" and (kind != "grid" or cells.index)):
            msg = f"{where} [cells]: does not fit the {layout.kind} '{self._geometry.name}'"
            raise ConfigError(msg)
        names = [*map(mapping.branch_of, mapping.columns), *cells.branch, *cells.index]
        for name in (*names, mapping.tree or _TREE):
            if not name.replace("_", "a").replace(".", "a").isalnum():
                msg = f"{where}: found name '{name}', expected letters, digits and _ to write"
                raise ConfigError(msg)
        units = {"cells": conversion(cells.unit, self._geometry.unit, where=f"{where} [cells]")}
        for name, rule in mapping.columns.items():
            ours = PARTICLE_COLUMNS[name].unit if name in PARTICLE_COLUMNS else ""
            if rule.branch:
                units[name] = conversion(rule.unit, ours, where=f"{where} [columns] {name}")
        return units

    def _convert(self, name: str, values: NDArray[Any]) -> NDArray[Any]:
        """Bring a column into the unit of the file."""
        unit = self._units.get(name)
        return values if unit is None else unit.inverse().apply(values)

    def _cells(self, showers: NDArray[Any]) -> NDArray[Any]:
        """Bring cells into the type and order of the file, ``(n, ...)``."""
        cells = self._units["cells"].inverse().apply(np.asarray(showers))
        if self._dtype.kind == "u" and cells.size:
            largest = cells.max()
            if largest > np.iinfo(np.uint32).max:
                msg = f"{self._path}: found a cell of {largest}, expected less than 2^32"
                raise DataFormatError(msg)
            if largest > np.iinfo(self._dtype).max:
                raise LargeCountError(_WIDER)
        cells = cells.astype(self._dtype, copy=False)
        layout = self._geometry.layout
        if isinstance(layout, GridLayout) and not self._mapping.cells.index:
            cells = cells.reshape(-1, *layout.cells)
            if self._mapping.cells.order == "yx":
                cells = cells.transpose(0, 2, 1)
        return np.asarray(cells)

    def _flush(self) -> None:
        """Write what waits, in baskets of the right size."""
        if self._n_waiting == 0:
            return
        table = {
            name: np.concatenate([part[name] for part in self._waiting])
            for name in self._waiting[0]
        }
        self._waiting, self._n_waiting = [], 0
        cells = table.pop("showers")
        self._check_names(table)
        if self._mapping.cells.index:
            content: dict[str, Any] = {**table, _HITS: self._hits(cells)}
        else:
            content = {**table, self._mapping.cells.branch[0]: cells}
        if self._tree is None:
            self._tree = self.file.mktree(
                self._mapping.tree or _TREE,
                {name: _type_of(values) for name, values in content.items()},
                title=f"showers of {self._geometry.name}, one a row",
                counter_name=lambda counted: f"n_{counted}",
                field_name=lambda outer, inner: inner if outer == _HITS else f"{outer}_{inner}",
            )
        self._tree.extend(content)

    def _check_names(self, table: Mapping[str, NDArray[Any]]) -> None:
        """Refuse branches of equal names."""
        rule = self._mapping.cells
        taken = {*table, *rule.branch, *rule.index}
        if len(taken) < len(table) + len(rule.branch) + len(rule.index) or _HITS in table:
            msg = f"{self._mapping.source}: the cells have a branch of a column; rename one"
            raise ConfigError(msg)

    def _hits(self, cells: NDArray[Any]) -> Any:  # noqa: ANN401 - an awkward array
        """List the cells that are not 0, shower by shower."""
        import awkward as ak

        rule, layout = self._mapping.cells, self._geometry.layout
        row, cell = np.nonzero(cells)
        numbers = [cell]
        if len(rule.index) == 2:
            numbers = list(np.divmod(cell, layout.cells[1]))  # type: ignore[union-attr]
        elif len(rule.index) == 3:
            numbers = _in_cylinder(cell, layout)
        fields = {
            name: (number + rule.first_index).astype(np.int32)
            for name, number in zip(rule.index, numbers, strict=True)
        }
        fields[rule.branch[0]] = cells[row, cell]
        counts = np.bincount(row, minlength=len(cells))
        return ak.zip({name: ak.unflatten(values, counts) for name, values in fields.items()})

    def _note(self) -> dict[str, Any]:
        """Say how this file is to be read, as a mapping."""
        return {
            "tree": self._mapping.tree or _TREE,
            "cells": self._mapping.cells.as_dict(),
            "columns": {
                name: {"branch": rule.branch, "unit": rule.unit}
                for name, rule in self._mapping.columns.items()
                if rule.branch
            },
        }


def _in_cylinder(cell: NDArray[np.int64], layout: Any) -> list[NDArray[np.int64]]:  # noqa: ANN401
    """Return layer, angle and radius number of cells."""
    layer = layout.layer_of_cell()[cell]
    starts = np.array([part.start for part in layout.slices])
    rings = np.array([max(part.shape[1], 1) for part in layout.layers])
    angle, ring = np.divmod(cell - starts[layer], rings[layer])
    return [layer, angle, ring]


def _type_of(values: Any) -> Any:  # noqa: ANN401
    """Return the type of a branch as uproot's mktree takes it."""
    if isinstance(values, np.ndarray):
        return values.dtype if values.ndim == 1 else np.dtype((values.dtype, values.shape[1:]))
    return values.type.content
