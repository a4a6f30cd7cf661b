"""Text that ALICE O2's extraction writes: responses line by line, and a list of particles.

The responses of the neutron (44 x 44) and the proton calorimeter (56 x 30) stand in one file
each, a line for each x with the cells of all y. The list has a row for each response and
calorimeter, in the same order.
"""

from __future__ import annotations

from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from caloforge.errors import DataFormatError
from caloforge.formats.challenge.binning_xml import named_geometry
from caloforge.formats.format import Format, Piece, ReadOptions, ShowerSource
from caloforge.formats.mapping.cells import CellPlan, flat
from caloforge.formats.mapping.columns import ColumnPlan
from caloforge.formats.mapping.names import BranchMapping, read_mapping
from caloforge.formats.mapping.whole import whole_numbers
from caloforge.formats.o2.numbers import NumberLines, first_width
from caloforge.formats.o2.particles import (
    PHOTON_SUM,
    ParticleList,
    header,
    with_o2_names,
)
from caloforge.geometry import DetectorGeometry, GridLayout, load_geometry

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from numpy.typing import NDArray

_NAMES = ("non_zero_examples", "zero_examples", "neutron_image", "proton_image")
_EMPTY = "zero_examples"
_PIECE_BYTES = 64 * 1024**2
_DETECTORS = {"N": "zn", "P": "zp"}


