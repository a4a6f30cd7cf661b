import errno
import signal
import subprocess
import sys

import h5py
import numpy as np
import pytest
from click.testing import CliRunner

from caloforge.cli import main
from caloforge.data import ShowerFile, ShowerWriter
from caloforge.data.summary import summarise


def run(*arguments):
    return CliRunner().invoke(main, list(map(str, arguments)))


@pytest.fixture
def path(tmp_path, toy_grid, toy_sample):
    sample = toy_sample(toy_grid, 300, repeats=2)
    dark = sample.showers.copy()
    dark[7] = 0
    with ShowerWriter(
        tmp_path / "toy.h5", toy_grid, provenance={"simulation": "a [toy]"}
    ) as writer:
        writer.append(sample.particles, dark, sample.cpu_seconds)
        few = sample.select(slice(0, 3))
        writer.append(few.particles, few.showers, few.cpu_seconds)
    return tmp_path / "toy.h5"


class TestSummary:
    def test_numbers_are_those_of_the_whole_file_at_once(self, path):
        summary = summarise(path, size=50)
        with ShowerFile(path) as file:
            showers, particles, seconds = file.read(), file.particles(), file.cpu_seconds()
        totals, energies = showers.sum(axis=1), particles["energy_gev"]
        assert summary.n_showers == 603
        assert summary.n_particles == 300
        assert summary.repeats == {2: 298, 3: 1, 4: 1}
        assert summary.energy_gev == (energies.min(), energies.max())
        np.testing.assert_allclose(
            summary.total, (totals.min(), totals.mean(), totals.max()), rtol=1e-12
        )
        assert summary.empty_cells == (showers == 0).mean()
        assert summary.largest_cell == showers.max()
        np.testing.assert_allclose(summary.cpu_seconds, seconds.sum(), rtol=1e-6)
        for kind in summary.kinds:
            mine = particles.select(particles.kinds() == kind.name)
            assert kind.showers == len(mine)
            assert kind.particles == len(np.unique(mine.incident))

    def test_bins_count_every_shower(self, path):
        summary = summarise(path, size=50)
        with ShowerFile(path) as file:
            totals, energies = file.read().sum(axis=1), file.column("energy_gev")
        for bins, values in ((summary.energy_bins, energies), (summary.total_bins, totals)):
            assert sum(b.showers for b in bins) == 603
            for b in bins:
                assert b.showers == np.sum((values >= b.low) & (values < b.high))
        assert summary.total_bins[0][0::2] == (0, 1)
        assert [b.low for b in summary.energy_bins] == [10, 20, 50, 100, 200, 500]

    def test_edges_belong_to_the_upper_bin(self, tmp_path, toy_grid, toy_sample):
        sample = toy_sample(toy_grid, 3, repeats=1)
        showers = np.zeros_like(sample.showers)
        showers[:, 0] = [1, 2, 10]
        with ShowerWriter(tmp_path / "s.h5", toy_grid, provenance={}) as writer:
            writer.append(sample.particles, showers)
        bins = summarise(tmp_path / "s.h5").total_bins
        assert [tuple(b) for b in bins] == [(1, 2, 1), (2, 5, 1), (5, 10, 0), (10, 20, 1)]


