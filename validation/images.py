"""The image tables of the talk: digits (MNIST) and faces (CelebA).

    python validation/images.py mnist ../shared/mnist     # trains what is missing, then draws
    python validation/images.py mnist --table             # only the table
    python validation/images.py celeba FOLDER --network NET.onnx --work DIR

``mnist`` takes the folder with the four idx files and runs the conditional VAE, WAE, e2e SAE
and DCGAN, three seeds each, and the original data: one JSON a run in validation/results/mnist/,
so that an interrupted study goes on, then docs/tables/mnist.md and two pictures in
docs/figures/. FID is that of the network mnist-v1 between 10,000 images and the 10,000 test
digits; nothing else ever sees a test digit. With ``--steps``, for a first try, or with other
digits than MNIST's, all of it stays in the folder of ``--work``.

``celeba`` takes a folder with aligned face pictures of 64 x 64 pixels and any feature network
as ONNX file (see docs/images.md), and leaves everything in DIR: shower files, models, one JSON
a run, celeba.md and a picture; those of ``--steps N`` in a folder of their own. At most 10,000
faces are held out for the comparison.

What is there is not made again if it is of the same settings and images.
"""

from __future__ import annotations

import argparse
import sys
from dataclasses import dataclass
from pathlib import Path

from caloforge.errors import CaloforgeError

HERE = Path(__file__).parent
ROOT = HERE.parent
RESULTS = HERE / "results" / "mnist"
TABLE = ROOT / "docs" / "tables" / "mnist.md"
CLASSES = ROOT / "docs" / "figures" / "mnist-classes.png"
INTERPOLATIONS = ROOT / "docs" / "figures" / "mnist-interpolations.png"
SEEDS = (0, 1, 2)
ORIGINAL = "original data"
# Names of the table, and what the talk's tables say: FID of another feature network.
MNIST = {
    "mnist-vae": ("cond VAE", 6.61),
    "mnist-wae": ("cond WAE", 34.73),
    "mnist-e2e-sae": ("cond e2e SAE", 4.11),
    "mnist-dcgan": ("cond DCGAN", 0.93),
    ORIGINAL: (ORIGINAL, 0.33),
}
CELEBA = {
    "faces-vae": ("VAE", 55),
    "faces-wae": ("WAE", 55),
    "faces-swae": ("SWAE", 64),
    "faces-sae-h": ("SAE (H)", 56),
    "faces-e2e-sae": ("e2e SAE", 54.5),
    "faces-bigwae": ("bigWAE", 37),
    ORIGINAL: (ORIGINAL, None),
}
MNIST_COMMAND = "python validation/images.py mnist ../shared/mnist"


@dataclass(frozen=True)
class Places:
    """Where a study of digits writes.

    Attributes:
        results: Folder of the JSON files.
        table: Its table.
        classes: Picture of generated digits.
        interpolations: Picture of interpolations.
        command: That makes it.
    """

    results: Path
    table: Path
    classes: Path
    interpolations: Path
    command: str

    @classmethod
    def committed(cls) -> Places:
        """Those of the repository."""
        return cls(RESULTS, TABLE, CLASSES, INTERPOLATIONS, MNIST_COMMAND)

    @classmethod
    def inside(cls, work: Path, options: argparse.Namespace) -> Places:
        """Those of a try, or of other digits."""
        return cls(
            work / "results",
            work / "mnist.md",
            work / "mnist-classes.png",
            work / "mnist-interpolations.png",
            "python validation/images.py mnist FOLDER" + steps_of(options),
        )


def steps_of(options: argparse.Namespace) -> str:
    """How the number of steps was given."""
    return f" --steps {options.steps}" if options.steps else ""


def work_of(options: argparse.Namespace) -> Path:
    """Folder of models; those of other numbers of steps have one of their own."""
    work: Path = options.work
    return work / f"{options.steps}-steps" if options.steps else work


