"""From files of any format to one file of any format, in the memory of one piece."""

from __future__ import annotations

import time
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

import caloforge
from caloforge.data.columns import check_names
from caloforge.data.identity import incident_numbers
from caloforge.data.images import are_images
from caloforge.data.particles import Particles, kind_name
from caloforge.errors import ConfigError, DataFormatError
from caloforge.formats.challenge.binning_xml import check_binning, write_binning
from caloforge.formats.challenge.calochallenge import challenge_threshold
from caloforge.formats.fingerprints import Fingerprints
from caloforge.formats.format import LargeCountError, ReadOptions, WriteOptions
from caloforge.formats.registry import check_planes, format_for, open_showers, source_sets
from caloforge.formats.screening import check_shape, faults

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from caloforge.data.splits.selection import Selection
    from caloforge.formats.format import Format, Piece, ShowerSink, ShowerSource
    from caloforge.geometry import DetectorGeometry

# Memory of the cells of a piece, were they float64; a few copies of it are made on the way.
_PIECE_BYTES = 32 * 1024**2
_MOST_ROWS = 8192
_COUNTED = "each image has its own number, that of its place in the input"
_NUMBERED = "equal properties of the particle have equal numbers (63 bits of a keyed hash)"


@dataclass
class Report:
    """What a conversion did.

    Attributes:
        path: File that was written.
        format: Name of its format.
        geometry: Detector that the showers are of.
        inputs: Files that were read: path, bytes and SHA-256.
        input_formats: Names of their formats.
        conversions: What was converted, a sentence each.
        n_read: Showers read.
        n_written: Showers written.
        n_unselected: Showers that the selection left out.
        skipped: Showers that could not be used, by what is wrong with them.
        n_skipped: Showers that could not be used; one may have several faults.
        kinds: Showers written of each PDG code.
        kinds_read: PDG codes of all usable showers that were read.
        loses: What the file that was written does not keep.
        seconds: Wall time.
    """

    path: Path
    format: str
    geometry: DetectorGeometry
    inputs: list[dict[str, Any]]
    input_formats: list[str]
    conversions: list[str]
    loses: str = ""
    n_read: int = 0
    n_written: int = 0
    n_unselected: int = 0
    n_skipped: int = 0
    skipped: dict[str, int] = field(default_factory=dict)
    kinds: dict[int, int] = field(default_factory=dict)
    kinds_read: set[int] = field(default_factory=set)
    seconds: float = 0.0

    @property
    def rate(self) -> float:
        """Showers read per second."""
        return self.n_read / max(self.seconds, 1e-9)


