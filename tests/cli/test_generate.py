import json
import logging
import re
import shutil
import subprocess
import sys

import numpy as np
import pytest
from click.testing import CliRunner

from caloforge.cli import main
from caloforge.data import Particles, ShowerFile, ShowerWriter, write_particles

# A bundle of the regression baseline: small, quick, and like any other to the command.
MODEL = {"name": "regression", "decoder": [8]}


def run(*arguments):
    return CliRunner().invoke(main, ["generate", *map(str, arguments)])


@pytest.fixture(scope="module")
def bundle(tmp_path_factory, toy_grid, toy_sample):

    from caloforge.config import run_from_tables
    from caloforge.data.features import ConditionSet
    from caloforge.data.feeding.dataset import ShowerDataset
    from caloforge.data.transforms import CellFrame
    from caloforge.nn import ShowerSpec
    from caloforge.training.bundle import Bundle, build_model, write_bundle

    names = ["log_energy", "kind"]
    tables = {"model": MODEL, "data": {"conditions": names}, "train": {"steps": 1}}
    run = run_from_tables(tables, source="test")
    sample = toy_sample(toy_grid)
    conditions = ConditionSet.fit(names, sample.particles, toy_grid)
    batch = ShowerDataset(sample, conditions).batch(np.arange(len(sample)))
    spec = ShowerSpec.of(toy_grid, conditions.dim, batch=batch)
    model = build_model(run, spec).eval()
    folder = tmp_path_factory.mktemp("run") / "bundle"
    bundle = Bundle(model, run, spec, conditions, CellFrame(toy_grid), {})
    return write_bundle(folder, bundle, force=False)


@pytest.fixture
def table(tmp_path, toy_grid, toy_sample):
    path = tmp_path / "particles.csv"
    write_particles(path, toy_sample(toy_grid).particles, force=False)
    return path


def test_writes_the_showers_and_says_how_fast(bundle, table, tmp_path):
    result = run(bundle, table, "-o", tmp_path / "out.h5", "--repeats", 3, "--seed", 4)
    assert result.exit_code == 0, result.output
    assert re.fullmatch(
        rf"{tmp_path}/out\.h5: 240 showers in [\d.]+ s, [\d,]+ showers/s\n", result.stdout
    )
    assert result.stderr == ""
    with ShowerFile(tmp_path / "out.h5") as file:
        assert len(file) == 240
        assert file.provenance["seed"] == 4
        assert file.column("incident").tolist() == np.repeat(np.arange(40), 6).tolist()


def test_what_takes_long_is_told(bundle, table, tmp_path, monkeypatch):
    from caloforge.generation import files

    def slow(*arguments, **options):
        logging.getLogger("caloforge.generation.hit_loops").info("compiling the loops")
        return load(*arguments, **options)

    load = files.load
    monkeypatch.setattr(files, "load", slow)
    result = run(bundle, table, "-o", tmp_path / "out.h5")
    assert result.exit_code == 0
    assert result.stderr == "Note: compiling the loops\n"
    assert not logging.getLogger("caloforge").handlers


def test_batch_size_does_not_matter_and_the_seed_does(bundle, table, tmp_path):
    sums = []
    for options in (["--batch-size", 7], ["--batch-size", 1000], ["--seed", 1]):
        run(bundle, table, "-o", tmp_path / "out.h5", "--force", *options)
        with ShowerFile(tmp_path / "out.h5") as file:
            sums.append(file.sha256())
    assert sums[0] == sums[1] != sums[2]


def test_run_folder_is_as_good_as_its_bundle(bundle, table, tmp_path):
    assert run(bundle.parent, table, "-o", tmp_path / "out.h5").exit_code == 0


def test_existing_output_needs_force(bundle, table, tmp_path):
    assert run(bundle, table, "-o", tmp_path / "out.h5").exit_code == 0
    result = run(bundle, table, "-o", tmp_path / "out.h5")
    assert result.exit_code == 2
    assert "out.h5: exists already; give another name, or --force" in result.stderr
    assert run(bundle, table, "-o", tmp_path / "out.h5", "--force").exit_code == 0


