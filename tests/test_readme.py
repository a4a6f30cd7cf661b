"""The README's example runs as it stands, and its commands exist."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from caloforge.cli import COMMANDS

README = (Path(__file__).parents[1] / "README.md").read_text()


def blocks(language: str) -> list[str]:
    fenced = re.findall(r"^```(\w*)\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)
    return [text for name, text in fenced if name == language]


def test_python_example_runs(tmp_path, monkeypatch, capsys) -> None:
    (example,) = blocks("python")
    assert len([line for line in example.splitlines() if line.strip()]) <= 12
    monkeypatch.chdir(tmp_path)
    exec(example.replace("train.steps=500", "train.steps=2"), {})
    assert "[" in capsys.readouterr().out


def test_commands_exist() -> None:
    named = [
        shlex.split(line, comments=True)[1]
        for block in blocks("")
        for line in block.splitlines()
        if line.startswith("caloforge ")
    ]
    assert len(named) >= 5
    assert set(named) <= set(COMMANDS)


@pytest.mark.parametrize("link", re.findall(r"\]\(([^)h][^)]*)\)", README))
def test_links_lead_to_files(link: str) -> None:
    assert (Path(__file__).parents[1] / link).exists()
