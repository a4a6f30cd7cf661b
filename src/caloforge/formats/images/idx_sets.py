"""Which idx files belong together: by what they hold, and by their names."""

from __future__ import annotations

import re
from types import MappingProxyType
from typing import TYPE_CHECKING, NamedTuple

from caloforge.errors import DataFormatError
from caloforge.formats.images.idx_file import IdxFile, axes_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path


class Canonical(NamedTuple):
    """A file of MNIST as it was published.

    Attributes:
        name: Name of the file, without ``.gz``.
        part: ``"train"`` or ``"t10k"``.
        md5: Checksum of the unpacked content.
        sha256: The same by a stronger rule.
    """

    name: str
    part: str
    md5: str
    sha256: str


MNIST = (
    Canonical(
        "train-images-idx3-ubyte",
        "train",
        "6bbc9ace898e44ae57da46a324031adb",
        "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
    ),
    Canonical(
        "train-labels-idx1-ubyte",
        "train",
        "a25bea736e30d166cdddb491f175f624",
        "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
    ),
    Canonical(
        "t10k-images-idx3-ubyte",
        "t10k",
        "2646ac647ad5339dbf082846283269ea",
        "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
    ),
    Canonical(
        "t10k-labels-idx1-ubyte",
        "t10k",
        "27ae3e4e09519cfbb04c629615203637",
        "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
    ),
)
"""The four files of MNIST."""

CANONICAL: Mapping[str, Canonical] = MappingProxyType({file.sha256: file for file in MNIST})
"""The same by the SHA-256 of the unpacked content."""

_WORD = re.compile(r"images?|labels?", re.IGNORECASE)
_AXES = re.compile(r"idx[13]", re.IGNORECASE)


def grouped(paths: Sequence[Path]) -> list[tuple[Path, ...]]:
    """Pair images with labels; the partner of a file may lie beside it, not named.

    Arguments:
        paths: Files, and folders of one set of files.

    Returns:
        Sets of images and labels, or of images alone.

    Raises:
        DataFormatError: If labels have no images, or a folder holds several sets.
    """
    files = list(dict.fromkeys(file for path in paths for file in _files(path)))
    axes = {file: axes_of(file) for file in files}
    for file, n in axes.items():
        if n not in {1, 3}:
            IdxFile.surveyed(file)  # says what is wrong
    images = [file for file in files if axes[file] == 3]
    labels = [file for file in files if axes[file] == 1]
    for path in paths:
        inside = [file for file in images if path.is_dir() and file.parent == path]
        if len(inside) > 1:
            names = ", ".join(file.name for file in inside)
            msg = (
                f"{path}: found {len(inside)} files of images ({names}), expected one set of a "
                f"folder; name the files, e.g. {inside[0]}"
            )
            raise DataFormatError(msg)
    if len(images) == len(labels) == 1:
        return [(images[0], labels[0])]
    sets: list[tuple[Path, ...]] = []
    for file in images:
        partner = _partner(file, labels)
        sets.append((file,) if partner is None else (file, partner))
    used = {group[-1] for group in sets}
    for file in labels:
        if file not in used:
            beside = _partner(file, [other for other in _files(file.parent) if other != file])
            if beside is None or beside in images:
                msg = (
                    f"{file}: found no images that belong to these labels; name both files "
                    "alike, e.g. train-images-idx3-ubyte and train-labels-idx1-ubyte"
                )
                raise DataFormatError(msg)
            sets.append((beside, file))
    return sets


def pair(paths: Sequence[Path]) -> tuple[IdxFile, IdxFile | None]:
    """Survey one set of files; return images and labels.

    Raises:
        DataFormatError: If they do not belong together.
    """
    files = [IdxFile.surveyed(path) for path in paths]
    images = [file for file in files if file.are_images]
    labels = [file for file in files if not file.are_images]
    where = " + ".join(map(str, paths))
    if len(images) != 1 or len(labels) > 1:
        msg = (
            f"{where}: found {len(images)} files of images and {len(labels)} of labels, "
            "expected one of each; name them"
        )
        raise DataFormatError(msg)
    if not labels:
        return images[0], None
    known = [CANONICAL[file.sha256] for file in files if file.sha256 in CANONICAL]
    one, other = images[0], labels[0]
    if one.shape[0] != other.shape[0]:
        msg = (
            f"{other.path}: has {other.shape[0]:,} labels, expected {one.shape[0]:,} as there "
            f"are images in {one.path}; they do not belong together"
        )
        raise DataFormatError(msg)
    if len({file.part for file in known}) > 1:
        parts = " and ".join(file.name for file in known)
        msg = f"{where}: found MNIST's {parts}, expected one set; they do not belong together"
        raise DataFormatError(msg)
    return one, other


def _files(path: Path) -> list[Path]:
    """List the idx files of a folder; a file stands for itself."""
    if not path.is_dir():
        return [path]
    return [file for file in sorted(path.iterdir()) if file.is_file() and axes_of(file)]


def _partner(file: Path, others: Sequence[Path]) -> Path | None:
    """Find the file that is called alike, but for images and labels; beside it, too."""
    key = _key(file)
    beside = [other for other in _files(file.parent) if other != file]
    for other in dict.fromkeys((*others, *beside)):
        if _key(other) == key and axes_of(other) != axes_of(file):
            return other
    return None


def _key(path: Path) -> str:
    """Name of a file without what it holds and how it is packed."""
    name = path.name.removesuffix(".gz")
    return _AXES.sub("*", _WORD.sub("*", name, count=1), count=1)
