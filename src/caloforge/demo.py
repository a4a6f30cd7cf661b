"""The main job on the showers that come along: train, generate, evaluate, report."""

from __future__ import annotations

import json
import time
from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

from rich.console import Console
from rich.markup import escape

from caloforge.config import load_run
from caloforge.data.files.shower_file import read_showers
from caloforge.data.sample import load_sample
from caloforge.data.splits.split import split_rows
from caloforge.generation.files import generate_file
from caloforge.generation.nearest import NearestShower
from caloforge.generation.simulation import load
from caloforge.output import new_folder
from caloforge.report import evaluate_samples, print_comparison, write_report
from caloforge.training.bundle import add_metrics
from caloforge.training.run import train

if TYPE_CHECKING:
    from pathlib import Path

    from caloforge.config import RunConfig
    from caloforge.report import Evaluation

TRAIN, TEST = "zn-train", "zn-test"
MODEL, BASELINE = "zn-e2e-sae", "zn-regression"
# Steps that train for about three minutes and half a minute on two cores.
STEPS, BASELINE_STEPS = 2500, 1000


class Demo(NamedTuple):
    """What a demo leaves.

    Attributes:
        bundle: Folder of the trained model.
        report: The page.
        evaluation: The comparison behind it.
        seconds: Wall time of it all.
    """

    bundle: Path
    report: Path
    evaluation: Evaluation
    seconds: float


def run_demo(
    output: str | Path,
    *,
    steps: int = STEPS,
    seed: int = 0,
    force: bool = False,
    console: Console | None = None,
) -> Demo:
    """Train an e2e Sinkhorn autoencoder on the embedded ZN showers and measure it.

    Incident particles of training, validation and test are apart: the model is fitted on the
    first, its best weights are chosen on the second, and the figures are of the third. Two
    naive baselines are measured beside it: the nearest training shower moved to the impact
    point, and a regression of the mean shower with Poisson counts but no other fluctuation.

    Arguments:
        output: Folder for ``report.html``, ``metrics.json``, showers and both training runs.
        steps: Training steps of the model; the baseline gets its share.
        seed: Of training, generation and bootstrap.
        force: Use a folder that has files in it.
        console: Where to print; stdout by default.

    Raises:
        OutputError: If the folder cannot be used.
    """
    console = console or Console(highlight=False)
    started = time.monotonic()
    folder = new_folder(output, force=force)
    test = load_sample(TEST)

    _say(console, "1/4", "training an e2e Sinkhorn autoencoder on Geant4 showers of the ZN")
    bundle = train(_run(MODEL, steps, seed), folder / "model", force=force, console=console)

    _say(console, "2/4", "training the baseline without noise, a regression of the mean shower")
    baseline_steps = max(1, round(steps * BASELINE_STEPS / STEPS))
    baseline_run = _run(BASELINE, baseline_steps, seed)
    baseline = train(baseline_run, folder / "baseline", force=force, console=console)

    _say(console, "3/4", "making showers for incident particles that no model has seen")
    made = generate_file(
        bundle, TEST, folder / "generated.h5", seed=seed, force=force, console=console
    )
    console.print(f"{made.n_showers:,} showers, {made.rate:,.0f} showers/s")
    training = load_sample(TRAIN)
    rows = split_rows(training.particles, fraction=baseline_run.data.validation_fraction).train
    samples = {
        "e2e SAE": read_showers(made.path),
        "mean regression": load(baseline).generate(test.particles, seed=seed),
        "nearest shower": NearestShower(training, rows).generate(test.particles, seed=seed),
    }

    _say(console, "4/4", "comparing with Geant4")
    evaluation = evaluate_samples(
        test, samples, suite="quick", training=training.select(rows), seed=seed
    )
    print_comparison(evaluation, console)
    manifest = json.loads((folder / "model" / "manifest.json").read_text(encoding="utf-8"))
    page = write_report(
        evaluation,
        folder,
        history=folder / "model" / "history.csv",
        provenance={"training": manifest["data"] | manifest["versions"]},
        force=True,
    )
    add_metrics(bundle, _figures(evaluation))
    seconds = time.monotonic() - started
    console.print(f"\nDone in {seconds:.0f} s. Report: {escape(str(page))}")
    console.print(f"Trained bundle: {escape(str(bundle))}\n\nTry next:")
    for command in (
        f"caloforge generate {bundle} zn-test -o mine.h5 --seed 1",
        "caloforge evaluate zn-test mine.h5 -o mine-report",
        "caloforge models     # other models and run files, for caloforge train",
    ):
        console.print(f"  {escape(command)}", soft_wrap=True)
    return Demo(bundle, page, evaluation, seconds)


def _run(name: str, steps: int, seed: int) -> RunConfig:
    run = load_run(name, [f"train.steps={steps}", f"seed={seed}"])
    rounds = replace(run.train, validate_every=max(1, steps // 10))
    return replace(run, train=rounds)


def _say(console: Console, step: str, what: str) -> None:
    console.print(f"\n[bold]{step}[/bold] {what}")


def _figures(evaluation: Evaluation) -> dict[str, str]:
    """Test figures of the model for its card, with errors and the floor."""
    comparison = evaluation.comparison
    floor, model = comparison.floor, comparison.generated[0]
    figures = {"test showers": f"{TEST}, {comparison.statement}"}
    for name, metric in model.metrics.items():
        if metric.mean is not None:
            beside = floor.metrics[name].mean if name in floor.metrics else None
            figures[name] = f"{metric.mean}" + (f" (floor {beside})" if beside else "")
    return figures
