"""Showers that come with caloforge; ``samples/README.md`` is their data card."""

from __future__ import annotations

from dataclasses import replace
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING

from caloforge.data.files.shower_file import read_showers
from caloforge.errors import DataFormatError, did_you_mean

if TYPE_CHECKING:
    from caloforge.data.files.shower_file import ShowerSample


def sample_names() -> tuple[str, ...]:
    """Return the names of the samples, e.g. ``"zn-train"``."""
    return tuple(sorted(path.stem for path in _folder().glob("*.h5")))


def sample_path(name: str) -> Path:
    """Return the path of a sample's shower file.

    Raises:
        DataFormatError: If there is no sample of that name.
    """
    if name not in sample_names():
        msg = f"sample: found no '{name}'; {did_you_mean(name, sample_names())}"
        raise DataFormatError(msg)
    return _folder() / f"{name}.h5"


def load_sample(name: str) -> ShowerSample:
    """Read a sample into memory.

    Raises:
        DataFormatError: If there is no sample of that name.

    Example:
        >>> sample = load_sample("zn-test")
        >>> sample.showers.shape
        (2200, 1936)
    """
    return replace(read_showers(sample_path(name)), source=name)


def resolve(name_or_path: str | Path) -> Path:
    """Return the path that a user means by the name of a sample or a path.

    A sample's name wins over a file of that name; write ``./zn-train`` for the file.

    Raises:
        DataFormatError: If there is neither such a sample nor such a file or folder.
    """
    path = Path(name_or_path)
    if str(name_or_path) in sample_names():
        return sample_path(str(name_or_path))
    if not path.exists():
        names = ", ".join(sample_names())
        msg = f"{name_or_path}: found no such file, expected a path or a sample ({names})"
        raise DataFormatError(msg)
    return path


def _folder() -> Path:
    """Folder of the samples: caloforge is installed as files, never run from an archive."""
    return Path(str(resources.files("caloforge.data") / "samples"))
