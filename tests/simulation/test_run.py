"""The same file, whatever happens on the way."""

import re
import subprocess
import sys
from dataclasses import replace
from importlib import resources
from io import StringIO
from pathlib import Path

import h5py
import numpy as np
import pytest
from rich.console import Console

from caloforge.data import ShowerFile, write_particles
from caloforge.errors import (
    ConfigError,
    DataFormatError,
    MissingExtraError,
    OutputError,
    SimulationError,
)
from caloforge.events import incident_particles
from caloforge.simulation import worker
from caloforge.simulation.journal import Journal
from caloforge.simulation.plan import first_difference
from caloforge.simulation.progress import SimulationProgress, Work
from caloforge.simulation.run import partial_path, simulate_file

N = 20


_ZN = resources.files("caloforge.geometry") / "detectors" / "zn.toml"


def simulate(output, *, detector="zn", engine="Engine", n=N, **options):
    options = {"workers": 1, "repeats": 2, "seed": 5, **options}
    return simulate_file(detector, output, n=n, engine=f"fake_engine:{engine}", **options)


def content(path):
    """All data sets that must be the same, as bytes, and the provenance."""
    with h5py.File(path) as file:
        data = {
            name: (dataset.dtype.str, dataset.shape, dataset[:].tobytes())
            for name, dataset in file.items()
            if name != "cpu_seconds"
        }
        return data, file.attrs["provenance"], file.attrs["geometry"]


@pytest.fixture(scope="module")
def reference(tmp_path_factory):
    """What one worker makes that nothing disturbs."""
    folder = tmp_path_factory.mktemp("reference")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", str(Path(__file__).parent))
        patch.setenv("FAKE_ENGINE", str(folder))
        simulate(folder / "out.h5")
    return content(folder / "out.h5")


@pytest.fixture(autouse=True)
def nothing_is_left(fake):
    yield
    assert not worker._children


@pytest.fixture
def output(tmp_path):
    return tmp_path / "out.h5"


def interrupt_after(patch, chunks):
    """Let the journal be hit by Ctrl-C after some chunks."""
    append = Journal.append

    def interrupted(self, record):
        if len(self.entries) == chunks:
            raise KeyboardInterrupt
        append(self, record)

    patch.setattr(Journal, "append", interrupted)


def test_two_workers_make_the_file_of_one(output, reference):
    done = simulate(output, workers=2)
    assert content(output) == reference
    assert (done.n_showers, done.n_particles, done.made) == (2 * N, N, 2 * N)
    assert sum(done.kinds.values()) == N
    assert done.cpu_seconds > 0
    assert (done.events, done.dropped) == (0, {})
    assert not partial_path(output).exists()
    with ShowerFile(output) as file:
        assert file.column("incident").tolist() == np.repeat(np.arange(N), 2).tolist()
        assert file.cpu_seconds().shape == (2 * N,)
        assert file._file["showers"].dtype == np.uint16
        provenance = file.provenance
    assert provenance["simulation"]["program"] == "fake"
    assert provenance["seed"] == 5
    assert provenance["particles"]["source"] == "gun"


def test_killed_processes_change_nothing(output, reference, fake):
    simulate(output, workers=2, engine="Dying")
    assert list(fake.glob("seen-*"))
    assert content(output) == reference


@pytest.mark.parametrize("chunks", [1, 7])
def test_interrupted_run_goes_on(output, reference, monkeypatch, chunks):
    with monkeypatch.context() as patch:
        interrupt_after(patch, chunks)
        with pytest.raises(KeyboardInterrupt) as caught:
            simulate(output, workers=2)
    (note,) = caught.value.__notes__
    assert note.endswith(f" of 40 showers are kept in {output}.partial")
    assert not output.exists()
    with pytest.raises(OutputError, match="an interrupted run lies there; --resume to go on"):
        simulate(output)
    done = simulate(output, resume=True)
    assert 0 < done.made < 2 * N
    assert content(output) == reference
    assert not partial_path(output).exists()


