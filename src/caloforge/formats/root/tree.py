"""ROOT files with a flat tree, one row a shower: read, and written, by uproot."""

from __future__ import annotations

import json
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from caloforge.errors import CaloforgeError, DataFormatError, MissingExtraError, did_you_mean
from caloforge.formats.challenge.binning_xml import named_geometry
from caloforge.formats.format import Format, Piece, ReadOptions, ShowerSource
from caloforge.formats.mapping.cells import CellPlan, Rows, one_column_a_cell
from caloforge.formats.mapping.columns import ColumnPlan
from caloforge.formats.mapping.names import (
    BranchMapping,
    CellRule,
    parse_mapping,
    read_mapping,
)
from caloforge.formats.mapping.whole import whole_numbers
from caloforge.formats.root.writer import SIGN, import_uproot, write
from caloforge.geometry import DetectorGeometry, GridLayout, detector_names, load_geometry

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from numpy.typing import NDArray

_PIECE_BYTES = 64 * 1024**2
_O2_BRANCH = "ZDCResponseImage"


class _Note(NamedTuple):
    """What `write` left in the file beside the tree."""

    mapping: Mapping[str, Any]
    geometry: str
    provenance: Mapping[str, Any]


class RootSource:
    """A flat tree, open for reading.

    Arguments:
        path: The ROOT file.
        file: The same, opened by uproot.
        options: What the user says of it.

    Raises:
        DataFormatError: If the file has no such tree or branches.
        GeometryError: If the geometry is unknown.
    """

    def __init__(self, path: Path, file: Any, options: ReadOptions) -> None:  # noqa: ANN401
        self._path = path
        note = _note(path, file)
        self._mapping = BranchMapping(others=True)
        if note is not None:  # it knows better: a mapping is for the other files, or to write
            self._mapping = replace(
                parse_mapping(note.mapping, source=f"{path} ({SIGN})"), others=True
            )
        elif options.mapping is not None:
            self._mapping = read_mapping(options.mapping)
        self._tree = _tree(path, file, self._mapping)
        self._where = f"{path}: tree '{self._tree.name}'"
        self._branches = self._found_branches()
        self.n_showers = int(self._tree.num_entries)
        cells = self._cell_rule(self._mapping.cells)
        numbers = [name for name, branch in self._branches.items() if _is_number(branch)]
        counters = {
            branch.count_branch.name
            for branch in self._branches.values()
            if branch.count_branch is not None
        }
        self._columns = ColumnPlan(
            self._mapping,
            [name for name in numbers if name not in {*counters, *cells.branch, *cells.index}]
            + [name for name in numbers if name in counters and name in self._asked()],
            pdg=options.pdg,
            source=self._where,
            others={
                name: _kind(branch)
                for name, branch in self._branches.items()
                if name not in numbers
            },
        )
        self.geometry = self._found_geometry(options, note, cells)
        self._cells = CellPlan(cells, self.geometry, source=self._where)
        self._rule = cells
        self.conversions = (*self._columns.conversions, *self._cells.conversions)
        self.provenance: Mapping[str, Any] = (
            note.provenance
            if note is not None
            else {"tree": self._tree.name, "title": self._tree.title}
        )

    def pieces(self, size: int) -> Iterator[Piece]:
        """Go through the tree; of large showers, fewer than ``size`` at a time."""
        from caloforge.formats.root.baskets import BranchReader

        size = max(1, min(size, _PIECE_BYTES // (8 * self.geometry.n_cells)))
        names = dict.fromkeys((*self._columns.needed, *self._rule.branch, *self._rule.index))
        readers = {name: BranchReader(self._path, self._branches[name]) for name in names}
        for start in range(0, self.n_showers, size):
            n = min(size, self.n_showers - start)
            with _understood(self._where):
                rows = {name: self._take(readers[name], name, n) for name in names}
            columns = self._columns.columns(
                {name: self._numbers(rows[name], name, start) for name in self._columns.needed},
                n,
            )
            incident = columns.pop("incident", None)
            if incident is not None:
                incident = whole_numbers(incident, "incident", self._where, start)
            cpu = columns.pop("cpu_seconds", None)
            yield Piece(
                columns=columns,
                incident=incident,
                showers=self._cells.showers(
                    [rows[name] for name in self._rule.branch],
                    [rows[name] for name in self._rule.index],
                    start,
                ),
                cpu_seconds=None if cpu is None else cpu.astype(np.float32),
            )

    def _found_branches(self) -> dict[str, Any]:
        """Return the branches by path; those that the mapping asks for by name alone, too."""
        found = {
            path: branch
            for path, branch in self._tree.iteritems(recursive=True, full_paths=True)
            if len(branch.branches) == 0
        }
        rule = self._mapping.cells
        for name in {*self._asked(), *rule.branch, *rule.index} - set(found):
            same = [branch for branch in found.values() if branch.name == name]
            if len(same) == 1:
                found[name] = same[0]
        return found

    def _take(self, reader: Any, name: str, n: int) -> Rows:  # noqa: ANN401
        """Read the next rows of a branch."""
        rows: Rows = reader.take(n)
        if len(rows) != n:
            msg = (
                f"{self._where}: branch '{name}' ends before the others, expected "
                f"{self.n_showers} rows; copy or make the file again"
            )
            raise DataFormatError(msg)
        return rows

    def _numbers(self, rows: Rows, name: str, start: int) -> NDArray[Any]:
        """Refuse a branch of lists where one number a row is needed."""
        if (rows.counts != 1).any():
            row = start + int(np.argmax(rows.counts != 1))
            msg = f"{self._where}: branch '{name}' has no single number in row {row}"
            raise DataFormatError(msg)
        return rows.values

    def _asked(self) -> set[str]:
        """Branches that the mapping names for columns."""
        rules = (*self._mapping.columns.values(), *self._mapping.direction.values())
        return {name for rule in rules for name in (rule.branch, rule.kinetic) if name}

    def _cell_rule(self, rule: CellRule) -> CellRule:
        """Check that the branches of the cells are there."""
        if rule == CellRule() and "cells" not in self._branches:
            pair = CellRule(branch=("cell_value",), index=("cell_index",))
            if {*pair.branch, *pair.index} <= set(self._branches):
                return pair
        for name in (*rule.branch, *rule.index):
            if name not in self._branches:
                hint = did_you_mean(name, self._branches)
                if alike := one_column_a_cell(list(self._branches)):
                    hint = f"it has one for each cell? {alike}"
                elif self._mapping.source == BranchMapping.source:
                    hint = f"{hint}; name the cells' branch in a mapping (--mapping)"
                msg = f"{self._where} has no branch '{name}' for the cells; {hint}"
                raise DataFormatError(msg)
        return rule

    def _found_geometry(
        self, options: ReadOptions, note: _Note | None, cells: CellRule
    ) -> DetectorGeometry:
        """Take the geometry that is given, else the file's, else the one its shape tells."""
        name = options.geometry or self._mapping.geometry
        if name:
            return named_geometry(name, pdg=options.pdg)
        if note is not None and note.geometry:
            return DetectorGeometry.from_json(note.geometry, source=f"{self._path} ({SIGN})")
        shape: tuple[int, ...] = ()
        if len(cells.branch) == 1 and not cells.index:
            dtype = self._branches[cells.branch[0]].interpretation.numpy_dtype
            shape = dtype.shape[::-1] if cells.order == "yx" else dtype.shape
        known = [load_geometry(name) for name in detector_names()]
        fits = [
            geometry
            for geometry in known
            if isinstance(geometry.layout, GridLayout) and geometry.layout.cells == shape
        ]
        if len(fits) == 1:
            return fits[0]
        found = f"of shape {shape}" if shape else "of any number"
        msg = (
            f"{self._where} does not say which detector its cells ({found}) are of; "
            f"give --geometry with one of {', '.join(detector_names())} or a file"
        )
        raise DataFormatError(msg)


@contextmanager
def _read(paths: tuple[Path, ...], options: ReadOptions) -> Iterator[ShowerSource]:
    """Open a ROOT file with a flat tree."""
    (path,) = paths
    uproot = import_uproot(path)
    with _understood(str(path)):
        # Not memory-mapped: pages of a mapped file count as this process's memory.
        file = uproot.open(path, handler=uproot.MultithreadedFileSource, num_workers=1)
    with file:
        with _understood(str(path)):
            source = RootSource(path, file, options)
        yield source


@contextmanager
def _understood(where: str) -> Iterator[None]:
    """Turn whatever uproot raises on a damaged file into one line."""
    try:
        yield
    except CaloforgeError:
        raise
    except Exception as error:
        from caloforge.formats.root.baskets import UnreadableBranchError

        reason = " ".join(str(error).split())
        if isinstance(error, UnreadableBranchError):
            msg = f"{where}: {reason}, expected numbers or lists of numbers; flatten the tree"
        elif isinstance(error, ModuleNotFoundError):
            msg = f"{where}: needs a package to expand it; {reason}"
            raise MissingExtraError(msg) from error
        else:
            msg = (
                f"{where}: cut off or damaged ({reason[:100] or type(error).__name__}); "
                "copy or make the file again"
            )
        raise DataFormatError(msg) from error


def _note(path: Path, file: Any) -> _Note | None:  # noqa: ANN401
    """Read what `write` left in the file; ``None`` in files of other programs."""
    if SIGN not in file.keys(cycle=False, recursive=False):
        return None
    try:
        table = json.loads(str(file[SIGN]))
        return _Note(
            mapping=dict(table["mapping"]),
            geometry=json.dumps(table["geometry"]),
            provenance=dict(table["provenance"]),
        )
    except (TypeError, ValueError, KeyError) as error:
        msg = f"{path}: its note '{SIGN}' is not readable; give --mapping and --geometry"
        raise DataFormatError(msg) from error


def _tree(path: Path, file: Any, mapping: BranchMapping) -> Any:  # noqa: ANN401
    """Find the tree: by name, or the only one."""
    classes = file.classnames(cycle=False, recursive=True)
    trees = [name for name, kind in classes.items() if kind in ("TTree", "TNtuple", "TNtupleD")]
    listed = ", ".join(f"'{name}'" for name in trees[:10])
    if mapping.tree:
        if mapping.tree not in trees:
            hint = did_you_mean(mapping.tree, trees) if trees else "it holds no tree"
            msg = f"{path}: found no tree '{mapping.tree}' as in {mapping.source}; {hint}"
            raise DataFormatError(msg)
        return file[mapping.tree]
    if not trees:
        kinds = ", ".join(sorted(set(classes.values()))[:5]) or "nothing"
        msg = f"{path}: found no tree (it holds {kinds}), expected one with a row a shower"
        if "ROOT::RNTuple" in classes.values():
            msg += (
                "; write the RNTuple as a TTree, with uproot by file.mktree('showers', {...}) "
                "and its extend, not by file['showers'] = {...}"
            )
        raise DataFormatError(msg)
    if len(trees) > 1:
        msg = (
            f"{path}: found {len(trees)} trees ({listed}), expected to be told which; name it "
            f"in a mapping (--mapping): tree = '{trees[0]}'"
        )
        raise DataFormatError(msg)
    tree = file[trees[0]]
    if any(_O2_BRANCH in name for name in tree.keys(recursive=False)):
        msg = (
            f"{path}: tree '{tree.name}' is the output of O2's simulation with one row an "
            "event, expected a row a shower; extract it as text (docs/formats/o2-text.md)"
        )
        raise DataFormatError(msg)
    return tree


def _is_number(branch: Any) -> bool:  # noqa: ANN401
    """Whether a branch holds one number a row."""
    from uproot.interpretation.numerical import Numerical

    found = branch.interpretation
    if not isinstance(found, Numerical):
        return False
    dtype = found.numpy_dtype
    return dtype.subdtype is None and dtype.kind in "iufb"


def _kind(branch: Any) -> str:  # noqa: ANN401
    """Name what a branch holds for people."""
    name = branch.typename
    return "text" if name in ("char*", "std::string", "TString") else str(name)


def _recognise(path: Path) -> bool:
    """Whether a file starts as ROOT files do: the word, and a version below 2^24.

    Text may start with the word, too ("root:x:0:0"), but has no zero byte after it.
    """
    if not path.is_file():
        return False
    with path.open("rb") as file:
        start = file.read(5)
    return start in {b"root", b"root\0"}  # the shorter one is cut off


FORMAT = Format(
    name="root",
    title="ROOT file with a flat tree, one row a shower",
    suffixes=(".root",),
    recognise=_recognise,
    read=_read,
    write=write,
    mapped=True,
)
