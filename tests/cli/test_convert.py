import os
import re
import signal
import subprocess
import sys

import h5py
import numpy as np
import pytest
from click.testing import CliRunner

from caloforge.cli import main
from caloforge.data import load_sample, read_showers, sample_path
from caloforge.formats.registry import FORMATS


def run(*arguments):
    return CliRunner().invoke(main, ["convert", *map(str, arguments)])


@pytest.fixture
def folder(tmp_path):
    """Responses and particles as ALICE's groups write them."""
    sample = load_sample("zn-test").select(slice(0, 200))
    names = ("energy_gev", "x_cm", "y_cm", "z_cm", "px_gev", "py_gev", "pz_gev")
    columns = [sample.particles[n] for n in (*names, "mass_mev", "charge_e", "pdg")]
    (tmp_path / "alice").mkdir()
    np.savez(
        tmp_path / "alice" / "data_nonrandom_responses.npz", sample.showers.reshape(-1, 44, 44)
    )
    np.savez(tmp_path / "alice" / "data_nonrandom_particles.npz", np.stack(columns, axis=1))
    return tmp_path / "alice"


def test_example_of_alice(folder, tmp_path):
    output = tmp_path / "zn.h5"
    done = run(folder / "data_nonrandom_responses.npz", "-o", output, "--min-sum", 10)
    assert done.exit_code == 0, done.output
    back = read_showers(output)
    sums = load_sample("zn-test").showers[:200].sum(axis=1)
    assert len(back) == (sums >= 10).sum() < 200
    assert f"{len(back):,} showers of 'zn' (n " in done.stdout
    assert f"not selected: {200 - len(back)} showers" in done.stdout
    assert "equal properties of the particle have equal numbers" in done.stdout
    assert back.provenance["selection"]["min_sum"] == 10


def test_there_and_back_by_way_of_the_challenge(tmp_path):
    there = run(
        "cylinder-test",
        *("-o", tmp_path / "x.hdf5", "--binning", tmp_path / "x.xml"),
        *("--threshold", "challenge", "--energy", 5, 20, "--kinds", "e-"),
    )
    assert there.exit_code == 0, there.output
    assert "does not keep: position and direction" in there.stdout
    assert "cells below 0.0151515 MeV: set to 0" in there.stdout
    back = run(tmp_path / "x.hdf5", "-o", tmp_path / "x.h5", "--geometry", tmp_path / "x.xml")
    assert back.exit_code == 0, back.output
    assert "incident_energies: MeV to GeV, times 0.001" in back.stdout
    truth = load_sample("cylinder-test")
    energy = truth.particles["energy_gev"]
    rows = (energy >= 5) & (energy <= 20)
    cells = truth.showers[rows]
    np.testing.assert_array_equal(
        read_showers(tmp_path / "x.h5").showers, np.where(cells < 0.5e-3 / 0.033, 0, cells)
    )


def test_formats_are_listed_without_any_file():
    done = run("--formats")
    assert done.exit_code == 0
    for row in FORMATS:
        assert re.search(rf"^{row.name}  \(re(ad|fused)", done.stdout, re.MULTILINE)
    assert "loses when written: position and direction of the particle" in done.stdout


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((), "Missing argument 'INPUTS...'"),
        (("zn-test",), "Missing option '-o'"),
        (("nowhere.npz", "-o", "x.h5"), "nowhere.npz: found no such file"),
        (("zn-test", "-o", "x.foo"), "x.foo: found ending '.foo', expected one of .h5"),
        (("zn-test", "-o", "no/x.h5"), "does not exist; create it first"),
        (("zn-test", "-o", "x.h5", "--from", "rott"), "did you mean 'root'?"),
        (("zn-test", "-o", "x.h5", "--geometry", "zp"), "of detector 'zn' (1936 cells in"),
        (("zn-test", "-o", "x.h5", "--geometry", "zm"), "expected one of calochallenge"),
        (
            ("zn-test", "-o", "x.h5", "--from", "calochallenge"),
            "no data set 'incident_energies'",
        ),
        (("zn-test", "-o", "x.h5", "--kinds", "neutron"), "no particle of kind 'neutron'"),
        (("zn-test", "-o", "x.h5", "--min-sum", "1e9"), "found no shower to write"),
        (("zn-test", "-o", "x.h5", "--kinds", ""), "--kinds: found no kind in ''"),
        (("zn-test", "-o", "x.h5", "--kinds", ", "), "--kinds: found no kind in ', '"),
        (("zn-test", "-o", "x.h5", "--pdg", "22"), "leave --pdg out"),
        (("zn-test", "-o", "x.h5", "--pdg", "5555555"), "found no such particle"),
        (("zn-test", "-o", "x.h5", "--mapping", "m.toml"), "caloforge have no columns"),
        (
            ("cylinder-test", "-o", "x.hdf5", "--binning", "x.hdf5", "--force"),
            "x.hdf5: is named as an output and once more",
        ),
        (
            ("cylinder-test", "-o", "x.hdf5", "--binning", "taken.h5"),
            "taken.h5: exists already",
        ),
        (("zn-test", "-o", "x.h5", "--min-sum", "5", "--max-sum", "1"), "max_sum"),
        (("zn-test", "-o", "x.h5", "--energy", "5", "1"), "energy_gev"),
        (("zn-test", "-o", "x.h5", "--threshold", "challenge"), "none of the challenge's"),
        (("zn-test", "-o", "x.h5", "--binning", "x.xml"), "expected a cylinder"),
        (("zn-test", "zp-test", "-o", "x.h5"), "convert them one by one"),
        (("zn-test", "zn-test", "-o", "x.h5"), "is named twice"),
        (("zn-test", "-o", "taken.h5"), "taken.h5: exists already"),
    ],
)
def test_bad_usage_is_one_line_and_leaves_nothing(tmp_path, monkeypatch, arguments, message):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "taken.h5").write_text("precious")
    done = run(*arguments)
    assert done.exit_code == 2
    assert message in done.stderr
    assert "Traceback" not in done.output
    assert [path.name for path in tmp_path.iterdir()] == ["taken.h5"]
    assert (tmp_path / "taken.h5").read_text() == "precious"


