"""The page of the command: its example runs, and what it says of thresholds is so."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
from tests.inspection.showers import Showers

from caloforge.inspection.checks import (
    CHECKS,
    copies,
    coverage,
    dead,
    energy,
    light,
    orientation,
    repeats,
)
from caloforge.inspection.column_tally import ENERGY_TOLERANCE, MASS_TOLERANCE

PAGE = (Path(__file__).parents[2] / "docs" / "validate.md").read_text()


def test_example_runs(capsys: pytest.CaptureFixture[str]) -> None:
    (example,) = re.findall(r"^```python\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
    exec(example, {})
    assert capsys.readouterr().out.startswith("ok\nschema ok 2,200 showers")


def test_every_check_has_its_row() -> None:
    assert f"Each of {len(CHECKS)} checks" in PAGE
    rows = re.findall(r"^\| ([A-Z][^|]*?) \|", PAGE, re.MULTILINE)
    assert len(rows) == len(CHECKS)
    for row, check in zip(rows, CHECKS, strict=True):
        assert check.title.startswith(row), (row, check.title)


def test_thresholds_are_those_of_the_code() -> None:
    assert (energy._LEAST_VISIBLE, energy._ZDC_PER_GEV) == (0.002, (0.01, 20.0))
    assert (energy._TREND, energy._OUTLIER, energy._NON_LINEAR) == (0.2, 8.0, 50.0)
    assert (orientation._BETTER, orientation._NONE, orientation._POINTS) == (0.2, 0.2, 30)
    assert (copies._FEW, copies._OFTEN, repeats._UNEQUAL) == (500, 20, 20)
    assert (coverage._BESIDE, coverage._OUTLIER) == (40, 3.0)
    assert (ENERGY_TOLERANCE, MASS_TOLERANCE) == (1e-3, 0.02)
    assert (light._MANY_EMPTY, light._PILE, light._PILE_FACTOR) == (0.2, 5, 3.0)
    assert (dead._HOT, dead._WEAK, dead._IMPACTS) == (3.0, 0.2, 50)


def test_hits_that_a_cell_needs(zn: Showers) -> None:
    few = zn.rows(np.unique(zn.incident, return_index=True)[1])
    least = dead.judge_cells(few.inspect().evidence).least
    assert least == pytest.approx(2 * np.log(1000 * 1936))
    assert round(least) == 29