class TextSource:
    """Responses and particles of one run, open for reading.

    Arguments:
        paths: A particle list, files of responses, or both.
        options: What the user says of them.

    Raises:
        DataFormatError: If something is missing, or files do not belong together.
    """

    provenance: Mapping[str, Any]

    def __init__(self, paths: tuple[Path, ...], options: ReadOptions) -> None:
        lists = [path for path in paths if header(path)]
        images = [path for path in paths if path not in lists]
        self._where = " + ".join(map(str, paths))
        if len(lists) > 1:
            msg = f"{self._where}: found {len(lists)} particle lists, expected one for each run"
            raise DataFormatError(msg)
        mapping = read_mapping(options.mapping) if options.mapping else BranchMapping()
        if not lists and not mapping.columns:
            msg = (
                f"{images[0]}: found responses but no particles, expected a list too "
                "(non_zero_examples.txt); name both files, or give constants in a mapping"
            )
            raise DataFormatError(msg)
        self._list = ParticleList(lists[0], header(lists[0])) if lists else None
        rows = self._list.rows_of_sides() if self._list else {}
        self.geometry, self._image = self._chosen(images, rows, options, mapping)
        self._side = _side_of(self.geometry, rows, self._where)
        names = self._list.names if self._list else ()
        mapping = with_o2_names(mapping, names)
        self._columns = ColumnPlan(mapping, names, pdg=options.pdg, source=self._where)
        self._cells = CellPlan(mapping.cells, self.geometry, source=self._where)
        self.conversions = (*self._columns.conversions, *self._cells.conversions)
        self.provenance = {"files": [path.name for path in paths]}
        n_rows = rows.get(self._side, 0)
        self.n_showers = n_rows if self._image is None else self._n_responses()
        if self._list is not None and self.n_showers != n_rows:
            msg = (
                f"{self._where}: found {self.n_showers} responses and {n_rows} particles of "
                f"detector '{self._side}', expected as many; are they of the same run?"
            )
            raise DataFormatError(msg)

    def pieces(self, size: int) -> Iterator[Piece]:
        """Go through the responses, with the particle of each."""
        size = max(1, min(size, _PIECE_BYTES // (8 * self.geometry.n_cells)))
        lines = NumberLines(self._image) if self._image else None
        rows = _Rows(self._list, self._side, [*self._columns.needed, *self._sum_column()])
        for start in range(0, self.n_showers, size):
            n = min(size, self.n_showers - start)
            table = rows.take(n)
            showers = np.zeros((n, self.geometry.n_cells), dtype=np.uint8)
            if lines is not None:
                cells = lines.take(n * self._lines_each(lines.width))
                cells = cells.reshape(n, -1)
                showers = self._cells.showers([flat(cells)], [], start)
                self._check_sums(cells, table, start)
            columns = self._columns.columns(table, n)
            incident = columns.pop("incident", None)
            if incident is not None:
                incident = whole_numbers(incident, "incident", self._where, start)
            columns.pop("cpu_seconds", None)
            yield Piece(
                columns=columns,
                incident=incident,
                showers=showers,
            )

    def _chosen(
        self,
        images: Sequence[Path],
        rows: Mapping[str, int],
        options: ReadOptions,
        mapping: BranchMapping,
    ) -> tuple[DetectorGeometry, Path | None]:
        """Find the detector, and the file with its responses."""
        name = options.geometry or mapping.geometry
        known = [load_geometry(detector) for detector in _DETECTORS.values()]
        wanted = [named_geometry(name)] if name else known
        if not images:
            fits = [g for g in wanted if name or list(rows) == [g.name[1].upper()]]
            pairs: list[tuple[DetectorGeometry, Path | None]] = [(g, None) for g in fits]
            self._check_empty()
        else:
            order = mapping.cells.order
            pairs = [
                (g, path)
                for g in wanted
                for path in images
                if first_width(path) in _widths(g, order)
            ]
        if len(pairs) == 1:
            return pairs[0]
        if len({geometry.name for geometry, _ in pairs}) == 1:
            names = ", ".join(path.name for _, path in pairs if path)
            msg = f"{self._where}: found several files of responses ({names}), expected one"
            raise DataFormatError(msg)
        if pairs or not images:
            msg = (
                f"{self._where}: found several detectors, expected to be told which; "
                "give --geometry zn or zp"
            )
            raise DataFormatError(msg)
        width = first_width(images[0])
        shapes = " or ".join(
            f"{' or '.join(map(str, _widths(g, mapping.cells.order)))} for '{g.name}'"
            for g in wanted
        )
        msg = (
            f"{images[0]}: found {width} numbers a line, expected {shapes}; give --geometry, "
            "or [cells] order = 'yx' in a mapping if x runs along the line"
        )
        raise DataFormatError(msg)

    def _check_empty(self) -> None:
        """Refuse a list of particles without responses, unless it says that all are empty."""
        sums = self._sum_column()
        tables = self._list.tables("", sums) if self._list and sums else iter(())
        if sums and not any(table[PHOTON_SUM].any() for table in tables):
            return
        msg = (
            f"{self._where}: found particles but no cells, expected the responses too "
            "(neutron_image.txt or proton_image.txt); name both files"
        )
        raise DataFormatError(msg)

    def _lines_each(self, width: int) -> int:
        """Return how many lines one response takes."""
        return self.geometry.n_cells // width

    def _n_responses(self) -> int:
        """Count the responses."""
        lines = NumberLines(Path(self._image))  # type: ignore[arg-type]
        n, each = lines.count(), self._lines_each(lines.width)
        if n % each:
            msg = (
                f"{self._image}: found {n} lines, expected {each} for each response; it is cut "
                "off, copy or make it again"
            )
            raise DataFormatError(msg)
        return n // each

    def _sum_column(self) -> list[str]:
        """The column with the photon sum, if the list has one."""
        return [PHOTON_SUM] if self._list and PHOTON_SUM in self._list.names else []

    def _check_sums(
        self, cells: NDArray[Any], table: Mapping[str, NDArray[Any]], start: int
    ) -> None:
        """Compare responses with the photon sums of the list: do they belong together?"""
        if PHOTON_SUM not in table:
            return
        sums = cells.sum(axis=1)
        with np.errstate(invalid="ignore"):
            wrong = ~(np.abs(sums - table[PHOTON_SUM]) <= 1e-5 * np.abs(sums))
        if wrong.any():
            row = int(np.argmax(wrong))
            msg = (
                f"{self._where}: response {start + row} has {sums[row]:.6g} photons, but the "
                f"list says {table[PHOTON_SUM][row]:.6g}; are they of the same run?"
            )
            raise DataFormatError(msg)


class _Rows:
    """Takes rows of a particle list, some at a time."""

    def __init__(self, particles: ParticleList | None, wanted: str, columns: list[str]) -> None:
        self._columns = list(dict.fromkeys(columns))
        self._tables = particles.tables(wanted, self._columns) if particles else iter(())
        self._left = {name: np.empty(0) for name in self._columns}

    def take(self, n: int) -> dict[str, NDArray[Any]]:
        """Return the next ``n`` rows of each column."""
        if not self._columns:
            return {}
        parts = [self._left]
        have = len(self._left[self._columns[0]])
        while have < n:
            parts.append(next(self._tables))
            have += len(parts[-1][self._columns[0]])
        joined = {
            name: np.concatenate([part[name] for part in parts]) for name in self._columns
        }
        self._left = {name: values[n:] for name, values in joined.items()}
        return {name: values[:n] for name, values in joined.items()}


def _widths(geometry: DetectorGeometry, order: str) -> tuple[int, ...]:
    """Numbers that a line of responses may have: the cells of one x, or all."""
    if isinstance(geometry.layout, GridLayout):
        return geometry.layout.cells[0 if order == "yx" else 1], geometry.n_cells
    return (geometry.n_cells,)


def _side_of(geometry: DetectorGeometry, rows: Mapping[str, int], where: str) -> str:
    """Return the label of the rows of a detector."""
    if len(rows) <= 1:
        return next(iter(rows), "")
    for label, name in _DETECTORS.items():
        if geometry.name.startswith(name) and label in rows:
            return label
    msg = (
        f"{where}: the list has rows of detectors {', '.join(rows)}, none of which is geometry "
        f"'{geometry.name}'; keep the rows of one detector"
    )
    raise DataFormatError(msg)


def _recognise(path: Path) -> bool:
    """Whether it is a list of particles or lines of numbers, or a folder with both."""
    if path.is_dir():
        return bool(_in_folder(path))
    with path.open("rb") as file:
        start = file.read(4096)
    if b"\0" in start:
        return False
    return bool(header(path)) or first_width(path) > 1


def _in_folder(folder: Path) -> list[Path]:
    """Files of a folder that carry the names of O2's extraction; no list of empty responses."""
    found = sorted(path for path in folder.iterdir() if path.name.startswith(_NAMES))
    return [path for path in found if path.is_file() and not path.name.startswith(_EMPTY)]


def _group(paths: Sequence[Path]) -> list[tuple[Path, ...]]:
    """Sort files by run: what is left of their names without that of their content.

    One list with files of any names is one run.
    """
    files = [file for path in paths for file in (_in_folder(path) if path.is_dir() else [path])]
    if sum(bool(header(file)) for file in files if file.is_file()) == 1:
        return [tuple(files)]
    sets: dict[Any, list[Path]] = {}
    for file in files:
        key: Any = (file.parent, "")
        for name in _NAMES:
            if file.name.startswith(name):
                key = (file.parent, file.name.removeprefix(name), name == _EMPTY)
                break
        sets.setdefault(key, []).append(file)
    return [tuple(members) for members in sets.values()]


@contextmanager
def _read(paths: tuple[Path, ...], options: ReadOptions) -> Iterator[ShowerSource]:
    """Open the files of one run."""
    yield TextSource(paths, options)


FORMAT = Format(
    name="o2-text",
    title="text of ALICE O2's extraction: responses line by line, and a particle list",
    suffixes=(".txt",),
    recognise=_recognise,
    read=_read,
    group=_group,
    mapped=True,
)
