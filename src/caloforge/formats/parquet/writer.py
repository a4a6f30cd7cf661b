"""Write showers as a Parquet table: one row a shower, the cells as a list."""

from __future__ import annotations

import json
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np

from caloforge.data.checks import check_showers
from caloforge.data.columns import PARTICLE_COLUMNS, unit_of
from caloforge.errors import ConfigError, DataFormatError
from caloforge.formats.mapping.names import BranchMapping, CellRule, read_mapping
from caloforge.formats.units import conversion
from caloforge.geometry import GridLayout
from caloforge.output import SafeFile, new_file

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from numpy.typing import NDArray

    from caloforge.data import Particles
    from caloforge.formats.format import ShowerSink, WriteOptions
    from caloforge.geometry import DetectorGeometry

NOTE = b"caloforge"
"""Key of the file's metadata that tells geometry, names, units and provenance."""
DENSE = CellRule(branch=("showers",))
"""Where the cells are unless a mapping says otherwise."""
# What is compressed together: large enough to compress well, small enough to hold several.
_GROUP_BYTES = 32 * 1024**2
_LARGEST = int(np.iinfo(np.uint32).max)


@contextmanager
def write(
    path: Path, geometry: DetectorGeometry, options: WriteOptions
) -> Iterator[ShowerSink]:
    """Create a Parquet file; it appears, whole, at the end of the block.

    Raises:
        ConfigError: If the mapping is unusable, or says what cannot be written.
        OutputError: If the file exists and may not be replaced, or cannot be written.
        DataFormatError: If no shower is written, or showers do not fit the geometry.
    """
    mapping = BranchMapping(cells=DENSE)
    if options.mapping is not None:
        mapping = read_mapping(options.mapping)
        if mapping.cells == CellRule():
            mapping = BranchMapping(mapping.source, cells=DENSE, columns=mapping.columns)
    sink = _Sink(path, geometry, mapping, options)
    with (
        new_file(path, force=options.force) as temporary,
        SafeFile(temporary, path) as safe,
    ):
        try:
            sink.file = safe
            yield sink
            sink.finish()
        finally:
            sink.close()
        safe.check()


