"""How fast training gets its showers, and what that costs it.

    python benchmarks/loading.py            # a quarter of an hour
    python benchmarks/loading.py ways step  # parts; each replaces its own in the result
    python benchmarks/loading.py --table    # the docs' tables from the committed results alone

ways: showers/s, time to the first batch and memory of our loading and of plain h5py loops, for
ZN (44 x 44 counts), and CaloChallenge data sets 2 (6,480 cells) and 3 (40,500 cells). Each way
runs in a process of its own; the ways take turns.
step: share of a training step of `zn-e2e-sae` that loading takes: steps with loading and with
batches held in memory, in turns. CPU time is compared, as other programs may keep the machine
busy; all of it is on one core.
memory: peak memory of training on 200,000 ZN showers that are streamed, step by step.
jobs: peak memory of whole processes that go through the same file, and one of data set 3.
scores: validation scores of short runs, streamed and in memory, for a few seeds.

Writes ``benchmarks/results/loading.json``, ``docs/tables/loading.md`` and the tables in
``docs/loading.md``.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import itertools
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from functools import cache
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
RESULTS = ROOT / "benchmarks" / "results" / "loading.json"
# At least five pools of training showers of each; the buffer is larger for larger showers.
FILES = {"zn": 30_000, "data set 2": 4_096, "data set 3": 4_096}
BUFFER_MB = {"zn": 32, "data set 2": 32, "data set 3": 256}
ROUNDS, SECONDS, LEAST_BATCHES = 2, 2.0, 3
STEPS = 80
MEMORY_SHOWERS = 200_000


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("parts", nargs="*", default=list(PARTS))
    parser.add_argument("--table", action="store_true", help="only write the docs' tables")
    parser.add_argument("--child", nargs=2, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        print(json.dumps(CHILDREN[options.child[0]](json.loads(options.child[1]))))
        return
    if not options.table:
        origin()  # of the code as it is now: results that are written are changes, too
        for part in options.parts:
            report(part, PARTS[part]())
    from loading_tables import write_tables

    write_tables(json.loads(RESULTS.read_text()))


@cache
def origin() -> dict[str, Any]:
    from caloforge.training.provenance import provenance

    return {**provenance(), "cores": os.cpu_count()}


def report(part: str, found: Any) -> None:
    results = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
    results[part] = {"result": found, "provenance": origin()}
    RESULTS.write_text(json.dumps(results, indent=1) + "\n")


def child(name: str, argument: Any) -> Any:
    """Run a part in a process of its own, whose peak memory is its own, too."""
    command = [sys.executable, __file__, "--child", name, json.dumps(argument)]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    if done.returncode:
        sys.exit(done.stderr)
    return json.loads(done.stdout.splitlines()[-1])


def write(path: Path, kind: str, n: int) -> None:
    """Write a synthetic file of showers of distinct particles."""
    import numpy as np
    from storage import data_set_2, data_set_3, zn

    from caloforge.data import Particles, ShowerWriter

    make = {"zn": zn, "data set 2": data_set_2, "data set 3": data_set_3}[kind]
    rng, done = np.random.default_rng(0), 0
    size = {"zn": 8192, "data set 2": 1024, "data set 3": 128}[kind]
    first = make(1, np.random.default_rng(1))
    with ShowerWriter(path, first.geometry, provenance={"simulation": "synthetic"}) as writer:
        while done < n:
            some = make(min(size, n - done), rng)
            energy = some.particles["energy_gev"] * (1 + 1e-3 * rng.random(len(some.showers)))
            columns = {**some.particles.columns, "energy_gev": energy}
            incident = np.arange(done, done + len(energy))
            writer.append(Particles(columns, incident), some.showers)
            done += len(energy)


def ways() -> list[dict[str, Any]]:
    from loading_ways import WAYS

    rows: dict[tuple[str, str], list[dict[str, float]]] = {}
    with tempfile.TemporaryDirectory() as folder:
        paths = {kind: Path(folder) / f"{kind}.h5" for kind in FILES}
        for kind, path in paths.items():
            write(path, kind, FILES[kind])
        for k in range(ROUNDS):
            for kind, path in paths.items():
                for name in list(WAYS) if k % 2 == 0 else list(WAYS)[::-1]:
                    found = child("way", [name, str(path), BUFFER_MB[kind]])
                    rows.setdefault((kind, name), []).append(found)
                    print(kind, name, found, flush=True)
            report("ways", medians(rows))
    return medians(rows)


def medians(rows: dict[tuple[str, str], list[dict[str, float]]]) -> list[dict[str, Any]]:
    return [
        {
            "showers": kind,
            "way": name,
            "rounds": len(found),
            **{key: statistics.median(one[key] for one in found) for key in found[0]},
            "buffer_mb": BUFFER_MB[kind],
            "file_showers": FILES[kind],
        }
        for (kind, name), found in rows.items()
    ]


def way(argument: list[Any]) -> dict[str, float]:
    import torch
    from loading_ways import BATCH, WAYS

    torch.set_num_threads(1)
    name, path, buffer_mb = argument
    bare = resident_mb()
    started = time.perf_counter()
    batches = WAYS[name](Path(path), buffer_mb)
    ready = time.perf_counter()
    next(batches)
    first = time.perf_counter()
    n, cpu = 0, time.process_time()
    while n < LEAST_BATCHES or time.perf_counter() - first < SECONDS:
        next(batches)
        n += 1
    seconds = time.perf_counter() - first
    return {
        "showers_per_s": n * BATCH / seconds,
        "showers_per_cpu_s": n * BATCH / max(time.process_time() - cpu, 1e-9),
        "prepare_s": ready - started,
        "first_batch_s": first - ready,
        "peak_mb": peak_mb() - bare,
    }


def step() -> list[dict[str, Any]]:
    return child("step", None)


def measured_step(_: None) -> list[dict[str, Any]]:
    import torch

    from caloforge.config import load_run
    from caloforge.training.bundle import build_model
    from caloforge.training.preparation import prepare

    torch.set_num_threads(1)
    cases = {"memory": ("memory", 0), "memory, 1 worker": ("memory", 1)}
    cases |= {"stream, no worker": ("stream", 0), "stream": ("stream", 1)}
    settings = ["data.buffer_mb=16"]
    sources = {}
    for name, (loading, workers) in cases.items():
        run = load_run("zn-e2e-sae", [*settings, f"data.loading={loading}"])
        prepared = prepare(run)
        stream = prepared.train.stream(run.train.batch_size, seed=0, workers=workers)
        sources[name] = iter(stream)
    held = [next(sources["memory"]) for _ in range(8)]
    torch.manual_seed(0)
    model = build_model(run, prepared.spec)
    (phase,) = model.phases()
    optimizer = torch.optim.AdamW(phase.parameters(), lr=1e-4)
    rng = torch.Generator().manual_seed(0)

    def cost(batches: Any) -> tuple[float, float, float]:
        """CPU seconds to get a batch, of the whole step, and its seconds."""
        before, cpu = time.perf_counter(), time.process_time()
        batch = next(batches)
        got = time.process_time()
        objective = phase.objective(batch, rng)
        objective.total.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 20.0)
        optimizer.step()
        optimizer.zero_grad()
        done = time.process_time()
        return got - cpu, done - cpu, time.perf_counter() - before

    cycled = itertools.cycle(held)
    for _ in range(5):
        cost(cycled)
    sources = {"held": cycled, **sources}
    costs: dict[str, list[tuple[float, float, float]]] = {name: [] for name in sources}
    for k in range(STEPS):
        for name in list(sources) if k % 2 else list(sources)[::-1]:
            costs[name].append(cost(sources[name]))
    # Means: a pool is read once in several steps.
    mean = {
        name: [statistics.fmean(part) for part in zip(*c, strict=True)]
        for name, c in costs.items()
    }
    base = mean.pop("held")
    return [
        {
            "loading": name,
            "batch_cpu_ms": 1e3 * (batch - base[0]),
            "step_cpu_ms": 1e3 * whole,
            "held_cpu_ms": 1e3 * base[1],
            "share": (batch - base[0]) / base[1],
            "whole_share": whole / base[1] - 1,
            "step_ms": 1e3 * seconds,
            "held_ms": 1e3 * base[2],
        }
        for name, (batch, whole, seconds) in mean.items()
    ]


def memory() -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "zn.h5"
        write(path, "zn", MEMORY_SHOWERS)
        return child("memory", str(path))


def measured_memory(path: str) -> dict[str, Any]:
    import lightning  # noqa: F401
    import torch

    torch.set_num_threads(1)
    found = {"torch and lightning": resident_mb()}
    from rich.console import Console

    from caloforge.config import load_run
    from caloforge.training import run as training
    from caloforge.training.module import PhaseTraining

    found["caloforge"] = peak_mb()
    run = load_run(
        "zn-e2e-sae",
        [
            f"data.train='{path}'",
            "data.loading=stream",
            "train.steps=250",
            "train.validate_every=250",
            "train.accelerator=cpu",
        ],
    )
    prepare = training.prepare

    def spied(*arguments: Any, **options: Any) -> Any:
        prepared = prepare(*arguments, **options)
        found["split, checks, fits"] = peak_mb()
        return prepared

    validation_start = PhaseTraining.on_validation_epoch_start

    def spied_start(module: PhaseTraining) -> None:
        found["250 steps"] = peak_mb()
        validation_start(module)

    training.prepare = spied
    PhaseTraining.on_validation_epoch_start = spied_start
    started = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        training.train(run, Path(folder) / "run", console=Console(quiet=True))
    found["a validation, bundle"] = peak_mb()
    return {"peak_mb": found, "showers": MEMORY_SHOWERS, "s": time.perf_counter() - started}


def jobs() -> list[dict[str, Any]]:
    rows = []
    sizes = {"zn": MEMORY_SHOWERS, "data set 3": FILES["data set 3"]}
    with tempfile.TemporaryDirectory() as folder:
        for kind, n in sizes.items():
            path = Path(folder) / f"{kind}.h5"
            write(path, kind, n)
            for name in JOBS:
                peak = child("job", [name, str(path)])
                rows.append({"showers": kind, "n": n, "job": name, "peak_mb": peak})
                print(rows[-1], flush=True)
    return rows


def measured_job(argument: list[str]) -> float:
    name, path = argument
    JOBS[name](path)
    return peak_mb()


def command(*arguments: str) -> None:
    from caloforge.cli import main as caloforge

    with contextlib.redirect_stdout(io.StringIO()), contextlib.suppress(SystemExit):
        caloforge(arguments)


def split(path: str) -> None:
    from caloforge.data import ShowerFile
    from caloforge.data.splits.partition import SplitPlan, partition
    from caloforge.data.splits.selection import Selection

    with ShowerFile(path) as file:
        partition(file, SplitPlan(split_by="shower"), Selection(min_sum=1))


def feeding(path: str) -> None:
    """Two epochs of batches of the default settings, and no model."""
    import torch
    from loading_ways import BATCH, run_of

    from caloforge.training.preparation import prepare

    torch.set_num_threads(1)
    train = prepare(run_of(Path(path), "stream", 1, 128)).train
    stream = train.stream(BATCH, seed=0, workers=1)
    for _ in itertools.islice(stream, 2 * stream.steps_per_epoch):
        pass


def scores() -> list[dict[str, Any]]:
    rows = []
    for seed in range(3):
        for loading in ("memory", "stream"):
            rows.append(child("score", [seed, loading]))
            print(rows[-1], flush=True)
    return rows


def measured_score(argument: list[Any]) -> dict[str, Any]:
    from rich.console import Console

    from caloforge.config import load_run
    from caloforge.training.bundle import read_bundle
    from caloforge.training.run import train

    seed, loading = argument
    settings = ["train.steps=200", "train.validate_every=100", "train.threads=1"]
    settings += [f"seed={seed}", f"data.loading={loading}", "data.buffer_mb=4"]
    with tempfile.TemporaryDirectory() as folder:
        bundle = train(
            load_run("zn-e2e-sae", settings), Path(folder) / "run", console=Console(quiet=True)
        )
        score = read_bundle(bundle).info["metrics"]["validation score of channel sums"]
    return {"seed": seed, "loading": loading, "score": score}


def resident_mb() -> float:
    """Memory in use; the peak starts anew."""
    Path("/proc/self/clear_refs").write_text("5")
    return status_mb("VmRSS")


def peak_mb() -> float:
    return status_mb("VmHWM")


def status_mb(name: str) -> float:
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(name)) / 1024


PARTS = {"ways": ways, "step": step, "memory": memory, "jobs": jobs, "scores": scores}
JOBS = {
    "caloforge info": lambda path: command("info", path),
    "split by shower, with a selection": split,
    "caloforge validate": lambda path: command("validate", path),
    "feeding: preparation and two epochs": feeding,
}
CHILDREN = {
    "way": way,
    "step": measured_step,
    "memory": measured_memory,
    "job": measured_job,
    "score": measured_score,
}

if __name__ == "__main__":
    main()
