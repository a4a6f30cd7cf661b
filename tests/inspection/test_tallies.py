"""What is counted in one pass: closed forms, and independence of the pieces."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.inspection.showers import Showers, texts

from caloforge.errors import DataFormatError, GeometryError
from caloforge.geometry import DetectorGeometry, GridLayout
from caloforge.inspection import inspect_source
from caloforge.inspection.checks.coverage import holes
from caloforge.inspection.checks.dead import _quantile
from caloforge.inspection.evidence import gather
from caloforge.inspection.hashes import particle_hashes, shower_hashes
from caloforge.inspection.response_tally import ResponseTally
from caloforge.inspection.sample import MOST, SampleTally
from caloforge.inspection.view import view_piece


def _hashes(showers: np.ndarray) -> np.ndarray:
    rows, cells = np.nonzero(showers)
    lit = np.bincount(rows, minlength=len(showers))
    return shower_hashes(cells, showers[rows, cells], lit)


def test_fingerprint_of_a_shower_depends_on_its_content_only() -> None:
    rng = np.random.default_rng(0)
    showers = rng.poisson(0.1, (500, 1936)).astype(np.uint16)
    found = _hashes(showers)
    assert len(np.unique(found)) == 500
    np.testing.assert_array_equal(found, _hashes(showers.astype(np.float64)))
    np.testing.assert_array_equal(found[::-1], _hashes(showers[::-1]))
    assert _hashes(np.zeros((1, 1936), np.uint16))[0] == 0


@given(st.integers(0, 2**32 - 1))
@settings(max_examples=25, deadline=None)
def test_any_change_of_a_cell_changes_the_fingerprint(seed: int) -> None:
    rng = np.random.default_rng(seed)
    shower = rng.poisson(0.5, (1, 60)).astype(np.uint16)
    other = shower.copy()
    i, j = rng.choice(60, 2, replace=False)
    other[0, i] += 1
    assert _hashes(shower) != _hashes(other)
    moved = shower.copy()
    moved[0, [i, j]] = shower[0, [j, i]]
    assert (_hashes(shower) == _hashes(moved)) == (shower[0, i] == shower[0, j])


def test_fingerprint_of_a_particle_is_that_of_float32(zn: Showers) -> None:
    full = particle_hashes(zn.columns)
    half = {k: v.astype(np.float32).astype(float) for k, v in zn.columns.items()}
    np.testing.assert_array_equal(full, particle_hashes(half))
    assert len(np.unique(full)) == len(np.unique(zn.incident)) == 5825
    zn.columns["px_gev"][7] *= 1.001
    assert (particle_hashes(zn.columns) != full).sum() == 1
    # Zero has two signs and one meaning.
    half["charge_e"] = np.where(half["charge_e"] == 0, -0.0, half["charge_e"])
    np.testing.assert_array_equal(full, particle_hashes(half))


class _Slow(Showers):
    """The same file in pieces of another size."""

    def pieces(self, size: int):
        return super().pieces(min(size, 700))


def test_pieces_do_not_matter(zn: Showers) -> None:
    zn.showers[3000:3060] = 0
    slow = _Slow(zn.geometry, zn.columns, zn.incident, zn.showers)
    one, other = zn.inspect().as_dict(), slow.inspect().as_dict()
    assert one == other


@given(st.lists(st.booleans(), min_size=1, max_size=60), st.integers(1, 9))
@settings(max_examples=60, deadline=None)
def test_longest_runs_of_empty_showers(empty: list[bool], size: int) -> None:
    geometry = DetectorGeometry("toy", "Toy", GridLayout((2, 2)), "photons", counts=True)
    tally = ResponseTally(geometry)
    for start in range(0, len(empty), size):
        tally._follow(np.array(empty[start : start + size]), start)
    runs, begin = [(0, 0)], 0
    for k in range(len(empty) + 1):
        if k == len(empty) or not empty[k]:
            runs.append((k - begin, begin))
            begin = k + 1
    longest = max(length for length, _ in runs)
    assert tally.runs[0][0] == longest
    found = [run for run in tally.runs if run[0]]
    assert set(found) <= set(runs)
    assert len(found) == min(sum(length > 0 for length, _ in runs), 32)


def test_a_long_file_is_sampled_at_equal_distances() -> None:
    geometry = DetectorGeometry("toy", "Toy", GridLayout((2, 2)), "photons", counts=True)
    n = 3 * MOST - 1
    tally = SampleTally(geometry, n)
    columns = dict.fromkeys(
        ("pdg", "energy_gev", "x_cm", "y_cm", "z_cm", "px_gev", "py_gev", "pz_gev",
         "mass_mev", "charge_e"), np.ones(n),
    )  # fmt: skip
    source = Showers(geometry, columns, None, np.ones((n, 4), np.uint8))
    start = 0
    for piece in source.pieces(10_007):
        tally.add(view_piece(piece, start, geometry, "toy"))
        start += len(piece.showers)
    np.testing.assert_array_equal(tally.rows().number, np.arange(0, n, 3))


def test_holes_are_gaps_that_chance_does_not_leave() -> None:
    rng = np.random.default_rng(3)
    for values in (
        rng.uniform(0, 1, 5000),
        rng.standard_normal(5000),
        rng.exponential(1, 5000),
    ):
        assert holes(np.sort(values)) == []
    values = np.sort(rng.uniform(0, 1, 5000))
    (hole,) = holes(values[(values < 0.4) | (values > 0.5)])
    assert hole.low < 0.4 < 0.5 < hole.high
    assert holes(np.arange(15.0)) == []


@given(st.integers(0, 2**32 - 1), st.sampled_from([0.5, 0.75]))
@settings(max_examples=25, deadline=None)
def test_quantile_without_nan_is_that_of_numpy(seed: int, share: float) -> None:
    rng = np.random.default_rng(seed)
    values = rng.random((8, 5))
    values[rng.random((8, 5)) < 0.4] = np.nan
    values[0] = 0.5
    np.testing.assert_allclose(_quantile(values, share), np.nanquantile(values, share, axis=0))


def test_unusable_sources_are_refused(zn: Showers) -> None:
    with pytest.raises(GeometryError, match=r"expected \(n, 1936\)"):
        inspect_source(Showers(zn.geometry, zn.columns, None, zn.showers[:, :5]), "x.h5")
    zn.n = 9000
    with pytest.raises(DataFormatError, match="found 7550 showers, expected 9000"):
        gather(zn, "x.h5")
    zn.n = 5000
    with pytest.raises(DataFormatError, match="more than the 5000 showers"):
        gather(zn, "x.h5")
    zn.n = None
    with pytest.raises(DataFormatError, match="found no shower"):
        gather(zn.rows(slice(0)), "x.h5")
    zn.columns["x_cm"] = zn.columns["x_cm"][:-1]
    with pytest.raises(DataFormatError, match="'x_cm' has shape"):
        gather(zn, "x.h5")
    zn.columns["x_cm"] = np.array(["left"] * 7550)
    with pytest.raises(DataFormatError, match="'x_cm' does not hold numbers"):
        gather(zn, "x.h5")
    text = Showers(zn.geometry, zn.columns, None, np.full((3, 1936), "a"))
    with pytest.raises(DataFormatError, match="cells have type"):
        gather(text, "x.h5")


def test_all_empty_and_all_dark(zn: Showers) -> None:
    zn.showers[:] = 0
    inspection = zn.inspect()
    assert inspection.verdict == "errors"
    assert "all showers are empty" in texts(inspection, "empty")


@pytest.mark.parametrize("counts", [True, False])
def test_toys_of_any_shape_are_inspected(counts: bool) -> None:
    rng = np.random.default_rng(0)
    for cells in ((1, 1), (2, 3), (1, 9), (5, 5)):
        geometry = DetectorGeometry(
            "toy", "Toy", GridLayout(cells), "photons" if counts else "MeV", counts=counts
        )
        n = 50
        columns = {
            "pdg": np.full(n, 22.0), "energy_gev": rng.uniform(1, 9, n), "x_cm": np.zeros(n),
            "y_cm": np.zeros(n), "z_cm": np.zeros(n), "px_gev": np.zeros(n),
            "py_gev": np.zeros(n), "mass_mev": np.zeros(n), "charge_e": np.zeros(n),
        }  # fmt: skip
        columns["pz_gev"] = columns["energy_gev"]
        mean = columns["energy_gev"][:, None] * 20 / np.prod(cells)
        showers = rng.poisson(mean, (n, np.prod(cells))).astype(float)
        assert Showers(geometry, columns, None, showers).inspect().verdict == "ok"


@pytest.mark.parametrize("value", [np.inf, -np.inf, 1e308, -1e40, 1e-308, 1e20])
def test_absurd_numbers_are_named_not_stumbled_over(zn: Showers, value: float) -> None:
    few = zn.rows(slice(60))
    for name in few.columns:
        few.columns[name][3] = value
    few.showers = few.showers.astype(np.float64)
    few.showers[5, 7] = value
    few.incident = few.incident.astype(np.float64)
    few.incident[8] = value
    inspection = few.inspect()
    assert inspection.verdict == "errors"
    json.dumps(inspection.as_dict(), allow_nan=False)
