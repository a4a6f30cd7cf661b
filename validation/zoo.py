"""Every system, published and tuned, on the embedded showers of ZN, ZP and cylinder.

    python validation/zoo.py                     # trains what is missing, hours of a core
    python validation/zoo.py --only zn/vae       # runs whose name begins so
    python validation/zoo.py --speeds            # times what was trained, on a quiet machine
    python validation/zoo.py --table             # only draws the tables and the pictures

A run is one JSON in validation/results/zoo/DETECTOR/, so that an interrupted study goes on, and
two of these commands may run side by side. A run whose settings have changed since is made
again. Settings were chosen on the validation side of the training particles; test showers are
used here alone.

Published run files are cut to a number of steps that was chosen so that a training takes at
most eight core-minutes here; its share of the published training stands in the table.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple
from uuid import uuid4

import model_pages
import zoo_speeds
from result_files import same_run, warn_of_changes, write_json, write_text
from zoo_tables import draw

if TYPE_CHECKING:
    from collections.abc import Iterator

HERE = Path(__file__).parent
RESULTS = HERE / "results" / "zoo"


class System(NamedTuple):
    """A row of the table.

    Attributes:
        name: As in file names.
        title: As the talk calls it.
        run: Run file without the detector.
        steps: Steps of the published run file that are made; 0 if there is none.
        validate_every: Steps between validations of the published run file.
        seeds: How many seeds on ZN.
        cylinder: Whether its tuned form fits the cylinder: one shower a particle, no grid.
    """

    name: str
    title: str
    run: str
    steps: int
    validate_every: int
    seeds: int
    cylinder: bool = True


# What a run file of the ZN changes for another detector.
ELSEWHERE = {
    "zp": ("data.train=zp-train",),
    "cylinder": (
        "data.train=cylinder-train",
        'data.conditions=["log_energy"]',
        "data.centre_on_impact=false",
        "model.cells=deposits",
    ),
}

SYSTEMS = (
    System("e2e-sae", "e2e SAE", "e2e-sae", 60, 20, 3),
    System("vae", "VAE", "vae", 1800, 300, 3),
    System("wae", "WAE", "wae", 800, 200, 3),
    System("dcgan", "DCGAN", "dcgan", 200, 50, 3),
    System("bigwae", "bigWAE", "bigwae", 24, 12, 1),
    System("swae", "SWAE", "swae", 130, 65, 1),
    System("cwae", "CWAE", "cwae", 800, 200, 1),
    System("sae", "SAE", "sae", 800, 200, 1),
    System("sae-h", "SAE (H)", "sae-h", 800, 200, 1),
    System("regression", "mean regression", "regression", 0, 0, 1),
    System("e2e-shapes", "e2e SAE, shapes", "e2e-shapes", 0, 0, 3),
    System("latent-flow", "flow on codes", "latent-flow", 0, 0, 3),
    System("latent-fm", "latent flow matching", "latent-flow-matching", 200, 50, 3),
    System("flow-matching", "flow matching", "flow-matching", 400, 400, 3),
    System("sdi-gan", "SDI-GAN", "sdi-gan", 150, 50, 1, cylinder=False),
    System("channel-regressor", "channel regressor", "channel-regressor", 0, 0, 1),
)


class Job(NamedTuple):
    """One training.

    Attributes:
        detector: ``"zn"`` or ``"zp"``.
        system: What is trained.
        tuned: Whether by the tuned run file; else by the published one.
        seed: Seed of training and generation.
    """

    detector: str
    system: System
    tuned: bool
    seed: int

    @property
    def variant(self) -> str:
        """``"tuned"`` or ``"published"``."""
        return "tuned" if self.tuned else "published"

    @property
    def label(self) -> str:
        """E.g. ``"zn/vae-tuned-0"``."""
        return f"{self.detector}/{self.system.name}-{self.variant}-{self.seed}"

    @property
    def run(self) -> str:
        """Name of the run file."""
        return f"zn-{self.system.run}{'' if self.tuned else '-published'}"

    def settings(self) -> list[str]:
        """What the study changes in the run file."""
        changes = [f"seed={self.seed}", "train.threads=1"]
        changes += ELSEWHERE.get(self.detector, ())
        if self.detector == "zp" and self.system.name == "e2e-shapes":
            # Its training particles have one shower each: tracks cannot be measured.
            changes.append("model.cells=negative-binomial")
        if self.detector == "cylinder" and self.system.name == "e2e-shapes":
            changes.append("model.cells=deposit-tracks")
        if self.detector == "cylinder" and self.system.name == "dcgan":
            # A discriminator gives no gradient to the mean of a deposit.
            changes.append("model.cells=log1p")
        if not self.tuned:
            changes += [
                f"train.steps={self.system.steps}",
                f"train.validate_every={self.system.validate_every}",
            ]
        return changes


def jobs() -> list[Job]:
    """All trainings, the cheapest questions first."""
    of_zn = [
        Job("zn", system, tuned, seed)
        for tuned in (True, False)
        for seed in range(3)
        for system in SYSTEMS
        if seed < system.seeds and (tuned or system.steps)
    ]
    elsewhere = [Job("zp", system, True, 0) for system in SYSTEMS]
    elsewhere += [Job("cylinder", system, True, 0) for system in SYSTEMS if system.cylinder]
    return of_zn + elsewhere


def measure(job: Job, work: Path) -> dict:
    """Train, generate for the test particles, compare."""
    import torch

    from caloforge.config import load_run
    from caloforge.data import load_sample
    from caloforge.generation.simulation import load
    from caloforge.training.bundle import read_table
    from caloforge.training.provenance import provenance
    from caloforge.training.run import train

    torch.set_num_threads(1)
    folder = work / job.label
    bundle, spent = folder / "bundle", folder / "core-seconds"
    run = load_run(job.run, job.settings())
    if not (spent.is_file() and same_run(run, (folder / "run.toml").read_text())):
        started = time.process_time()
        train(run, folder, force=True)
        write_text(spent, str(time.process_time() - started))
    table, test = read_table(bundle), load_sample(f"{job.detector}-test")
    published, seconds = load_run(job.run, []), test.cpu_seconds
    return {
        "run": job.run,
        "settings": job.settings(),
        "run file": run.to_toml(),
        "system": job.system.title,
        "variant": job.variant,
        "seed": job.seed,
        "data": f"{job.detector}-train, {job.detector}-test",
        "epochs of the run file": published.train.epochs if not job.tuned else None,
        "batch size": run.train.batch_size,
        "training showers": table["data"]["training showers"],
        "training": table["training"],
        "core-seconds": round(float(spent.read_text()), 1),
        "parameters": table["n_parameters"],
        "validation": table["metrics"],
        "rounds": rounds(folder / "history.csv"),
        **judged(load(bundle), job),
        "full simulation seconds": None if seconds is None else float(seconds.mean()),
        "trained at": table["provenance"],
        "provenance": provenance(),
    }


def rounds(history: Path) -> list[dict[str, float]]:
    """Validation figures of every round."""
    with history.open(newline="") as file:
        return [
            {
                "step": float(row["step"]),
                "score": float(row["validation/score"]),
                "w1": float(row["validation/w1"]),
            }
            for row in csv.DictReader(file)
        ]


def judged(simulation: object, job: Job) -> dict:
    """Figures on the test showers."""
    import numpy as np

    from caloforge.data import load_sample
    from caloforge.metrics.multivariate.classifier import observables_classifier_section
    from caloforge.metrics.multivariate.frechet import FPD, frechet_section
    from caloforge.metrics.settings import Settings
    from caloforge.report import evaluate_samples

    test = load_sample(f"{job.detector}-test")
    made = simulation.generate(test.particles, seed=job.seed)
    evaluation = evaluate_samples(test, {job.system.title: made}, seed=0)
    comparison = evaluation.comparison
    result: dict = {"statement": comparison.statement}
    for row, name in ((comparison.floor, "floor"), (comparison.generated[0], "model")):
        figures: dict = {
            key: metric.mean.as_dict()
            for key, metric in row.metrics.items()
            if metric.mean is not None
        }
        figures["w1 of channels"] = {
            channel: one.as_dict() if one else None
            for channel, one in row.metrics["w1"].channels.items()
        }
        figures["shapes"] = {
            key: shape.ratio.as_dict()
            for key, shape in row.observables.items()
            if shape.ratio is not None
        }
        result[name] = figures
    finding = observables_classifier_section(
        evaluation.trial, Settings(n_seeds=2), np.random.default_rng(0)
    )
    for figure in finding.figures:
        if figure.metric == "classifier_auc":
            result["model"]["classifier_auc"] = figure.value.as_dict()
            result["floor"]["classifier_auc"] = figure.floor.as_dict()
    found = frechet_section(evaluation.trial, Settings(), np.random.default_rng(0))
    for figure in found.figures:
        if figure.metric == FPD.name and not figure.target and figure.value is not None:
            result["model"]["fpd"] = figure.value.as_dict()
            result["floor"]["fpd"] = figure.floor.as_dict()
            result["fpd"] = {"n": figure.n, "note": figure.note}
    return result


def done(job: Job, path: Path) -> bool:
    """Whether there is a whole result of these settings."""
    from caloforge.config import load_run

    if not path.is_file():
        return False
    found = json.loads(path.read_text())
    return "fpd" in found and same_run(load_run(job.run, job.settings()), found["run file"])


@contextmanager
def claimed(path: Path) -> Iterator[bool]:
    """Take a run, so that a command beside this one leaves it alone.

    The number of the process is written aside and linked to the name, which fails if the name
    is there: a claim is never seen without its number.

    Yields:
        Whether it is ours. The claim of a process that is gone counts for nothing.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    free_stale(path)
    with aside(path) as ours:
        ours.write_text(str(os.getpid()))
        try:
            os.link(ours, path)
        except FileExistsError:
            won = False
        else:
            won = True
    if not won:
        yield False
        return
    try:
        yield True
    finally:
        path.unlink()


