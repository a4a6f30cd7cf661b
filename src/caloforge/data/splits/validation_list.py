"""Files in which a user lists the validation side."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from caloforge.data.files.shower_file import ShowerFile
from caloforge.data.particles import read_particles
from caloforge.data.sample import resolve
from caloforge.data.splits.shower_identity import shower_identity
from caloforge.data.splits.split import uniforms
from caloforge.errors import DataFormatError

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

_HDF5, _PARQUET = b"\x89HDF\r\n\x1a\n", b"PAR1"


@dataclass(frozen=True, eq=False)
class ValidationList:
    """What a file lists: particles, showers, or incident numbers.

    Attributes:
        path: The file.
        what: ``"particles"``, ``"showers"`` or ``"incident numbers"``.
        digests: Fingerprints of particles or showers, each once.
        numbers: Incident numbers, each once, increasing.
    """

    path: Path
    what: str
    digests: NDArray[np.bytes_]
    numbers: NDArray[np.int64]

    def chosen(
        self,
        number: NDArray[np.float64],
        incident: NDArray[np.int64],
        key: str,
        source: str,
    ) -> NDArray[np.bool_]:
        """Say which rows are listed.

        Arguments:
            number: Hash of each row's particle or shower, ``(n,)``.
            incident: Its incident number, ``(n,)``; not used for showers.
            key: Key of the hash.
            source: The shower file, for messages.

        Returns:
            Mask ``(n,)``. A particle that the file holds under several incident numbers is on
            one side even if only one of them is listed.

        Raises:
            DataFormatError: If nothing is.
        """
        if self.what == "incident numbers":
            found = np.isin(incident, self.numbers)
            chosen = np.isin(number, np.unique(number[found]))
            n, cure = len(self.numbers), _numbers_of(incident)
        else:
            chosen = np.isin(number, uniforms(self.digests, key))
            n = len(self.digests)
            cure = (
                "all properties must agree to the last digit; take them from the file itself, "
                "or list incident numbers"
            )
        if not chosen.any():
            msg = (
                f"{self.path}: found none of its {n:,} {self.what} in {source}, expected some; "
                f"{cure}"
            )
            raise DataFormatError(msg)
        return chosen


def read_validation_list(name_or_path: str, *, by_shower: bool) -> ValidationList | None:
    """Read a list.

    Arguments:
        name_or_path: Shower file, sample name, CSV or Parquet file of particles, or text file
            with one incident number a line (``#`` begins a remark); ``""`` for none.
        by_shower: Whether showers are compared; else their particles.

    Raises:
        DataFormatError: If the file is missing, empty, or none of these; or has no showers
            though showers are to be compared.
    """
    if not name_or_path:
        return None
    path = resolve(name_or_path)
    if not path.is_file():
        msg = f"{path}: found a folder, expected a list of particles; give a file"
        raise DataFormatError(msg)
    with path.open("rb") as file:
        start = file.read(8)
    if by_shower:
        if start != _HDF5:
            msg = (
                f"{path}: found no showers, expected a shower file since data.split_by = "
                "'shower'; give one, or split by particle"
            )
            raise DataFormatError(msg)
        return _showers(path)
    if start != _HDF5 and not start.startswith(_PARQUET):
        numbers = _incident_numbers(path)
        if numbers is not None:
            nothing = np.empty(0, dtype="S16")
            return ValidationList(path, "incident numbers", nothing, numbers)
    digests = np.unique(read_particles(path).identity())
    return ValidationList(path, "particles", digests, np.empty(0, dtype=np.int64))


def _showers(path: Path) -> ValidationList:
    """Fingerprints of the showers of a file."""
    found = []
    with ShowerFile(path) as file:
        for _, particles, showers in file.chunks():
            lit = showers.any(axis=1)  # an empty shower is not a particular one
            found.append(shower_identity(particles.identity()[lit], showers[lit]))
    digests = np.unique(np.concatenate(found))
    return ValidationList(path, "showers", digests, np.empty(0, dtype=np.int64))


def _incident_numbers(path: Path) -> NDArray[np.int64] | None:
    """Read one number a line; ``None`` if the file begins with something else."""
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except UnicodeDecodeError:
        return None
    entries = [(k, line.partition("#")[0].strip()) for k, line in enumerate(lines, start=1)]
    entries = [(k, text) for k, text in entries if text]
    if entries and entries[0][1] == "incident":  # the header of a table of one column
        del entries[0]
    if not entries:
        msg = f"{path}: found no incident number, expected one a line; see data.validation_list"
        raise DataFormatError(msg)
    if not _is_integer(entries[0][1]):
        return None
    numbers = []
    for line, text in entries:
        if not _is_integer(text) or not -(2**63) <= int(text) < 2**63:
            msg = (
                f"{path}: found '{text[:40]}' in line {line}, expected an incident number; "
                "give one a line"
            )
            raise DataFormatError(msg)
        numbers.append(int(text))
    return np.unique(np.array(numbers, dtype=np.int64))


def _is_integer(text: str) -> bool:
    return text.removeprefix("-").isdecimal()


def _numbers_of(incident: NDArray[np.int64]) -> str:
    return f"its incident numbers run from {incident.min()} to {incident.max()}"
