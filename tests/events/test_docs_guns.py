"""The page on incident particles: its code runs, its files are valid, the example works."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from caloforge.data import read_particles
from caloforge.events import gun_from_table, gun_names, incident_particles, read_beamline
from caloforge.events.positions import POSITIONS
from caloforge.events.spectra import SPECTRA

DOCS = Path(__file__).parents[2] / "docs"
TEXT = (DOCS / "guns.md").read_text()


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", TEXT, re.MULTILINE | re.DOTALL)


def test_examples_run(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for example in blocks("python"):
        exec(example, {})
    assert len(read_particles("particles.csv")) == 1000


def test_files_are_valid(toy_detector):
    gun, construction = blocks("toml")
    face = read_beamline("zn").face
    fired = gun_from_table(tomllib.loads(gun), name="docs", source="docs").fire(
        100, seed=1, face=face
    )
    assert set(fired.kinds()) == {"n", "gamma"}
    line = read_beamline(toy_detector(construction.replace("[construction]", "")))
    assert line.dipole is not None
    assert line.face.centre_cm == (24.35, 0)


def test_every_law_and_gun_is_documented():
    for name in (*SPECTRA, *POSITIONS, *gun_names()):
        assert f"`{name}`" in TEXT, name


@pytest.mark.slow
def test_pythia_example_runs(tmp_path, toy_detector):
    pytest.importorskip("pythia8mc")
    pytest.importorskip("pyhepmc")
    script = [sys.executable, DOCS / "examples/pythia_forward.py", "--events", "30"]
    path = tmp_path / "out.hepmc"
    done = subprocess.run(
        [*script, "--seed", "1", "-o", path], capture_output=True, text=True, check=True
    )
    assert f"caloforge simulate zn --particles {path}" in done.stdout
    found = incident_particles("zn", n=None, particles=path, seed=0)
    assert found.origin["events"] == 30
    assert {"n", "gamma"} <= set(found.kinds())
    assert found.particles["energy_gev"].max() < 6800.1