class TestInfo:
    def test_shows_the_content(self, path):
        result = run("info", path)
        assert result.exit_code == 0
        for line in (
            "detector            Toy grid ('toy-grid', grid)",
            "cells               24 in photons, stored as uint16",
            "showers             603",
            "incident particles  300 (2.01 showers each)",
            "showers a particle  2 (298 particles), 3 (1 particles), 4 (1 particles)",
            "simulation  a [toy]",
            "Energy of the incident particle [GeV]",
            "Sum of cells [photons]",
        ):
            assert line in result.stdout.splitlines()
        assert all(line == line.rstrip() for line in result.stdout.splitlines())
        assert "\x1b" not in result.stdout

    def test_sample_has_a_name(self):
        result = run("info", "zn-test")
        assert "incident particles  440 (5 showers each)" in result.stdout
        assert "not the official data sets" in result.stdout

    def test_other_detectors_and_no_times(self, tmp_path, toy_cylinder, toy_sample):
        sample = toy_sample(toy_cylinder)
        with ShowerWriter(tmp_path / "c.h5", toy_cylinder, provenance={}) as writer:
            writer.append(sample.particles, sample.showers)
        result = run("info", tmp_path / "c.h5")
        assert result.exit_code == 0
        assert "cells               15 in MeV, stored as float32" in result.stdout
        assert "CPU time" not in result.stdout
        assert "Provenance" not in result.stdout

    @pytest.mark.parametrize(
        ("content", "message"),
        [
            (
                None,
                "bad.h5: found no such file, expected a path or a sample (cylinder-test, ",
            ),
            (b"", "bad.h5: the file is empty, expected a shower file"),
            (b"text", "bad.h5: not an HDF5 file, expected a shower file"),
        ],
    )
    def test_bad_files_end_with_one_line_and_code_2(self, tmp_path, content, message):
        if content is not None:
            (tmp_path / "bad.h5").write_bytes(content)
        result = run("info", tmp_path / "bad.h5")
        assert result.exit_code == 2
        assert result.stdout == ""
        assert result.stderr.startswith("Error: ")
        assert message in result.stderr
        assert result.stderr.count("\n") == 1

    def test_bad_cells_are_named(self, path):
        with h5py.File(path, "r+") as file:
            cells = file["showers"][:].astype(float)
            cells[5, 3] = -1
            del file["showers"]
            file["showers"] = cells
        result = run("info", path)
        assert result.exit_code == 2
        assert (
            "1 cells are negative or not finite, first in shower 5 at cell 3" in result.stderr
        )

    def test_memory_does_not_grow_with_the_file(self, tmp_path):
        # 25 MB of cells set the peak; 300 MB more of them may raise it by a fraction only.
        script = f"""
import numpy as np
from caloforge.data import ShowerWriter, load_sample
from caloforge.data.summary import summarise
sample = load_sample("zn-test")
def write(n):
    path = {str(tmp_path)!r} + f"/{{n}}.h5"
    with ShowerWriter(path, sample.geometry, provenance={{}}) as writer:
        for _ in range(n):
            writer.append(sample.particles, sample.showers)
    return path
def peak():  # not ru_maxrss: a process inherits that of its parent
    status = open("/proc/self/status").read()
    return int(status.split("VmHWM:")[1].split()[0]) // 1024
assert summarise(write(3)).n_showers == 6600
before = peak()
assert summarise(write(36)).n_showers == 79200
print(peak() - before)
"""
        done = subprocess.run(
            [sys.executable, "-c", script], capture_output=True, text=True, check=True
        )
        assert int(done.stdout) < 60


class TestFailures:
    """What any command does when something goes wrong, on the example of ``info``."""

    @pytest.mark.parametrize(
        ("error", "code", "line"),
        [
            (KeyboardInterrupt(), 130, "Interrupted."),
            (MemoryError("12 GiB"), 1, "Error: out of memory (12 GiB); use smaller batches"),
            (
                OSError(errno.ENOSPC, "text", "out.h5"),
                1,
                "Error: out.h5: No space left on device",
            ),
            (OSError("strange\nthing"), 1, "Error: strange thing"),
        ],
    )
    def test_expected_failures_are_one_line(self, monkeypatch, error, code, line):
        def fail(path):
            raise error

        monkeypatch.setattr("caloforge.data.summary.summarise", fail)
        result = run("info", "zn-test")
        assert (result.exit_code, result.stderr) == (code, line + "\n")
        monkeypatch.setenv("CALOFORGE_TRACEBACK", "1")
        assert run("info", "zn-test").exit_code == 1

    def test_a_bug_keeps_its_traceback(self, monkeypatch):
        monkeypatch.setattr("caloforge.data.summary.summarise", lambda path: 1 / 0)
        assert isinstance(run("info", "zn-test").exception, ZeroDivisionError)

    def test_termination_removes_partial_files(self, tmp_path):
        script = f"""
import os, signal, click
from caloforge.cli import main
from caloforge.output import new_file
@click.command()
def wait():
    with new_file({str(tmp_path / "result")!r}, force=False):
        os.kill(os.getpid(), signal.SIGTERM)
main.get_command = lambda context, name: wait
main.list_commands = lambda context: ["wait"]
main(["wait"])
"""
        done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
        assert (done.returncode, done.stderr) == (128 + signal.SIGTERM, "")
        assert list(tmp_path.iterdir()) == []

    def test_closed_pipe_is_silent(self):
        done = subprocess.run(
            f"{sys.executable} -c 'from caloforge.cli import main; main()' info zn-test | true",
            shell=True,
            capture_output=True,
            text=True,
        )
        assert done.stderr == ""
