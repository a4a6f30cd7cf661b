"""Bundles: nothing is unpickled, and what is damaged, foreign or newer is refused."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from click.testing import CliRunner

from caloforge.cli import main
from caloforge.errors import BundleError, OutputError
from caloforge.training.bundle import add_metrics, read_bundle, write_bundle
from caloforge.training.run import train


@pytest.fixture
def bundle(grid_run, tmp_path) -> Path:
    return train(grid_run("train.steps=2", "train.validate_every=2"), tmp_path / "run")


def edit(bundle: Path, **changes: object) -> None:
    path = bundle / "bundle.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def test_model_survives_bit_for_bit(bundle, tmp_path) -> None:
    first = read_bundle(bundle)
    again = read_bundle(write_bundle(tmp_path / "copy", first, force=False))
    conditions, noise = torch.randn(5, first.conditions.dim), torch.randn(5, 16)
    assert torch.equal(
        first.generator.sample(conditions, noise), again.generator.sample(conditions, noise)
    )
    assert (again.conditions, again.geometry, again.run) == (
        first.conditions,
        first.geometry,
        first.run,
    )
    assert again.info["data"] == first.info["data"]


def test_files_of_a_bundle(bundle) -> None:
    assert {path.name for path in bundle.iterdir()} == {
        "README.md",
        "bundle.json",
        "run.toml",
        "weights.safetensors",
    }
    table = json.loads((bundle / "bundle.json").read_text())
    assert table["data"]["sha256"]
    assert table["provenance"]["versions"]["torch"]
    assert table["conditions"]["features"][0]["name"] == "log_energy"
    card = (bundle / "README.md").read_text()
    assert "Toy grid" in card
    assert "| log_energy |" in card


def test_run_folder_stands_for_its_bundle(bundle) -> None:
    assert read_bundle(bundle.parent).run == read_bundle(bundle).run


def test_info_shows_the_card(bundle) -> None:
    for folder in (bundle, bundle.parent):
        done = CliRunner().invoke(main, ["info", str(folder)])
        assert done.exit_code == 0
        assert done.stdout == (bundle / "README.md").read_text()


def test_measured_figures_are_added_to_json_and_card(bundle) -> None:
    add_metrics(bundle, {"W1 / floor": "1.10 ± 0.05"})
    assert read_bundle(bundle).info["metrics"]["W1 / floor"] == "1.10 ± 0.05"
    assert "validation score of channel sums" in read_bundle(bundle).info["metrics"]
    assert "- W1 / floor: 1.10 ± 0.05" in (bundle / "README.md").read_text()


def test_existing_bundle_is_not_overwritten(bundle) -> None:
    with pytest.raises(OutputError, match="not empty"):
        write_bundle(bundle, read_bundle(bundle), force=False)


def flip_weights(bundle: Path) -> None:
    path = bundle / "weights.safetensors"
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)


def cut_json(bundle: Path) -> None:
    path = bundle / "bundle.json"
    path.write_text(path.read_text()[:200])


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (flip_weights, "is not the file that bundle.json describes"),
        (lambda b: (b / "weights.safetensors").unlink(), "cannot be read"),
        (lambda b: (b / "bundle.json").unlink(), "found no bundle.json in it"),
        (cut_json, "damaged, not valid JSON"),
        (lambda b: edit(b, format="onnx"), "written by another program"),
        (lambda b: edit(b, version=99), "found version 99, this caloforge reads up to 1"),
        (lambda b: edit(b, geometry={"name": "x"}), "cannot be used"),
        (lambda b: edit(b, spec={"condition_dim": 99, "cell_scale": 1.0}), "does not fit"),
        (lambda b: edit(b, conditions={}), "does not fit"),
    ],
)
def test_unusable_bundles_are_refused_in_one_line(bundle, damage, message) -> None:
    damage(bundle)
    shown = CliRunner().invoke(main, ["info", str(bundle)])
    assert shown.exit_code == 2
    assert "Traceback" not in shown.output
    with pytest.raises(BundleError, match=message) as caught:
        read_bundle(bundle)
    assert "\n" not in str(caught.value)


def test_missing_bundle(tmp_path) -> None:
    with pytest.raises(BundleError, match="no such folder, expected a bundle"):
        read_bundle(tmp_path / "none")