def mnist(options: argparse.Namespace) -> None:
    """The table of digits, and its pictures."""
    from image_checks import check_options
    from image_pictures import draw_classes, draw_interpolations
    from image_samples import are_mnist, checksums, digit_files
    from image_study import Study
    from image_tables import write_table

    from caloforge.data import read_showers
    from caloforge.metrics.multivariate.feature_networks import network_of

    check_options(options, MNIST)
    work = work_of(options)
    places = Places.inside(work, options) if options.steps else Places.committed()
    if not options.table:
        files = digit_files(options.folder, options.work)
        if not are_mnist(files):
            places = Places.inside(work, options)
        test = read_showers(files["test"])
        network = network_of(test.geometry)
        study = Study(
            train_file=files["train"].resolve(),
            test=test,
            features=network.features,
            network=network.name,
            classes=network.classes,
            work=work,
            results=places.results,
            images=checksums(files),
        )
        measure(study, MNIST, options)
        models = {name: MNIST[name][0] for name in MNIST if name != ORIGINAL}
        if all(study.bundle(name, SEEDS[0]).is_dir() for name in models):
            draw_classes(study, models, SEEDS[0], places.classes)
            draw_interpolations(study, models, SEEDS[0], places.interpolations)
    write_table(
        places.results,
        places.table,
        MNIST,
        command=places.command,
        of="test digits",
    )
    print(places.table.read_text())


def celeba(options: argparse.Namespace) -> None:
    """The table of faces, from the user's pictures and with the user's network."""
    from image_checks import check_network, check_options
    from image_pictures import draw_faces
    from image_samples import checksums, face_files
    from image_study import Study
    from image_tables import write_table

    from caloforge.data import read_showers
    from caloforge.metrics.multivariate.onnx_features import onnx_features

    check_options(options, CELEBA)
    check_network(options.network, "faces-64")
    work = work_of(options)
    files = face_files(options.folder, options.work)
    test = read_showers(files["test"])
    study = Study(
        train_file=files["train"].resolve(),
        test=test,
        features=lambda images: onnx_features(options.network, [images], test.geometry)[0],
        network=options.network.name,
        classes=None,
        work=work,
        results=work / "results",
        images=checksums(files),
    )
    measure(study, CELEBA, options)
    names = {name: CELEBA[name][0] for name in options.only or CELEBA if name != ORIGINAL}
    draw_faces(study, names, SEEDS[0], work / "faces.png")
    command = "python validation/images.py celeba FOLDER --network NET.onnx" + steps_of(options)
    write_table(study.results, work / "celeba.md", CELEBA, command=command, of="held-out faces")
    print((work / "celeba.md").read_text())


def measure(study, rows: dict, options: argparse.Namespace) -> None:
    """Run what has no JSON yet; the original data are always measured, for the floor."""
    import torch
    from image_study import finished, measure_original, measure_run
    from result_files import warn_of_changes, write_json

    warn_of_changes()
    torch.set_num_threads(1)
    study.results.mkdir(parents=True, exist_ok=True)
    steps = options.steps
    settings = (f"train.steps={steps}", f"train.validate_every={steps}") if steps else ()
    for seed in range(options.seeds):
        for name in dict.fromkeys((*(options.only or rows), ORIGINAL)):
            path = study.result(name, seed)
            if finished(study, name, seed, settings):
                continue
            if name == ORIGINAL:
                found = measure_original(study, seed)
            else:
                found = measure_run(study, name, seed, settings)
            write_json(path, found)
            print(name, seed, found["fid"], flush=True)


def main() -> None:
    """Parse the command line and run; what is refused is one line, with exit code 2."""
    options = parsed()
    try:
        (mnist if options.name == "mnist" else celeba)(options)
    except CaloforgeError as error:
        text, code = str(error), error.exit_code
    except SystemExit as error:
        if not isinstance(error.code, str):
            raise
        text, code = error.code, 2
    else:
        return
    print(f"Error: {' '.join(text.split())}", file=sys.stderr)
    raise SystemExit(code)


def parsed() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    tables = parser.add_subparsers(dest="name", required=True)
    for name, what, n_seeds, work in (
        ("mnist", "MNIST's four idx files", len(SEEDS), Path("runs/mnist")),
        ("celeba", "aligned face pictures, 64 x 64", 1, Path("runs/celeba")),
    ):
        one = tables.add_parser(name)
        one.add_argument("folder", type=Path, nargs="?", help=f"folder with {what}")
        one.add_argument("--work", type=Path, default=work, help="training folders")
        one.add_argument("--only", nargs="*", help="run files, by default all")
        one.add_argument("--steps", type=int, default=0, help="training steps of every run")
        one.add_argument("--seeds", type=int, default=n_seeds, help="number of seeds")
        if name == "mnist":
            one.add_argument("--table", action="store_true", help="only draw the table")
        else:
            one.add_argument("--network", type=Path, required=True, help="ONNX file")
    options = parser.parse_args()
    if options.folder is None and not getattr(options, "table", False):
        parser.error("found no folder of images, expected its path")
    return options


if __name__ == "__main__":
    main()
