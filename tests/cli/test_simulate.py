import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import h5py
import pytest
from click.testing import CliRunner

from caloforge.cli import main
from caloforge.errors import MissingExtraError
from caloforge.simulation.run import Simulated

FAKE = Path(__file__).parents[1] / "simulation"

# The command as the user has it, with an engine that needs no Geant4.
PROGRAM = """
import functools, sys
import caloforge.simulation.run as run
engine = "fake_engine:" + sys.argv.pop(1)
run.simulate_file = functools.partial(run.simulate_file, engine=engine)
from caloforge.cli import main
main(prog_name="caloforge")
"""


ARGUMENTS = ["zn", "-n", "30", "--seed", "3", "--workers", "2"]


@pytest.fixture
def fake(tmp_path, monkeypatch):
    """Folder in which the engines of ``fake_engine`` leave their marks."""
    folder = tmp_path / "marks"
    folder.mkdir()
    monkeypatch.setenv("PYTHONPATH", str(FAKE))
    monkeypatch.setenv("FAKE_ENGINE", str(folder))
    return folder


def start(engine, *arguments):
    return subprocess.Popen(
        [sys.executable, "-c", PROGRAM, engine, "simulate", *map(str, arguments)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def finish(process):
    stdout, stderr = process.communicate(timeout=120)
    return process.returncode, stdout, stderr


@pytest.fixture(scope="module")
def reference(tmp_path_factory):
    """Data sets of a run that nothing interrupts."""
    output = tmp_path_factory.mktemp("reference") / "out.h5"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", str(FAKE))
        assert finish(start("Engine", *ARGUMENTS, "-o", output))[0] == 0
    return showers(output)


def run(*arguments):
    return CliRunner().invoke(main, ["simulate", *map(str, arguments)])


def wait_until(condition):
    end = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.01)


def alive(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def showers(path):
    with h5py.File(path) as file:
        return {name: file[name][:].tobytes() for name in file if name != "cpu_seconds"}


def test_makes_a_file_and_says_what_is_in_it(fake, tmp_path):
    output = tmp_path / "zn.h5"
    code, stdout, stderr = finish(
        start("Engine", "zn", "-n", 9, "--repeats", 2, "--workers", 2, "-o", output)
    )
    assert (code, stderr) == (0, "")  # the progress bar is for terminals
    first, second = stdout.splitlines()
    assert first.startswith(f"{output}: 18 showers of 9 particles (")
    assert sum(map(int, re.findall(r"(\d+) [A-Za-z]", first.partition("(")[2]))) == 9
    assert re.fullmatch(
        r"made 18 in [\d.]+ s, [\d.]+ showers/s; [\d.e-]+ CPU seconds a shower", second
    )


@pytest.mark.parametrize(
    ("number", "code", "last"),
    [(signal.SIGINT, 130, "Interrupted.\n"), (signal.SIGTERM, 143, "")],
)
def test_interrupted_keeps_what_is_done_and_says_how_to_go_on(
    fake, reference, tmp_path, number, code, last
):
    output = tmp_path / "out file.h5"
    partial = tmp_path / "out file.h5.partial"
    process = start("Slow", *ARGUMENTS, "--force", "-o", output)
    wait_until(lambda: partial.exists() and partial.stat().st_size > 8000)
    process.send_signal(number)
    found, stdout, stderr = finish(process)
    assert (found, stdout) == (code, "")
    told = re.fullmatch(
        rf"(\d+) of 30 showers are kept in {re.escape(str(partial))}; go on with: "
        rf"(caloforge simulate zn -o '{re.escape(str(output))}' -n 30 --seed 3 --workers 2 "
        rf"--resume)\n{last}",
        stderr,
    )
    assert told, stderr
    assert partial.exists()
    assert not output.exists()
    children = [int(mark.name.partition("-")[2]) for mark in fake.glob("child-*")]
    assert children
    assert not any(alive(pid) for pid in children)

    again, stdout, stderr = finish(start("Slow", *ARGUMENTS, "-o", output, "--resume"))
    assert (again, stderr) == (0, "")
    assert f"made {30 - int(told[1])} in" in stdout
    assert not partial.exists()
    assert showers(output) == reference


def test_shower_that_fails_ends_with_one_line_more_for_what_is_kept(fake, tmp_path):
    code, stdout, stderr = finish(
        start("Deadly", "zn", "-n", 60, "--workers", 2, "-o", tmp_path / "x.h5")
    )
    assert (code, stdout) == (1, "")
    kept, error = stderr.splitlines()
    assert "go on with: caloforge simulate zn" in kept
    assert re.match(r"Error: shower \d+ \(.*\) killed its process 3 times \(signal 6: ", error)
    assert re.search(r"; to see it alone: --only \d+$", error)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["zm", "-n", "1"], "found 'zm', expected one of .*zn, zp"),
        (["zn", "-n", "1", "--cut", "1 parsec"], r"--cut.*1 parsec"),
        (["zn", "-n", "1", "--cut", "-1"], r"cut.*-1"),
        (["zn", "-n", "1", "--physics", "FTFP"], "FTFP"),
        (["zn", "-n", "1", "--gun", "nonsense"], "nonsense"),
        (["zn"], "found no number of incident particles"),
        (["zn", "-n", "5", "--only", "5"], "--only 5: found no such shower, expected 0 to 4"),
        (["zn", "-n", "1", "--workers", "1", "--cluster", "tcp://x:1"], "found both --workers"),
        (
            ["zn", "-n", "3", "--repeats", "9000000000000000000"],
            "; make several runs with other",
        ),
        (["zn", "-n", "9000000000000000000"], "expected at most 1,000,000,000"),
        (["zn", "-n", "1", "--particles", "none.csv"], "none.csv: found no such file"),
    ],
)
def test_bad_input_is_one_line(tmp_path, arguments, message):
    result = run(*arguments, "-o", tmp_path / "out.h5")
    assert result.exit_code == 2, result.output
    assert result.stdout == ""
    assert result.stderr.startswith("Error: ")
    assert result.stderr.count("\n") == 1
    assert re.search(message, result.stderr)
    assert list(tmp_path.iterdir()) == []


