"""Geant4 for tests: real showers where geant4-pybind and run data are, else said plainly."""

from __future__ import annotations

import os
from importlib import metadata
from pathlib import Path

import pytest

from caloforge.simulation.data_sets import DATA_SETS, find_data_sets

# Run data that lie beside a checkout at some places; not the official sets (their README).
_SHARED = Path(__file__).parents[3] / "shared" / "g4data"
_FOLDERS = {
    "G4LEDATA": "ledata",
    "G4LEVELGAMMADATA": "levelgamma",
    "G4PARTICLEXSDATA": "particlexs",
    "G4ENSDFSTATEDATA": "ensdfstate",
}


def geant4_environment() -> dict[str, str] | None:
    """Variables with which Geant4 finds run data here, ``None`` if there are none."""
    if all(d.path is not None for d in find_data_sets() if d.needed):
        return {}
    if not _SHARED.is_dir():
        return None
    folders = {variable: _SHARED / _FOLDERS.get(variable, "empty") for variable in DATA_SETS}
    return {"GEANT4_DATA_DIR": str(_SHARED), **{k: str(v) for k, v in folders.items()}}


@pytest.fixture(scope="session")
def geant4() -> dict[str, str]:
    """Environment of a process that may run Geant4; skips the test where there is no Geant4."""
    try:
        metadata.version("geant4-pybind")
    except metadata.PackageNotFoundError:
        pytest.skip("geant4-pybind is not installed: no real showers are tested")
    variables = geant4_environment()
    if variables is None:
        pytest.skip("no Geant4 run data found: no real showers are tested")
    return {**os.environ, **variables, "OMP_NUM_THREADS": "1"}


@pytest.fixture
def real_geant4(geant4, monkeypatch):
    """Let the processes of the test find Geant4's run data."""
    for variable, value in geant4.items():
        if variable.startswith(("G4", "GEANT4")):
            monkeypatch.setenv(variable, value)


@pytest.fixture
def fake(tmp_path, monkeypatch):
    """Folder in which the engines of ``fake_engine`` leave their marks."""
    folder = tmp_path / "marks"
    folder.mkdir()
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parent))
    monkeypatch.setenv("FAKE_ENGINE", str(folder))
    return folder
