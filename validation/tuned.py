"""Tuned models on the embedded ZN showers, three seeds each, against Geant4 and baselines.

    python validation/tuned.py                 # trains what is missing, half an hour on a core
    python validation/tuned.py --table         # only draws docs/tables/zn-tuned.md

Each run is one JSON in validation/results/zn-tuned/, so that an interrupted study goes on. Test
showers are used here alone: weights are chosen on the validation side of training particles.
"""

from __future__ import annotations

import argparse
import statistics
import time
from pathlib import Path

from markdown_tables import table, with_spread
from result_files import results_in, write_json, write_text

HERE = Path(__file__).parent
RESULTS = HERE / "results" / "zn-tuned"
TABLE = HERE.parent / "docs" / "tables" / "zn-tuned.md"
RUNS = ("zn-e2e-sae", "zn-vae", "zn-regression")
SEEDS = (0, 1, 2)
FIGURES = {
    "w1_ratio": "W1 / floor",
    "w1": "W1 [photons]",
    "conditional_bias": "bias per particle, rms [photons]",
    "spread_ratio": "spread ratio",
    "dispersion_discrepancy": "dispersion discrepancy",
    "mae": "MAE [photons]",
    "mae_conditional": "MAE cond. [photons]",
}


def measure(run_name: str, seed: int, work: Path) -> dict:
    """Train one run, generate for the test particles, compare."""
    from caloforge.config import load_run
    from caloforge.data import load_sample
    from caloforge.data.splits.split import split_rows
    from caloforge.generation.nearest import NearestShower
    from caloforge.generation.simulation import load
    from caloforge.report import evaluate_samples
    from caloforge.training.bundle import read_table
    from caloforge.training.provenance import provenance
    from caloforge.training.run import train

    test = load_sample("zn-test")
    info: dict = {}
    if run_name == "nearest shower":
        training = load_sample("zn-train")
        rows = split_rows(training.particles, fraction=0.15).train
        made = NearestShower(training, rows).generate(test.particles, seed=seed)
        rate = None
    else:
        folder = work / f"{run_name}-{seed}"
        run = load_run(run_name, [f"seed={seed}", "train.threads=1"])
        bundle = folder / "bundle"
        if not (bundle / "bundle.json").is_file():
            resume = (folder / "checkpoint" / "last.ckpt").is_file()
            train(run, folder, resume=resume, force=True)
        table = read_table(bundle)
        info = {
            "training": table["training"],
            "trained at": table["provenance"],
            "parameters": table["n_parameters"],
            "validation": table["metrics"],
        }
        simulation = load(bundle)
        start = time.perf_counter()
        made = simulation.generate(test.particles, seed=seed)
        rate = round(len(made) / (time.perf_counter() - start), 1)
    evaluation = evaluate_samples(test, {run_name: made}, seed=seed)
    comparison = evaluation.comparison
    figures = {}
    for row, name in ((comparison.floor, "floor"), (comparison.generated[0], "model")):
        figures[name] = {
            key: metric.mean.as_dict()
            for key, metric in row.metrics.items()
            if metric.mean is not None
        }
    shapes = comparison.generated[0].observables.items()
    figures["shapes"] = {name: shape.ratio.as_dict() for name, shape in shapes}
    return {
        "run": run_name,
        "seed": seed,
        "data": "zn-train, zn-test",
        "statement": comparison.statement,
        **figures,
        **info,
        "showers per second, one thread": rate,
        "provenance": provenance(),
    }


def draw() -> None:
    """Write the table from the JSON files."""
    found: dict[str, list[dict]] = {}
    for one in results_in(RESULTS).values():
        found.setdefault(one["run"], []).append(one)
    some = next(iter(found.values()))[0]
    shapes = {"width_x": "width x", "lit_cells": "lit cells", "peak_cell": "peak cell"}
    head = ["", "seeds", *FIGURES.values(), *(f"{x}: W1 / floor" for x in shapes.values())]
    head += ["training [min]", "showers/s"]
    rows = [["floor (Geant4)", "", *_floor(some)]]
    for name, runs in found.items():
        cells = [name, str(len(runs))]
        for key in FIGURES:
            values = [run["model"][key]["value"] for run in runs if key in run["model"]]
            errors = [run["model"][key]["error"] for run in runs if key in run["model"]]
            cells.append(with_spread(values, errors))
        for shape in shapes:
            ratios = [run["shapes"][shape] for run in runs]
            cells.append(
                with_spread([r["value"] for r in ratios], [r["error"] for r in ratios])
            )
        trained = [run for run in runs if "training" in run]
        minutes = [run["training"]["seconds since the last start"] / 60 for run in trained]
        rates = [run["showers per second, one thread"] for run in trained]
        cells += [f"{statistics.mean(x):,.3g}" if x else "" for x in (minutes, rates)]
        rows.append(cells)
    commits = sorted(
        {str(run["provenance"]["commit"]) for runs in found.values() for run in runs}
    )
    dates = sorted(run["provenance"]["date"][:10] for runs in found.values() for run in runs)
    lines = [
        *table(head, rows),
        "",
        (
            "Mean over seeds ± bootstrap error by incident particle ± spread over seeds. "
            "Times: one thread, both cores of the machine busy. "
            f"zn-test, {some['statement']}. Made by `python validation/tuned.py`, {dates[-1]}, "
            f"commit {', '.join(commits)}."
        ),
    ]
    write_text(TABLE, "\n".join(lines) + "\n")
    print(TABLE.read_text())


def _floor(run: dict) -> list[str]:
    cells = []
    for key in FIGURES:
        one = run["floor"].get(key)
        cells.append("1" if key == "w1_ratio" else f"{one['value']:.3g} ± {one['error']:.1g}")
    return [*cells, "1", "1", "1", "", ""]


def main() -> None:
    """Run what is missing, then draw."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--table", action="store_true", help="only draw the table")
    parser.add_argument(
        "--work", type=Path, default=Path("runs/tuned"), help="training folders"
    )
    parser.add_argument("--only", nargs="*", help="run files, by default all")
    options = parser.parse_args()
    if not options.table:
        import torch

        torch.set_num_threads(1)
        RESULTS.mkdir(parents=True, exist_ok=True)
        for seed in SEEDS:
            for name in options.only or (*RUNS, "nearest shower"):
                path = RESULTS / f"{name.replace(' ', '-')}-{seed}.json"
                if path.exists():
                    continue
                result = measure(name, seed, options.work)
                write_json(path, result)
                print(name, seed, result["model"]["w1_ratio"], flush=True)
    draw()


if __name__ == "__main__":
    main()
