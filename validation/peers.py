"""Settings of the systems of issue 7: a study by ``caloforge tune``, and single changes.

    python validation/peers.py tune        # the study, minutes of a core; can be interrupted
    python validation/peers.py NAME ...    # trainings of `RUNS`, by name
    python validation/peers.py             # all that is missing
    python validation/peers.py --table     # only draws docs/tables/peers.md

Validation particles of zn-train alone: test showers are not touched. Results are kept in
validation/results/tuning, one JSON each.
"""

from __future__ import annotations

import argparse
import csv
import os
import shlex
import time
from pathlib import Path
from typing import Any

from markdown_tables import table
from result_files import results_in, write_json, write_text

HERE = Path(__file__).parent
RESULTS = HERE / "results" / "tuning"
TABLE = HERE.parent / "docs" / "tables" / "peers.md"
STUDY = "latent-flow-matching-study"
COMMAND = (
    "caloforge tune zn-latent-flow-matching -o runs/peers/study --set train.steps=300 "
    "--set train.validate_every=150 --set train.validation_repeats=8 "
    "--search model.latent_dim=4..24:log --search model.kl_weight=0.02..1:log "
    "--search train.learning_rate=1e-3..8e-3:log --search train.schedule=one-cycle,constant "
    "--search 'model.velocity=[128,128,128],[256,256,256]' --trials 12 --confirm 2 --seeds 2"
)
FM, LFM, SDI = "zn-flow-matching", "zn-latent-flow-matching", "zn-sdi-gan"
REGRESSOR = "zn-channel-regressor"
# Run file, and what is changed in it.
SHORT = ("train.steps=1000", "train.validate_every=500", "train.validation_repeats=4")
SMALL = "model.widths=[160,160,160]"  # 3 MB at most in half precision: a packaged bundle
EULER = ("model.solver=euler", "model.steps=8")
RUNS: dict[str, tuple[str, ...]] = {
    "fm": (FM, SMALL, "model.end=0.6", "model.steps=8", *SHORT),
    "fm-late": (FM, SMALL, "model.end=0.8", "model.steps=8", *SHORT),
    "fm-middle": (FM, SMALL, "model.end=0.7", "model.steps=8", *SHORT),
    "lfm": (LFM, "model.latent_dim=10", "model.kl_weight=0.1", *EULER, *SHORT),
    "lfm-5": (LFM, "model.latent_dim=5", "model.kl_weight=0.15", *EULER, *SHORT),
    "sdi": (SDI, "model.auxiliary_weight=0.1", *SHORT),
    "sdi-soft": (SDI, "model.auxiliary_weight=0.01", *SHORT),
    "regressor": (REGRESSOR, "model.cells=poisson", *SHORT),
    "regressor-clusters": (REGRESSOR, "model.cells=negative-binomial", *SHORT),
}
# Generated once more, without training: a training of `RUNS`, and what is changed.
AGAIN: dict[str, tuple[str, ...]] = {
    "fm-11-steps": ("fm", "model.steps=11"),
    "fm-5-midpoint": ("fm", "model.steps=5", "model.solver=midpoint"),
    "lfm-2-midpoint": ("lfm", "model.steps=2", "model.solver=midpoint"),
    "lfm-4-midpoint": ("lfm", "model.steps=4", "model.solver=midpoint"),
    "lfm-8-midpoint": ("lfm", "model.steps=8", "model.solver=midpoint"),
    "lfm-4-steps": ("lfm", "model.steps=4"),
    "lfm-16-steps": ("lfm", "model.steps=16"),
}


def study(work: Path) -> dict[str, Any]:
    """Search as a user does, and keep what the command leaves in ``trials.csv``."""
    from click.testing import CliRunner

    from caloforge.cli import main
    from caloforge.training.provenance import provenance

    words = shlex.split(COMMAND)[1:]
    folder = work / "study"
    words[words.index("-o") + 1] = str(folder)
    done = CliRunner().invoke(main, words, catch_exceptions=False)
    if done.exit_code:
        raise SystemExit(done.output)
    with (folder / "trials.csv").open(newline="") as file:
        trials = list(csv.DictReader(file))
    said = (folder / "best.toml").read_text(encoding="utf-8")
    lines = [text[2:] for text in said.splitlines() if text.startswith("# ")]
    return {"command": COMMAND, "said": lines, "trials": trials, "provenance": provenance()}