def piece_rows(geometry: DetectorGeometry) -> int:
    """Number of showers whose cells fit comfortably into memory several times."""
    return max(1, min(_MOST_ROWS, _PIECE_BYTES // (8 * geometry.n_cells)))


def convert(
    inputs: Sequence[str | Path],
    output: str | Path,
    *,
    format_name: str | None = None,
    to: str | None = None,
    options: ReadOptions | None = None,
    write_mapping: Path | None = None,
    selection: Selection | None = None,
    threshold: float | str | None = None,
    skip_bad: bool = False,
    binning: Path | None = None,
    force: bool = False,
    progress: Callable[[int, int], None] | None = None,
) -> Report:
    """Write the showers of files of any format to one file of any format.

    Memory stays below 500 MB whatever the size of the files. The order is that of the inputs.
    Where they come from, with sizes and SHA-256, what was converted, selected and left out is
    written to the provenance.

    Arguments:
        inputs: Files, folders, or names of samples that come along.
        output: File to be written.
        format_name: Format of the inputs; ``None`` recognises each by its content.
        to: Format of the output; ``None`` goes by the ending of its name.
        options: What the inputs do not say themselves.
        write_mapping: TOML file that names branches or columns of the output.
        selection: Which showers to keep; ``None`` keeps all.
        threshold: Cells below it, in the detector's unit, become zero, before anything is
            selected; ``"challenge"`` takes that of the CaloChallenge.
        skip_bad: Leave out showers that cannot be used instead of refusing the file.
        binning: Binning XML to be written too, of a cylinder, for the most frequent particle.
        force: Whether existing outputs may be replaced.
        progress: Called with the number of showers read so far, and of all.

    Returns:
        What was done.

    Raises:
        DataFormatError: If an input is unusable or no shower is left.
        GeometryError: If the inputs are of different detectors.
        ConfigError: If a format is unknown, or cannot be written.
        OutputError: If the output exists and ``force`` is not given, or cannot be written.
    """
    started = time.perf_counter()
    target = format_for(output, to)
    sets = source_sets(inputs, format_name)
    files = [path for _, group in sets for path in group]
    output = Path(output)
    options = replace(options or ReadOptions(), skip_bad=skip_bad)
    formats = list(dict.fromkeys(row.name for row, _ in sets))
    mappings = tuple(path for path in (options.mapping, write_mapping) if path is not None)
    if mappings and not any(row.mapped for row in (target, *(row for row, _ in sets))):
        msg = (
            f"{mappings[0]}: {' and '.join(dict.fromkeys([*formats, target.name]))} have no "
            "columns to be named, expected no mapping; leave --mapping out"
        )
        raise ConfigError(msg)
    named = [*files, *mappings, *([Path(options.geometry)] if options.geometry else [])]
    _check_place(output, *named, *(path.parent for path in files if output.is_dir()))
    if binning is not None:
        _check_place(binning, output, *named)
    with (
        open_showers(files, format_name, options) as source,
        Fingerprints(files) as fingerprints,
    ):
        check_planes(target, source.geometry, output)
        if binning is not None:
            check_binning(binning, source.geometry, force=force)
        job = _Job(
            source=source,
            merged=len(sets) > 1,
            target=target,
            selection=selection if selection is not None and selection.active else None,
            threshold=_threshold(threshold, source.geometry),
            skip_bad=skip_bad,
            progress=progress or (lambda *_: None),
            options=WriteOptions(provenance={}, force=force, mapping=write_mapping),
            where=" + ".join(map(str, inputs)),
            fingerprints=fingerprints,
            blank=Report(
                path=output,
                format=target.name,
                geometry=source.geometry,
                inputs=[{"path": str(path)} for path in files],
                input_formats=formats,
                conversions=list(source.conversions),
                loses=target.loses,
            ),
        )
        try:
            report = job.run(None)
        except LargeCountError as error:
            report = job.run(error.dtype)  # from the start: the type of a file cannot change
    if binning is not None:
        most = max(report.kinds, key=report.kinds.__getitem__)
        write_binning(binning, report.geometry, pdg=most, force=force)
    report.seconds = time.perf_counter() - started
    return report


@dataclass(frozen=True, kw_only=True)
class _Job:
    """What to convert, and where to write it."""

    source: ShowerSource
    merged: bool
    target: Format
    selection: Selection | None
    threshold: float
    skip_bad: bool
    progress: Callable[[int, int], None]
    options: WriteOptions
    where: str
    fingerprints: Fingerprints
    blank: Report

    def run(self, dtype: str | None) -> Report:
        """Write the file, with cells of a type or the usual one."""
        report = replace(
            self.blank,
            conversions=list(self.blank.conversions),
            skipped={},
            kinds={},
            kinds_read=set(),
        )
        provenance = self._provenance(report)
        options = replace(self.options, provenance=provenance, dtype=dtype)
        geometry, total = self.source.geometry, self.source.n_showers
        assert self.target.write is not None
        self.progress(0, total)
        with self.target.write(report.path, geometry, options) as sink:
            for piece in self.source.pieces(piece_rows(geometry)):
                self._write(piece, sink, report)
                report.n_read += len(piece.showers) + _left_out(piece, report)
                self.progress(report.n_read, total)
            self._check_selection(report)
            report.inputs = self.fingerprints.tables()
            provenance.update(self._provenance(report))
        return report

    def _write(self, piece: Piece, sink: ShowerSink, report: Report) -> None:
        """Check, select, number and write one piece."""
        geometry = self.source.geometry
        if piece.showers.dtype == np.float16:  # too small for sums and limits
            piece = piece._replace(showers=piece.showers.astype(np.float32))
        check_shape(piece, geometry, source=self.where)
        check_names(piece.columns, source=self.where)
        good = self._good(piece, report)
        if not good.all():
            piece = _selected(piece, good)
        if len(piece.showers) == 0:
            return
        if self.threshold > 0:
            _note(report, f"cells below {self.threshold:.6g} {geometry.unit}: set to 0")
            low = piece.showers < self.threshold
            piece = piece._replace(showers=np.where(low, 0, piece.showers))
        if not geometry.counts and piece.showers.dtype == np.float64:
            _note(report, "cells: float64, rounded to float32")
            piece = piece._replace(showers=piece.showers.astype(np.float32))
        if self.merged or piece.incident is None:
            images = are_images(piece.columns, geometry)
            _note(report, f"incident: {_COUNTED if images else _NUMBERED}")
            numbers = (
                report.n_read + np.flatnonzero(good)
                if images
                else incident_numbers(piece.columns)
            )
            piece = piece._replace(incident=numbers)
        assert piece.incident is not None
        try:
            particles = Particles(piece.columns, piece.incident)
        except DataFormatError as error:
            msg = f"{self.where}: {str(error).removeprefix('particles: ')}"
            raise DataFormatError(msg) from error
        report.kinds_read |= set(np.unique(particles["pdg"]).tolist())
        if self.selection is not None:
            sums = piece.showers.sum(axis=1, dtype=np.float64)
            chosen = self.selection.rows(particles, sums)
            report.n_unselected += int((~chosen).sum())
            if not chosen.any():
                return
            if not chosen.all():
                particles, piece = particles.select(chosen), _selected(piece, chosen)
        sink.append(particles, piece.showers, piece.cpu_seconds)
        report.n_written += len(particles)
        for pdg, count in zip(*np.unique(particles["pdg"], return_counts=True), strict=True):
            report.kinds[int(pdg)] = report.kinds.get(int(pdg), 0) + int(count)

    def _good(self, piece: Piece, report: Report) -> NDArray[np.bool_]:
        """Say which showers can be used; without ``skip_bad`` all must."""
        good = np.ones(len(piece.showers), dtype=bool)
        for fault in faults(piece, self.source.geometry):
            if not self.skip_bad:
                row = report.n_read + int(np.argmax(fault.rows))
                msg = (
                    f"{self.where}: found {fault.reason}, first in shower {row} "
                    f"({fault.example}); {fault.cure}, or leave such showers out with "
                    "--skip-bad"
                )
                raise DataFormatError(msg)
            report.skipped.setdefault(fault.reason, 0)
            report.skipped[fault.reason] += int(fault.rows.sum())
            good &= ~fault.rows
        report.n_skipped += int((~good).sum())
        return good

    def _check_selection(self, report: Report) -> None:
        """Refuse a selection of a kind that is not there, or of nothing."""
        there = {kind_name(pdg) for pdg in report.kinds_read}
        for kind in self.selection.kinds if self.selection and there else ():
            if kind not in there | set(map(str, report.kinds_read)):
                msg = (
                    f"{self.where}: found no particle of kind '{kind}', expected some of "
                    f"{', '.join(sorted(there))}; correct --kinds"
                )
                raise DataFormatError(msg)
        if report.n_written == 0:
            chosen = f", selection {self.selection.text()}" if self.selection else ""
            cure = "choose other limits" if self.selection else "validate says what is wrong"
            msg = (
                f"{self.where}: found no shower to write (read {report.n_read}, unusable "
                f"{report.n_skipped}, not selected {report.n_unselected}{chosen}), expected at "
                f"least one; {cure}"
            )
            raise DataFormatError(msg)

    def _provenance(self, report: Report) -> dict[str, Any]:
        """Describe where the showers come from, as far as it is known."""
        always = {
            "converted_by": f"caloforge {caloforge.__version__}",
            "inputs": report.inputs,
            "input_formats": report.input_formats,
            "showers_read": report.n_read,
        }
        if_any = {
            "conversions": report.conversions,
            "selection": self.selection.as_dict() if self.selection else {},
            "showers_not_selected": report.n_unselected,
            "showers_skipped": report.n_skipped,
            "skipped": report.skipped,
            "source": dict(self.source.provenance),
        }
        return always | {key: value for key, value in if_any.items() if value}


def _check_place(output: Path, *others: Path) -> None:
    """Refuse to write where something is read or written already."""
    for other in others:
        same = output.samefile(other) if output.exists() and other.exists() else False
        if same or output.resolve() == other.resolve():
            msg = f"{output}: is named as an output and once more; give the output another name"
            raise ConfigError(msg)


def _threshold(value: float | str | None, geometry: DetectorGeometry) -> float:
    """Read a threshold in the unit of the geometry; 0 for none."""
    if value is None:
        return 0.0
    if value == "challenge":
        return challenge_threshold(geometry)
    try:
        number = float(value)
    except ValueError:
        number = np.nan
    if not 0 <= number < np.inf:
        msg = f"threshold: found '{value}', expected 'challenge' or 0 or more; correct it"
        raise ConfigError(msg)
    return number


def _left_out(piece: Piece, report: Report) -> int:
    """Note the showers that could not even be read; return how many there are."""
    for reason, n in piece.unreadable.items():
        if n:
            report.skipped[reason] = report.skipped.get(reason, 0) + n
    number = sum(piece.unreadable.values())
    report.n_skipped += number
    return number


def _selected(piece: Piece, rows: NDArray[np.bool_]) -> Piece:
    """Return some showers of a piece."""
    return piece._replace(
        columns={name: np.asarray(column)[rows] for name, column in piece.columns.items()},
        incident=None if piece.incident is None else piece.incident[rows],
        showers=piece.showers[rows],
        cpu_seconds=None if piece.cpu_seconds is None else piece.cpu_seconds[rows],
    )


def _note(report: Report, text: str) -> None:
    """Add a conversion, once."""
    if text not in report.conversions:
        report.conversions.append(text)
