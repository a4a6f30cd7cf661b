"""All formats: found by content or by name, and opened as one source of showers."""

from __future__ import annotations

import zipfile
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from caloforge.data.sample import resolve
from caloforge.errors import ConfigError, DataFormatError, did_you_mean
from caloforge.formats import pickles, shower_h5
from caloforge.formats.chain import ChainedSource
from caloforge.formats.challenge import calochallenge
from caloforge.formats.damage import UNREADABLE, damage
from caloforge.formats.format import Format, ReadOptions, ShowerSource
from caloforge.formats.images import idx, pictures
from caloforge.formats.kinds import check_known
from caloforge.formats.npz import alice
from caloforge.formats.o2 import text
from caloforge.formats.parquet import table
from caloforge.formats.point_cloud import clouds
from caloforge.formats.root import tree
from caloforge.geometry import GridLayout

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from caloforge.geometry import DetectorGeometry

# In the order in which a file is offered to them: the strictest first.
FORMATS: tuple[Format, ...] = (
    shower_h5.FORMAT,
    calochallenge.FORMAT,
    pickles.FORMAT,  # before npz, which may hold pickles
    alice.FORMAT,
    tree.FORMAT,
    table.FORMAT,
    clouds.FORMAT,
    idx.FORMAT,
    pictures.FORMAT,
    text.FORMAT,  # last: plain text of numbers
)
"""Every format that can be read or written."""


def usable_formats() -> tuple[Format, ...]:
    """Return the formats that are read; pickles are known only to be refused."""
    return tuple(row for row in FORMATS if row is not pickles.FORMAT)


def recognised(path: str | Path) -> Format:
    """Find the format of a file, or of a folder, by its content.

    Raises:
        DataFormatError: If it is missing, empty, or of no known format.
    """
    path = Path(path)
    if not path.exists():
        msg = f"{path}: found no such file, expected showers; correct the path"
        raise DataFormatError(msg)
    if path.is_file() and path.stat().st_size == 0:
        msg = f"{path}: the file is empty, expected showers; copy or make it again"
        raise DataFormatError(msg)
    for row in FORMATS:
        try:
            if row.recognise(path):
                return row
        except PermissionError as error:
            msg = f"{path}: may not be read; ask its owner for permission"
            raise DataFormatError(msg) from error
        except UNREADABLE:
            continue  # damaged; what it looks like is said below
    if path.is_dir():
        empty = [file.name for file in sorted(path.iterdir()) if _is_empty(file)]
        what = f" ('{empty[0]}' in it is empty)" if empty else ""
        msg = (
            f"{path}: found a folder without showers{what}, expected ALICE's two npz files or "
            "O2's text, idx files or pictures; name files of other formats one by one"
        )
        raise DataFormatError(msg)
    what = _described(path)
    names = ", ".join(row.name for row in usable_formats())
    msg = f"{path}: found {what}, expected one of {names}; name its format with --from"
    raise DataFormatError(msg)


def format_named(name: str) -> Format:
    """Return the format of a name.

    Raises:
        ConfigError: If there is none.
    """
    for row in FORMATS:
        if row.name == name:
            return row
    names = [row.name for row in usable_formats()]
    msg = f"format: found no '{name}'; {did_you_mean(name, names)}"
    raise ConfigError(msg)


def format_for(output: str | Path, name: str | None = None) -> Format:
    """Choose the format of a file that is to be written: by name, else by its ending.

    Raises:
        ConfigError: If the name or the ending is unknown, or the format is only read.
    """
    output = Path(output)
    if name is not None:
        row = format_named(name)
    else:
        found = [row for row in FORMATS if row.write and output.name.endswith(row.suffixes)]
        if not found:
            known = ", ".join(
                f"{' '.join(row.suffixes)} ({row.name})"
                for row in FORMATS
                if row.write and row.suffixes
            )
            msg = (
                f"{output}: found ending '{output.suffix}', expected one of "
                f"{known}; name the format with --to"
            )
            raise ConfigError(msg)
        row = found[0]
    if row is pickles.FORMAT:
        msg = f"{output}: pickles are never written, see docs/formats/pickles.md; take a format"
        raise ConfigError(msg)
    if row.write is None:
        names = ", ".join(row.name for row in FORMATS if row.write)
        msg = f"format '{row.name}': can only be read, expected one of {names}; take another"
        raise ConfigError(msg)
    return row