@contextmanager
def aside(path: Path) -> Iterator[Path]:
    """A name beside ``path`` that nobody else has; nothing is left under it."""
    beside = path.with_name(f".{path.name}.{uuid4().hex}")
    try:
        yield beside
    finally:
        beside.unlink(missing_ok=True)


def free_stale(path: Path) -> None:
    """Take away the claim of a process that is gone.

    It is moved aside, which one of several commands can do, and put back if it has become
    the claim of another one since it was read.
    """
    try:
        owner = path.read_text()
        if Path(f"/proc/{owner or 0}").exists():
            return
        with aside(path) as moved:
            path.rename(moved)
            if moved.read_text() != owner:
                os.link(moved, path)
    except (FileNotFoundError, FileExistsError):  # another command was faster
        return


def main() -> None:
    """Run what is missing, then draw."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--table", action="store_true", help="only draw")
    parser.add_argument("--speeds", action="store_true", help="only measure speeds, and draw")
    parser.add_argument("--work", type=Path, default=Path("runs/zoo"))
    parser.add_argument("--only", nargs="*", help="beginnings of names, e.g. zn/vae-tuned")
    options = parser.parse_args()
    if options.speeds:
        zoo_speeds.measure(options.work, options.only or ())
    elif not options.table:
        warn_of_changes()
        for job in jobs():
            path = RESULTS / f"{job.label}.json"
            wanted = not options.only or job.label.startswith(tuple(options.only))
            if not wanted or done(job, path):
                continue
            with claimed(options.work / f"{job.label}.claim") as ours:
                if not ours:
                    print(f"{job.label}: another command has it", flush=True)
                    continue
                result = measure(job, options.work)
                path.parent.mkdir(parents=True, exist_ok=True)
                write_json(path, result)
            print(job.label, result["core-seconds"], result["model"]["w1_ratio"], flush=True)
    draw()
    model_pages.draw()


if __name__ == "__main__":
    main()