def training(name: str, work: Path) -> dict[str, Any]:
    """Train one of `RUNS` and judge it; figures with their bootstrap errors."""
    import torch
    from judging import judged

    from caloforge.config import load_run
    from caloforge.training.provenance import provenance
    from caloforge.training.run import train

    torch.set_num_threads(1)
    base = RUNS[name][0]
    run = load_run(base, [*changes(name), "train.threads=1"])
    folder = work / name
    started = time.process_time()
    train(run, folder, force=True)
    spent = time.process_time() - started
    with (folder / "history.csv").open(newline="") as file:
        rounds = [
            {"step": float(row["step"]), "score": float(row["validation/score"])}
            for row in csv.DictReader(file)
        ]
    return {
        "run": base,
        "changes": changes(name),
        "run file": run.to_toml(),
        "core-seconds": round(spent, 1),
        "rounds": rounds,
        "figures": judged(folder / "bundle"),
        "provenance": provenance(),
    }


def again(name: str, work: Path) -> dict[str, Any]:
    """Judge a model of `RUNS` with another way of generating."""
    from dataclasses import replace

    from judging import judged

    from caloforge.training.bundle import read_bundle, write_bundle
    from caloforge.training.provenance import provenance

    trained, *more = AGAIN[name]
    bundle = read_bundle(work / trained / "bundle")
    changed = replace(bundle, run=bundle.run.changed(more))
    folder = write_bundle(work / name / "bundle", changed, force=True)
    return {
        "run": RUNS[trained][0],
        "changes": changes(name),
        "trained as": trained,
        "figures": judged(folder),
        "provenance": provenance(),
    }


def changes(name: str) -> tuple[str, ...]:
    """What a training of `RUNS` changes in its run file, or one of `AGAIN` on top of it."""
    trained, *more = AGAIN.get(name, (name,))
    return (*RUNS[trained][1:], *more)


def _shown(name: str) -> dict[str, str]:
    """Settings in the table, the last of each."""
    parts = (c.partition(".")[2].partition("=") for c in changes(name) if c not in SHORT)
    return {key: value for key, _, value in parts}


def draw() -> None:
    """Write the table of the trainings and that of the study."""
    found = results_in(RESULTS)
    heads = ["run", "changes", "score", "W1", "spread ratio", "lit cells", "core-s"]
    rows = [
        [
            one["run"],
            ", ".join(f"{key}={value}" for key, value in _shown(name).items()),
            *(
                f"{one['figures'][key]['value']:.2f} ± {one['figures'][key]['error']:.2f}"
                for key in ("score", "w1", "spread")
            ),
            f"{one['figures']['lit']['value']:.3f}",
            f"{one['core-seconds']:.0f}" if "core-seconds" in one else "as before",
        ]
        for name in (*RUNS, *AGAIN)
        if (one := found.get(name)) is not None
    ]
    dates = [one["provenance"]["date"][:10] for one in found.values()]
    note = (
        "Validation particles of zn-train, 1,000 steps, seed 0, better of two rounds, 16 "
        "generated showers each; errors: bootstrap by incident particle, which the rows mostly "
        "share. "
        "Other figures and their floors: validation/results/tuning. Made by `python "
        f"validation/peers.py`, {max(dates)}."
    )
    lines = [*table(heads, rows), "", note]
    if STUDY in found:
        trials = found[STUDY]["trials"]
        keys = [key for key in trials[0] if "." in key]
        heads = ["trial", "state", "score", "mean of other seeds", *keys]
        rows = [[one["trial"], one["state"], _short(one["score"]), _mean(one),
                 *(one[key].strip('"') for key in keys)] for one in trials]  # fmt: skip
        lines += ["", f"`{COMMAND}`:", "", *table(heads, rows)]
    write_text(TABLE, "\n".join(lines) + "\n")


def _short(number: str) -> str:
    return f"{float(number):.2f}" if number else ""


def _mean(trial: dict[str, str]) -> str:
    if not trial["mean"]:
        return ""
    return f"{float(trial['mean']):.2f} ± {float(trial['error']):.2f}"


def main() -> None:
    """Run what is missing, then draw."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("names", nargs="*", metavar="NAME", help="of `RUNS`, `AGAIN`, or tune")
    parser.add_argument("--table", action="store_true", help="only draw")
    parser.add_argument("--work", type=Path, default=Path("runs/peers"))
    options = parser.parse_args()
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    every = ["tune", *RUNS, *AGAIN]
    if unknown := [name for name in options.names if name not in every]:
        parser.error(f"NAME: found '{unknown[0]}', expected one of {', '.join(every)}")
    for name in () if options.table else options.names or every:
        path = RESULTS / f"{STUDY if name == 'tune' else name}.json"
        if path.is_file() and name not in options.names:
            continue
        path.parent.mkdir(parents=True, exist_ok=True)
        if name == "tune":
            result = study(options.work)
        else:
            result = (training if name in RUNS else again)(name, options.work)
        write_json(path, result)
    draw()


if __name__ == "__main__":
    main()