def test_damaged_record_is_told_and_made_again(output, reference, monkeypatch):
    with monkeypatch.context() as patch:
        interrupt_after(patch, 5)
        with pytest.raises(KeyboardInterrupt):
            simulate(output)
    with Journal(partial_path(output), resume=True, force=False) as journal:
        kept = journal.n_showers
        start, entry = list(journal.entries.items())[2]
    data = bytearray(partial_path(output).read_bytes())
    data[entry.offset + entry.length // 2] ^= 255
    partial_path(output).write_bytes(data)
    text = StringIO()
    done = simulate(output, resume=True, console=Console(file=text, width=40))
    assert text.getvalue() == (
        f"{output}.partial: 1 damaged record left out; showers that are missing are made "
        "again\n"
    )
    assert done.made == 2 * N - kept + (entry.stop - start)
    assert content(output) == reference


def test_run_that_was_interrupted_at_the_end_needs_no_worker(output, reference, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr("caloforge.simulation.run.ShowerWriter", None)
        with pytest.raises(TypeError):
            simulate(output)
    monkeypatch.setattr("caloforge.simulation.run.local_workers", None)
    assert simulate(output, resume=True).made == 0
    assert content(output) == reference


def test_interrupted_before_the_first_chunk_nothing_is_left(output, monkeypatch):
    interrupt_after(monkeypatch, 0)
    with pytest.raises(KeyboardInterrupt) as caught:
        simulate(output)
    assert not hasattr(caught.value, "__notes__")
    assert not partial_path(output).exists()


def test_resume_without_anything_to_resume_begins(output, reference):
    simulate(output, resume=True)
    assert content(output) == reference


def test_single_showers_are_those_of_the_whole(output, reference):
    done = simulate(output, only=[31, 4, 4])
    assert (done.n_showers, done.n_particles) == (2, 2)
    with h5py.File(output) as file:
        for name, (dtype, shape, data) in reference[0].items():
            whole = np.frombuffer(data, dtype).reshape(shape)
            assert np.array_equal(file[name][:], whole[[4, 31]]), name
    with ShowerFile(output) as file:
        assert file.provenance["showers"] == [4, 31]
    with pytest.raises(ConfigError, match="--only 40: found no such shower, expected 0 to 39"):
        simulate(output, only=[3, 40], force=True)


def test_failing_shower_stops_the_run_and_the_others_are_kept(output):
    with pytest.raises(SimulationError, match=r"shower \d+ .* killed its process 3 times"):
        simulate(output, engine="Deadly", n=60, repeats=1)
    assert partial_path(output).exists()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"seed": 6}, r"has seed 5, here it is 6; give its own"),
        ({"n": N + 1}, r"has n 20, here it is 21"),
        ({"repeats": 3}, r"has repeats 2, here it is 3"),
        ({"cut_mm": 0.7}, r"has cut_mm 0\.1, here it is 0\.7"),
        ({"only": [1]}, r"has only \[\], here it is \[1\]"),
        (
            {"gun": "neutron-100"},
            r"from gun zn \(SHA-256 \w{8}\), here it is gun neutron-100 \(SHA-256 \w{8}\); ",
        ),
    ],
)
def test_only_the_same_run_goes_on(output, monkeypatch, change, message):
    with monkeypatch.context() as patch:
        interrupt_after(patch, 1)
        with pytest.raises(KeyboardInterrupt):
            simulate(output)
    with pytest.raises(ConfigError, match=message):
        simulate(output, resume=True, **change)
    assert partial_path(output).exists()


def test_changed_detector_is_told_by_its_key(output, monkeypatch, tmp_path):
    own = tmp_path / "own.toml"
    text = _ZN.read_text()
    own.write_text(text)
    options = {"detector": own, "gun": "zn"}
    with monkeypatch.context() as patch:
        interrupt_after(patch, 1)
        with pytest.raises(KeyboardInterrupt):
            simulate(output, **options)
    before = partial_path(output).read_bytes()
    for old, new, message in (
        (
            "efficiency = 0.11 ",
            "efficiency = 0.147 ",
            "light.efficiency 0.11, here it is 0.147;",
        ),
        (
            "300.0, 570.0",
            "300.0, 600.0",
            r"wavelength_nm \[300.0, 570.0\], here it is \[300.0, ",
        ),
        ("# attenuation", "attenuation", "light.attenuation_length_m nothing, here it is 50.0"),
    ):
        assert old in text
        own.write_text(text.replace(old, new))
        with pytest.raises(ConfigError, match=r"has detector\.construction\.light") as caught:
            simulate(output, resume=True, **options)
        assert re.search(message, str(caught.value))
    assert partial_path(output).read_bytes() == before


