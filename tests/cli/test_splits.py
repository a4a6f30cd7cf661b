"""Selections and splits as a user meets them: info, train, generate, evaluate."""

from __future__ import annotations

import json

import numpy as np
import pytest
from click.testing import CliRunner

from caloforge.cli import main
from caloforge.data import Selection, ShowerFile, ShowerWriter, read_showers, write_particles

SMALL = ("model.decoder=[8]", "train.steps=2", "train.batch_size=16")


def run(*arguments):
    return CliRunner().invoke(main, list(map(str, arguments)))


def settings(*values: str) -> list[str]:
    return [word for value in values for word in ("--set", value)]


@pytest.fixture
def path(tmp_path, toy_grid, toy_sample):
    sample = toy_sample(toy_grid, 80, repeats=3)
    with ShowerWriter(tmp_path / "toy.h5", toy_grid, provenance={}) as writer:
        writer.append(sample.particles, sample.showers)
    return tmp_path / "toy.h5"


class TestInfo:
    def test_says_what_training_would_do(self, path):
        done = run("info", path, "--split", *settings("data.folds=4", "data.min_sum=20"))
        assert done.exit_code == 0, done.output
        first, second, third, head, *rows = done.output.splitlines()
        assert "showers to train on" in first
        assert second == "split by incident particle, fold 0 of 4"
        assert third.startswith("selection: sum of cells >= 20 (")
        assert head.startswith("particles")
        assert {row.split()[0] for row in rows} == {"n", "gamma", "pi+"}

    @pytest.mark.parametrize(
        ("setting", "message"),
        [
            ("data.fodls=5", "did you mean 'folds'?"),
            ("train.epochs=5", "expected a setting of [data]"),
            ("data.energy_gev=[5]", "expected the least and the largest energy"),
            ("data.min_sum=1e9", "found none of 240 showers"),
        ],
    )
    def test_nonsense_is_one_line(self, path, setting, message):
        done = run("info", path, "--split", *settings(setting))
        assert done.exit_code == 2
        assert message in done.output
        assert len(done.output.splitlines()) == 1

    def test_settings_go_with_split(self, path):
        assert "--set goes with --split" in run("info", path, *settings("data.folds=2")).output


def test_models_lists_the_conditions():
    lines = run("models").output.splitlines()
    (line,) = (line for line in lines if line.split()[:1] == ["impact_cm"])
    assert line.split()[1:3] == ["2", "cm"]


def test_from_training_to_report(path, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    chosen = ["data.min_sum=20", 'data.kinds=["n","gamma"]', "data.folds=4", "data.fold=3"]
    conditions = 'data.conditions=["log_energy","impact_cm","theta","family"]'
    done = run(
        *("train", "zn-regression", "--data", path, "-o", "run"),
        *settings(*SMALL, *chosen, conditions, "data.centre_on_impact=false"),
        *settings("data.reflect=false", "train.threads=1"),
    )
    assert done.exit_code == 0, done.output
    assert "selection: sum of cells >= 20; kinds n, gamma (" in done.output

    expected = Selection(min_sum=20, kinds=("n", "gamma"))
    manifest = json.loads((tmp_path / "run" / "manifest.json").read_text())
    bundle = json.loads((tmp_path / "run" / "bundle" / "bundle.json").read_text())
    for table in (manifest, bundle):
        assert Selection.from_dict(table["data"]["selection"]) == expected
        assert table["data"]["split"]["text"] == "by incident particle, fold 3 of 4"
        n = sum(row["train_showers"] for row in table["balance"])
        assert n == table["data"]["training showers"]
    assert manifest["balance"] == bundle["balance"]
    card = run("info", "run").output
    assert "- selection: sum of cells >= 20; kinds n, gamma" in card
    assert "- split: by incident particle, fold 3 of 4" in card

    assert run("generate", "run", path, "-o", "fast.h5").exit_code == 0
    with ShowerFile("fast.h5") as file:
        said = file.provenance["training selection"]
        assert Selection.from_dict(said) == expected
    done = run("evaluate", path, "fast.h5")
    assert done.exit_code == 0, done.output
    flat = " ".join(done.output.split())
    assert (
        "Warning: fast: trained on sum of cells >= 20, the reference is of all showers" in flat
    )


def test_missing_column_at_generation(path, tmp_path, monkeypatch, toy_grid):
    monkeypatch.chdir(tmp_path)
    sample = read_showers(path)
    columns = {**sample.particles.columns, "eta": np.linspace(1, 2, len(sample))}
    extended = type(sample.particles)(columns, np.arange(len(sample)))
    with ShowerWriter("eta.h5", toy_grid, provenance={}) as writer:
        writer.append(extended, sample.showers)
    done = run(
        *("train", "zn-regression", "--data", "eta.h5", "-o", "run"),
        *settings(*SMALL, 'data.conditions=["energy_gev","eta"]', "train.threads=1"),
        *settings("data.reflect=false", "data.centre_on_impact=false"),
    )
    assert done.exit_code == 0, done.output
    write_particles("particles.csv", sample.particles, force=False)
    done = run("generate", "run", "particles.csv", "-o", "fast.h5")
    assert done.exit_code == 2
    assert done.output == (
        "Error: particles.csv: found no column eta, expected it as a condition of the model "
        "(energy_gev, eta); add it to the table\n"
    )
    assert not (tmp_path / "fast.h5").exists()


def test_a_changed_list_is_not_resumed(path, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "list.txt").write_text("1\n2\n3\n")
    done = run(
        *("train", "zn-regression", "--data", path, "-o", "run"),
        *settings(*SMALL, "data.validation_list=list.txt", "train.threads=1"),
        *settings("data.reflect=false", "data.centre_on_impact=false"),
    )
    assert done.exit_code == 0, done.output
    (tmp_path / "list.txt").write_text("4\n5\n6\n")
    done = run("train", "-o", "run", "--resume")
    assert done.exit_code == 2
    assert "data.validation_list has changed since the run began" in done.output
