"""Files of which only some rows are wrong, as of productions that were joined."""

from __future__ import annotations

import re
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.inspection.showers import Showers, bad, texts

from caloforge.geometry import GridLayout
from caloforge.inspection.checks.parts import many, runs
from caloforge.inspection.checks.strays import is_far

TURNS: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "transposed (axes swapped)": lambda g: g.swapaxes(1, 2).reshape(g.shape),
    "mirrored along x": lambda g: g[:, ::-1],
    "mirrored along y": lambda g: g[:, :, ::-1],
    "turned by 180 degrees": lambda g: g[:, ::-1, ::-1],
}


def _turn(sample: Showers, rows: np.ndarray, name: str) -> Showers:
    assert isinstance(sample.geometry.layout, GridLayout)
    grids = sample.showers.reshape(-1, *sample.geometry.layout.cells)
    grids[rows] = TURNS[name](grids[rows].copy())
    return sample


def _last(sample: Showers, share: float) -> np.ndarray:
    n = len(sample.showers)
    return np.arange(round((1 - share) * n), n)


def _some(sample: Showers, share: float) -> np.ndarray:
    return np.flatnonzero(np.random.default_rng(0).random(len(sample.showers)) < share)


@pytest.mark.parametrize("detector", ["zn-train", "zp-train"])
@pytest.mark.parametrize("name", TURNS)
@pytest.mark.parametrize("share", [0.6, 0.5, 0.3, 0.1, 0.02])
def test_rows_at_the_end_are_turned(
    sample_of: Callable[[str], Showers], detector: str, name: str, share: float
) -> None:
    sample = sample_of(detector)
    rows = _last(sample, share)
    inspection = _turn(sample, rows, name).inspect()
    found = bad(inspection)
    assert found.pop("orientation") == "error"
    assert set(found) <= {"dead-cells"}
    words = texts(inspection, "orientation")
    assert f"of those are {name}, the other rows are not" in words
    # The rows are named to within 20 or so: not every shower is bright and off the middle.
    (named,) = re.findall(r"in showers ([\d,]+) to ([\d,]+):", words)
    first, last = (int(number.replace(",", "")) for number in named)
    assert abs(first - rows[0]) < 25
    assert abs(last - rows[-1]) < 25


@pytest.mark.parametrize("share", [0.5, 0.1, 0.05])
def test_rows_here_and_there_are_mirrored(zn: Showers, share: float) -> None:
    inspection = _turn(zn, _some(zn, share), "mirrored along y").inspect()
    assert bad(inspection) == {"orientation": "error"}
    assert "are mirrored along y, the other rows are not" in texts(inspection, "orientation")


@pytest.mark.parametrize("pick", [_last, _some])
@pytest.mark.parametrize("share", [0.6, 0.4, 0.2, 0.1])
def test_some_rows_are_of_other_particles(
    zn: Showers, pick: Callable[[Showers, float], np.ndarray], share: float
) -> None:
    rows = pick(zn, share)
    zn.showers[rows] = zn.showers[np.random.default_rng(1).permutation(rows)]
    inspection = zn.inspect()
    found = bad(inspection)
    assert found.pop("orientation") == "error"
    assert set(found) <= {"energy"}
    assert "do not belong together there" in texts(inspection, "orientation")


@pytest.mark.parametrize("share", [0.6, 0.2, 0.1])
def test_some_rows_of_a_cylinder_are_of_other_particles(
    sample_of: Callable[[str], Showers], share: float
) -> None:
    cylinder = sample_of("cylinder-train")
    rows = _some(cylinder, share)
    cylinder.showers[rows] = cylinder.showers[np.random.default_rng(1).permutation(rows)]
    inspection = cylinder.inspect()
    assert bad(inspection) == {"energy": "error"}
    assert "do not belong together" in texts(inspection, "energy")


def test_two_files_one_of_them_in_another_frame(zn: Showers) -> None:
    zn.columns["x_cm"][5000:] += 2.0
    inspection = zn.inspect()
    assert bad(inspection)["orientation"] == "error"
    assert "in showers 5,0" in texts(inspection, "orientation")


@pytest.mark.parametrize("column", ["energy_gev", "pdg", "x_cm", "y_cm", "sum"])
@pytest.mark.parametrize("name", ["zn-train", "zn-test", "zp-train", "cylinder-train"])
def test_order_of_rows_does_no_harm(
    name: str, column: str, sample_of: Callable[[str], Showers]
) -> None:
    sample = sample_of(name)
    by = sample.showers.sum(axis=1) if column == "sum" else sample.columns[column]
    order = np.argsort(by, kind="stable")
    assert bad(sample.rows(order).inspect()) == {}
    if column == "pdg" and name != "cylinder-train":
        for kind in np.unique(by):
            assert bad(sample.rows(by == kind).inspect()) == {}


@pytest.mark.parametrize("n", [20, 50, 100, 300, 1000, 2000])
@pytest.mark.parametrize("name", ["zn-train", "zp-train", "zn-neutron-100", "cylinder-train"])
def test_random_rows_of_a_right_file_pass(
    name: str, n: int, sample_of: Callable[[str], Showers]
) -> None:
    sample = sample_of(name)
    for seed in range(3 if n < 1000 else 1):
        chosen = np.random.default_rng(seed).permutation(len(sample.showers))[:n]
        assert bad(sample.rows(chosen).inspect()) == {}


def test_runs_are_found_where_they_are() -> None:
    marks = np.zeros(1000, dtype=bool)
    marks[300:340], marks[700:800:2] = True, True
    assert [(run.begin, run.end, run.marks) for run in runs(marks)] == [
        (300, 340, 40),
        (700, 799, 50),
    ]
    # Forty showers of the same particle are one witness.
    assert runs(marks, repeats=40) == []
    assert runs(np.zeros(0, dtype=bool)) == []


@given(st.integers(0, 2**32 - 1))
@settings(max_examples=50, deadline=None)
def test_chance_makes_no_run(seed: int) -> None:
    assert runs(np.random.default_rng(seed).random(5000) < 0.02) == []


def test_many_is_more_than_chance() -> None:
    assert not many(3, 100, 0.02)
    assert not many(0, 0, 0.02)
    assert many(20, 100, 0.02)
    assert not many(20, 100, 0.02, repeats=10)


def test_a_frame_or_unit_of_its_own_is_not_far() -> None:
    rng = np.random.default_rng(0)
    impact, half = rng.uniform(-1, 1, (500, 2)), np.ones(2)
    assert not is_far(impact, impact * 0.1 + 0.5, half).any()
    assert is_far(impact, rng.permutation(impact), half).mean() > 0.5
    assert is_far(impact[:0], impact[:0], half).shape == (0,)
