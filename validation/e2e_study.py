"""What the parts of the e2e Sinkhorn autoencoder do, on validation showers of the ZN sample.

    python validation/e2e_study.py            # trains what is missing; 1 to 2 minutes a run
    python validation/e2e_study.py --table    # only draws tables and figures

Each run is one JSON in validation/results/e2e-study/. A run whose settings, or those of the
baseline that it is compared with, have changed since is made again, and so is its bundle; a
result that does not say its run file, as older ones, counts as done.

Test showers are not touched. Weights are the last ones: none are chosen on the showers that
judge. The settings of the tuned run files were.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from e2e_drawing import draw
from e2e_runs import COMMON, RINGS, RUNS, TRIES
from result_files import read_json, same_run, warn_of_changes, write_json

if TYPE_CHECKING:
    from caloforge.config import RunConfig

HERE = Path(__file__).parent
RESULTS = HERE / "results" / "e2e-study"
BASELINE, GAUSSIAN = "e2e-0", "vae-0"
WITHOUT_CODES = "dcgan"


def run_of(name: str) -> RunConfig:
    """The run file that a run asks for."""
    from caloforge.config import load_run

    base, *settings = RUNS[name]
    return load_run(base, [*COMMON, *settings])


def asked(name: str) -> dict:
    """What decides a result: run files of the run and of its baseline, rings of its regions."""
    return {
        "run file": run_of(name).to_toml(),
        "baseline run file": run_of(BASELINE).to_toml(),
        "rings": list(RINGS.get(name, ())),
    }


def done(name: str, path: Path) -> bool:
    """Whether there is a result of a run's settings; what a result does not say agrees."""
    if not path.is_file():
        return False
    found = read_json(path)
    texts = {"run file": name, "baseline run file": BASELINE}
    return _rings(found, name) and all(
        same_run(run_of(one), found[key]) for key, one in texts.items() if key in found
    )


def seen(path: Path) -> bool:
    """Whether there is a look into the baseline of its settings, or one that says none."""
    if not path.is_file():
        return False
    found = read_json(path)
    return "run file" not in found or same_run(run_of(BASELINE), found["run file"])


def _rings(found: dict, name: str) -> bool:
    rings = list(RINGS.get(name, ()))
    return found.get("rings", rings) == rings


def trained(name: str, bundle: Path) -> bool:
    """Whether there is a bundle of a run's settings."""
    from caloforge.training.bundle import read_table

    if not (bundle / "bundle.json").is_file():
        return False
    same = same_run(run_of(name), (bundle / "run.toml").read_text(encoding="utf-8"))
    return same and _rings(read_table(bundle)["training"], name)


def bundle_of(name: str, work: Path) -> Path:
    """The trained bundle of a run; trains it if there is none of its settings."""
    bundle = work / name / "bundle"
    if not trained(name, bundle):
        from e2e_training import train_watched

        train_watched(run_of(name), work / name, RINGS.get(name, ()))
    return bundle


def measure(name: str, work: Path) -> dict:
    """Everything about one run."""
    from e2e_measuring import code_figures, group_picture, match_figures
    from e2e_training import HISTORY
    from judging import MANY, judged, responses

    from caloforge.training.bundle import read_table
    from caloforge.training.provenance import provenance

    bundle = bundle_of(name, work)
    table = read_table(bundle)
    baseline = None if name == BASELINE else responses(bundle_of(BASELINE, work), MANY)
    base, *settings = RUNS[name]
    found = {
        "name": name,
        "run": base,
        "settings": [*COMMON, *settings],
        **asked(name),
        "figures": judged(bundle, baseline),
        "history": read_json(work / name / HISTORY),
        "training": table["training"],
        "parameters": table["n_parameters"],
        "trained at": table["provenance"],
        "provenance": provenance(),
    }
    if name in TRIES:
        found["label"] = TRIES[name][0]
    if not name.startswith(WITHOUT_CODES):
        found["codes"] = code_figures(bundle)
    if name in (BASELINE, GAUSSIAN):
        found["match"] = match_figures(bundle)
        found["picture"] = group_picture(bundle)
    return found


def look_inside(study: str, work: Path) -> dict:
    """Studies of the trained baseline that are no runs of their own."""
    from e2e_measuring import noise_figures, truncation_figures

    from caloforge.training.provenance import provenance

    looks = {"noise": noise_figures, "truncation": truncation_figures}
    return {
        "found": looks[study](bundle_of(BASELINE, work)),
        "run file": run_of(BASELINE).to_toml(),
        "provenance": provenance(),
    }


def main() -> None:
    """Run what is missing, then draw."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--table", action="store_true", help="only draw tables and figures")
    parser.add_argument("--work", type=Path, default=Path("runs/e2e-study"))
    parser.add_argument(
        "--zoo",
        type=Path,
        default=HERE / "results" / "zoo",
        help="results of validation/zoo.py",
    )
    parser.add_argument("--only", nargs="*", help="runs, by default all")
    options = parser.parse_args()
    if not options.table:
        import torch

        warn_of_changes()
        torch.set_num_threads(1)
        RESULTS.mkdir(parents=True, exist_ok=True)
        for name in options.only or RUNS:
            path = RESULTS / f"{name}.json"
            if not done(name, path):
                result = measure(name, options.work)
                write_json(path, result, compact=True)
                print(name, result["figures"]["score"], flush=True)
        for study in ("noise", "truncation"):
            path = RESULTS / f"{study}.json"
            if not seen(path):
                write_json(path, look_inside(study, options.work), compact=True)
    draw(RESULTS, HERE.parent / "docs", options.zoo)


if __name__ == "__main__":
    main()