class _Sink:
    """A table being written, row group by row group."""

    def __init__(
        self,
        path: Path,
        geometry: DetectorGeometry,
        mapping: BranchMapping,
        options: WriteOptions,
    ) -> None:
        self.file: SafeFile | None = None
        self._path, self._geometry, self._options = path, geometry, options
        self._mapping, self._cells = mapping, mapping.cells
        self._check_mapping()
        self._dtype = np.dtype(np.uint32 if geometry.counts else np.float32)
        self._unit = conversion(geometry.unit, self._cells.unit or geometry.unit, where="")
        self._waiting: list[Any] = []
        self._writer: Any = None
        self._schema: Any = None
        self._n_rows = 0

    def append(
        self,
        particles: Particles,
        showers: NDArray[Any],
        cpu_seconds: NDArray[np.float32] | None = None,
    ) -> None:
        """Write some showers; they wait until a row group is full."""
        source = f"showers for {self._path}"
        check_showers(showers, self._geometry, source=source, first_row=self._n_rows)
        if self._geometry.counts and showers.size and showers.max() > _LARGEST:
            msg = f"{source}: the largest cell is {showers.max()}, expected at most {_LARGEST}"
            raise DataFormatError(msg)
        columns: dict[str, NDArray[Any]] = {"incident": particles.incident}
        columns |= {name: self._converted(name, particles[name]) for name in particles.names}
        if cpu_seconds is not None:
            columns["cpu_seconds"] = np.asarray(cpu_seconds, dtype=np.float32)
        step = max(1, _GROUP_BYTES // (4 * self._geometry.n_cells))
        for start in range(0, len(showers), step):
            rows = slice(start, start + step)
            part = {name: values[rows] for name, values in columns.items()}
            self._waiting.append(self._table(part, showers[rows]))
            if sum(table.nbytes for table in self._waiting) >= _GROUP_BYTES:
                self._flush()
        self._n_rows += len(showers)

    def finish(self) -> None:
        """Write what waits, and what the file says of itself."""
        if self._n_rows == 0:
            msg = f"{self._path}: found no shower to write, expected at least one"
            raise DataFormatError(msg)
        self._flush()
        note = {
            "mapping": self._as_read(),
            "geometry": self._geometry.as_dict(),
            "provenance": dict(self._options.provenance),
        }
        self._writer.add_key_value_metadata({NOTE: json.dumps(note).encode()})

    def close(self) -> None:
        """End the file, whether whole or not."""
        if self._writer is not None:
            self._writer.close()

    def _flush(self) -> None:
        """Write what waits as one row group."""
        import pyarrow as pa
        from pyarrow import parquet as pq

        if not self._waiting:
            return
        table = pa.concat_tables(self._waiting)
        self._waiting = []
        if self._writer is None:
            indices = [f"{name}.list.element" for name in self._cells.index]
            self._writer = pq.ParquetWriter(
                self.file,
                table.schema,
                compression="zstd",
                # Cell numbers rise: their differences are small.
                use_dictionary=self._dictionaries(table.schema),
                column_encoding=dict.fromkeys(indices, "DELTA_BINARY_PACKED") or None,
                write_page_checksum=True,
            )
        self._writer.write_table(table, row_group_size=len(table))
        assert self.file is not None
        self.file.check()

    def _dictionaries(self, schema: Any) -> list[str]:  # noqa: ANN401 - pyarrow has no types
        """Columns in which few different values are expected: all but the cell numbers."""
        lists = {*self._cells.branch}
        return [
            f"{field.name}.list.element" if field.name in lists else field.name
            for field in schema
            if field.name not in self._cells.index
        ]

    def _table(self, columns: Mapping[str, NDArray[Any]], showers: NDArray[Any]) -> Any:  # noqa: ANN401
        """Return rows as an Arrow table, under the names of the mapping."""
        import pyarrow as pa

        fields, arrays = [], []
        for name, values in columns.items():
            rule = self._mapping.columns.get(name)
            unit = (rule.unit if rule else "") or (
                "s" if name == "cpu_seconds" else unit_of(name)
            )
            array = pa.array(values)
            fields.append(
                pa.field(self._mapping.branch_of(name), array.type, False, {"unit": unit})
            )
            arrays.append(array)
        for name, array, unit in self._lists(showers):
            fields.append(pa.field(name, array.type, False, {"unit": unit}))
            arrays.append(array)
        names = [field.name for field in fields]
        if len(set(names)) < len(names):
            double = next(name for name in names if names.count(name) > 1)
            msg = f"{self._mapping.source}: two columns are called '{double}'; rename one"
            raise ConfigError(msg)
        schema = pa.schema(fields)
        if self._schema is None:
            self._schema = schema
        if self._schema != schema:
            msg = f"showers for {self._path}: pieces differ in their columns; make them alike"
            raise DataFormatError(msg)
        return pa.Table.from_arrays(arrays, schema=schema)

    def _lists(self, showers: NDArray[Any]) -> Iterator[tuple[str, Any, str]]:
        """Return the cells as columns of lists: name, array and unit of each."""
        import pyarrow as pa

        layout, unit = self._geometry.layout, self._unit.wanted
        (name,) = self._cells.branch
        if self._cells.order == "yx" and isinstance(layout, GridLayout):
            showers = showers.reshape(-1, *layout.cells).transpose(0, 2, 1)
        cells = np.ascontiguousarray(
            self._unit.apply(showers.reshape(len(showers), -1)), dtype=self._dtype
        )
        # All cells may be 0 in a field that may not be missing.
        item = pa.field("element", pa.from_numpy_dtype(self._dtype), nullable=False)
        if not self._cells.index:
            ends = np.arange(len(cells) + 1, dtype=np.int32) * cells.shape[1]
            yield name, _list(ends, cells.ravel(), item), unit
            return
        row, cell = np.nonzero(cells)
        ends = np.searchsorted(row, np.arange(len(cells) + 1)).astype(np.int32)
        number = pa.field("element", pa.int32(), nullable=False)
        cell_number = (cell + self._cells.first_index).astype(np.int32)
        yield self._cells.index[0], _list(ends, cell_number, number), ""
        yield name, _list(ends, cells[row, cell], item), unit

    def _converted(self, name: str, values: NDArray[Any]) -> NDArray[Any]:
        """Bring a column into the unit of the mapping."""
        rule = self._mapping.columns.get(name)
        if rule is None or not rule.unit or name not in PARTICLE_COLUMNS:
            return values
        return conversion(PARTICLE_COLUMNS[name].unit, rule.unit, where="").apply(values)

    def _check_mapping(self) -> None:
        """Refuse what can be read but not written."""
        cells, layout = self._cells, self._geometry.layout
        where = f"{self._mapping.source} [cells]"
        if len(cells.branch) != 1 or len(cells.index) > 1:
            names = ", ".join((*cells.index, *cells.branch))
            msg = f"{where}: found {names}, expected one branch and at most one index to write"
            raise ConfigError(msg)
        if cells.order == "yx" and not isinstance(layout, GridLayout):
            msg = f"{where} order: found 'yx', expected 'xy' for a {layout.kind}; remove it"
            raise ConfigError(msg)
        conversion(self._geometry.unit, cells.unit or self._geometry.unit, where=where)

    def _as_read(self) -> dict[str, Any]:
        """Return the mapping with which the file can be read, as the content of a TOML file."""
        columns = {
            name: {"branch": rule.branch} | ({"unit": rule.unit} if rule.unit else {})
            for name, rule in self._mapping.columns.items()
            if rule.branch
        }
        return {
            "cells": self._cells.as_dict(),
            "columns": columns,
        }


def _list(ends: NDArray[np.int32], values: NDArray[Any], item: Any) -> Any:  # noqa: ANN401
    """Return an Arrow array of lists."""
    import pyarrow as pa

    array = pa.array(values, type=item.type)
    return pa.ListArray.from_arrays(pa.array(ends), array, type=pa.list_(item))
