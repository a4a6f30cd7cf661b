"""A ROOT file of another program: Geant4's analysis manager, which writes without ROOT.

It keeps the last basket of each branch inside the tree, as ROOT does where a job was cut short,
and it writes numbers only, one branch a cell.
"""

import subprocess
import sys
from importlib import metadata

import numpy as np
import pytest
from tests.simulation.conftest import geant4_environment

from caloforge.formats.format import ReadOptions
from caloforge.formats.registry import open_showers

_ROWS = 10_000  # of 4 bytes: more than one basket of 32 kB

_PROGRAM = f"""
import sys
import geant4_pybind as g4
manager = g4.G4RootAnalysisManager.Instance()
manager.SetVerboseLevel(0)
manager.OpenFile(sys.argv[1])
manager.CreateNtuple("events", "from Geant4")
manager.CreateNtupleIColumn("PDG")
manager.CreateNtupleDColumn("Ekin")
for cell in range(24):
    manager.CreateNtupleIColumn(f"cell{{cell}}")
manager.FinishNtuple()
for row in range({_ROWS}):
    manager.FillNtupleIColumn(0, 22 if row % 2 else 2112)
    manager.FillNtupleDColumn(1, 1000.0 + row)
    for cell in range(24):
        manager.FillNtupleIColumn(2 + cell, (row * cell) % 11)
    manager.AddNtupleRow()
manager.Write()
manager.CloseFile()
"""


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    try:
        metadata.version("geant4-pybind")
    except metadata.PackageNotFoundError:
        pytest.skip("geant4-pybind is not installed: no file of Geant4 is read")
    variables = geant4_environment()
    if variables is None:
        pytest.skip("no Geant4 run data found: no file of Geant4 is read")
    path = tmp_path_factory.mktemp("geant4") / "events.root"
    subprocess.run(
        [sys.executable, "-c", _PROGRAM, str(path)],
        check=True,
        capture_output=True,
        env={"PATH": "", **variables},
    )
    return path


def test_every_row_is_read(path, tmp_path):
    (tmp_path / "grid.toml").write_text(
        'name = "grid"\ntitle = "Grid"\nkind = "grid"\n'
        '[response]\nunit = "photons"\ncounts = true\n[grid]\ncells = [6, 4]\n'
    )
    mapping = tmp_path / "mapping.toml"
    cells = ", ".join(f'"cell{k}"' for k in range(24))
    mapping.write_text(
        'geometry = "grid.toml"\n'  # beside the mapping
        f"[cells]\nbranch = [{cells}]\n"
        '[columns]\npdg = "PDG"\nenergy_gev = { kinetic = "Ekin", unit = "MeV" }\n'
        "x_cm = 0\ny_cm = 0\nz_cm = 0\n"
        + "".join(f'p{axis}_gev = {{ derive_from = "direction" }}\n' for axis in "xyz")
        + "[direction]\nz = 1\n"
    )
    with open_showers([path], options=ReadOptions(mapping=mapping)) as source:
        pieces = list(source.pieces(3000))
    rows = np.arange(_ROWS)
    showers = np.concatenate([piece.showers for piece in pieces])
    np.testing.assert_array_equal(showers, rows[:, None] * np.arange(24) % 11)
    energy = np.concatenate([piece.columns["energy_gev"] for piece in pieces])
    mass = np.where(rows % 2, 0, 0.93956542)
    np.testing.assert_allclose(energy, 1 + rows / 1000 + mass, rtol=1e-8)
    assert source.provenance["title"] == "from Geant4"
