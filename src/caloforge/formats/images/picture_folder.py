"""Which pictures lie in a folder, in which order, and of which class each is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from caloforge.errors import DataFormatError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

SUFFIXES = (".png", ".jpg", ".jpeg")
_MAGIC = (b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff")


@dataclass(frozen=True)
class PictureFolder:
    """Pictures in the order of their names.

    Attributes:
        paths: The pictures.
        labels: Class of each, as long as `paths`; ``None`` without classes.
        classes: Class of each sub-folder by its name.
    """

    paths: tuple[Path, ...]
    labels: tuple[int, ...] | None
    classes: Mapping[str, int]

    @classmethod
    def found(cls, paths: Sequence[Path]) -> PictureFolder:
        """List the pictures of a folder, or take those that are named.

        Two sub-folders or more are classes: of the number that they are called, if all are
        called numbers, else numbered in the order of their names.

        Raises:
            DataFormatError: If there is none, or some lie beside sub-folders of others.
        """
        if len(paths) != 1 or not paths[0].is_dir():
            return cls(tuple(paths), None, {})
        folder = paths[0]
        own = _pictures(folder)
        inside = {sub.name: _pictures(sub) for sub in _sub_folders(folder)}
        inside = {name: pictures for name, pictures in inside.items() if pictures}
        if own and inside:
            msg = (
                f"{folder}: found pictures and sub-folders of pictures ({', '.join(inside)}), "
                "expected either; name the folder that is meant"
            )
            raise DataFormatError(msg)
        if not own and not inside:
            msg = f"{folder}: found no picture, expected some ({', '.join(SUFFIXES)})"
            raise DataFormatError(msg)
        if len(inside) < 2:
            return cls(own or next(iter(inside.values())), None, {})
        numbers = all(name.isascii() and name.isdigit() for name in inside)
        classes = {name: int(name) if numbers else k for k, name in enumerate(inside)}
        if len(set(classes.values())) < len(classes):  # 1 and 01
            classes = {name: k for k, name in enumerate(inside)}
        return cls(
            tuple(path for pictures in inside.values() for path in pictures),
            tuple(classes[name] for name, pictures in inside.items() for _ in pictures),
            classes,
        )


def is_picture(path: Path) -> bool:
    """Whether a file begins as a PNG or JPEG picture."""
    with path.open("rb") as file:
        return file.read(8).startswith(_MAGIC)


def has_pictures(folder: Path) -> bool:
    """Whether a folder, or a sub-folder, has a picture in it."""
    return any(
        is_picture(path) for part in (folder, *_sub_folders(folder)) for path in _pictures(part)
    )


def grouped(paths: Sequence[Path]) -> list[tuple[Path, ...]]:
    """Sort paths into sets: each folder, and all single pictures together."""
    files = tuple(path for path in paths if not path.is_dir())
    return [*((path,) for path in paths if path.is_dir()), *([files] if files else [])]


def _sub_folders(folder: Path) -> list[Path]:
    return sorted(p for p in folder.iterdir() if p.is_dir() and not p.name.startswith("."))


def _pictures(folder: Path) -> tuple[Path, ...]:
    """Pictures by the endings of their names; what they hold is seen when they are read."""
    return tuple(
        sorted(
            path
            for path in folder.iterdir()
            if path.suffix.lower() in SUFFIXES
            and not path.name.startswith(".")
            and path.is_file()
        )
    )
