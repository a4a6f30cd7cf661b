"""The project's own showers, in the layout of ALICE's npz files, where they are at hand."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from tests.inspection.showers import bad

from caloforge.inspection import inspect_files

DATA = Path(__file__).parents[3] / "shared" / "data"


@pytest.mark.skipif(not DATA.is_dir(), reason="the project's shared data are not here")
@pytest.mark.parametrize("name", ["zn-train", "zn-test", "zp-train", "zp-test"])
def test_shared_data_pass(name: str, tmp_path: Path) -> None:
    with np.load(DATA / f"{name}.npz") as data:
        response = data["response"]
        table = np.column_stack((data["conditions"], data["pdg"]))
    np.savez(tmp_path / "data_nonrandom_responses.npz", response)
    np.savez(tmp_path / "data_nonrandom_particles.npz", table)
    inspection = inspect_files([tmp_path])
    assert inspection.evidence.n_showers == len(response)
    assert bad(inspection) == {}
    # The trap: the same file with its pictures transposed.
    if name.endswith("train"):
        swapped = response.swapaxes(1, 2).reshape(response.shape)
        np.savez(tmp_path / "data_nonrandom_responses.npz", swapped)
        assert bad(inspect_files([tmp_path]))["orientation"] == "error"
