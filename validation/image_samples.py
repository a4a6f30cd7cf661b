"""Digits and faces as shower files, for the studies of images."""

from __future__ import annotations

from typing import TYPE_CHECKING

from image_checks import FEWEST_FACES, check_images

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
        work: Folder of the shower files; those of other digits are refused.
    """
    from caloforge.formats.conversion import convert
    from caloforge.formats.images.idx_file import IdxFile
    from caloforge.output import filled_folder

    found = {name: work / f"mnist-{name}.h5" for name in SETS}
    inputs = {
        name: [one_of(source, f"{prefix}-{what}") for what in ("images", "labels")]
        for name, prefix in SETS.items()
    }
    for name, paths in inputs.items():
        check_images(paths, "mnist")
        if found[name].exists():
            table = made_of(found[name]).get("source", {})
            sums = [one.get("sha256") for one in table.get("unpacked", ())]
            same = sums == [IdxFile.surveyed(path).sha256 for path in paths]
            refuse_others(found[name], source, same=same)
    with filled_folder(work, force=True):
        for name, paths in inputs.items():
            if not found[name].exists():
                convert(paths, found[name])
    return found


def one_of(source: Path, start: str) -> Path:
    """The file of a folder whose name starts so.

    Of several, as plain and packed beside each other, MNIST's own counts; damaged ones do not.
    """
    from caloforge.errors import DataFormatError
    from caloforge.formats.images.idx_file import IdxFile
    from caloforge.formats.images.idx_sets import CANONICAL

    paths = sorted(source.glob(f"{start}*"))
    if not paths:
        msg = (
            f"{source}: found no file {start}-idx*, expected MNIST's four idx files; get them "
            "with caloforge fetch mnist"
        )
        raise SystemExit(msg)
    good, failures = {}, []
    for path in paths:
        try:
            good.setdefault(IdxFile.surveyed(path).sha256, path)
        except DataFormatError as error:
            failures.append(str(error))
    own = [path for sha256, path in good.items() if sha256 in CANONICAL]
    if not good:
        raise SystemExit(failures[0])
    if len(good) > 1 and not own:
        names = " and ".join(path.name for path in good.values())
        msg = f"{source}: found {names} with other contents, expected one of them; remove one"
        raise SystemExit(msg)
    return own[0] if own else next(iter(good.values()))


def made_of(path: Path) -> dict:
    """What a shower file says of where its images come from."""
    from caloforge.data.files.shower_file import ShowerFile

    with ShowerFile(path) as file:
        return file.provenance


def refuse_others(path: Path, source: Path, *, same: bool) -> None:
    """Refuse a shower file of other images than those that are asked for."""
    if not same:
        msg = (
            f"{path}: was not made of what is in {source}, expected the same images; give "
            f"another --work, or remove {path.parent}"
        )
        raise SystemExit(msg)


def are_mnist(files: dict[str, Path]) -> bool:
    """Whether shower files hold the digits of MNIST as they were published."""
    tables = [made_of(path).get("source", {}) for path in files.values()]
    return all(len(table.get("recognised", ())) == 2 for table in tables)


def checksums(files: dict[str, Path]) -> dict[str, str]:
    """SHA-256 of the content of each shower file."""
    from caloforge.data.files.shower_file import ShowerFile

    found = {}
    for name, path in files.items():
        with ShowerFile(path) as file:
            found[name] = file.sha256()
    return found


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
        work: Folder of the shower files; those of other pictures are refused.
    """
    import numpy as np

    from caloforge.data import ShowerWriter
    from caloforge.data.files.shower_file import ShowerFile
    from caloforge.formats.conversion import convert
    from caloforge.formats.fingerprints import Fingerprints
    from caloforge.output import filled_folder

    if not source.is_dir():
        msg = f"{source}: found no folder, expected one of pictures; check the path"
        raise SystemExit(msg)
    check_images([source], "faces-64", least=FEWEST_FACES)
    found = {name: work / f"faces-{name}.h5" for name in SETS}
    with Fingerprints([source]) as prints:
        sha256 = prints.tables()[0]["sha256"]
    every = work / "faces.h5"
    if every.exists():
        sums = [one.get("sha256") for one in made_of(every).get("inputs", ())]
        refuse_others(every, source, same=sums == [sha256])
    for path in found.values():
        if path.exists():
            refuse_others(path, source, same=made_of(path).get("sha256") == sha256)
    if all(path.exists() for path in found.values()):
        return found
    with filled_folder(work, force=True):
        if not every.exists():
            convert([source], every)
    with ShowerFile(every) as file:
        n = len(file)
        held_out = np.zeros(n, dtype=bool)
        n_held_out = min(n // 5, MOST_HELD_OUT)
        held_out[np.random.default_rng(0).permutation(n)[:n_held_out]] = True
        for name, path in found.items():
            provenance = {"pictures": str(source), "sha256": sha256, "part": name}
            with ShowerWriter(path, file.geometry, provenance=provenance, force=True) as out:
                for start in range(0, n, PIECE):
                    stop = min(start + PIECE, n)
                    rows = np.flatnonzero(held_out[start:stop] == (name == "test"))
                    if len(rows):
                        particles = file.particles(start, stop).select(rows)
                        out.append(particles, file.read(start, stop)[rows])
    return found
