"""Memory of whatever goes through a file of CaloChallenge data set 3, 162 kB a shower."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest

from caloforge.data import Particles, ShowerWriter
from caloforge.geometry import load_geometry

SHOWERS = 3000

CHILD = """
import sys
from pathlib import Path


def peak() -> float:
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM")) / 1024


from caloforge.data.files.shower_file import ShowerFile
from caloforge.data.splits.partition import SplitPlan, partition
from caloforge.data.splits.selection import Selection
from caloforge.data.summary import summarise

what, path = sys.argv[1:]
if what == "prepare":
    import torch
    from caloforge.config import run_from_tables
    from caloforge.training.preparation import prepare

    torch.set_num_threads(1)
    data = {"train": path, "conditions": ["energy_gev"], "loading": "stream"}
    tables = {"data": data, "model": {"name": "vae"}, "train": {"steps": 1}}
    run = run_from_tables(tables, source="test")
before = peak()
with ShowerFile(path) as file:
    if what == "info":
        summarise(path)
    elif what == "sha256":
        file.sha256()
    elif what == "min_sum":
        partition(file, SplitPlan(), Selection(min_sum=1))
    elif what == "by shower":
        partition(file, SplitPlan(split_by="shower"))
    elif what == "prepare":
        prepare(run)
print(peak() - before)
"""


@pytest.fixture(scope="module")
def large_showers(tmp_path_factory):
    """Few lit cells, so that the file is small and soon written."""
    path = tmp_path_factory.mktemp("data") / "large.h5"
    geometry, rng = load_geometry("cylinder-fine"), np.random.default_rng(0)
    with ShowerWriter(path, geometry, provenance={}) as writer:
        for start in range(0, SHOWERS, 100):
            cells = np.zeros((100, 40500), np.float32)
            lit = rng.integers(0, 40500, (100, 50))
            np.put_along_axis(cells, lit, 1.5, axis=1)
            energy = rng.uniform(1, 1000, 100)
            columns = {"pdg": np.full(100, 22), "energy_gev": energy, "pz_gev": -energy}
            zeros = ("x_cm", "y_cm", "z_cm", "px_gev", "py_gev", "mass_mev", "charge_e")
            columns |= {name: np.zeros(100) for name in zeros}
            writer.append(Particles(columns, np.arange(start, start + 100)), cells)
    return path


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
@pytest.mark.parametrize(
    ("what", "most_mb"),
    [("info", 90), ("sha256", 60), ("min_sum", 90), ("by shower", 90), ("prepare", 130)],
)
def test_memory_does_not_grow_with_showers(what, most_mb, large_showers) -> None:
    """The file has 463 MiB of cells, and its showers are 20 times as large as those of ZN."""
    command = [sys.executable, "-c", CHILD, what, str(large_showers)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert 0 <= float(done.stdout) < most_mb