def test_detector_and_output_are_needed(tmp_path):
    for arguments in ([], ["zn"], ["-o", tmp_path / "x.h5"]):
        result = run(*arguments)
        assert result.exit_code == 2
        assert "give DETECTOR and -o OUTPUT; only --fetch-data goes without" in result.stderr


def test_cuts_have_units(tmp_path, monkeypatch):
    given = []

    def stop(*_, cut_mm, **__):
        given.append(cut_mm)
        msg = "geant4-pybind is not installed; pip install 'caloforge[sim]'"
        raise MissingExtraError(msg)

    monkeypatch.setattr("caloforge.simulation.run.simulate_file", stop)
    for cut in ("0.7mm", "0.7", "70um", "0.01 cm"):
        result = run("zn", "-n", "1", "-o", tmp_path / "x.h5", "--cut", cut)
        assert result.exit_code == 2
        assert "pip install 'caloforge[sim]'" in result.stderr
    assert given == pytest.approx([0.7, 0.7, 0.07, 0.1])


def test_what_was_left_out_of_an_event_file_is_one_line(tmp_path, monkeypatch):
    output = tmp_path / "x.h5"
    done = Simulated(
        output, 6, 3, {"n": 3}, 1, 6.0, 2.0, 6, 1200, {"charged": 4100, "below 1 GeV": 5}
    )
    monkeypatch.setattr("caloforge.simulation.run.simulate_file", lambda *_, **__: done)
    result = run("zn", "-o", output)
    assert result.exit_code == 0
    assert result.stdout.splitlines()[1:] == [
        "made 6 in 2.0 s, 3 showers/s; 1 CPU seconds a shower",
        "1 particles miss the detector: their showers are empty",
        "particles left out of 1,200 events: charged 4,100, below 1 GeV 5",
    ]


def test_data_are_fetched_on_request_and_shown(tmp_path, monkeypatch):
    monkeypatch.setattr("caloforge.simulation.data_sets.fetch_data", lambda: tmp_path)
    result = run("--fetch-data")
    assert result.exit_code == 0
    first, *sets = result.stdout.splitlines()
    assert first == f"Geant4 data: {tmp_path}"
    assert any("G4EMLOW" in line for line in sets)


@pytest.mark.parametrize(
    ("arguments", "found"),
    [(["zn"], "DETECTOR 'zn'"), (["-o", "x.h5"], "-o"), (["--seed", "0"], "--seed")],
)
def test_data_are_fetched_alone(monkeypatch, arguments, found):
    monkeypatch.setattr("caloforge.simulation.data_sets.fetch_data", None)
    result = run("--fetch-data", *arguments)
    assert result.exit_code == 2
    assert f"--fetch-data: found {found} too, expected nothing else" in result.stderr


def test_missing_run_data_name_the_cure(tmp_path):
    from importlib.util import find_spec

    if find_spec("geant4_pybind") is None:
        pytest.skip("geant4-pybind is not installed")
    clean = {k: v for k, v in os.environ.items() if not k.startswith(("G4", "GEANT4"))}
    done = subprocess.run(
        [
            *(sys.executable, "-c", "from caloforge.cli import main; main()", "simulate", "zn"),
            *("-n", "1", "--workers", "1", "-o", str(tmp_path / "x.h5")),
        ],
        env=clean | {"HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert done.stderr.startswith("Error: Geant4 data: found no ")
    assert "caloforge simulate --fetch-data" in done.stderr
    assert done.stderr.count("\n") == 1
    assert list(tmp_path.iterdir()) == []
