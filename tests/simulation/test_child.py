"""One process, and its handle in a worker."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest

from caloforge import __version__
from caloforge.data import PARTICLE_COLUMNS
from caloforge.errors import DataFormatError, MissingExtraError, SimulationError
from caloforge.events import incident_particles
from caloforge.simulation import worker
from caloforge.simulation.frames import pack
from caloforge.simulation.journal import unpack_chunk
from caloforge.simulation.setup import load_setup

N = 12


def task(engine="Engine", *, run="test", n=N, **changes):
    """Frame of a chunk: one shower of each of some particles, the last of which misses."""
    particles = incident_particles("zn", n=n, seed=0).particles if n else None
    setup = load_setup("zn")
    header = {
        "caloforge": __version__,
        "run": run,
        "setting": {
            "engine": f"fake_engine:{engine}",
            "setup": setup.as_dict(),
            "n_cells": setup.geometry.n_cells,
        },
        "start": 0,
        **changes,
    }
    if particles is None:
        return pack(header)
    arrays = {
        "incident": particles.incident,
        **{name: particles[name] for name in PARTICLE_COLUMNS},
        "row": np.arange(n),
        "seed": np.arange(1, n + 1, dtype=np.uint64),
        "number": 100 + np.arange(n),
        "miss": np.arange(n) == n - 1,
    }
    return pack(header, arrays)


@pytest.fixture(autouse=True)
def processes_end(fake):
    yield
    for run in ("test", "stopped"):
        worker.close(run)
    assert not worker._children


def gone(pid):
    """Whether a process has ended."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return True
    return state == "Z"


def wait_until(condition):
    end = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.01)


def test_showers_are_those_of_the_engine_whatever_it_prints():
    from tests.simulation.fake_engine import Engine

    particles = incident_particles("zn", n=N, seed=0).particles
    engine = Engine(load_setup("zn"))
    expected = [engine.shower(particles, k, k + 1) for k in range(N - 1)]
    made = unpack_chunk(worker.simulate_chunk(task()))
    assert np.array_equal(made.dense(0, N - 1), expected)
    assert not made.dense(N - 1, N).any()  # it misses
    assert (made.cpu_seconds >= 0).all()


def test_process_is_kept_for_the_next_chunk_and_replaced_for_another_setup():
    worker.simulate_chunk(task())
    (child,) = worker._children.values()
    worker.simulate_chunk(task())
    assert list(worker._children.values()) == [child]
    worker.simulate_chunk(task("Bright"))
    (other,) = worker._children.values()
    assert other is not child
    assert not child.alive()


def test_killed_processes_change_nothing(fake):
    whole = worker.simulate_chunk(task())
    again = worker.simulate_chunk(task("Dying"))
    assert len(list(fake.glob("seen-*"))) == 3  # seeds 3, 6, 9; 12 misses
    first, second = unpack_chunk(whole), unpack_chunk(again)
    assert np.array_equal(first.dense(0, N), second.dense(0, N))


def test_shower_that_always_kills_is_named_with_the_last_words():
    with pytest.raises(SimulationError) as caught:
        worker.simulate_chunk(task("Deadly"))
    text = str(caught.value)
    particles = incident_particles("zn", n=N, seed=0).particles
    kind, energy = particles.kinds()[6], particles["energy_gev"][6]
    assert text.startswith(f"shower 106 ({kind}, {energy:.4g} GeV) killed its process 3 times")
    assert "signal 6" in text
    assert "G4Exception: something was wrong" in text
    assert text.endswith("to see it alone: --only 106")


@pytest.mark.parametrize(
    ("engine", "message"),
    [
        ("Broken", r"shower 100 \(.*\): the engine made a shower with a cell that is negative"),
        ("Raising", r"shower 100 \(.*\): KeyError: 'no such key'"),
    ],
)
def test_bugs_of_the_engine_are_one_line(engine, message):
    with pytest.raises(SimulationError, match=message):
        worker.simulate_chunk(task(engine))


def test_what_the_engine_refuses_keeps_its_class():
    with pytest.raises(MissingExtraError, match="geant4-pybind is not installed"):
        worker.check(task("Unready"))
    with pytest.raises(DataFormatError, match="12 of them cannot be simulated"):
        worker.check(task("Refusing"))
    assert json.loads(worker.check(task())) == {
        "program": "fake",
        "release": 1,
        "numpy": np.__version__,
    }
    worker.check(task("Refusing", n=0))  # without particles it only starts


