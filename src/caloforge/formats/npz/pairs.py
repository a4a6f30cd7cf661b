"""Which npz files belong together: by what they hold, and by their names."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from caloforge.errors import DataFormatError
from caloforge.formats.npz.arrays import StoredArray, stored_arrays

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

DETECTORS: dict[tuple[int, ...], str] = {(44, 44): "zn", (56, 30): "zp"}
"""Detectors by the shape of their responses."""

LAYOUT = (
    "responses (n, 44, 44) or (n, 56, 30) and particles (n, 10): energy, position, momentum, "
    "mass, charge, pdg"
)
"""What is expected, for messages."""

_N_CONDITIONS = (9, 10)
_WORDS = {
    "responses": re.compile(r"responses?|showers?|images?", re.IGNORECASE),
    "particles": re.compile(r"particles?|conditions?|conds?", re.IGNORECASE),
}


def grouped(paths: Sequence[Path]) -> list[tuple[Path, ...]]:
    """Pair responses with particles; the partner of a file may lie beside it, not named.

    Arguments:
        paths: Files, and folders of files.

    Returns:
        Sets of one or two files.

    Raises:
        DataFormatError: If a file holds neither, or its partner is not found.
    """
    files = list(dict.fromkeys(file for path in paths for file in _files(path)))
    roles = {file: _roles(file) for file in files}
    for file, found in roles.items():
        if not found:
            shapes = ", ".join(f"{a.name} {a.shape}".strip() for a in stored_arrays(file))
            msg = f"{file}: found arrays {shapes or '-'}, expected {LAYOUT}; save them so"
            raise DataFormatError(msg)
    responses = [file for file in files if roles[file] == {"responses"}]
    particles = [file for file in files if roles[file] == {"particles"}]
    if len(responses) == len(particles) == 1:
        pairs = [(responses[0], particles[0])]
    else:
        pairs = [(file, _partner(file, "responses", "particles")) for file in responses]
        used = {partner for _, partner in pairs}
        pairs += [
            (_partner(file, "particles", "responses"), file)
            for file in particles
            if file not in used
        ]
    whole = [(file,) for file in files if len(roles[file]) == 2]
    return [*whole, *pairs]


def is_responses(array: StoredArray) -> bool:
    """Whether an array may hold cells: pictures, or flat ones of a known detector."""
    shape = array.shape
    if len(shape) == 2:
        return shape[1] in {x * y for x, y in DETECTORS}
    return len(shape) == 3 or (len(shape) == 4 and 1 in {shape[1], shape[3]})


def is_particles(array: StoredArray) -> bool:
    """Whether an array may hold conditions."""
    return len(array.shape) == 2 and array.shape[1] in _N_CONDITIONS


def _files(path: Path) -> list[Path]:
    """List the files of a folder; a file stands for itself."""
    return sorted(path.glob("*.np[yz]")) if path.is_dir() else [path]


def _roles(path: Path) -> set[str]:
    """Say what a file holds, by the shapes of its arrays."""
    arrays = stored_arrays(path)
    checks = {"responses": is_responses, "particles": is_particles}
    return {role for role, check in checks.items() if any(check(array) for array in arrays)}


def _partner(file: Path, role: str, wanted: str) -> Path:
    """Find the file with the other half, by its name."""
    own, other = _WORDS[role], _WORDS[wanted]
    key = own.sub("*", file.stem, count=1)
    for candidate in _files(file.parent):
        if candidate == file or not other.search(candidate.stem):
            continue
        if other.sub("*", candidate.stem, count=1) == key and wanted in _roles(candidate):
            return candidate
    name = f"'{own.sub(wanted, file.name, count=1)}'" if own.search(file.stem) else "a file"
    msg = (
        f"{file}: found no {wanted} that belong to these {role}, expected {name} beside it; "
        "name both files"
    )
    raise DataFormatError(msg)
