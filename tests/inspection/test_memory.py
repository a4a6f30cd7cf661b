"""A large file is inspected in bounded memory."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np

from caloforge.data import ShowerWriter, load_sample

N = 200_000
_CHILD = """
import json, sys
from caloforge.inspection import inspect_files
found = inspect_files([sys.argv[1]])
status = open("/proc/self/status").read()
peak = int(status.split("VmHWM:")[1].split()[0])
print(json.dumps({"verdict": found.verdict, "n": found.evidence.n_showers, "peak_kb": peak}))
"""


def test_200000_showers_within_500_mb(tmp_path: Path) -> None:
    sample = load_sample("zn-train")
    path = tmp_path / "large.h5"
    with ShowerWriter(path, sample.geometry, provenance={"synthetic": "zn-train, mixed"}) as w:
        rng = np.random.default_rng(0)
        base = sample.showers
        for start in range(0, N, 5000):
            rows = rng.integers(0, len(base), 5000)
            showers = base[rows]
            # Other photons in the same cells: no two showers are alike.
            lit = showers.nonzero()
            showers[lit] = rng.poisson(showers[lit])
            showers[np.arange(5000), rng.integers(0, 1936, 5000)] += 1
            particles = sample.particles.select(rows)
            columns = dict(particles.columns)
            # Far enough apart for float32: no two particles are alike.
            factor = 0.95 + 0.1 * np.arange(start, start + 5000) / N
            for name in ("px_gev", "py_gev", "pz_gev"):
                columns[name] = columns[name] * factor
            p2 = sum(columns[f"p{axis}_gev"] ** 2 for axis in "xyz")
            columns["energy_gev"] = np.sqrt(p2 + (columns["mass_mev"] / 1000) ** 2)
            own = type(particles)(columns, np.arange(start, start + 5000))
            w.append(own, showers)
    done = subprocess.run(
        [sys.executable, "-c", _CHILD, str(path)], capture_output=True, text=True, check=True
    )
    found = json.loads(done.stdout)
    assert found["n"] == N
    assert found["peak_kb"] < 500_000
    assert found["verdict"] == "ok"