def test_skipped_showers_are_counted(folder, tmp_path):
    path = folder / "data_nonrandom_particles.npz"
    with np.load(path) as file:
        table = file["arr_0"]
    table[7, 0] = np.nan
    np.savez(path, table)
    refused = run(folder, "-o", tmp_path / "x.h5")
    assert refused.exit_code == 2
    assert "found energy_gev that is not finite, first in shower 7" in refused.stderr
    done = run(folder, "-o", tmp_path / "x.h5", "--skip-bad")
    assert done.exit_code == 0
    assert "skipped: 1 unusable shower, 0.5 % (energy_gev that is not finite 1)" in done.stdout
    assert "WARNING" not in done.stderr
    assert len(read_showers(tmp_path / "x.h5")) == 199


def test_many_unusable_showers_are_a_warning(folder, tmp_path):
    path = folder / "data_nonrandom_particles.npz"
    with np.load(path) as file:
        table = file["arr_0"]
    table[1:, 0] = np.nan
    table[:3, 1] = np.inf
    table[0, 1] = 0
    np.savez(path, table)
    done = run(folder, "-o", tmp_path / "x.h5", "--skip-bad")
    assert done.exit_code == 0
    assert "1 shower of 'zn'" in done.stdout
    assert (
        "WARNING: 99.5 % of the showers were left out as unusable, most for energy_gev that is "
        "not finite; caloforge validate says more" in done.stderr
    )
    table[0, 0] = 0
    np.savez(path, table)
    none = run(folder, "-o", tmp_path / "y.h5", "--skip-bad")
    assert none.exit_code == 2
    assert "expected at least one; validate says what is wrong" in none.stderr


def test_most_of_the_energy_outside_of_all_cells_is_a_warning(tmp_path):
    cloud = tmp_path / "cloud.h5"
    done = run("cylinder-test", "-o", cloud, "--to", "showerdata")
    assert done.exit_code == 0, done.output
    (tmp_path / "g.toml").write_text(
        'name = "small"\nkind = "cylinder"\n[response]\nunit = "MeV"\ncounts = false\n'
        + 45 * "[[layers]]\nr_edges_mm = [0.0, 10.0]\n"
    )
    done = run(cloud, "-o", tmp_path / "x.h5", "--geometry", tmp_path / "g.toml")
    assert done.exit_code == 0, done.output
    (line,) = [line for line in done.stderr.splitlines() if line.startswith("WARNING")]
    assert re.search(r"% of the sum; give the right --geometry$", line)
    assert "outside" not in done.stdout


def test_a_cell_beyond_all_types_is_one_unusable_shower(tmp_path):
    with h5py.File(sample_path("zn-test")) as file:
        cells = file["showers"][:].astype(np.int64)
    (tmp_path / "a.h5").write_bytes(sample_path("zn-test").read_bytes())
    cells[5, 3] = 2**40
    with h5py.File(tmp_path / "a.h5", "r+") as file:
        del file["showers"]
        file["showers"] = cells
    done = run(tmp_path / "a.h5", "-o", tmp_path / "x.h5")
    assert done.exit_code == 2
    assert (
        "a.h5: found cells above 4294967295, first in shower 5 (1.09951e+12 at" in done.stderr
    )
    assert "dtype" not in done.stderr
    done = run(tmp_path / "a.h5", "-o", tmp_path / "x.h5", "--skip-bad")
    assert done.exit_code == 0, done.output
    assert len(read_showers(tmp_path / "x.h5")) == len(cells) - 1


@pytest.mark.parametrize("output", ["x.h5", "x.hdf5"])
def test_full_disk(tmp_path, output):
    import resource

    def limit():
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, 50_000))

    program = "from caloforge.cli import main; main()"
    done = subprocess.run(
        [sys.executable, "-c", program, "convert", "cylinder-test", "-o", output],
        cwd=tmp_path,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=False,
        preexec_fn=limit,
    )
    assert done.returncode == 1
    assert f"Error: {output}: cannot be written" in done.stderr
    assert done.stderr.count("\n") == 1
    assert list(tmp_path.iterdir()) == []