def test_first_difference_has_one_short_line():
    layers = [{"material": "Pb", "mm": 2.0}, {"material": "Si", "mm": 0.3}]
    other = [layers[0], {"material": "Si", "mm": 0.5}]
    found = first_difference({"d": {"layers": layers}}, {"d": {"layers": other}})
    assert found == ("d.layers.1.mm", "0.3", "0.5")
    assert first_difference({"a": 1, "gone": 2}, {"a": 1}) is None
    before, now = list(range(90)), list(range(91))
    assert first_difference({"a": before}, {"a": now}) == ("a", "a list of 90", "a list of 91")
    assert first_difference({"a": now}, {"a": [*before, 7]}) == ("a.90", "90", "7")
    key, one, two = first_difference({"a": "x" * 99 + "y"}, {"a": "x" * 100})
    assert key == "a"
    assert one != two
    assert len(one) < 80
    assert first_difference({}, {"description": {"release": 1}}).now == "{'release': 1}"


def test_way_to_the_detector_does_not_matter(output, monkeypatch, tmp_path):
    own = tmp_path / "own.toml"
    own.write_text(_ZN.read_text())
    options = {"detector": own, "gun": "zn"}
    with monkeypatch.context() as patch:
        interrupt_after(patch, 1)
        with pytest.raises(KeyboardInterrupt):
            simulate(output, **options)
    monkeypatch.chdir(tmp_path)
    assert simulate(output, resume=True, **options | {"detector": "./own.toml"}).made < 2 * N


def test_another_geant4_does_not_go_on(output, monkeypatch):
    with monkeypatch.context() as patch:
        interrupt_after(patch, 1)
        with pytest.raises(KeyboardInterrupt):
            simulate(output)
    monkeypatch.setenv("FAKE_RELEASE", "2")
    with pytest.raises(ConfigError, match="has release 1, here it is 2; give its own"):
        simulate(output, resume=True)
    simulate(output, force=True)
    with ShowerFile(output) as file:
        assert file.provenance["simulation"]["release"] == 2


def test_existing_file_is_replaced_only_by_force(output):
    output.write_text("older")
    with pytest.raises(OutputError, match="exists already; give another name, or --force"):
        simulate(output)
    assert not partial_path(output).exists()
    assert output.read_text() == "older"


@pytest.mark.parametrize(
    ("change", "error"),
    [
        ({"gun": "nonsense"}, ConfigError),
        ({"particles": "none.csv"}, DataFormatError),
        ({"only": [99]}, ConfigError),
        ({"engine": "Unready"}, MissingExtraError),
        ({"engine": "Refusing"}, DataFormatError),
    ],
)
def test_unfinished_run_outlives_a_new_one_that_does_not_begin(
    output, monkeypatch, change, error
):
    with monkeypatch.context() as patch:
        interrupt_after(patch, 2)
        with pytest.raises(KeyboardInterrupt):
            simulate(output)
    before = partial_path(output).read_bytes()
    with pytest.raises(error):
        simulate(output, force=True, **change)
    assert partial_path(output).read_bytes() == before
    assert simulate(output, resume=True).made < 2 * N


def test_two_runs_at_once_are_refused(output):
    with (
        Journal(partial_path(output), resume=False, force=False),
        pytest.raises(OutputError, match="another run is writing it"),
    ):
        simulate(output, force=True)


def test_what_an_event_file_lost_is_told(output, monkeypatch):
    incident = incident_particles("zn", n=3, seed=5)
    lost = {"events": 4, "dropped": {"charged": 7}}
    incident = replace(incident, origin={**incident.origin, **lost})
    monkeypatch.setattr(
        "caloforge.simulation.run.incident_particles", lambda *_, **__: incident
    )
    done = simulate(output, n=None)
    assert (done.events, done.dropped) == (4, {"charged": 7})


def test_large_counts_take_four_bytes(output):
    simulate(output, engine="Bright", n=3)
    with ShowerFile(output) as file:
        showers = file.read()
        assert showers.dtype == np.uint32
        assert (showers[:, 3] == 70_000).all()


