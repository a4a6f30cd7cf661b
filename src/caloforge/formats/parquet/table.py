"""Parquet tables: one row a shower, the cells as a list; streamed, never whole in memory."""

from __future__ import annotations

import json
from collections import Counter
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from caloforge.errors import DataFormatError
from caloforge.formats.format import Format, Piece
from caloforge.formats.mapping.cells import CellPlan, Rows, one_column_a_cell
from caloforge.formats.mapping.columns import ColumnPlan
from caloforge.formats.mapping.names import (
    BranchMapping,
    CellRule,
    parse_mapping,
    read_mapping,
)
from caloforge.formats.mapping.whole import whole_numbers
from caloforge.formats.parquet.lists import (
    as_numbers,
    as_rows,
    list_depth,
    numbers,
    unnested,
    unnested_schema,
)
from caloforge.formats.parquet.writer import DENSE, NOTE, write
from caloforge.geometry import DetectorGeometry, GridLayout, detector_names, load_geometry

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from caloforge.formats.format import ReadOptions, ShowerSource

_MAGIC = b"PAR1"
_PIECE_BYTES = 64 * 1024**2
_BUFFER_BYTES = 256 * 1024
_SPARSE = CellRule(branch=("cell_value",), index=("cell_index",))
_MANY = 20  # names in a message


class _Note(NamedTuple):
    """What `write` left in the metadata."""

    mapping: Mapping[str, Any]
    geometry: str
    provenance: Mapping[str, Any]


