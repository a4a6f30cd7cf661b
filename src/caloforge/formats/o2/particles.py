"""Particle lists that ALICE O2's extraction writes beside its responses, as CSV of any size."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from caloforge.errors import DataFormatError
from caloforge.formats.mapping.names import BranchMapping, ColumnRule

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from numpy.typing import NDArray

DETECTOR, PHOTON_SUM = "Detector", "PhotonSum"
_O2_NAMES = {
    "pdg": "Pdg",
    "energy_gev": "Energy",
    "x_cm": "Vx",
    "y_cm": "Vy",
    "z_cm": "Vz",
    "px_gev": "Px",
    "py_gev": "Py",
    "pz_gev": "Pz",
    "mass_mev": "mass",
    "charge_e": "charge",
}
_BLOCK_BYTES = 4 * 1024**2


def header(path: Path) -> tuple[str, ...]:
    """Return the names in the first line of a particle list, ``()`` if it is none."""
    with path.open("rb") as file:
        line = file.readline(4096)
    try:
        names = tuple(name.strip() for name in line.decode().strip().split(","))
    except UnicodeDecodeError:
        return ()
    known = set(_O2_NAMES.values()) | {DETECTOR, PHOTON_SUM}
    return names if DETECTOR in names and len(known & set(names)) >= 4 else ()


def with_o2_names(mapping: BranchMapping, names: tuple[str, ...]) -> BranchMapping:
    """Add O2's names of columns to a mapping that does not say otherwise."""
    rules = {ours: ColumnRule(branch=theirs) for ours, theirs in _O2_NAMES.items()}
    known = {ours: rule for ours, rule in rules.items() if rule.branch in names}
    return replace(mapping, columns={**known, **mapping.columns})


def side(label: str) -> str:
    """Return ``"N"`` or ``"P"`` for ``N``, ``ZN``, ``ZNA``, ...; other labels as they are."""
    letter = label.strip().upper().removeprefix("Z")[:1]
    return letter if letter in ("N", "P") else label


class ParticleList:
    """Rows of a particle list in order, of one detector if it lists several.

    Arguments:
        path: The CSV file, with a header.
        names: Its columns.
    """

    def __init__(self, path: Path, names: tuple[str, ...]) -> None:
        self.path, self.names = path, names
        if len(set(names)) < len(names):
            msg = f"{path}: a column is there twice ({', '.join(names)}); remove one"
            raise DataFormatError(msg)

    def rows_of_sides(self) -> dict[str, int]:
        """Count the rows of each detector, ``{"": n}`` in a list that names none."""
        found: dict[str, int] = {}
        for batch in self._batches([self.names[0], *self._label()]):
            if not self._label():
                found[""] = found.get("", 0) + batch.num_rows
                continue
            labels = np.asarray(batch.column(DETECTOR).to_pylist(), dtype=str)
            for label, n in zip(*np.unique(labels, return_counts=True), strict=True):
                found[side(label)] = found.get(side(label), 0) + int(n)
        return found

    def tables(self, wanted: str, columns: list[str]) -> Iterator[dict[str, NDArray[Any]]]:
        """Go through the rows of one detector.

        Arguments:
            wanted: The detector, ``""`` for all rows.
            columns: Names of columns of numbers.

        Yields:
            Some rows of each column, ``(n,)`` float64; gaps are NaN.
        """
        label = self._label() if wanted else []
        names = list(dict.fromkeys([*columns, *label])) or [self.names[0]]
        for batch in self._batches(names):
            table = {
                name: batch.column(name).to_numpy(zero_copy_only=False) for name in columns
            }
            if label:
                sides = [side(str(text)) for text in batch.column(DETECTOR).to_pylist()]
                chosen = np.array(sides, dtype=str) == wanted
                table = {name: values[chosen] for name, values in table.items()}
            yield table

    def _label(self) -> list[str]:
        """Name of the column that tells the detectors apart, if there is one."""
        return [DETECTOR] if DETECTOR in self.names else []

    def _batches(self, columns: list[str]) -> Iterator[Any]:
        """Read the file block by block."""
        import pyarrow as pa
        from pyarrow import csv

        types = {name: pa.string() if name == DETECTOR else pa.float64() for name in columns}
        try:
            with csv.open_csv(
                self.path,
                csv.ReadOptions(
                    use_threads=False,
                    block_size=_BLOCK_BYTES,
                    skip_rows=1,
                    column_names=list(self.names),
                ),
                convert_options=csv.ConvertOptions(
                    include_columns=list(dict.fromkeys(columns)), column_types=types
                ),
            ) as reader:
                yield from reader
        except (pa.ArrowException, UnicodeDecodeError) as error:
            reason = " ".join(str(error).split())[:160]
            if "Empty CSV" in reason:
                reason = "it has no row"
            msg = f"{self.path}: not a readable list of particles ({reason}); make it again"
            raise DataFormatError(msg) from error
