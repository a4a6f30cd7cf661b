"""Code in the documentation runs, its TOML is valid, its links lead somewhere."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest
from click.testing import CliRunner

from caloforge.cli import main
from caloforge.config import load_run, run_from_tables
from caloforge.data import load_sample, write_particles
from caloforge.geometry import DetectorGeometry, read_description
from caloforge.simulation.setup import Setup
from caloforge.training.run import train

DOCS = Path(__file__).parents[1] / "docs"
PAGES = sorted(DOCS.rglob("*.md"))


def blocks(page: str, language: str) -> list[str]:
    text = (DOCS / page).read_text()
    return re.findall(rf"^```{language}\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)


def test_transport_example_runs() -> None:
    (example,) = blocks("optimal-transport.md", "python")
    exec(example, {})


def test_bundle_example_runs(tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    small = ["train.steps=1", "model.encoder=[8]", "model.decoder=[8]", "train.batch_size=16"]
    train(load_run("zn-vae", small), "demo/model")
    particles = load_sample("zn-test").particles.select(slice(0, 3))
    write_particles("particles.csv", particles, force=False)
    (example,) = blocks("bundle.md", "python")
    names: dict = {}
    exec(example, names)
    assert len(names["showers"]) == 3


def test_detector_files_are_valid_and_lead_to_a_run(tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    grid, cylinder, run = blocks("detectors.md", "toml")
    assert DetectorGeometry.from_dict(tomllib.loads(grid), source="docs").n_cells == 1936
    Path("my-calorimeter.toml").write_text(cylinder)
    (example,) = blocks("detectors.md", "python")
    exec(example, {})
    Path("mine.toml").write_text(run)
    train(load_run("mine.toml", ["train.steps=2"]), "run")
    for command in (
        ["generate", "run", "mine.h5", "-o", "fast.h5"],
        ["evaluate", "mine.h5", "fast.h5", "--suite", "quick"],
    ):
        done = CliRunner().invoke(main, command)
        assert done.exit_code == 0, done.output


def test_run_file_is_valid() -> None:
    (text,) = blocks("training.md", "toml")
    assert run_from_tables(tomllib.loads(text), source="docs").model_name == "e2e-sae"


@pytest.mark.parametrize("page", PAGES, ids=lambda p: str(p.relative_to(DOCS)))
def test_links_lead_to_files(page: Path) -> None:
    for link in re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", page.read_text()):
        if not link.startswith("http"):
            assert (page.parent / link).exists(), link


def test_construction_tables_of_the_simulation_page_can_be_built() -> None:
    for table, name in zip(blocks("simulation.md", "toml"), ("zn", "cylinder"), strict=True):
        description = read_description(name)[0]
        description["construction"] = tomllib.loads(table)["construction"]
        assert Setup(description, "docs").calorimeter.half_size_mm[2] > 0