def test_particles_that_miss_are_kept_empty(output, tmp_path):
    particles = incident_particles("zn", n=8, seed=0).particles
    particles.columns["x_cm"][[2, 5]] = 50.0
    write_particles(tmp_path / "wide.csv", particles, force=False)
    done = simulate(output, n=None, particles=tmp_path / "wide.csv", repeats=1)
    assert (done.n_showers, done.missed) == (8, 2)
    with ShowerFile(output) as file:
        lit = file.read().sum(axis=1) > 0
        assert lit.tolist() == [k not in (2, 5) for k in range(8)]
        assert file.cpu_seconds()[[2, 5]].max() < 0.01
        assert file.provenance["particles that miss the detector"] == 2


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"repeats": 0}, ConfigError, "repeats: found 0, expected 1 or more"),
        ({"repeats": 9 * 10**18}, ConfigError, "found 180,000,000,000,000,000,000 showers"),
        ({"n": 10**10}, ConfigError, "expected at most 1,000,000,000; make several runs"),
        ({"workers": 0}, ConfigError, "workers: found 0, expected 1 or more"),
        ({"seed": -1}, ConfigError, "seed: found -1"),
        ({"cluster": "tcp://127.0.0.1:1"}, ConfigError, "found both --workers and --cluster"),
        ({"n": None}, ConfigError, "found no number of incident particles"),
        ({"engine": "Refusing"}, DataFormatError, f"particles: {N} of them cannot"),
        ({"physics": "FTFP"}, ConfigError, "FTFP"),
    ],
)
def test_bad_input_leaves_nothing(output, options, error, message):
    with pytest.raises(error, match=message):
        simulate(output, **options)
    assert list(output.parent.glob("out*")) == []


def test_number_of_showers_of_a_file_is_bounded_too(output, tmp_path):
    particles = incident_particles("zn", n=8, seed=0).particles
    write_particles(tmp_path / "few.csv", particles, force=False)
    with pytest.raises(ConfigError, match="8 particles, 125,000,001 showers of each"):
        simulate(output, n=None, particles=tmp_path / "few.csv", repeats=125_000_001)
    assert not partial_path(output).exists()


def test_full_disk_keeps_the_showers(output, reference):
    script = f"""
import resource, sys
from caloforge.errors import OutputError
from caloforge.simulation.run import simulate_file
resource.setrlimit(resource.RLIMIT_FSIZE, (15_000, 15_000))
try:
    simulate_file("zn", {str(output)!r}, n={N}, repeats=2, seed=5, workers=1,
                  engine="fake_engine:Engine")
except OutputError as error:
    print(error.exit_code, error, *error.__notes__)
"""
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert done.stdout.startswith(f"1 {output}.partial: cannot be written (File too large)")
    assert f"of 40 showers are kept in {output}.partial" in done.stdout
    assert done.stderr == ""
    assert 0 < simulate(output, resume=True).made < 2 * N
    assert content(output) == reference


def test_progress_says_rates_and_time_left_on_a_line_for_logs():
    text = StringIO()
    total, half = Work(10, 100.0, 1000), Work(4, 50.0, 500)
    with SimulationProgress(Console(file=text, width=40), total, Work(2, 0.0, 0)) as progress:
        progress.add(half)
        assert text.getvalue() == ""  # not yet half a minute
        progress._printed -= 31
        progress._started -= 10
        progress.tick()
        progress.tick()
    (line,) = text.getvalue().splitlines()
    assert line.startswith("simulating: 6 of 10 showers  0.")
    assert line.endswith("10 s left")
    assert " GeV/s " in line


def test_real_showers_do_not_depend_on_workers_or_deaths(fake, real_geant4, output, tmp_path):
    """Geant4 itself: one worker; two that are killed now and then; one shower alone."""
    table = incident_particles("zn", n=5, seed=1).particles
    factor = 5.0 / np.linalg.norm([table[f"p{axis}_gev"] for axis in "xyz"], axis=0)
    for axis in "xyz":
        table.columns[f"p{axis}_gev"][:] *= factor
    table.columns["energy_gev"][:] = np.hypot(5.0, table["mass_mev"] / 1000)
    write_particles(tmp_path / "few.csv", table, force=False)

    def real(path, **options):
        simulate_file("zn", path, particles=tmp_path / "few.csv", **options)
        return content(path)

    whole = real(output, workers=1)
    assert np.frombuffer(whole[0]["showers"][2], np.uint16).sum() > 0
    assert real(tmp_path / "two.h5", workers=2, engine="fake_engine:dying_geant4") == whole
    assert list(fake.glob("seen-*"))
    dtype, shape, data = whole[0]["showers"]
    alone = real(tmp_path / "one.h5", workers=1, only=[3])[0]["showers"]
    assert alone[2] == np.frombuffer(data, dtype).reshape(shape)[3].tobytes()