def test_particles_outside_are_a_warning_or_with_strict_an_error(
    bundle, tmp_path, toy_grid, toy_sample
):
    particles = toy_sample(toy_grid).particles
    far = particles.columns | {"energy_gev": 100 * particles["energy_gev"]}
    write_particles(tmp_path / "far.csv", Particles(far, particles.incident), force=False)
    result = run(bundle, tmp_path / "far.csv", "-o", tmp_path / "out.h5")
    assert result.exit_code == 0
    (line,) = result.stderr.splitlines()
    assert re.match(
        r"Warning: .*far\.csv: \d+ of 80 particles lie outside the trained range: "
        r"energy in \d+ \(trained .* GeV\), energy, momentum and mass in 80 \(.*\); their "
        r"showers are extrapolated",
        line,
    )
    result = run(bundle, tmp_path / "far.csv", "-o", tmp_path / "strict.h5", "--strict")
    assert result.exit_code == 2
    assert "generate without --strict" in result.stderr
    assert not (tmp_path / "strict.h5").exists()


def write_damaged(folder, change):
    """Change the table of a bundle."""
    path = folder / "bundle.json"
    table = json.loads(path.read_text())
    change(table)
    path.write_text(json.dumps(table))


class TestBadInput:
    """One line on standard error, exit code 2, and no file."""

    @pytest.fixture(autouse=True)
    def nothing_is_written(self, tmp_path):
        yield
        assert not (tmp_path / "out.h5").exists()
        assert not list(tmp_path.glob(".*part*"))

    def refused(self, tmp_path, bundle, particles, *options):
        result = run(bundle, particles, "-o", tmp_path / "out.h5", *options)
        assert result.exit_code == 2
        assert result.stdout == ""
        assert result.stderr.startswith("Error: ")
        assert result.stderr.count("\n") == 1
        return result.stderr

    def test_missing_bundle(self, tmp_path, table):
        error = self.refused(tmp_path, tmp_path / "none", table)
        assert "none: no such folder, expected a bundle; take one that comes along (" in error
        assert "or train one with 'caloforge train'" in error

    def test_damaged_weights(self, tmp_path, bundle, table):
        copy = shutil.copytree(bundle, tmp_path / "copy")
        weights = bytearray((copy / "weights.safetensors").read_bytes())
        weights[-1] ^= 1
        (copy / "weights.safetensors").write_bytes(weights)
        error = self.refused(tmp_path, copy, table)
        assert "weights.safetensors: is not the file that bundle.json describes" in error

    @pytest.mark.parametrize(
        ("change", "message"),
        [
            ({"format": "other"}, "written by another program"),
            ({"version": 99}, "found version 99, this caloforge reads up to 1"),
        ],
    )
    def test_foreign_and_newer_bundle(self, tmp_path, bundle, table, change, message):
        copy = shutil.copytree(bundle, tmp_path / "copy")
        write_damaged(copy, lambda table: table.update(change))
        assert message in self.refused(tmp_path, copy, table)

    def test_bundle_for_another_geometry(self, tmp_path, bundle, toy_cylinder, toy_sample):
        sample = toy_sample(toy_cylinder)
        with ShowerWriter(tmp_path / "c.h5", toy_cylinder, provenance={}) as writer:
            writer.append(sample.particles, sample.showers)
        error = self.refused(tmp_path, bundle, tmp_path / "c.h5")
        assert "makes showers of geometry 'toy-grid'" in error
        assert "is of 'toy-cylinder' (15 cells in MeV)" in error

    def test_unknown_column(self, tmp_path, bundle, table):
        table.write_text(table.read_text().replace("energy_gev", "energy_gve"))
        error = self.refused(tmp_path, bundle, table)
        assert "unknown column 'energy_gve'; did you mean 'energy_gev'?" in error

    def test_missing_particles(self, tmp_path, bundle):
        error = self.refused(tmp_path, bundle, tmp_path / "none.csv")
        assert "none.csv: found no such file, expected a path or a sample" in error

    def test_no_gpu(self, tmp_path, bundle, table):
        import torch

        if torch.cuda.is_available():
            pytest.skip("there is one")
        assert "no CUDA device" in self.refused(tmp_path, bundle, table, "--device", "cuda")


def test_works_as_a_program(bundle, table, tmp_path):
    done = subprocess.run(
        [
            *(sys.executable, "-c", "from caloforge.cli import main; main()", "generate"),
            *map(str, (bundle, table, "-o", tmp_path / "out.h5")),
        ],
        capture_output=True,
        text=True,
        check=True,
    )
    assert "80 showers" in done.stdout
    assert done.stderr == ""  # the progress bar is for terminals
