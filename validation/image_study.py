"""One run of a study of images: train, generate, compare with held-out images by features."""

from __future__ import annotations

import time
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import numpy as np
from result_files import read_json, write_json

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from caloforge.config import RunConfig
    from caloforge.data import Particles, ShowerSample

N_BOOTSTRAP = 50


@dataclass(frozen=True)
class Study:
    """Images to learn from, images to compare with, and the network that compares them.

    Attributes:
        train_file: Shower file of the images that models learn from.
        test: Held-out images: one image is generated for each, with its label.
        features: Maps images ``(n, cell)`` to features ``(n, feature)``.
        network: What the network is, in words.
        classes: Maps features to the digit that the network reads; ``None`` without labels.
        work: Training folders.
        results: Folder of the JSON files.
        images: SHA-256 of the shower files, by part: ``train`` and ``test``.
    """

    train_file: Path
    test: ShowerSample
    features: Callable[[np.ndarray], np.ndarray]
    network: str
    classes: Callable[[np.ndarray], np.ndarray] | None
    work: Path
    results: Path
    images: dict[str, str] = field(default_factory=dict)

    def bundle(self, run: str, seed: int) -> Path:
        """Folder of a trained model."""
        return self.work / f"{run}-{seed}" / "bundle"

    def result(self, run: str, seed: int) -> Path:
        """JSON file of a run."""
        return self.results / f"{run.replace(' ', '-')}-{seed}.json"


def wanted_run(study: Study, run_name: str, seed: int, settings: tuple[str, ...]) -> RunConfig:
    """The run that a study asks for."""
    from caloforge.config import load_run

    given = [f'data.train="{study.train_file}"', f"seed={seed}", "train.threads=1"]
    return load_run(run_name, [*given, *settings])


def same_run(tables: dict, run: RunConfig) -> bool:
    """Whether the tables of a run that was made ask for the same, wherever its images lay."""
    from caloforge.config import run_from_tables
    from caloforge.errors import ConfigError

    try:
        made = run_from_tables(tables, source="before")
    except ConfigError:  # of another version
        return False
    data = replace(made.data, train=run.data.train)
    return replace(made, data=data, title=run.title) == run


def finished(study: Study, run_name: str, seed: int, settings: tuple[str, ...]) -> bool:
    """Whether the JSON file of a run is there, of these settings, images and features.

    Files of older versions say nothing of the images.
    """
    path = study.result(run_name, seed)
    if not path.exists():
        return False
    found = read_json(path)
    same = found["features"].partition(" of ")[2] == study.network
    same = same and found.get("images", study.images) == study.images
    if "run file" in found:
        wanted = wanted_run(study, run_name, seed, settings)
        same = same and same_run(found["run file"], wanted)
    if not same:
        print(f"{path}: of other settings or images, made anew", flush=True)
    return same


def trained(study: Study, run_name: str, seed: int, settings: tuple[str, ...]) -> float:
    """Train unless just that has been done; returns the core-seconds that it took."""
    from caloforge.training.bundle import read_table
    from caloforge.training.run import train

    run = wanted_run(study, run_name, seed, settings)
    bundle = study.bundle(run_name, seed)
    note, manifest = bundle.parent / "core-seconds.json", bundle.parent / "manifest.json"
    there = all(path.is_file() for path in (bundle / "bundle.json", note, manifest))
    if there:
        sha256 = read_json(manifest)["data"]["sha256"]
        same = same_run(read_table(bundle)["run"], run)
        same = same and sha256 == study.images.get("train", sha256)
        if not same:
            print(f"{bundle}: of other settings or images, trained anew", flush=True)
        there = same
    if not there:
        started = time.process_time()
        train(run, bundle.parent, force=True)
        write_json(note, round(time.process_time() - started, 1))
    return float(read_json(note))


def measure_run(study: Study, run_name: str, seed: int, settings: tuple[str, ...]) -> dict:
    """Train one run file, generate an image for each held-out one, compare."""
    from caloforge.generation.simulation import load
    from caloforge.training.bundle import read_table

    seconds = trained(study, run_name, seed, settings)
    bundle = study.bundle(run_name, seed)
    simulation = load(bundle)
    started = time.process_time()
    made = simulation.generate(study.test.particles, seed=seed)
    rate = len(made) / (time.process_time() - started)
    table = read_table(bundle)
    return {
        "run": run_name,
        "seed": seed,
        **compared(study, made.showers, seed),
        "parameters": table["n_parameters"],
        "training": table["training"],
        "training core-seconds": seconds,
        "images per core-second": round(rate, 1),
        "run file": table["run"],
        "trained at": table["provenance"],
    }


def measure_original(study: Study, seed: int) -> dict:
    """The floor: as many training images as there are held-out ones, of the same labels."""
    from caloforge.data.files.shower_file import ShowerFile

    with ShowerFile(study.train_file) as file:
        rng = np.random.default_rng(seed)
        rows = like(labels(file.particles()), labels(study.test.particles), rng)
        order = np.argsort(rows)
        showers = np.empty_like(study.test.showers, shape=(len(rows), file.geometry.n_cells))
        showers[order] = file.read_rows(rows[order])
    return {"run": "original data", "seed": seed, **compared(study, showers, seed)}


def labels(particles: Particles) -> np.ndarray:
    """Label of each image; all 0 where images have none."""
    columns = particles.columns
    found = columns["label"] if "label" in columns else np.zeros(len(particles))
    return found.astype(np.int64)


def like(available: np.ndarray, wanted: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Rows of images at random, without repetition, with the wanted label one by one."""
    rows = np.empty(len(wanted), dtype=np.int64)
    for label in np.unique(wanted):
        places = np.flatnonzero(wanted == label)
        having = np.flatnonzero(available == label)
        if len(having) < len(places):
            msg = (
                f"images: found {len(having)} to learn from with label {label}, expected at "
                f"least the {len(places)} that are held out; hold out fewer"
            )
            raise SystemExit(msg)
        rows[places] = rng.choice(having, len(places), replace=False)
    return rows


def compared(study: Study, images: np.ndarray, seed: int) -> dict:
    """Frechet distance to the held-out images, labels that are read, spread within labels."""
    from caloforge.metrics.multivariate.frechet import Pair
    from caloforge.metrics.statistics.bootstrap import draw_counts
    from caloforge.training.provenance import provenance

    n = len(study.test)
    reference, made = study.features(study.test.showers), study.features(images)
    rows = np.arange(n)
    counts = draw_counts(n, N_BOOTSTRAP, np.random.default_rng(seed))
    replicas = Pair(reference, made, rows, rows).distance(counts)[0]
    wanted = labels(study.test.particles)
    found = {
        "n": n,
        "features": f"{reference.shape[1]} of {study.network}",
        "fid": {
            "value": round(float(replicas[0]), 4),
            "error": round(float(replicas[1:].std()), 4),
        },
        "spread within labels over the data's": round(
            spread(made, wanted) / max(spread(reference, wanted), 1e-12), 4
        ),
    }
    if study.classes is not None:
        right = study.classes(made) == wanted
        found["share read as wanted"] = round(float(right.mean()), 4)
        found["by label"] = {
            str(label): round(float(right[wanted == label].mean()), 4)
            for label in np.unique(wanted)
        }
    return found | {"images": study.images, "provenance": provenance()}


def spread(features: np.ndarray, labels: np.ndarray) -> float:
    """Root of the total variance of features within a label, mean over labels."""
    each = [features[labels == label].var(axis=0).sum() for label in np.unique(labels)]
    return float(np.sqrt(each).mean())
