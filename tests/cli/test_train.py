"""``caloforge train`` and ``caloforge models`` as a user calls them."""

from __future__ import annotations

import pytest
from click.testing import CliRunner

from caloforge.cli import main

SMALL = (
    "--set",
    "train.steps=2",
    "--set",
    "train.batch_size=8",
    "--set",
    "train.validation_repeats=2",
    "--set",
    "model.encoder=[8]",
    "--set",
    "model.decoder=[8]",
)


def call(*arguments: str):
    return CliRunner().invoke(main, arguments)


def test_train_resume_and_next_step(tmp_path) -> None:
    out = tmp_path / "out"
    done = call("train", "zn-e2e-sae", "-o", str(out), *SMALL)
    assert done.exit_code == 0, done.stderr
    assert f"bundle: {out / 'bundle'}" in done.stdout
    assert "caloforge generate" in done.stdout
    assert "step      2/2" in done.stderr
    assert call("train", "-o", str(out), "--resume").exit_code == 0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("train",), "give RUN, a run file or its name"),
        (("train", "zn-e2e-sea"), "did you mean 'zn-e2e-sae'?"),
        (("train", "zn-vae", "--set", "model.latent=3"), "did you mean 'latent_dim'?"),
        (("train", "zn-vae", "--data", "no.h5"), "no.h5"),
        (("train", "--resume", "-o", "nowhere"), "found no run.toml"),
        (("train", "--resume", "-o", "nowhere", "--seed", "3"), "--seed need RUN"),
    ],
)
def test_bad_usage_is_one_line_and_exit_2(arguments, message, tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    done = call(*arguments)
    assert done.exit_code == 2
    assert message in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "nowhere").exists()


def test_existing_output_is_refused(tmp_path) -> None:
    (tmp_path / "mine.txt").write_text("mine")
    done = call("train", "zn-vae", "-o", str(tmp_path), *SMALL)
    assert done.exit_code == 2
    assert "not empty" in done.stderr


def test_models_lists_models_and_run_files() -> None:
    done = call("models")
    assert done.exit_code == 0
    assert "e2e-sae" in done.stdout
    assert "zn-vae" in done.stdout
