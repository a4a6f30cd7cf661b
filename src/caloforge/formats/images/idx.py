"""MNIST's idx files: images in one file, their labels in another."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from caloforge.data.images import LABEL, no_particles
from caloforge.errors import DataFormatError
from caloforge.formats.challenge.binning_xml import named_geometry
from caloforge.formats.format import WARNING, Format, Piece, ReadOptions, ShowerSource
from caloforge.formats.images.idx_file import IdxFile, axes_of
from caloforge.formats.images.idx_sets import CANONICAL, grouped, pair
from caloforge.formats.images.sizes import checked_layout
from caloforge.geometry import DetectorGeometry, GridLayout, load_geometry

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

_MNIST_SIZE = (28, 28)


@dataclass(frozen=True)
class _Source:
    """Images and labels, read piece by piece."""

    images: IdxFile
    labels: IdxFile | None
    geometry: DetectorGeometry
    layout: GridLayout

    @property
    def n_showers(self) -> int:
        """Number of images."""
        return self.images.shape[0]

    @property
    def conversions(self) -> tuple[str, ...]:
        """How images become showers."""
        told = "particle: none, constant columns; each image is an incident of its own"
        if self.labels is not None:
            return (told,)
        return told, (
            f"{WARNING}{self.images.path}: found no labels, none are written; name their file "
            "after it, or train with data.conditions = []"
        )

    @property
    def provenance(self) -> Mapping[str, Any]:
        """Which files they are, by the checksums of what is in them."""
        files = [file for file in (self.images, self.labels) if file is not None]
        table: dict[str, Any] = {
            "unpacked": [
                {"path": str(file.path), "md5": file.md5, "sha256": file.sha256}
                for file in files
            ]
        }
        known = [CANONICAL[file.sha256].name for file in files if file.sha256 in CANONICAL]
        if known:
            table["recognised"] = [f"MNIST {name}" for name in known]
        return table

    def pieces(self, size: int) -> Iterator[Piece]:
        """Go through both files at once."""
        labels = self.labels.rows(size) if self.labels else None
        start = 0
        for pictures in self.images.rows(size):
            n = len(pictures)
            columns = no_particles(n)
            if labels is not None:
                columns[LABEL] = next(labels).astype(np.float64)
            yield Piece(
                columns=columns,
                incident=np.arange(start, start + n),
                showers=self.layout.flat(pictures),
            )
            start += n


def _recognise(path: Path) -> bool:
    """Whether it begins as an idx file, or is a folder with some."""
    if path.is_dir():
        return any(file.is_file() and axes_of(file) for file in sorted(path.iterdir()))
    return axes_of(path) > 0


@contextmanager
def _read(paths: tuple[Path, ...], options: ReadOptions) -> Iterator[ShowerSource]:
    """Open one set."""
    if options.pdg is not None:
        msg = f"{paths[0]}: images have no particle, found --pdg {options.pdg}; leave it out"
        raise DataFormatError(msg)
    images, labels = pair(paths)
    rows, columns = images.shape[1:]
    geometry = _geometry(images, options.geometry)
    layout = checked_layout(geometry, (columns, rows), str(images.path), grey=True)
    yield _Source(images, labels, geometry, layout)


def _geometry(images: IdxFile, name: str | None) -> DetectorGeometry:
    """Find the geometry by the size of the images, or take the one that is named."""
    if name is not None:
        return named_geometry(name)
    if images.shape[1:] != _MNIST_SIZE:
        size = f"{images.shape[2]} x {images.shape[1]}"
        msg = (
            f"{images.path}: images are {size}, expected 28 x 28; describe others in a TOML "
            f"file (docs/images.md) with cells = [{images.shape[2]}, {images.shape[1]}] and "
            "name it with --geometry"
        )
        raise DataFormatError(msg)
    return load_geometry("mnist")


FORMAT = Format(
    name="idx",
    title="idx files of images and labels, as MNIST: plain or gzip, two files or their folder",
    suffixes=(),
    recognise=_recognise,
    read=_read,
    group=grouped,
)
