"""Size and speed of shower files, against other ways to store the same showers.

    python benchmarks/storage.py             # some ten minutes
    python benchmarks/storage.py --table     # the docs' tables from the committed results alone

Showers: ZN counts (44 x 44, uint16) from the sample `zn-train`, drawn at random, mirrored at
random, 3 % of the photons left out, so that no two are alike; energies of CaloChallenge data
set 2 (6,480 cells, float32) from the sample `cylinder-train`, drawn and mirrored likewise, with
the binary digits that the sample was rounded by drawn anew; and of data set 3 (40,500 cells),
the same showers with every cell shared out among smaller ones. Every way stores the particles
too.

All ways take turns in every round, in another order each; the first round is checked for
equality and not counted. Medians are given: of the rates, of the rates over CPU time (the
machine may be busy, and threads may have no core to run on), and of the ratios to plain h5py
with gzip level 1 *in the same round*. Files are written in pieces of 4096 showers or 16 MiB and
read back in such pieces from the page cache; ours are synced to the disk too, and cells are
checked on reading.

A way whose package is missing is left out. Writes ``benchmarks/results/storage.json``,
``docs/tables/storage.md`` and the summary in ``docs/storage.md``.
"""

from __future__ import annotations

import argparse
import importlib.metadata
import json
import os
import shutil
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from storage_tables import write_tables
from storage_ways import BASELINE, Stored, missing, ways

from caloforge.data import load_sample
from caloforge.data.files.chunk_threads import default_threads
from caloforge.geometry import load_geometry
from caloforge.training.provenance import provenance

RESULTS = Path(__file__).resolve().parent / "results" / "storage.json"
PACKAGES = ("h5py", "numpy", "isal", "deflate", "pyarrow", "zarr", "hdf5plugin")
SHOWERS = {"zn": 20_480, "data set 2": 2_048, "data set 3": 320}
ROUNDS = 5
SINGLE = 40  # showers read alone


