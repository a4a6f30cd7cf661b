"""Examples of the pages on npz and CaloChallenge files run as they stand."""

import re
import shlex
from pathlib import Path

import pytest
from click.testing import CliRunner

from caloforge.cli import main
from caloforge.data import read_showers
from caloforge.formats.registry import FORMATS

DOCS = Path(__file__).parents[2] / "docs"


def run_example(page):
    """Run the blocks after the heading "Example", in order; return what commands print."""
    text = (DOCS / "formats" / page).read_text().partition("## Example")[2]
    printed = []
    for language, block in re.findall(r"^```(\w+)\n(.*?)^```$", text, re.MULTILINE | re.DOTALL):
        if language == "python":
            exec(block, {})
        for line in re.findall(r"^\$ caloforge (.*)$", block, re.MULTILINE):
            done = CliRunner().invoke(main, shlex.split(line))
            assert done.exit_code == 0, done.output
            printed.append(done.stdout)
    return text, printed


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def test_alice_npz():
    text, printed = run_example("alice-npz.md")
    # All but the time is as the page shows.
    shown = re.search(r"^zn.h5: .*(?=in \d)", text, re.MULTILINE).group()
    assert printed[0].startswith(shown)
    assert "not selected: 204 showers" in printed[0]
    assert len(printed) == 3


def test_calochallenge(capsys):
    run_example("calochallenge.md")
    assert "(600, 1) (600, 6480)" in capsys.readouterr().out
    assert len(read_showers("cylinder-from-challenge.h5")) == 600


def test_index_runs_and_names_all_formats():
    text = (DOCS / "bring-your-data.md").read_text()
    (example,) = re.findall(r"^```python\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    exec(example, {})
    for row in FORMATS:
        assert row.name in text
