"""``caloforge evaluate`` as a user meets it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import h5py
import numpy as np
import pytest
from click.testing import CliRunner, Result

from caloforge.cli import main
from caloforge.data import ShowerSample, ShowerWriter

if TYPE_CHECKING:
    from pathlib import Path


def run(*arguments: object) -> Result:
    return CliRunner().invoke(main, ["evaluate", *map(str, arguments)])


@pytest.fixture
def files(tmp_path: Path, toy_grid, toy_cylinder, toy_sample) -> dict[str, Path]:
    """Shower files by name."""
    samples: dict[str, ShowerSample] = {
        "reference": toy_sample(toy_grid, repeats=4),
        "model": toy_sample(toy_grid, repeats=2),
        "stranger": toy_sample(toy_grid, seed=7),
        "cylinder": toy_sample(toy_cylinder),
    }
    paths = {}
    for name, sample in samples.items():
        paths[name] = tmp_path / f"{name}.h5"
        with ShowerWriter(paths[name], sample.geometry, provenance={}) as writer:
            writer.append(sample.particles, sample.showers)
    return paths


def test_prints_the_table_and_writes_nothing(files: dict[str, Path], tmp_path: Path) -> None:
    before = sorted(tmp_path.iterdir())
    result = run(files["reference"], files["model"])
    assert result.exit_code == 0, result.output
    assert "W1 / floor" in result.output
    assert "paired by incident id" in result.output
    assert sorted(tmp_path.iterdir()) == before


def test_writes_report_and_metrics(files: dict[str, Path], tmp_path: Path) -> None:
    folder = tmp_path / "report"
    folder.mkdir()
    (folder / "metrics.json").write_text("mine")
    arguments = [files["reference"], files["model"], files["reference"], "-o", folder]
    arguments += ["--name", "ours", "--name", "theirs", "--cut", "5", "--seed", "3"]
    refused = run(*arguments)
    assert refused.exit_code == 2
    assert refused.output.strip().count("\n") == 0
    assert "--force" in refused.output
    assert (folder / "metrics.json").read_text() == "mine"

    result = run(*arguments, "--force")
    assert result.exit_code == 0, result.output
    table = json.loads((folder / "metrics.json").read_text())
    assert [sample["name"] for sample in table["samples"]] == ["ours", "theirs"]
    assert [verdict["sample"] for verdict in table["verdicts"]] == ["ours", "theirs"]
    assert table["suite"] == "zdc"  # that of a grid
    for verdict in table["verdicts"]:
        assert verdict["text"] in result.output
    assert (folder / "metrics.csv").read_text().startswith("sample,")
    assert (table["cut"], table["seed"]) == (5, 3)
    assert (folder / "report.html").stat().st_size > 10_000


def test_pictures_as_files(files: dict[str, Path], tmp_path: Path) -> None:
    folder = tmp_path / "report"
    options = ["--suite", "quick", "--figures", "svg", "--training", files["stranger"]]
    result = run(files["reference"], files["model"], *options, "-o", folder)
    assert result.exit_code == 0, result.output
    pictures = [path.name for path in (folder / "figures").iterdir()]
    assert "channels.svg" in pictures
    table = json.loads((folder / "metrics.json").read_text())
    assert {"nearest_training", "copied_showers"} <= {f["metric"] for f in table["figures"]}


def test_the_reference_is_not_taken_for_training_showers(files: dict[str, Path]) -> None:
    options = ["--suite", "quick", "--training", files["reference"]]
    result = run(files["reference"], files["model"], *options)
    assert result.exit_code == 2
    assert "--training: found the reference's own particles" in " ".join(result.output.split())
    assert "Traceback" not in result.output


@pytest.mark.parametrize(
    ("generated", "options", "message"),
    [
        ("model", ("--suite", "fulll"), "did you mean 'full'?"),
        ("model", ("--training", "nowhere.h5"), "nowhere.h5: found no such file"),
        ("model", ("--figures", "pdf"), "give -o DIR"),
        ("model", ("--figures", "gif", "-o", "x"), "'gif' is not one of"),
        ("stranger", (), "generate them for the reference's particles"),
        ("cylinder", (), "found cells of detector 'toy-cylinder'"),
        ("model", ("--convention", "warsaw"), "expected one of total"),
        ("model", ("--cut", "1e9"), "lower the cut"),
        ("model", ("--name", "a", "--name", "b"), "found 2 for 1 GENERATED"),
        ("model", ("--name", "floor"), "rename it"),
        ("model", ("--cut", "-1"), "--cut"),
    ],
)
def test_bad_use_ends_with_one_line(
    files: dict[str, Path], generated: str, options: tuple[str, ...], message: str
) -> None:
    result = run(files["reference"], files[generated], *options)
    assert result.exit_code == 2
    assert message in " ".join(result.output.split())
    assert "Traceback" not in result.output


def test_missing_file_and_damaged_showers(files: dict[str, Path], tmp_path: Path) -> None:
    assert run(files["reference"], tmp_path / "none.h5").exit_code == 2
    with h5py.File(files["model"], "r+") as file:
        showers = file["showers"][:].astype(np.float32)
        showers[2, 3] = np.nan
        del file["showers"]
        file["showers"] = showers
    result = run(files["reference"], files["model"])
    assert result.exit_code == 2
    assert "first in shower 2 at cell 3 (nan)" in result.output


def test_history_is_checked_before_the_work(files: dict[str, Path], tmp_path: Path) -> None:
    bad = tmp_path / "history.csv"
    bad.write_text("a,b\n1,2\n")
    folder = tmp_path / "report"
    result = run(files["reference"], files["model"], "-o", folder, "--history", bad)
    assert result.exit_code == 2
    assert "give the history.csv of a run" in result.output
    assert "W1 / floor" not in result.output
    assert not list(folder.glob("*"))
