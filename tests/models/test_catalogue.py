"""Models of an installed package: the one of docs/bring-a-model.md, and broken ones."""

from __future__ import annotations

import importlib
import re
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from caloforge.cli import main
from caloforge.errors import ConfigError
from caloforge.models import MODELS

PAGE = Path(__file__).parents[2] / "docs" / "bring-a-model.md"
SHORT = (
    "model.hidden=[8]",
    "train.steps=3",
    "train.batch_size=16",
    "train.validation_repeats=2",
)


@pytest.fixture
def installed(tmp_path, monkeypatch):
    """Install a module with entry points, as pip would."""

    def install(code: str, *points: str) -> None:
        (tmp_path / "their_model.py").write_text(code)
        metadata = tmp_path / "their_model-1.0.dist-info"
        metadata.mkdir()
        (metadata / "METADATA").write_text("Name: their_model\nVersion: 1.0\n")
        lines = ["[caloforge.models]", *points]
        (metadata / "entry_points.txt").write_text("\n".join(lines) + "\n")
        monkeypatch.syspath_prepend(str(tmp_path))
        importlib.invalidate_caches()

    yield install
    sys.modules.pop("their_model", None)


def call(*arguments: str):
    return CliRunner().invoke(main, arguments)


def test_the_model_of_the_docs_goes_all_the_way(installed, tmp_path) -> None:
    (code,) = re.findall(r"^```python\n(.*?)^```$", PAGE.read_text(), re.MULTILINE | re.DOTALL)
    (text,) = re.findall(r"^```toml\n(.*?)^```$", PAGE.read_text(), re.MULTILINE | re.DOTALL)
    run, model, made = tmp_path / "scored.toml", tmp_path / "model", tmp_path / "made.h5"
    run.write_text(text)
    short = [word for setting in SHORT for word in ("--set", setting)]
    done = call("train", str(run), "-o", str(model), *short)
    assert done.exit_code == 2
    assert "unknown model 'scored'" in done.stderr
    assert not model.exists()
    installed(code, "scored = their_model:ScoredConfig")
    assert "generator trained on the energy score" in call("models").stdout
    done = call("train", str(run), "-o", str(model), *short)
    assert done.exit_code == 0, done.stderr
    assert 'name = "scored"' in (model / "run.toml").read_text()
    done = call("generate", str(model), "zn-test", "-o", str(made))
    assert done.exit_code == 0, done.stderr


def test_nothing_is_imported_before_it_is_asked_for(installed) -> None:
    installed("raise RuntimeError('loaded')", "theirs = their_model:Config")
    assert "theirs" in MODELS
    assert "theirs" in list(MODELS)
    assert len(MODELS) == len(list(MODELS))
    assert "their_model" not in sys.modules


@pytest.mark.parametrize(
    ("code", "message"),
    [
        ("raise RuntimeError('no GPU')", "cannot be imported (no GPU)"),
        ("class Config: pass", "found no settings class"),
        ("Config = 3", "found no settings class"),
        ("", "cannot be imported"),
    ],
)
def test_a_broken_package_is_one_line(installed, tmp_path, code, message) -> None:
    installed(code, "theirs = their_model:Config")
    run = tmp_path / "run.toml"
    run.write_text('[data]\ntrain = "zn-train"\n[model]\nname = "theirs"\n')
    done = call("train", str(run), "-o", str(tmp_path / "out"))
    assert done.exit_code == 2
    assert message in done.stderr
    assert "Traceback" not in done.stderr
    listed = call("models")
    assert listed.exit_code == 0
    assert message in listed.stdout


def test_no_package_takes_the_name_of_one_of_ours(installed) -> None:
    ours = MODELS["vae"]
    installed("raise RuntimeError", "vae = their_model:Config")
    assert MODELS["vae"] is ours
    assert list(MODELS).count("vae") == 1


def test_a_name_that_two_packages_bring_is_refused_with_both(installed, tmp_path) -> None:
    installed("class Config: pass", "theirs = their_model:Config")
    metadata = tmp_path / "another_model-2.0.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text("Name: another_model\nVersion: 2.0\n")
    lines = "[caloforge.models]\ntheirs = another_model:Config\n"
    (metadata / "entry_points.txt").write_text(lines)
    importlib.invalidate_caches()
    assert list(MODELS).count("theirs") == 1
    with pytest.raises(ConfigError, match="'theirs': found in the packages") as found:
        MODELS["theirs"]
    for package in ("'their_model' (their_model:Config)", "'another_model'"):
        assert package in str(found.value)
    listed = call("models")
    assert listed.exit_code == 0
    assert "'another_model'" in listed.stdout
