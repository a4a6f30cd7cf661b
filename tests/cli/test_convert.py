import os
import re
import signal
import subprocess
import sys

import numpy as np
import pytest
from click.testing import CliRunner

from caloforge.cli import main
from caloforge.data import load_sample, read_showers
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
        (("zn-test", "-o", "x.h5", "--geometry", "zp"), "expected (n, 1680) for geometry 'zp'"),
        (("zn-test", "-o", "x.h5", "--geometry", "zm"), "expected one of calochallenge"),
        (
            ("zn-test", "-o", "x.h5", "--from", "calochallenge"),
            "no data set 'incident_energies'",
        ),
        (("zn-test", "-o", "x.h5", "--kinds", "neutron"), "no particle of kind 'neutron'"),
        (("zn-test", "-o", "x.h5", "--min-sum", "1e9"), "found no shower to write"),
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
    assert "skipped: 1 unusable showers (energy_gev that is not finite 1)" in done.stdout
    assert len(read_showers(tmp_path / "x.h5")) == 199


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