def test_other_versions_are_refused(monkeypatch):
    with pytest.raises(SimulationError, match=r"found caloforge .*, expected 0\.0\.1 as in"):
        worker.simulate_chunk(task(caloforge="0.0.1"))
    description = json.loads(worker.check(task()))
    worker.close("test")
    monkeypatch.setenv("FAKE_RELEASE", "2")
    with pytest.raises(SimulationError, match="found release 2, expected 1 as where the run"):
        worker.simulate_chunk(task(description=description))


def test_stopped_run_ends_in_the_middle_of_a_shower(fake):
    failed = []

    def make():
        try:
            worker.simulate_chunk(task("Stuck", run="stopped"))
        except SimulationError as error:
            failed.append(str(error))

    thread = threading.Thread(target=make)
    thread.start()
    wait_until(lambda: list(fake.glob("child-*")))
    worker.stop("stopped")
    thread.join()
    assert failed == ["the run has been stopped"]
    with pytest.raises(SimulationError, match="has been stopped"):
        worker.simulate_chunk(task(run="stopped"))


def test_process_is_small_and_loads_nothing_heavy():
    script = """
import sys, caloforge.simulation.child
print([m for m in ("torch", "pandas", "matplotlib", "scipy", "dask", "distributed", "pyarrow",
                   "rich", "click") if m in sys.modules])
"""
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert done.stdout == "[]\n"
    worker.simulate_chunk(task())
    (child,) = worker._children.values()
    status = Path(f"/proc/{child._process.pid}/status")
    if status.exists():
        (peak,) = [line for line in status.read_text().splitlines() if "VmHWM" in line]
        assert int(peak.split()[1]) < 150_000  # kB; Geant4 itself comes on top


def test_real_process_stays_below_300_megabytes(real_geant4):
    setup = load_setup("zn")
    setting = {
        "engine": "caloforge.simulation.engine:Engine",
        "setup": setup.as_dict(),
        "n_cells": setup.geometry.n_cells,
    }
    said = json.loads(worker.check(task(n=0, setting=setting)))
    assert said["program"] == "Geant4"
    (child,) = worker._children.values()
    status = Path(f"/proc/{child._process.pid}/status")
    if status.exists():
        (peak,) = [line for line in status.read_text().splitlines() if "VmHWM" in line]
        assert int(peak.split()[1]) < 300_000


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells of a parent's death")
def test_process_dies_with_its_parent_even_in_the_middle_of_a_shower(fake, tmp_path):
    frame = tmp_path / "task"
    frame.write_bytes(task("Stuck"))
    script = f"""
from pathlib import Path
from caloforge.simulation import worker
worker.simulate_chunk(Path({str(frame)!r}).read_bytes())
"""
    parent = subprocess.Popen([sys.executable, "-c", script])
    wait_until(lambda: list(fake.glob("child-*")))
    (mark,) = fake.glob("child-*")
    pid = int(mark.name.partition("-")[2])
    assert not gone(pid)
    parent.send_signal(signal.SIGKILL)
    parent.wait()
    wait_until(lambda: gone(pid))


def test_ends_when_nobody_asks_any_more():
    child = subprocess.Popen(
        [sys.executable, "-m", "caloforge.simulation.child"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env={**os.environ, "CALOFORGE_PARENT": str(os.getpid())},
    )
    assert child.communicate() == (b"", b"")
    assert child.returncode == 0


def test_gist_of_what_geant4_printed_is_its_exception() -> None:
    printed = (
        "lots of output\n-------- WWWW ------- G4Exception-START\n"
        "*** G4Exception : em0003\n      issued by : G4ShellData::LoadData()\n"
        "data file: /x/binding.dat not found\n*** Fatal Exception *** core dump ***\n"
        "-------- EEEE -------- G4Exception-END\n*** G4Exception: Aborting execution ***\n"
    )
    expected = "em0003 issued by : G4ShellData::LoadData() data file: /x/binding.dat not found"
    assert worker.gist(printed) == f"Geant4 says {expected}"
    assert worker.gist("x" * 1000) == "..." + 300 * "x"
