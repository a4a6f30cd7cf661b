"""CPU time of training steps, eager and with torch.compile, one thread, in turns.

    python benchmarks/compile.py            # some minutes
    python benchmarks/compile.py --table    # only draws the table

A step is what the training loop does: objective, backward, clipping, optimiser, for each
phase, on batches made before. Ways: ``eager``; ``networks``, every network of the model
compiled in place (`nn.Module.compile`), so that keys of checkpoints stay; ``objective``, the
whole objective of each phase compiled, what dynamo cannot follow left out of its graphs. Rounds
of a few steps are made in turns, and the table has the median of the rounds' means. "First
steps" is the wall time of the first two steps over that of later ones: what compiling costs.
"""

from __future__ import annotations

import argparse
import datetime as dt
import json
import platform
import statistics
import subprocess
import time
from pathlib import Path

import numpy as np
import torch

from caloforge.config import load_run
from caloforge.training.bundle import build_model
from caloforge.training.module import OPTIMIZERS
from caloforge.training.preparation import prepare

ROOT = Path(__file__).resolve().parents[1]
RESULTS = ROOT / "benchmarks" / "results" / "compile.json"
TABLE = ROOT / "docs" / "tables" / "compile.md"
RUNS = ("zn-vae", "zn-e2e-sae", "zn-dcgan")
WAYS = ("eager", "networks", "objective")
ROUNDS, STEPS, BATCHES = 7, 5, 8


class Trainee:
    """A model with its optimisers, compiled or not."""

    def __init__(self, run, spec, way: str) -> None:
        torch.manual_seed(run.seed)
        self.model, self.config = build_model(run, spec), run.train
        self.keys = list(self.model.state_dict())
        self.phases = self.model.phases()
        extra = {"betas": (self.config.beta1, 0.999), "weight_decay": self.config.weight_decay}
        self.optimizers = [
            OPTIMIZERS[self.config.optimizer](
                phase.parameters(), lr=self.config.learning_rate * phase.rate, **extra
            )
            for phase in self.phases
        ]
        self.objectives = [phase.objective for phase in self.phases]
        if way == "networks":
            for network in self.model.children():
                if any(True for _ in network.parameters()):
                    network.compile()
        elif way == "objective":
            self.objectives = [torch.compile(one) for one in self.objectives]
        self.done = 0

    def step(self, batch) -> None:
        """One training step."""
        rng = torch.Generator().manual_seed(self.done)
        parts = zip(self.phases, self.objectives, self.optimizers, strict=True)
        for phase, objective, optimizer in parts:
            moving = {id(p) for p in phase.parameters()}
            for p in self.model.parameters():
                p.requires_grad_(id(p) in moving)
            optimizer.zero_grad()
            objective(batch, rng).total.backward()
            torch.nn.utils.clip_grad_norm_(list(phase.parameters()), self.config.clip)
            optimizer.step()
        self.model.requires_grad_(True)
        self.done += 1


def measured(name: str) -> dict:
    run = load_run(name, [])
    prepared = prepare(run)
    stream = prepared.train.stream(run.train.batch_size, seed=0, stop=BATCHES)
    batches = list(stream)
    trainees, firsts = {}, {}
    row: dict = {"run": name, "batch": run.train.batch_size, "ways": {}}
    for way in WAYS:
        torch._dynamo.reset()
        trainee = Trainee(run, prepared.spec, way)
        started = time.perf_counter()
        try:
            for batch in batches[:2]:
                trainee.step(batch)
        except Exception as error:  # noqa: BLE001 - whatever the compiler meets is a result
            row["ways"][way] = {"fails": " ".join(str(error).split())[:200]}
            continue
        firsts[way] = time.perf_counter() - started
        trainees[way] = trainee
        if list(trainee.model.state_dict()) != trainee.keys:
            msg = f"{name}, {way}: keys of the state dict have changed"
            raise SystemExit(msg)
    times: dict[str, list[float]] = {way: [] for way in trainees}
    walls: dict[str, list[float]] = {way: [] for way in trainees}
    for _ in range(ROUNDS):
        for way, trainee in trainees.items():
            started, wall = time.process_time(), time.perf_counter()
            for k in range(STEPS):
                trainee.step(batches[k % BATCHES])
            times[way].append((time.process_time() - started) / STEPS)
            walls[way].append((time.perf_counter() - wall) / STEPS)
    for way, trainee in trainees.items():
        ratios = np.array(times[way]) / np.array(times["eager"])
        row["ways"][way] = {
            "ms": 1e3 * statistics.median(times[way]),
            "of eager": float(np.median(ratios)),
            "of eager, rounds": [float(np.quantile(ratios, q)) for q in (0.25, 0.75)],
            "first steps s": firsts[way] - 2 * statistics.median(walls[way]),
            "same weights as eager": all(
                torch.equal(a, b)
                for a, b in zip(
                    trainee.model.state_dict().values(),
                    trainees["eager"].model.state_dict().values(),
                    strict=True,
                )
            ),
        }
    return row


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--table", action="store_true", help="only draw the table")
    if not parser.parse_args().table:
        torch.set_num_threads(1)
        command = ["git", "rev-parse", "--short", "HEAD"]
        found = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
        report = {
            "date": dt.datetime.now(tz=dt.UTC).date().isoformat(),
            "commit": found.stdout.strip(),
            "machine": "1 of 2 shared cores",
            "versions": {"python": platform.python_version(), "torch": torch.__version__},
            "rounds": ROUNDS,
            "steps a round": STEPS,
            "rows": [],
        }
        for name in RUNS:
            report["rows"].append(measured(name))
            RESULTS.write_text(json.dumps(report, indent=1) + "\n")
    draw(json.loads(RESULTS.read_text()))


def draw(report: dict) -> None:
    lines = [
        "| run | way | CPU ms a step | of eager (quartiles of rounds) | first steps, s | same weights |",  # noqa: E501
        "|---|---|---|---|---|---|",
    ]
    for row in report["rows"]:
        for way, one in row["ways"].items():
            if "fails" in one:
                lines.append(f"| {row['run']} | {way} | fails: {one['fails']} | | | |")
                continue
            low, high = one["of eager, rounds"]
            share = "1"
            if way != "eager":
                share = f"{one['of eager']:.2f} ({low:.2f} to {high:.2f})"
            same = "yes" if one["same weights as eager"] else "no"
            lines.append(
                f"| {row['run']} | {way} | {one['ms']:.0f} | {share} "
                f"| {one['first steps s']:.0f} | {same} |"
            )
    versions = ", ".join(f"{k} {v}" for k, v in report["versions"].items())
    origin = (
        f"Measured {report['date']} at commit {report['commit']} on {report['machine']}; "
        f"{versions}; {report['rounds']} rounds of {report['steps a round']} steps in turns; "
        "by `benchmarks/compile.py`."
    )
    lines += ["", origin]
    TABLE.write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
