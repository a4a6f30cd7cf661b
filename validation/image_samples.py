"""The digits as shower files, for the studies of images."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from caloforge.data import ShowerSample

SETS = {"train": "train", "test": "t10k"}


def digit_files(source: Path, work: Path) -> dict[str, Path]:
    """Shower files of the training and the test digits, converted if they are not there yet.

    Arguments:
        source: Folder with MNIST's four idx files, plain or gzip.
        work: Folder of the shower files.
    """
    from caloforge.formats.conversion import convert

    work.mkdir(parents=True, exist_ok=True)
    found = {}
    for name, prefix in SETS.items():
        found[name] = work / f"mnist-{name}.h5"
        if not found[name].exists():
            inputs = [one_of(source, f"{prefix}-{what}") for what in ("images", "labels")]
            convert(inputs, found[name])
    return found


def one_of(source: Path, start: str) -> Path:
    """The file of a folder whose name starts so."""
    names = sorted(source.glob(f"{start}*"))
    if not names:
        msg = f"{source}: found no file {start}-idx*, expected MNIST's four idx files"
        raise SystemExit(msg)
    return names[0]


def digits(source: Path, work: Path) -> tuple[ShowerSample, ShowerSample]:
    """Training and test digits."""
    from caloforge.data import read_showers

    files = digit_files(source, work)
    return read_showers(files["train"]), read_showers(files["test"])
