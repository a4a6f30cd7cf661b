"""A folder of PNG or JPEG pictures of one size; sub-folders are their classes."""

from __future__ import annotations

import warnings
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from caloforge.data.images import LABEL, no_particles
from caloforge.errors import DataFormatError
from caloforge.formats.challenge.binning_xml import named_geometry
from caloforge.formats.damage import UNREADABLE
from caloforge.formats.format import Format, Piece, ReadOptions, ShowerSource
from caloforge.formats.images.picture_folder import (
    PictureFolder,
    grouped,
    has_pictures,
    is_picture,
)
from caloforge.formats.images.sizes import checked_layout
from caloforge.geometry import DetectorGeometry, GridLayout, load_geometry

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from numpy.typing import NDArray
    from PIL.Image import Image

# Columns, rows and colours of the geometries that come along.
_KNOWN = {(64, 64, 3): "faces-64", (28, 28, 1): "mnist"}
_GREY = ("L", "1")
_COLOURS = ("RGB", "P", *_GREY)
_OPAQUE = 255


@dataclass(frozen=True)
class _Source:
    """Pictures, read one by one."""

    folder: PictureFolder
    geometry: DetectorGeometry
    layout: GridLayout
    skip_bad: bool

    @property
    def n_showers(self) -> int:
        """Number of pictures."""
        return len(self.folder.paths)

    @property
    def conversions(self) -> tuple[str, ...]:
        """How pictures become showers."""
        told = ["particle: none, constant columns; each image is an incident of its own"]
        classes = list(self.folder.classes.items())
        if classes:
            some = ", ".join(f"{number} {name}" for name, number in classes[:10])
            told.append(f"label: {some}" + (", ..." if len(classes) > 10 else ""))
        return tuple(told)

    @property
    def provenance(self) -> Mapping[str, Any]:
        """The classes by the names of their folders."""
        return {"classes": dict(self.folder.classes)} if self.folder.classes else {}

    def pieces(self, size: int) -> Iterator[Piece]:
        """Go through the pictures; broken ones are left out, if that is wished."""
        paths, labels = self.folder.paths, self.folder.labels
        columns, rows = self.layout.cells
        for start in range(0, len(paths), size):
            part = paths[start : start + size]
            pictures = np.empty((len(part), rows, columns, self.layout.planes), dtype=np.uint8)
            good = np.ones(len(part), dtype=bool)
            for k, path in enumerate(part):
                try:
                    pictures[k] = _pixels(path, self.layout)
                except DataFormatError:
                    if not self.skip_bad:
                        raise
                    good[k] = False
            table = no_particles(int(good.sum()))
            if labels is not None:
                table[LABEL] = np.array(labels[start : start + size], dtype=np.float64)[good]
            chosen = pictures[good]
            yield Piece(
                columns=table,
                incident=start + np.flatnonzero(good),
                showers=self.layout.flat(chosen if self.layout.planes > 1 else chosen[..., 0]),
                unreadable={"broken pictures": int((~good).sum())},
            )


def _pixels(path: Path, layout: GridLayout) -> NDArray[np.uint8]:
    """Read one picture, ``(row, column, colour)``; only one of the right size is decoded."""
    with _opened(path) as image:
        if image.size != layout.cells:
            msg = (
                f"{path}: picture of {image.size[0]} x {image.size[1]}, expected "
                f"{layout.cells[0]} x {layout.cells[1]} as the geometry has, or the first "
                "picture; crop or scale it"
            )
            raise DataFormatError(msg)
        allowed = _GREY if layout.planes == 1 else _COLOURS
        if image.mode in ("RGBA", "LA") or "transparency" in image.info:
            image = _without_transparency(image, path)
        if image.mode not in allowed:
            what = "1 plane (grey)" if layout.planes == 1 else "3 planes (colours)"
            msg = (
                f"{path}: picture of mode {image.mode}, expected {' or '.join(allowed)} for a "
                f"geometry of {what}; convert it, or name another geometry"
            )
            raise DataFormatError(msg)
        pixels = np.asarray(image.convert("L" if layout.planes == 1 else "RGB"))
    return pixels.reshape(layout.cells[1], layout.cells[0], layout.planes)


def _without_transparency(image: Image, path: Path) -> Image:
    """Return an opaque picture without its alpha channel."""
    grey = image.mode in ("L", "LA")
    image = image.convert("RGBA")
    if (np.asarray(image)[..., 3] != _OPAQUE).any():
        msg = f"{path}: is transparent in places, expected an opaque picture; flatten it"
        raise DataFormatError(msg)
    return image.convert("L" if grey else "RGB")


@contextmanager
def _opened(path: Path) -> Iterator[Image]:
    """Open a picture; whatever Pillow finds wrong with it names the file."""
    from PIL import Image

    broken: tuple[type[Exception], ...]
    broken = (*UNREADABLE, Warning, Image.DecompressionBombError)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")  # too many pixels are only warned about
            with Image.open(path, formats=("PNG", "JPEG")) as image:
                yield image
    except DataFormatError:
        raise
    except PermissionError as error:
        msg = f"{path}: may not be read; ask its owner for permission"
        raise DataFormatError(msg) from error
    except broken as error:
        reason = " ".join(str(error).replace(str(path), "").split())[:80]
        msg = (
            f"{path}: broken picture ({reason or type(error).__name__}), expected PNG or JPEG; "
            "copy it again, or leave such out with --skip-bad"
        )
        raise DataFormatError(msg) from error


def _recognise(path: Path) -> bool:
    """Whether it is a picture, or a folder with some in it or in its sub-folders."""
    return has_pictures(path) if path.is_dir() else is_picture(path)


@contextmanager
def _read(paths: tuple[Path, ...], options: ReadOptions) -> Iterator[ShowerSource]:
    """Open a folder."""
    if options.pdg is not None:
        msg = f"{paths[0]}: images have no particle, found --pdg {options.pdg}; leave it out"
        raise DataFormatError(msg)
    folder = PictureFolder.found(paths)
    geometry = _geometry(folder, options)
    layout = geometry.layout
    size = layout.cells if isinstance(layout, GridLayout) else (0, 0)
    where = str(paths[0])
    yield _Source(folder, geometry, checked_layout(geometry, size, where), options.skip_bad)


def _geometry(folder: PictureFolder, options: ReadOptions) -> DetectorGeometry:
    """Find the geometry by the first picture that can be read, or take the named one."""
    if options.geometry is not None:
        return named_geometry(options.geometry)
    for path in folder.paths:
        try:
            with _opened(path) as image:
                (columns, rows), mode = image.size, image.mode
            break
        except DataFormatError:
            if not options.skip_bad:
                raise
    else:
        msg = f"{folder.paths[0].parent}: found no picture that can be read, expected some"
        raise DataFormatError(msg)
    planes = 1 if mode in (*_GREY, "LA") else 3
    if (columns, rows, planes) not in _KNOWN:
        colours = ", planes = 3" if planes > 1 else ""
        msg = (
            f"{path}: picture of {columns} x {rows} in {'colour' if planes > 1 else 'grey'}, "
            "expected 64 x 64 in colour or 28 x 28 in grey; describe others in a TOML file "
            f"(docs/images.md) with cells = [{columns}, {rows}]{colours} and name it with "
            "--geometry"
        )
        raise DataFormatError(msg)
    return load_geometry(_KNOWN[columns, rows, planes])


FORMAT = Format(
    name="pictures",
    title="PNG or JPEG pictures of one size in a folder; its sub-folders are classes",
    suffixes=(),
    recognise=_recognise,
    read=_read,
    group=grouped,
    planes=True,
)
