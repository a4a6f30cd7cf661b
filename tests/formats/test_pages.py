"""The worked pages of tables and point clouds run as they stand, from top to bottom."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest
from click.testing import CliRunner

from caloforge.cli import main
from caloforge.data import ShowerFile

FORMATS = Path(__file__).parents[2] / "docs" / "formats"


def run_page(name: str) -> str:
    """Run every block of a page; a TOML block is the mapping of the next command."""
    output, mapping, names = "", "", {}
    text = (FORMATS / name).read_text()
    for language, block in re.findall(r"^```(\w+)\n(.*?)^```$", text, re.MULTILINE | re.DOTALL):
        if language == "python":
            exec(block, names)
        elif language == "toml":
            mapping = block
        else:
            for line in block.splitlines():
                command = shlex.split(line.removeprefix("$ caloforge "))
                if "--mapping" in command:
                    Path(command[command.index("--mapping") + 1]).write_text(mapping)
                done = CliRunner().invoke(main, command)
                assert done.exit_code == 0, done.output
                output += done.output
    return output


def test_parquet(tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    output = run_page("parquet.md")
    assert "energy_gev: MeV to GeV" in output
    assert "left out, as they hold no single numbers: run" in output
    with ShowerFile("zn-from-parquet.h5") as back, ShowerFile("hits-from-parquet.h5") as hits:
        assert back.sha256() == hits.sha256()
    with ShowerFile("pictures.h5") as theirs:
        assert len(theirs) == 200


def test_showerdata(tmp_path, monkeypatch) -> None:
    pytest.importorskip("showerdata")
    monkeypatch.chdir(tmp_path)
    output = run_page("showerdata.md")
    assert re.search(
        r"points outside of all cells of 'cylinder': \d+ of 50000 left out", output
    )
    with ShowerFile("cylinder-from-clouds.h5") as cells:
        assert len(cells) == 100


def test_pages_followed_in_one_folder_do_not_collide() -> None:
    written: dict[str, str] = {}
    for page in sorted(FORMATS.glob("*.md")):
        outputs = re.findall(
            r"^\$ caloforge convert .*-o (\S+)", page.read_text(), re.MULTILINE
        )
        for output in outputs:
            assert output not in written, (page.name, written[output])
            written[output] = page.name
    assert len(written) > 10
