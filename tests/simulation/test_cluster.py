"""A real scheduler with two workers on loopback, and what can go wrong with one."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import h5py
import pytest

from caloforge.errors import ConfigError, MissingExtraError, SimulationError
from caloforge.simulation import cluster, worker
from caloforge.simulation.run import simulate_file

DASK = """
import sys
from pathlib import Path
from distributed import LocalCluster

if __name__ == "__main__":
    folder = Path(sys.argv[1])
    with LocalCluster(
        n_workers=2, threads_per_worker=1, dashboard_address=None, local_directory=folder,
        host="127.0.0.1",
    ) as cluster:
        nannies = [w.pid for w in cluster.workers.values()]
        (folder / "new").write_text(f"{cluster.scheduler_address} {nannies[0]} {nannies[1]}")
        (folder / "new").rename(folder / "ready")
        sys.stdin.read()
"""


def wait_until(condition):
    end = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.02)


@pytest.fixture
def fake(tmp_path, monkeypatch):
    """Folder in which the engines of ``fake_engine`` leave their marks."""
    folder = tmp_path / "marks"
    folder.mkdir()
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parent))
    monkeypatch.setenv("FAKE_ENGINE", str(folder))
    return folder


@pytest.fixture
def dask(tmp_path, fake):
    """Address of a scheduler, and the processes of its two workers."""
    script = tmp_path / "dask_cluster.py"
    script.write_text(DASK)
    process = subprocess.Popen(
        [sys.executable, str(script), str(tmp_path)],
        stdin=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )
    wait_until((tmp_path / "ready").exists)
    address, *pids = (tmp_path / "ready").read_text().split()
    yield address, [int(pid) for pid in pids]
    process.communicate()


def showers(path):
    with h5py.File(path) as file:
        return {name: file[name][:].tobytes() for name in file if name != "cpu_seconds"}


def test_cluster_whose_worker_is_killed_makes_the_same_file(dask, fake, tmp_path):
    address, pids = dask
    simulate_file(
        "zn", tmp_path / "serial.h5", n=12, repeats=2, workers=1, engine="fake_engine:Engine"
    )
    # Every third shower waits until there is a file `go`: both workers are caught at work.
    command = f"""
from caloforge.simulation.run import simulate_file
simulate_file("zn", {str(tmp_path / "out.h5")!r}, n=12, repeats=2, cluster={address!r},
              engine="fake_engine:Stuck")
"""
    run = subprocess.Popen(
        [sys.executable, "-c", command], stderr=subprocess.PIPE, stdout=subprocess.PIPE
    )
    wait_until(lambda: len(list(fake.glob("child-*"))) == 2)
    before = {int(mark.name.partition("-")[2]) for mark in fake.glob("child-*")}
    os.kill(pids[0], signal.SIGKILL)
    # Linux takes its Geant4 process along; the nanny starts another worker.
    wait_until(lambda: sum(Path(f"/proc/{pid}").exists() for pid in before) <= 1)
    (fake / "go").touch()
    output, errors = run.communicate()
    assert (run.returncode, output, errors) == (0, b"", b"")
    assert showers(tmp_path / "out.h5") == showers(tmp_path / "serial.h5")
    # Nothing of ours is left on the cluster.
    marks = [int(mark.name.partition("-")[2]) for mark in fake.glob("child-*")]
    wait_until(lambda: not any(alive(pid) for pid in marks))


def alive(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def test_cluster_that_does_not_answer_is_one_line(monkeypatch, tmp_path):
    monkeypatch.setattr(cluster, "_CONNECT_SECONDS", 1)
    for address in ("tcp://127.0.0.1:9", "nonsense"):
        with pytest.raises(ConfigError) as caught:
            simulate_file("zn", tmp_path / "out.h5", n=1, cluster=address)
        text = str(caught.value)
        assert text.startswith(f"--cluster {address}: no Dask scheduler answers (")
        assert "\n" not in text
    broken = tmp_path / "scheduler.json"
    broken.write_text(json.dumps({"no": "address"}))
    with pytest.raises(ConfigError, match="no Dask scheduler answers"):
        simulate_file("zn", tmp_path / "out.h5", n=1, cluster=str(broken))
    assert not (tmp_path / "out.h5.partial").exists()


def test_without_dask_the_extra_is_named(monkeypatch, tmp_path):
    def missing(name):
        msg = f"No module named {name!r}"
        raise ModuleNotFoundError(msg)

    monkeypatch.setattr(cluster, "import_module", missing)
    with pytest.raises(
        MissingExtraError, match=r"dask.* is not installed; pip install 'caloforge\[sim\]'"
    ):
        simulate_file("zn", tmp_path / "out.h5", n=1)


def test_worker_without_caloforge_is_told_from_a_bug():
    from distributed import CancelledError

    class Future:
        def __init__(self, error):
            self.error = error

        def result(self):
            raise self.error

    workers = cluster.Workers(None, "tcp://far:1", "run", local=0)
    for error, message in (
        (ModuleNotFoundError("No module named 'caloforge'"), "cannot load caloforge"),
        (RuntimeError("Error during deserialization\nof the task graph"), "install the same"),
        (ZeroDivisionError("x"), r"tcp://far:1: a worker failed \(ZeroDivisionError: x\)"),
        (CancelledError("x"), "the Dask scheduler has gone"),
        (SimulationError("shower 3"), "shower 3"),
    ):
        with pytest.raises(SimulationError, match=message) as caught:
            workers._result(Future(error))
        assert "\n" not in str(caught.value)


def test_local_workers_open_no_port_to_others(fake, tmp_path):
    psutil = pytest.importorskip("psutil")
    with cluster.local_workers(2) as pool:
        assert pool.count() == 2
        listening = [
            c.laddr.ip for c in psutil.Process().net_connections() if c.status == "LISTEN"
        ]
        assert set(listening) <= {"127.0.0.1"}
    assert not worker._children
