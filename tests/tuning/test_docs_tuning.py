"""The page on tuning: its search file is valid, its commands are known."""

from __future__ import annotations

import shlex

import pytest
from tests.test_docs import blocks

from caloforge.cli.tune import tune
from caloforge.config import load_run
from caloforge.tuning.space import read_space


def test_the_search_file_is_valid(tmp_path) -> None:
    (text,) = blocks("tuning.md", "toml")
    path = tmp_path / "space.toml"
    path.write_text(text)
    assert len(read_space(path, load_run("zn-e2e-sae"))) == 4


def commands() -> list[str]:
    text = "".join(blocks("tuning.md", "")).replace("\\\n", " ")
    return [line for line in text.splitlines() if line.startswith("caloforge tune")]


@pytest.mark.parametrize("line", commands())
def test_the_commands_are_known(line) -> None:
    words = shlex.split(line, comments=True)
    context = tune.make_context("tune", words[2:])
    assert context.params["output"] is not None or context.params["run"] == "zn-e2e-sae"
