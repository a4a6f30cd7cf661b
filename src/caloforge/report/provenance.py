"""What an evaluation was made of: program, versions, and files with their checksums."""

from __future__ import annotations

import hashlib
import json
import shlex
import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from caloforge.report.selections import own_selection, trained_selection
from caloforge.training.provenance import provenance as program

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from caloforge.data import ShowerSample

_PACKAGES = ("numpy", "scipy", "scikit-learn", "torch")
_PROGRAMS = ("caloforge", "caloforge.exe")


def origin(
    files: Sequence[Mapping[str, Any]], warnings: Mapping[str, str] | None = None
) -> dict[str, Any]:
    """Return the block ``provenance`` of ``metrics.json``.

    Arguments:
        files: Records as of `record`.
        warnings: What must be said of generated samples, by name.
    """
    found = program()
    return {
        "date": found["date"],
        "command": command(sys.argv),
        "caloforge": found["versions"]["caloforge"],
        "commit": found["commit"],
        "machine": found["machine"],
        "versions": {"python": found["versions"]["python"]}
        | {name: _version(name) for name in _PACKAGES},
        "files": [dict(file) for file in files],
        "warnings": dict(warnings or {}),
    }


def record(
    role: str, name: str, sample: ShowerSample, sha256: Mapping[str, str | None] | None
) -> dict[str, Any]:
    """Describe a sample.

    Arguments:
        role: ``"reference"``, ``"generated"`` or ``"training"``.
        name: Name in tables.
        sample: The showers.
        sha256: Checksums by source, of those that were read; ``None`` if nothing was.
    """
    trained = trained_selection(sample)
    read = sha256 is not None and sample.source in sha256
    return {
        "role": role,
        "name": name,
        "path": sample.source if read else None,
        "sha256": sha256[sample.source] if sha256 is not None and read else None,
        "n_showers": len(sample),
        "selection": own_selection(sample).text(),
        "trained_under": None if trained is None else trained.text(),
        "attributes": json.loads(json.dumps(sample.provenance, default=_as_plain)),
    }


def checksum(path: Path) -> str | None:
    """SHA-256 of a file; ``None`` for a folder.

    Example:
        >>> checksum(Path("/")) is None
        True
    """
    if not path.is_file():
        return None
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def command(arguments: Sequence[str]) -> str | None:
    """The command line, if this is ours: ``None`` in another program.

    Example:
        >>> command(["/usr/bin/caloforge", "evaluate", "my file.h5"])
        "caloforge evaluate 'my file.h5'"
        >>> command(["notebook.py", "-f", "secret"]) is None
        True
    """
    if not arguments:
        return None
    path = Path(arguments[0])
    if path.name not in _PROGRAMS and path.parts[-2:] != ("caloforge", "__main__.py"):
        return None
    return shlex.join(("caloforge", *arguments[1:]))


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def _as_plain(value: object) -> object:
    if isinstance(value, np.generic | np.ndarray):
        return value.tolist()
    return str(value)
