"""The pages of ROOT and of O2's text: their examples run, one after another."""

import re
import shlex
import tomllib
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from tests.formats.test_o2_text import write_run

from caloforge.cli import main
from caloforge.data import load_sample, read_showers
from caloforge.formats.mapping.names import BranchMapping, parse_mapping

DOCS = Path(__file__).parents[2] / "docs" / "formats"


def blocks(page, language):
    text = (DOCS / page).read_text()
    return re.findall(rf"^```{language}\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)


def run_commands(page):
    """Run the commands of a page in order; return all that they print."""
    printed = []
    for line in "".join(blocks(page, "console")).splitlines():
        if line.startswith("$ caloforge"):
            done = CliRunner().invoke(main, shlex.split(line)[2:])
            assert done.exit_code == 0, f"{line}: {done.output}"
            printed.append(done.output)
    return "".join(printed)


def test_the_page_of_root(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (example,) = blocks("root.md", "python")
    exec(example, {})
    for name, text in zip(
        ("mapping.toml", "names.toml"), blocks("root.md", "toml"), strict=True
    ):
        Path(name).write_text(text)
    printed = run_commands("root.md")
    for sentence in re.findall(
        r"^  (\w+: .*)$", "".join(blocks("root.md", "console")), re.MULTILINE
    ):
        assert sentence in printed
    before, back, hits = (
        load_sample("zn-test"),
        read_showers("zn-from-root.h5"),
        read_showers("hits-from-root.h5"),
    )
    np.testing.assert_array_equal(back.showers, before.showers)
    np.testing.assert_array_equal(hits.showers, before.showers)
    for name in before.particles.names:
        np.testing.assert_array_equal(back.particles[name], before.particles[name])
    sample = read_showers("simulation.h5")
    assert len(sample) == 200
    np.testing.assert_allclose(
        sample.particles["energy_gev"] ** 2,
        sample.particles["pz_gev"] ** 2 + (sample.particles["mass_mev"] / 1000) ** 2,
    )


def test_the_page_of_o2_text(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("run").mkdir()
    images = write_run(Path("run"), load_sample("zn-test").particles.select(slice(0, 5)))
    (text,) = blocks("o2-text.md", "toml")
    Path("momentum.toml").write_text(text)
    commands = "".join(blocks("o2-text.md", "console")).splitlines()
    for number, line in enumerate(commands):
        done = CliRunner().invoke(main, shlex.split(line)[2:])
        assert done.exit_code == 0, done.output
        side, name = ("proton" if number == 1 else "neutron"), line.split()[-1]
        np.testing.assert_array_equal(read_showers(name).showers, images[side].reshape(5, -1))


@pytest.mark.parametrize("page", ["root.md", "o2-text.md"])
def test_mappings_are_valid(page):
    mappings = [
        parse_mapping(tomllib.loads(text), source=page) for text in blocks(page, "toml")
    ]
    assert mappings
    for mapping in mappings:
        assert mapping.source == page
        assert mapping != BranchMapping(source=page)  # it says something
