"""The digits as shower files, for the studies of images."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from caloforge.data import ShowerSample

SETS = {"train": "train", "test": "t10k"}
MOST_HELD_OUT = 10_000
PIECE = 2000


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


def face_files(source: Path, work: Path) -> dict[str, Path]:
    """Shower files of faces to learn from and of held-out ones.

    A fifth of the pictures, but at most `MOST_HELD_OUT`, are held out at random (seed 0). They
    are copied piece by piece: the pictures need not fit into memory.

    Arguments:
        source: Folder of aligned pictures of 64 x 64 pixels.
        work: Folder of the shower files.
    """
    import numpy as np

    from caloforge.data import ShowerWriter
    from caloforge.data.files.shower_file import ShowerFile
    from caloforge.formats.conversion import convert

    found = {name: work / f"faces-{name}.h5" for name in SETS}
    if all(path.exists() for path in found.values()):
        return found
    work.mkdir(parents=True, exist_ok=True)
    every = work / "faces.h5"
    if not every.exists():
        convert([source], every)
    with ShowerFile(every) as file:
        n = len(file)
        held_out = np.zeros(n, dtype=bool)
        n_held_out = min(n // 5, MOST_HELD_OUT)
        held_out[np.random.default_rng(0).permutation(n)[:n_held_out]] = True
        for name, path in found.items():
            provenance = {"pictures": str(source), "part": name}
            with ShowerWriter(path, file.geometry, provenance=provenance, force=True) as out:
                for start in range(0, n, PIECE):
                    stop = min(start + PIECE, n)
                    rows = np.flatnonzero(held_out[start:stop] == (name == "test"))
                    if len(rows):
                        particles = file.particles(start, stop).select(rows)
                        out.append(particles, file.read(start, stop)[rows])
    return found
