"""Images through convert, info and train's balance as a user calls them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result
from tests.images import idx, image_sample, pictures, small_geometry

from caloforge.cli import main
from caloforge.data import ShowerWriter
from caloforge.data.images import no_particles
from caloforge.data.splits.balance import BalanceRow, balance_lines

N = 60


def run(*words: str | Path) -> Result:
    return CliRunner().invoke(main, [str(word) for word in words])


@pytest.fixture(scope="module")
def digits(tmp_path_factory) -> tuple[Path, str]:
    """Shower file of idx files with ten labels, and what convert said."""
    folder = tmp_path_factory.mktemp("digits")
    images, labels = folder / "train-images-idx3-ubyte", folder / "train-labels-idx1-ubyte"
    images.write_bytes(idx(pictures(N, 28, 28)))
    labels.write_bytes(idx(np.arange(N) % 10))
    result = run("convert", images, "-o", folder / "digits.h5")
    assert result.exit_code == 0, result.output
    return folder / "digits.h5", result.stdout


def test_convert_counts_images(digits) -> None:
    assert f"{N} images of 'mnist' in" in digits[1]
    assert "no particle" not in digits[1]


def test_info_shows_labels_and_no_particles(digits) -> None:
    result = run("info", digits[0])
    assert result.exit_code == 0, result.output
    lines = [line.split() for line in result.stdout.splitlines()]
    assert ["images", str(N)] in lines
    assert all([str(k), "6"] in lines for k in range(10))
    content = result.stdout.split("Provenance")[0] + result.stdout.split("Labels")[1]
    assert "GeV" not in content
    assert "particle" not in content


def test_balance_has_every_label(digits) -> None:
    result = run("info", digits[0], "--split", "--set", "data.split_by=shower")
    assert result.exit_code == 0, result.output
    table = [line.split() for line in result.stdout.splitlines() if line.startswith("label")]
    assert [line[1] for line in table] == [str(k) for k in range(10)]
    assert all(int(train) + int(validation) == 6 for _, _, train, _, validation in table)
    assert "images" in result.stdout
    assert "hint" not in result.stdout


def test_many_labels_are_joined() -> None:
    rows = [BalanceRow(f"label {k}", 1.0, 3.0, 100 - k, 1, 100 - k, 1) for k in range(30)]
    lines = balance_lines(rows, showers=True)
    assert len(lines) == 21
    assert lines[-1].startswith("11 others")


def test_cells_above_the_maximum_are_refused(tmp_path) -> None:
    bright = np.zeros((5, 28 * 28))
    bright[:, :40] = np.arange(5)[:, None] + 1
    bright[2, 100] = 256
    pa, pq = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
    columns = {k: pa.array(v) for k, v in no_particles(5).items()}
    cells = pa.array(list(bright), type=pa.list_(pa.float64()))
    path = tmp_path / "bright.parquet"
    pq.write_table(pa.table({**columns, "cells": cells}), path)
    output = tmp_path / "out.h5"
    result = run("convert", path, "--geometry", "mnist", "-o", output)
    assert result.exit_code == 2
    (line,) = result.stderr.strip().splitlines()
    assert "cells above 255, first in shower 2 (256 at cell 100)" in line
    assert not output.exists()
    result = run("convert", path, "--geometry", "mnist", "-o", output, "--skip-bad")
    assert result.exit_code == 0, result.output
    assert "skipped: 1 unusable image, 20 % (cells above 255 1)" in result.stdout


def test_convert_without_labels_says_what_to_do(tmp_path) -> None:
    images = tmp_path / "some-images-idx3-ubyte"
    images.write_bytes(idx(pictures(40, 28, 28)))
    result = run("convert", images, "-o", tmp_path / "plain.h5")
    assert result.exit_code == 0, result.output
    (line,) = result.stderr.strip().splitlines()
    assert "found no labels" in line
    assert "name their file after it, or train with data.conditions = []" in line
    # Which goes, as docs/splits-and-conditions.md says.
    few = ("--set", "train.steps=1", "--set", "train.batch_size=4")
    words = (
        "train",
        "mnist-vae",
        "--data",
        tmp_path / "plain.h5",
        "-o",
        tmp_path / "free",
        *few,
    )
    refused = run(*words)
    assert refused.exit_code == 2
    assert "feature 'label' needs a column 'label'" in refused.stderr
    result = run(*words, "--set", "data.conditions=[]")
    assert result.exit_code == 0, result.output


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (
            ("train", "zn-vae"),
            (
                "digits.h5: found images, expected showers of particles for data.conditions "
                "log_energy, impact, cell_offset, edges, slope, kind; data.centre_on_impact; "
                "data.split_by 'particle'; take a run file of images, e.g. mnist-vae"
            ),
        ),
        (
            ("train", "zn-e2e-sae", "--set", "data.split_by=shower"),
            "slope, kind; data.centre_on_impact; take a run file of images, e.g. mnist-e2e-sae",
        ),
        (("train", "zn-swae"), "take a run file of images, e.g. mnist-vae"),
    ],
)
def test_a_run_of_particles_says_that_the_file_holds_images(
    digits, words, message, tmp_path
) -> None:
    result = run(*words, "--set", f"data.train={digits[0]}", "-o", tmp_path / "runs" / "x")
    assert result.exit_code == 2
    (line,) = result.stderr.strip().splitlines()
    assert message in line
    assert not (tmp_path / "runs").exists()


def test_other_images_are_led_to_the_page(tmp_path) -> None:
    with ShowerWriter(tmp_path / "s.h5", small_geometry(), provenance={}) as writer:
        sample = image_sample()
        writer.append(sample.particles, sample.showers)
    result = run("train", "zn-vae", "--data", tmp_path / "s.h5", "-o", tmp_path / "out")
    assert result.exit_code == 2
    assert "data.conditions = ['label'], see docs/images.md" in result.stderr


def test_refused_input_leaves_no_folder(digits, tmp_path) -> None:
    """Showers for a run of digits, files that do not fit, and what is no bundle."""
    notes = tmp_path / "notes.txt"
    notes.write_text("none of ours")
    out = tmp_path / "some" / "out"
    for words in (
        ("train", "mnist-vae", "--set", "data.train=zn-train"),
        ("evaluate", digits[0], "zn-test"),
        ("evaluate", digits[0], notes),
        ("explain", tmp_path, digits[0]),
    ):
        result = run(*words, "-o", out)
        assert result.exit_code == 2, words
        assert len(result.stderr.strip().splitlines()) == 1, words
        assert not out.parent.exists(), words
    result = run("validate", notes, "--report", out)
    assert result.exit_code == 2
    assert not out.parent.exists()
    # A folder that was there stays.
    out.mkdir(parents=True)
    assert run("explain", tmp_path, digits[0], "-o", out).exit_code == 2
    assert out.is_dir()