def zn(n: int, rng: np.random.Generator) -> Stored:
    sample = load_sample("zn-train")
    rows = rng.integers(len(sample), size=n)
    pictures = sample.showers[rows].reshape(-1, 44, 44)
    flips = rng.integers(4, size=n)
    pictures[flips % 2 == 1] = pictures[flips % 2 == 1, ::-1]
    pictures[flips // 2 == 1] = pictures[flips // 2 == 1, :, ::-1]
    lit = pictures > 0
    pictures[lit] = rng.binomial(pictures[lit], 0.97)
    return Stored(sample.geometry, sample.particles.select(rows), pictures.reshape(n, -1))


def data_set_2(n: int, rng: np.random.Generator) -> Stored:
    sample = load_sample("cylinder-train")
    rows = rng.integers(len(sample), size=n)
    showers = sample.showers[rows].reshape(n, 45, 16, 9)
    mirrored = rng.integers(2, size=n) == 1
    showers[mirrored] = showers[mirrored, :, ::-1]
    showers *= 1 + rng.uniform(-(2.0**-12), 2.0**-12, showers.shape).astype(np.float32)
    return Stored(sample.geometry, sample.particles.select(rows), showers.reshape(n, -1))


def data_set_3(n: int, rng: np.random.Generator) -> Stored:
    coarse = data_set_2(n, rng)
    angle = np.arange(50) * 16 // 50
    radius = np.arange(18) // 2
    cells = coarse.showers.reshape(n, 45, 16, 9)[:, :, angle][..., radius]
    share = rng.exponential(1 / 6, cells.shape) * (rng.random(cells.shape) < 0.5)
    showers = (cells * share).astype(np.float32).reshape(n, -1)
    return Stored(load_geometry("cylinder-fine"), coarse.particles, showers)


class Measured(NamedTuple):
    """One way in one round."""

    bytes: float
    write: float
    write_cpu: float
    read: float
    read_cpu: float
    single: float


def measured(
    way: Any, stored: Stored, folder: Path, rng: np.random.Generator, check: bool
) -> Measured:
    n = len(stored.showers)
    path = folder / "file"
    times = [time.perf_counter(), time.process_time()]
    path = way.write(path, stored)
    times += [time.perf_counter(), time.process_time()]
    pieces = [] if check else None
    for piece in way.read(path, stored):
        if pieces is not None:
            pieces.append(piece)
    times += [time.perf_counter(), time.process_time()]
    if pieces is not None:
        np.testing.assert_array_equal(np.concatenate(pieces), stored.showers)
    single = []
    if way.one is not None:
        with way.one(path) as one:
            for row in rng.integers(n, size=SINGLE):
                before = time.perf_counter()
                shower = one(int(row))
                single.append(time.perf_counter() - before)
                if check:
                    np.testing.assert_array_equal(np.ravel(shower), stored.showers[row])
    files = [p for p in (path.rglob("*") if path.is_dir() else [path]) if p.is_file()]
    size = sum(p.stat().st_size for p in files)
    shutil.rmtree(path) if path.is_dir() else path.unlink()
    return Measured(
        size / n,
        n / (times[2] - times[0]),
        n / (times[3] - times[1]),
        n / (times[4] - times[2]),
        n / (times[5] - times[3]),
        1000 * statistics.median(single) if single else float("nan"),
    )


def compare(stored: Stored, rounds: int, rng: np.random.Generator) -> list[dict[str, Any]]:
    chosen = ways(stored)
    found: dict[str, list[Measured]] = {way.name: [] for way in chosen}
    with tempfile.TemporaryDirectory() as folder:
        for number in range(rounds + 1):
            for k in rng.permutation(len(chosen)):
                way = chosen[k]
                result = measured(way, stored, Path(folder), rng, check=number == 0)
                if number:
                    found[way.name].append(result)
            print(f"  round {number} of {rounds}", flush=True)
    rows = []
    for way in chosen:
        values = np.array(found[way.name])
        base = np.array(found[BASELINE])
        row = dict(zip(Measured._fields, np.median(values, axis=0).tolist(), strict=True))
        ratio = values / base
        for name in ("write", "read", "write_cpu", "read_cpu"):
            k = Measured._fields.index(name)
            row[f"{name}_ratio"] = float(np.median(ratio[:, k]))
            row[f"{name}_ratios"] = [round(x, 3) for x in ratio[:, k].tolist()]
        row["single"] = None if np.isnan(row["single"]) else row["single"]
        rows.append({"name": way.name, "part": way.part, **row})
        rates = f"{row['write']:9.0f}/s {row['read']:9.0f}/s"
        ratios = f"x {row['write_ratio']:.2f} {row['read_ratio']:.2f}"
        print(f"  {way.name:40s} {row['bytes']:9.1f} B  {rates}  {ratios}", flush=True)
    return rows


def processor() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return "unknown"


def version(package: str) -> str | None:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--table", action="store_true", help="only write the tables")
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--scale", type=float, default=1.0, help="times the showers")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--output", type=Path, default=RESULTS)
    options = parser.parse_args()
    if options.table:
        write_tables(json.loads(options.output.read_text()))
        return
    for line in missing():
        print(line)
    makers = {"zn": zn, "data set 2": data_set_2, "data set 3": data_set_3}
    report: dict[str, Any] = {
        **provenance(),
        "machine": processor(),
        "cores": len(os.sched_getaffinity(0)),
        "threads": default_threads(),
        "load_before": os.getloadavg(),
        "versions": {name: version(name) for name in PACKAGES},
        "rounds": options.rounds,
        "seed": options.seed,
        "sets": {},
    }
    for name, make in makers.items():
        rng = np.random.default_rng(options.seed)
        n = max(8, round(SHOWERS[name] * options.scale))
        stored = make(n, rng)
        print(f"{name}: {n} showers", flush=True)
        report["sets"][name] = {
            "showers": n,
            "cells": stored.showers.shape[1],
            "type": str(stored.showers.dtype),
            "lit": float((stored.showers > 0).mean()),
            "rows": compare(stored, options.rounds, rng),
        }
    report["load_after"] = os.getloadavg()
    options.output.write_text(json.dumps(report, indent=1) + "\n")
    if options.output == RESULTS:
        write_tables(report)


if __name__ == "__main__":
    main()
