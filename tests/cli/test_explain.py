"""The command, with its bad input; what it finds is tested in tests/explain."""

from __future__ import annotations

import pytest
from click.testing import CliRunner

from caloforge.cli import main
from caloforge.data import ShowerWriter, write_particles


@pytest.fixture(scope="module")
def bundle(tmp_path_factory, toy_sample, toy_cylinder):
    """Bundle of a baseline trained for a moment on a file that is gone afterwards."""
    from rich.console import Console

    from caloforge.config import run_from_tables
    from caloforge.training.run import train

    folder = tmp_path_factory.mktemp("run")
    file = write(folder / "train.h5", toy_sample(toy_cylinder, 40))
    tables = {
        "model": {"name": "regression", "decoder": [4], "cells": "log1p"},
        "data": {"train": str(file), "conditions": ["log_energy"]},
        "train": {"steps": 2, "batch_size": 16},
    }
    run = run_from_tables(tables, source="test")
    made = train(run, folder / "run", console=Console(quiet=True))
    file.unlink()
    return made


def write(path, sample):
    with ShowerWriter(path, sample.geometry, provenance={}) as writer:
        writer.append(sample.particles, sample.showers)
    return path


@pytest.fixture
def held_out(tmp_path, toy_sample, toy_cylinder):
    return write(tmp_path / "full.h5", toy_sample(toy_cylinder, 20, seed=4))


def run(*arguments):
    return CliRunner().invoke(main, ["explain", *map(str, arguments)])


def test_writes_page_numbers_and_figures(bundle, held_out, tmp_path):
    result = run(bundle, held_out, "-o", tmp_path / "out", "--figures", "pdf")
    assert result.exit_code == 0, result.output
    assert "'regression' has no encoder" in result.stdout
    assert "Not checked: the training showers" in result.stdout
    assert f"Explanation: {tmp_path / 'out' / 'explain.html'}" in result.stdout
    names = {str(p.relative_to(tmp_path / "out")) for p in (tmp_path / "out").rglob("*.*")}
    assert {"explain.html", "explain.json", "figures/energy.pdf"} <= names
    again = run(bundle, held_out, "-o", tmp_path / "out")
    assert again.exit_code == 2
    assert "not empty" in again.stderr
    assert run(bundle, held_out, "-o", tmp_path / "out", "--force").exit_code == 0


def test_given_training_showers_are_checked(
    bundle, held_out, toy_sample, toy_cylinder, tmp_path
):
    training = write(tmp_path / "train.h5", toy_sample(toy_cylinder, 40))
    result = run(bundle, held_out, "-o", tmp_path / "out", "--training", training)
    assert result.exit_code == 0, result.output
    assert "Not checked" not in result.stdout


def one_line(result, text):
    assert result.exit_code == 2
    assert result.stderr.count("\n") == 1
    assert text in result.stderr


def test_bad_input_is_one_line(bundle, held_out, tmp_path, toy_sample, toy_cylinder, toy_grid):
    out = ("-o", tmp_path / "out")
    one_line(run(tmp_path / "none", held_out, *out), "no such folder")
    one_line(run(bundle, tmp_path / "none.h5", *out), "found no such file")
    grid = write(tmp_path / "grid.h5", toy_sample(toy_grid, 20))
    one_line(run(bundle, grid, *out), "found showers of detector 'toy-grid'")
    one_line(run(bundle, held_out, *out, "--training", grid), "found showers of detector")
    one_line(run(bundle, held_out, *out, "--training", "nowhere.h5"), "nowhere.h5")
    few = write(tmp_path / "few.h5", toy_sample(toy_cylinder, 3))
    one_line(run(bundle, few, *out), "found 6 showers of 3 particles")
    table = tmp_path / "particles.csv"
    write_particles(table, toy_sample(toy_cylinder, 30).particles, force=False)
    one_line(run(bundle, table, *out), str(table))
    one_line(run(bundle, held_out, "-o", held_out), "is a file")


def test_bad_usage(bundle, held_out):
    assert run(bundle).exit_code == 2
    assert run(bundle, held_out).exit_code == 2
    assert run(bundle, held_out, "-o", "x", "--n-showers", 5).exit_code == 2
    assert run(bundle, held_out, "-o", "x", "--figures", "gif").exit_code == 2