def check_planes(row: Format, geometry: DetectorGeometry, where: str | Path) -> None:
    """Refuse several planes in a format that has no place for them.

    Raises:
        DataFormatError: Naming what to do.
    """
    if (
        isinstance(geometry.layout, GridLayout)
        and geometry.layout.planes > 1
        and not row.planes
    ):
        names = ", ".join(other.name for other in FORMATS if other.planes)
        msg = (
            f"{where}: geometry '{geometry.name}' has {geometry.layout.planes} planes, "
            f"expected 1 in format '{row.name}'; {names} can hold them"
        )
        raise DataFormatError(msg)


def source_sets(
    paths: Sequence[str | Path], format_name: str | None = None
) -> list[tuple[Format, tuple[Path, ...]]]:
    """Sort files into sets that are read together, each with its format.

    Arguments:
        paths: Files, folders, or names of samples that come along.
        format_name: Format of all of them; ``None`` recognises each by its content.

    Raises:
        DataFormatError: If a path is missing or of no known format.
        ConfigError: If the format is unknown, or no path is given.
    """
    if not paths:
        msg = "convert: found no file to read, expected at least one; name it"
        raise ConfigError(msg)
    named = None if format_name is None else format_named(format_name)
    of_format: dict[str, list[Path]] = {}
    seen: set[Path] = set()
    for name in paths:
        path = resolve(name)
        if path.resolve() in seen:
            msg = f"{path}: is named twice, expected every file once; leave one out"
            raise ConfigError(msg)
        seen.add(path.resolve())
        row = named or recognised(path)
        if pickles.FORMAT.recognise(path):
            row = pickles.FORMAT  # whatever it is taken for
        of_format.setdefault(row.name, []).append(path)
    sets: list[tuple[Format, tuple[Path, ...]]] = []
    for name, members in of_format.items():
        row = format_named(name)
        groups = row.group(members) if row.group else [(path,) for path in members]
        sets.extend((row, group) for group in groups)
    return sets


@contextmanager
def open_showers(
    paths: Sequence[str | Path],
    format_name: str | None = None,
    options: ReadOptions | None = None,
) -> Iterator[ShowerSource]:
    """Open files of any format as one source of showers; nothing in them is checked.

    Sets of files are chained in the order given (those of one format together). Their
    ``incident`` numbers then mean nothing any more: equal properties are the same particle.

    Arguments:
        paths: Files, folders, or names of samples that come along.
        format_name: Format of all of them; ``None`` recognises each by its content.
        options: What the files do not say themselves.

    Yields:
        The source, whose pieces are in our units and in the order of the geometry.

    Raises:
        DataFormatError: If a file is unusable, or the sets differ in their unit.
        GeometryError: If the sets are of different detectors, or the geometry is unknown.
        ConfigError: If the format is unknown, or the kind that is said.
    """
    options = options or ReadOptions()
    check_known(options.pdg)
    sets = source_sets(paths, format_name)

    @contextmanager
    def opener(k: int) -> Iterator[ShowerSource]:
        row, group = sets[k]
        with row.read(group, options) as source:
            check_planes(row, source.geometry, " + ".join(map(str, group)))
            yield source

    with ExitStack() as stack:
        if len(sets) == 1:
            yield stack.enter_context(opener(0))
        else:
            names = [" + ".join(map(str, group)) for _, group in sets]
            yield ChainedSource.surveyed(names, opener)


def _is_empty(path: Path) -> bool:
    """Whether it is a file of no bytes."""
    return path.is_file() and path.stat().st_size == 0


def _described(path: Path) -> str:
    """Say what a file looks like."""
    with path.open("rb") as file:
        start = file.read(64)
    if start.startswith(b"\x89HDF"):
        return _hdf5(path)
    for mark, name in (
        (b"PK\x03\x04", "a zip archive"),
        (b"\x1f\x8b", "a gzip file"),
        (b"root\0", "a ROOT file"),
        (b"PAR1", "a Parquet file"),
        (b"\x93NUMPY", "a single NumPy array"),
    ):
        if start.startswith(mark):
            if mark.startswith(b"PK") and not zipfile.is_zipfile(path):
                return "a zip archive (npz?) that is cut off"
            return f"{name} of unknown layout"
    try:
        text = start.decode()
    except UnicodeDecodeError:
        return f"a file of unknown kind (it starts with {start[:8].hex(' ')})"
    return f"text ('{' '.join(text.split())[:40]}')"


def _hdf5(path: Path) -> str:
    """Name the data sets of an HDF5 file, which is opened to complain if it is damaged."""
    from caloforge.formats.hdf5 import opened

    with opened(path) as file, damage(path):
        return f"an HDF5 file of unknown layout (it holds {', '.join(list(file)[:5]) or '-'})"