class ParquetSource:
    """A table, open for reading.

    Arguments:
        path: The file.
        file: The same, opened by pyarrow.
        options: What the user says of it.

    Raises:
        DataFormatError: If a column is missing or ambiguous, or no geometry is known.
        GeometryError: If the geometry is unknown.
        ConfigError: If the mapping is unusable.
    """

    def __init__(self, path: Path, file: Any, options: ReadOptions) -> None:  # noqa: ANN401
        self._path, self._file = path, file
        self.n_showers = int(file.metadata.num_rows)
        self._schema = unnested_schema(file.schema_arrow)
        double = [name for name, n in Counter(self._schema.names).items() if n > 1]
        if double:
            msg = f"{path}: column '{double[0]}' is there twice, expected once; rename one"
            raise DataFormatError(msg)
        note = _note(path, file.schema_arrow.metadata or {}, file.metadata.metadata or {})
        if options.mapping is not None:
            self._mapping = read_mapping(options.mapping)
        elif note is not None:
            ours = parse_mapping(note.mapping, source=f"{path} (metadata)")
            self._mapping = replace(ours, others=True)
        else:
            self._mapping = BranchMapping(others=True)
        self._rule = self._cell_rule(self._mapping.cells)
        scalar = [field.name for field in self._schema if numbers(field.type)]
        taken = {*self._rule.branch, *self._rule.index}
        self._columns = ColumnPlan(
            self._mapping,
            [name for name in scalar if name not in taken],
            pdg=options.pdg,
            source=str(path),
            others={f.name: _kind(f.type) for f in self._schema if f.name not in scalar},
        )
        self.conversions: tuple[str, ...] = ()
        self.geometry = self._found_geometry(options, note)
        self._cells = CellPlan(self._rule, self.geometry, source=str(path))
        left = [name for name in self._schema.names if name not in {*scalar, *taken}]
        said = {*taken, *self._columns.needed, *self._columns.unstorable}
        unused = [name for name in scalar if name not in said]
        self.conversions += (*self._columns.conversions, *self._cells.conversions)
        if left:
            names = ", ".join(left[:_MANY])
            self.conversions += (f"left out, as they hold no single numbers: {names}",)
        if unused:
            names = ", ".join(unused[:_MANY])
            self.conversions += (f"left out, as the mapping does not name them: {names}",)
        self.provenance: Mapping[str, Any] = (
            note.provenance if note is not None else {"written_by": file.metadata.created_by}
        )

    def pieces(self, size: int) -> Iterator[Piece]:
        """Go through the table; of large showers, fewer than ``size`` at a time."""
        size = max(1, min(size, _PIECE_BYTES // (8 * self.geometry.n_cells)))
        lists = (*self._rule.branch, *self._rule.index)
        names = list(dict.fromkeys((*self._columns.needed, *lists)))
        start = 0
        batches = self._file.iter_batches(size, columns=names, use_threads=False)
        while True:
            with _understood(self._path):
                batch = next(batches, None)
            if batch is None:
                break
            if len(batch):
                yield self._piece(unnested(batch), start)
            start += len(batch)

    def _piece(self, batch: Any, start: int) -> Piece:  # noqa: ANN401 - pyarrow has no types
        """Turn a batch of rows into ours."""
        columns = self._columns.columns(
            {name: as_numbers(batch.column(name)) for name in self._columns.needed}, len(batch)
        )
        incident = columns.pop("incident", None)
        if incident is not None:
            incident = whole_numbers(incident, "incident", str(self._path), start)
        cpu = columns.pop("cpu_seconds", None)
        return Piece(
            columns=columns,
            incident=incident,
            showers=self._cells.showers(
                [self._rows(batch, name, start) for name in self._rule.branch],
                [self._rows(batch, name, start) for name in self._rule.index],
                start,
            ),
            cpu_seconds=None if cpu is None else cpu.astype(np.float32),
        )

    def _rows(self, batch: Any, name: str, start: int) -> Rows:  # noqa: ANN401
        """Return the lists of a column, flat, after a look at their shape."""
        rows, inner = as_rows(batch.column(name), where=f"{self._path}: '{name}'", start=start)
        layout = self.geometry.layout
        if inner and isinstance(layout, GridLayout):
            first, last = layout.cells if self._rule.order == "xy" else layout.cells[::-1]
            if inner != last and (rows.counts == first * last).any():
                shape = f"{first * last // inner} x {inner}"
                msg = (
                    f"{self._path}: '{name}' holds {shape} cells in each row, expected {first} "
                    f"x {last} for geometry '{self.geometry.name}'; [cells] order in a mapping "
                    "says whether x or y runs fastest"
                )
                raise DataFormatError(msg)
        return rows

    def _cell_rule(self, rule: CellRule) -> CellRule:
        """Find the columns of the cells."""
        names = self._schema.names
        if rule == CellRule():  # nothing said
            if _SPARSE.branch[0] in names and _SPARSE.index[0] in names:
                return _SPARSE
            rule = DENSE if DENSE.branch[0] in names or "cells" not in names else rule
        for name in (*rule.branch, *rule.index):
            if name not in names:
                lists = [f.name for f in self._schema if list_depth(f.type) is not None]
                hint = "it holds no column of lists, which the cells of a shower would be"
                if lists:
                    hint = (
                        f"its columns of lists are {', '.join(lists[:_MANY])}: name the one of "
                        "the cells in a mapping (--mapping): [cells] branch = ..."
                    )
                elif alike := one_column_a_cell(names):
                    hint = f"it has one for each cell? {alike}"
                msg = f"{self._path}: found no column '{name}' for the cells; {hint}"
                raise DataFormatError(msg)
            found = self._schema.field(name).type
            one_each = len(rule.branch) > 1 and name in rule.branch and numbers(found)
            if list_depth(found) is None and not one_each:
                msg = (
                    f"{self._path}: column '{name}' holds {found}, expected a list of numbers "
                    "in each row; name the column of the cells in a mapping (--mapping)"
                )
                raise DataFormatError(msg)
        return rule

    def _found_geometry(self, options: ReadOptions, note: _Note | None) -> DetectorGeometry:
        """Take the geometry that is given, else the file's."""
        name, source = options.geometry or self._mapping.geometry, f"{self._path} (metadata)"
        if name:
            given = load_geometry(name)
            if note is not None:
                own = DetectorGeometry.from_json(note.geometry, source=source)
                self.conversions = replaced(own, given)
            return given
        if note is not None:
            return DetectorGeometry.from_json(note.geometry, source=source)
        known = ", ".join(detector_names())
        msg = f"{self._path}: does not say which detector its cells are of; give --geometry"
        fits = self._fitting()
        if fits:
            msg += f" (those that come along with as many cells: {', '.join(fits)})"
        else:
            msg += f" with one of {known} or a file"
        raise DataFormatError(msg)

    def _fitting(self) -> list[str]:
        """Names of detectors that have as many cells as the first row."""
        if self._rule.index or len(self._rule.branch) > 1:
            return []
        (name,) = self._rule.branch
        with _understood(self._path):
            batch = next(self._file.iter_batches(1, columns=[name]), None)
        if batch is None or not len(batch):
            return []
        count = int(
            as_rows(unnested(batch).column(name), where=str(self._path), start=0)[0].counts[0]
        )
        return [name for name in detector_names() if load_geometry(name).n_cells == count]


def _kind(kind: Any) -> str:  # noqa: ANN401 - pyarrow has no types
    """Name an Arrow type for people."""
    return "text" if "string" in str(kind) else str(kind)


def replaced(own: DetectorGeometry, given: DetectorGeometry) -> tuple[str, ...]:
    """Say that a geometry that is given took the place of a file's own."""
    same = own == given
    return () if same else (f"geometry '{own.name}' replaced by '{given.name}'",)


def _note(path: Path, *places: Mapping[bytes, bytes]) -> _Note | None:
    """Read what `write` left in the metadata; ``None`` in files of other programs."""
    text = next((place[NOTE] for place in places if NOTE in place), None)
    if text is None:
        return None
    try:
        table = json.loads(text)
        return _Note(
            mapping=dict(table["mapping"]),
            geometry=json.dumps(table["geometry"]),
            provenance=dict(table["provenance"]),
        )
    except (TypeError, ValueError, KeyError) as error:
        msg = f"{path}: its metadata '{NOTE.decode()}' is not readable; make the file again"
        raise DataFormatError(msg) from error


@contextmanager
def _read(paths: tuple[Path, ...], options: ReadOptions) -> Iterator[ShowerSource]:
    """Open a Parquet file."""
    from pyarrow import parquet as pq

    (path,) = paths
    with _understood(path):
        # Read page by page: a row group, which may be the whole file, is never in memory.
        file = pq.ParquetFile(
            path,
            buffer_size=_BUFFER_BYTES,
            pre_buffer=False,
            memory_map=False,
            page_checksum_verification=True,
        )
    with file:
        yield ParquetSource(path, file, options)


@contextmanager
def _understood(path: Path) -> Iterator[None]:
    """Turn what pyarrow raises on a damaged file into one line."""
    import pyarrow as pa

    try:
        yield
    except PermissionError as error:
        msg = f"{path}: may not be read; ask its owner for permission"
        raise DataFormatError(msg) from error
    except (pa.ArrowException, OSError) as error:
        reason = " ".join(str(error).split())
        if path.is_file():
            with path.open("rb") as file:
                start = file.read(len(_MAGIC))
                size = file.seek(0, 2)
                file.seek(max(0, size - len(_MAGIC)))
                end = file.read()
            if start != _MAGIC:
                msg = f"{path}: not a Parquet file, expected one; name its format with --from"
                raise DataFormatError(msg) from error
            if end == b"PARE" or "encrypt" in reason.lower():
                msg = f"{path}: is encrypted, expected plain Parquet; decrypt it first"
                raise DataFormatError(msg) from error
            if end != _MAGIC:
                msg = f"{path}: the file is cut off; copy or make it again"
                raise DataFormatError(msg) from error
        msg = f"{path}: the file is damaged ({reason[:100]}); copy or make it again"
        raise DataFormatError(msg) from error


def _recognise(path: Path) -> bool:
    """Whether a file starts as Parquet files do."""
    if not path.is_file():
        return False
    with path.open("rb") as file:
        return file.read(len(_MAGIC)) in {_MAGIC, b"PARE"}


FORMAT = Format(
    name="parquet",
    title="Parquet table, one row a shower, the cells as a list",
    suffixes=(".parquet", ".pq"),
    recognise=_recognise,
    read=_read,
    write=write,
    mapped=True,
)
