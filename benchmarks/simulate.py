"""Speed and memory of the full simulation.

    python benchmarks/simulate.py                  # all; a quarter of an hour of CPU time
    python benchmarks/simulate.py cost callbacks   # parts; each replaces its own in the result

cost: CPU seconds per GeV of each kind, and the memory of the Geant4 process.
callbacks: the same showers in two processes, one with and one without the sensitive detector
that calls Python, in turns; share of CPU time that is Python's (filters in C++ included).
workers: showers/s of two workers over one, in turns. Needs a machine that does nothing else.

Needs ``pip install 'caloforge[sim]'`` and Geant4's run data. Writes
``benchmarks/results/simulate.json``.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np
import psutil

from caloforge.data import read_showers
from caloforge.events import incident_particles
from caloforge.simulation.engine import Engine
from caloforge.simulation.run import simulate_file
from caloforge.simulation.seeds import shower_seed
from caloforge.simulation.setup import load_setup
from caloforge.training.provenance import provenance

RESULTS = Path(__file__).resolve().parent / "results" / "simulate.json"
RUN_DATA = "Geant4 run data substituted (shared/g4data), not the official data sets"
COST = (
    ("zn", "n", 100, 10),
    ("zn", "gamma", 100, 8),
    ("zn", "pi+", 100, 10),
    ("zn", "p", 100, 10),
    ("zn", "e-", 100, 8),
    ("zp", "p", 100, 12),
    ("cylinder", "e-", 20, 20),
)
CALLBACKS = (("zn", "n", 50, 4), ("zn", "gamma", 50, 2), ("cylinder", "e-", 20, 4))
ROUNDS = 8
WORKERS_ROUNDS, WORKERS_SHOWERS = 4, 48


def gun(folder: Path, kind: str, gev: float) -> Path:
    """Write a gun of one kind and energy, anywhere in a cell of the ZN."""
    path = folder / f"{kind}-{gev:g}.toml"
    path.write_text(
        f'[[kinds]]\nparticle = "{kind}"\nenergy = {float(gev)}\n\n'
        '[[positions]]\nlaw = "rectangle"\nsize_cm = [0.16, 0.16]\n'
    )
    return path


class Memory:
    """Largest memory of any Geant4 process of ours, sampled while it runs."""

    def __enter__(self) -> Memory:
        self.mb, self._stop = 0.0, threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *reason: object) -> None:
        self._stop.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._stop.wait(0.2):
            for child in psutil.Process().children(recursive=True):
                try:
                    if "caloforge.simulation.child" in " ".join(child.cmdline()):
                        self.mb = max(self.mb, child.memory_info().rss / 1e6)
                except psutil.Error:
                    continue


def cost(options: argparse.Namespace, folder: Path) -> list[dict[str, Any]]:
    """CPU seconds per GeV and memory, by kind."""
    rows = []
    for detector, kind, gev, n in COST:
        output = folder / f"{detector}-{kind}.h5"
        with Memory() as memory:
            simulate_file(
                detector, output, n=max(2, round(n * options.scale)),
                gun=gun(folder, kind, gev), seed=options.seed, workers=1,
            )  # fmt: skip
        seconds = read_showers(output).cpu_seconds
        assert seconds is not None
        each = seconds.astype(float) / gev
        rows.append({
            "detector": detector, "kind": kind, "gev": gev, "showers": len(each),
            "cpu_seconds_per_gev": float(each.mean()),
            "error": float(each.std(ddof=1) / np.sqrt(len(each))),
            "worker_mb": memory.mb, "load": os.getloadavg()[0],
        })  # fmt: skip
        print(rows[-1], flush=True)
    return rows


def serve(detector: str, kind: str, gev: float, seed: int, *, record: bool) -> None:
    """Make showers as asked on stdin, with or without what calls Python."""
    with tempfile.TemporaryDirectory() as folder:
        setup = load_setup(detector)
        particles = incident_particles(
            detector, n=1000, gun=gun(Path(folder), kind, gev), seed=seed
        ).particles
    if not record:
        n_cells = setup.geometry.n_cells
        # The detector is built as ever; nothing is attached to it, and nothing read.
        for name, instead in (
            ("record", lambda: None),
            ("response", lambda event, rng: np.zeros(n_cells)),  # noqa: ARG005
        ):
            setattr(setup.calorimeter, name, instead)
    engine = Engine(setup)
    engine.shower(particles, 999, 0)  # tables are made at the first
    print("READY", flush=True)
    for line in sys.stdin:
        first, stop = map(int, line.split())
        before = time.process_time()
        for k in range(first, stop):
            engine.shower(particles, k, shower_seed(seed, k))
        print(f"TOOK {time.process_time() - before}", flush=True)


def answer(process: subprocess.Popen[str], word: str) -> list[str]:
    """Skip what Geant4 prints."""
    assert process.stdout is not None
    return next(line.split() for line in process.stdout if line.startswith(word))


def callbacks(options: argparse.Namespace) -> list[dict[str, Any]]:
    """Share of CPU time of the sensitive detector."""
    rows = []
    for detector, kind, gev, n in CALLBACKS:
        command = [sys.executable, __file__, "--serve", detector, kind, str(gev)]
        command += ["--seed", str(options.seed)]
        processes = [
            subprocess.Popen([*command, *more], stdin=-1, stdout=-1, stderr=-3, text=True)
            for more in ([], ["--without"])
        ]
        for process in processes:
            answer(process, "READY")
        taken = []
        for k in range(max(3, round(ROUNDS * options.scale))):
            pair = [0.0, 0.0]
            # The order changes from round to round: clocks drift.
            for which in (0, 1) if k % 2 else (1, 0):
                process = processes[which]
                assert process.stdin is not None
                process.stdin.write(f"{k * n} {(k + 1) * n}\n")
                process.stdin.flush()
                pair[which] = float(answer(process, "TOOK")[1])
            taken.append(pair)
        for process in processes:
            process.communicate()
        both = np.array(taken)
        share = 1 - both[:, 1] / both[:, 0]
        rows.append({
            "detector": detector, "kind": kind, "gev": gev, "showers": len(both) * n,
            "rounds": len(both), "seconds_with": float(both[:, 0].sum()),
            "seconds_without": float(both[:, 1].sum()),
            "share": float(1 - both[:, 1].sum() / both[:, 0].sum()),
            "median_share": float(np.median(share)),
            "error": float(share.std(ddof=1) / np.sqrt(len(share))),
            "load": os.getloadavg()[0],
        })  # fmt: skip
        print(rows[-1], flush=True)
    return rows


def workers(options: argparse.Namespace, folder: Path) -> dict[str, Any]:
    """Showers/s of two workers over one."""
    rates: list[list[float]] = []
    with Memory() as memory:
        for k in range(max(2, round(WORKERS_ROUNDS * options.scale))):
            pair = [0.0, 0.0]
            for number in (1, 2) if k % 2 else (2, 1):
                made = simulate_file(
                    "zn", folder / f"{number}-{k}.h5", n=WORKERS_SHOWERS,
                    gun=gun(folder, "n", 100), seed=options.seed + k, workers=number,
                )  # fmt: skip
                pair[number - 1] = made.rate
            rates.append(pair)
            print(pair, flush=True)
    both = np.array(rates)
    ratio = both[:, 1] / both[:, 0]
    return {
        "showers": f"{WORKERS_SHOWERS} neutrons of 100 GeV in the ZN, start of Geant4 included",
        "showers_per_second": both.mean(axis=0).tolist(),
        "ratio": float(ratio.mean()),
        "error": float(ratio.std(ddof=1) / np.sqrt(len(ratio))),
        "ratios": ratio.tolist(),
        "worker_mb": memory.mb,
        "load": os.getloadavg()[0],
    }


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("parts", nargs="*", help="of: cost, callbacks, workers; default all")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--scale", type=float, default=1.0, help="times the showers")
    parser.add_argument("--serve", nargs=3, help=argparse.SUPPRESS)
    parser.add_argument("--without", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.serve:
        detector, kind, gev = options.serve
        serve(detector, kind, float(gev), options.seed, record=not options.without)
        return
    wrong = set(options.parts) - {"cost", "callbacks", "workers"}
    if wrong:
        parser.error(f"no part {wrong.pop()}, expected cost, callbacks or workers")
    result = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
    with tempfile.TemporaryDirectory() as folder:
        for part in options.parts or ("cost", "callbacks", "workers"):
            if part == "cost":
                found: Any = cost(options, Path(folder))
            elif part == "callbacks":
                found = callbacks(options)
            else:
                found = workers(options, Path(folder))
            result[part] = {
                "found": found, "run_data": RUN_DATA, "cores": os.cpu_count(),
                "machine": platform.processor() or platform.machine(), **provenance(),
            }  # fmt: skip
            RESULTS.write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()
