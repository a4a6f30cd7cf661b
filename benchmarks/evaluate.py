"""Time and memory of `caloforge evaluate` on 20,000 against 20,000 showers of the ZN.

    python benchmarks/evaluate.py

The samples are made of zn-test: every shower in its eight reflections, of particles reflected
alike, and some twice, so that 4,000 particles have five showers each; the "generated" ones are
those, every cell drawn anew from a Poisson distribution about its count. Both suites run as a
user calls them, report included. Results: benchmarks/results/evaluate.json.
"""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from caloforge.data import Particles, load_sample
from caloforge.data.files.shower_writer import ShowerWriter
from caloforge.data.reflections import Reflections
from caloforge.training.provenance import provenance

RESULTS = Path(__file__).parent / "results" / "evaluate.json"
N = 20_000
AIMS = {"quick": {"seconds": 30, "gigabytes": 4}, "full": {"seconds": 900, "gigabytes": 4}}


def write_samples(folder: Path) -> None:
    """Write reference.h5 and generated.h5."""
    test = load_sample("zn-test")
    reflections = Reflections(test.geometry)
    tables, cells = [], []
    for number in range(-(-N // len(test))):
        bits = [bool(number & 1), bool(number & 2), bool(number & 4)]
        rows = slice(0, min(len(test), N - number * len(test)))
        flags = np.tile(bits, (len(test), 1))[rows]
        part = test.select(rows)
        particles = reflections.particles(part.particles, flags)
        shift = 10_000 * number
        tables.append(Particles(dict(particles.columns), particles.incident + shift))
        cells.append(np.take_along_axis(part.showers, reflections.order(flags), axis=1))
    particles, showers = Particles.concatenate(tables), np.concatenate(cells)
    drawn = np.random.default_rng(0).poisson(showers).astype(showers.dtype)
    seconds = np.full(N, 0.7, dtype=np.float32)
    for name, made in (("reference", showers), ("generated", drawn)):
        path = folder / f"{name}.h5"
        with ShowerWriter(path, test.geometry, provenance={"made by": __file__}) as writer:
            writer.append(particles, made, seconds)


def measure(suite: str, folder: Path) -> dict[str, float]:
    """Run the command; wall time, CPU time and peak memory of its process."""
    program = str(Path(sys.executable).parent / "caloforge")
    command = [program, "evaluate", "reference.h5", "generated.h5"]
    command += ["--suite", suite, "-o", f"report-{suite}"]
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    start = time.perf_counter()
    subprocess.run(command, cwd=folder, check=True, stdout=subprocess.DEVNULL)
    wall = time.perf_counter() - start
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return {
        "seconds": round(wall, 1),
        "cpu_seconds": round(cpu, 1),
        # Of all children so far: the suites run from small to large.
        "gigabytes": round(after.ru_maxrss / 2**20, 2),
    }


def main() -> None:
    """Measure and keep the results."""
    found = {}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_samples(folder)
        for suite in AIMS:
            found[suite] = measure(suite, folder)
            print(suite, found[suite], "aims:", AIMS[suite], flush=True)
    table = {
        "showers": N,
        "suites": found,
        "aims": AIMS,
        "load of the machine at the end": os.getloadavg()[0],
        "provenance": provenance(),
    }
    RESULTS.write_text(json.dumps(table, indent=1) + "\n")


if __name__ == "__main__":
    main()
