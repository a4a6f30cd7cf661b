"""What a study of images is asked for, checked before anything is converted or written."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from caloforge.errors import ConfigError, DataFormatError, did_you_mean

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterable, Sequence
    from pathlib import Path

FEWEST_FACES = 10


def check_options(options: argparse.Namespace, rows: Iterable[str]) -> None:
    """Refuse rows that the table does not have, and numbers that make no run.

    Raises:
        ConfigError: Naming the option.
    """
    rows = tuple(rows)
    for name in options.only or ():
        if name not in rows:
            msg = f"--only: found '{name}', expected rows of the table; {_hint(name, rows)}"
            raise ConfigError(msg)
    for option, found, least in (("seeds", options.seeds, 1), ("steps", options.steps, 0)):
        if found < least:
            msg = f"--{option}: found {found}, expected {least} or more; correct it"
            raise ConfigError(msg)


def _hint(name: str, rows: tuple[str, ...]) -> str:
    """The nearest row, also to a name without what all begin with."""
    whole = f"{rows[0].partition('-')[0]}-{name.rpartition('-')[2]}"
    return f"did you mean '{whole}'?" if whole in rows else did_you_mean(name, rows)


def check_images(paths: Sequence[Path], geometry: str, *, least: int = 1) -> None:
    """Refuse files that are no images of a size, or too few.

    Arguments:
        paths: What is read together: idx files of images and labels, or a folder of pictures.
        geometry: Name of the geometry that holds such images.
        least: Number of images that a study needs.

    Raises:
        DataFormatError: Naming the first path.
    """
    from caloforge.formats.registry import open_showers

    with open_showers(paths) as source:
        if source.geometry.name != geometry:
            msg = (
                f"{paths[0]}: found images of '{source.geometry.name}', expected those of "
                f"'{geometry}'; scale them before"
            )
            raise DataFormatError(msg)
        if source.n_showers < least:
            msg = (
                f"{paths[0]}: found {source.n_showers} images, expected at least {least}; "
                "name a folder with more"
            )
            raise DataFormatError(msg)


def check_network(path: Path, geometry: str) -> None:
    """Refuse a feature network that cannot look at such images, by two of noise.

    Raises:
        ConfigError: If there is no such file, or its input fits no such image.
        DataFormatError: If it is no ONNX network, or gives no features.
    """
    from caloforge.geometry import load_geometry
    from caloforge.metrics.multivariate.onnx_features import onnx_features

    cells = load_geometry(geometry)
    noise = np.random.default_rng(0).integers(0, 256, (2, cells.n_cells), dtype=np.uint16)
    onnx_features(path, [noise], cells)
