"""A cylinder whose cells lie in another order, and other mistakes of its files."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from itertools import permutations

import numpy as np
import pytest
from tests.inspection.showers import Showers, bad, texts

from caloforge.data import ShowerSample
from caloforge.geometry import CylinderLayout, DetectorGeometry

SHAPE = {"layer": 45, "angle": 16, "ring": 9}
RIGHT = ("layer", "angle", "ring")


def _stored(showers: np.ndarray, order: tuple[str, ...]) -> np.ndarray:
    """Store cells with the last of ``order`` fastest."""
    axes = [1 + RIGHT.index(name) for name in order]
    shaped = showers.reshape(-1, *SHAPE.values())
    return np.ascontiguousarray(shaped.transpose(0, *axes)).reshape(len(showers), -1)


@pytest.mark.parametrize("order", [o for o in permutations(RIGHT) if o != RIGHT])
def test_another_order_of_cells_is_named(cylinder: Showers, order: tuple[str, ...]) -> None:
    cylinder.showers = _stored(cylinder.showers, order)
    inspection = cylinder.inspect()
    found = bad(inspection)
    assert found.pop("orientation") == "error"
    # Neighbours are no neighbours any more: cells seem weak or hot.
    assert set(found) <= {"dead-cells"}
    assert f"{order[2]}s fastest, then {order[1]}s" in texts(inspection, "orientation")


def test_layers_from_back_to_front(cylinder: Showers) -> None:
    shaped = cylinder.showers.reshape(-1, *SHAPE.values())
    cylinder.showers = shaped[:, ::-1].reshape(len(shaped), -1)
    inspection = cylinder.inspect()
    assert bad(inspection) == {"orientation": "error"}
    assert "layers lie from back to front" in texts(inspection, "orientation")


def _slanted(cylinder: Showers, turn: int = 0, sign: int = 1) -> Showers:
    """Displace each particle by two rings towards one sector, and its shower with it."""
    rng = np.random.default_rng(0)
    n = len(cylinder.showers)
    sector = rng.integers(0, SHAPE["angle"], n)
    phi = (sector + 0.5) * 2 * np.pi / SHAPE["angle"]
    cylinder.columns["x_cm"], cylinder.columns["y_cm"] = np.cos(phi), np.sin(phi)
    shaped = cylinder.showers.reshape(n, *SHAPE.values())
    angle = np.arange(SHAPE["angle"])
    away = np.minimum((angle - sector[:, None]) % 16, (sector[:, None] - angle) % 16)
    keep = rng.random((n, 1, SHAPE["angle"], 1)) < np.exp(-away / 3)[:, None, :, None]
    shaped = (shaped * keep)[:, :, ::sign]
    cylinder.showers = np.roll(shaped, turn, axis=2).reshape(n, -1)
    cylinder.incident = None
    return cylinder


def test_displaced_particles_pass(cylinder: Showers) -> None:
    assert bad(_slanted(cylinder).inspect()) == {}


@pytest.mark.parametrize("turn", [4, -3])
def test_sectors_that_start_elsewhere(cylinder: Showers, turn: int) -> None:
    inspection = _slanted(cylinder, turn).inspect()
    assert bad(inspection) == {"orientation": "error"}
    assert f"shift the sectors by {-turn}" in texts(inspection, "orientation")


def test_sectors_that_run_backwards(cylinder: Showers) -> None:
    inspection = _slanted(cylinder, sign=-1).inspect()
    assert bad(inspection) == {"orientation": "error"}
    assert "sectors run against the angle" in texts(inspection, "orientation")


def test_energies_in_mev_leave_too_little_in_the_cells(cylinder: Showers) -> None:
    for name in ("energy_gev", "px_gev", "py_gev", "pz_gev"):
        cylinder.columns[name] *= 1000
    inspection = cylinder.inspect()
    assert bad(inspection) == {"energy": "error"}
    assert "of the incident energy is in the cells" in texts(inspection, "energy")


@pytest.mark.parametrize("name", ["cylinder", "another"])
def test_energies_and_cells_both_in_tev(cylinder: Showers, name: str) -> None:
    cylinder.geometry = replace(cylinder.geometry, name=name)
    cylinder.showers = cylinder.showers / 1000
    for column in ("energy_gev", "px_gev", "py_gev", "pz_gev", "mass_mev"):
        cylinder.columns[column] /= 1000
    inspection = cylinder.inspect()
    found = bad(inspection)
    assert found["energy"] == "warning"
    words = "GeV in the median, and below 0.25 GeV" if name == "cylinder" else "below 0.05 GeV"
    assert words in texts(inspection, "energy")
    assert "the unit may be wrong" in texts(inspection, "energy")


def test_cells_in_kev_hold_more_energy_than_there_was(cylinder: Showers) -> None:
    cylinder.showers = cylinder.showers * 1000
    inspection = cylinder.inspect()
    assert bad(inspection) == {"energy": "error"}
    assert "1,000 showers hold more energy than the particle had" in texts(inspection, "energy")
    assert "keV" in texts(inspection, "energy")


def test_one_shower_with_more_energy_than_its_particle(cylinder: Showers) -> None:
    cylinder.showers[321] *= 200
    inspection = cylinder.inspect()
    assert bad(inspection) == {"energy": "error"}
    assert "1 shower holds more energy" in texts(inspection, "energy")
    assert "[1, 321]" in texts(inspection, "energy")


def test_calibrated_showers_may_exceed_the_energy_by_their_resolution(
    cylinder: Showers,
) -> None:
    sums = cylinder.showers.sum(axis=1, keepdims=True)
    wanted = cylinder.columns["energy_gev"] * 1000
    wanted = wanted * (1 + 0.2 * np.sin(np.arange(len(wanted))))
    cylinder.showers = (cylinder.showers / sums * wanted[:, None]).astype(np.float32)
    assert bad(cylinder.inspect()) == {}


def _shaped(cylinder: Showers) -> np.ndarray:
    assert isinstance(cylinder.geometry.layout, CylinderLayout)
    return cylinder.showers.reshape(-1, *SHAPE.values())


DEFECTS: dict[str, tuple[Callable[[np.ndarray], None], str]] = {
    "cell": (lambda s: s[:, 10, 3, 0].fill(0), "1 cell is dead"),
    "sector": (lambda s: s[:, :, 5, :2].fill(0), "cells are dead"),
    "layer": (lambda s: s[:, 12].fill(0), "layer 12 (layers) is dead: 144 cells"),
    "gain": (lambda s: s[:, 8, 2, 1].__imul__(10), "1 cell is hot"),
}


@pytest.mark.parametrize("name", DEFECTS)
def test_dead_and_hot_cells(cylinder: Showers, name: str) -> None:
    function, words = DEFECTS[name]
    shaped = _shaped(cylinder)
    function(shaped)
    cylinder.showers = shaped.reshape(len(shaped), -1)
    inspection = cylinder.inspect()
    assert bad(inspection) == {"dead-cells": "error"}
    assert words in texts(inspection, "dead-cells")


def test_showers_scaled_to_their_largest_cell(cylinder: Showers) -> None:
    cylinder.showers /= cylinder.showers.max(axis=1, keepdims=True)
    inspection = cylinder.inspect()
    assert bad(inspection) == {"saturation": "warning"}
    assert "1,004 cells are at the largest value, 1 " in texts(inspection, "saturation")


def test_clipped_energies(cylinder: Showers) -> None:
    np.minimum(cylinder.showers, 10, out=cylinder.showers)
    assert bad(cylinder.inspect()) == {"saturation": "warning"}


def test_one_copy_among_energies(cylinder: Showers) -> None:
    cylinder.showers[900] = cylinder.showers[899]
    inspection = cylinder.inspect()
    assert bad(inspection) == {"duplicates": "error"}
    assert "first: shower 900 is shower 899" in texts(inspection, "duplicates")


def test_showers_scaled_to_their_sum(cylinder: Showers) -> None:
    cylinder.showers /= cylinder.showers.sum(axis=1, keepdims=True)
    inspection = cylinder.inspect()
    assert bad(inspection) == {"energy": "error"}
    assert "does not grow with its energy" in texts(inspection, "energy")


def test_irregular_layers_are_inspected(
    toy_sample: Callable[..., ShowerSample], toy_cylinder: DetectorGeometry
) -> None:
    sample = toy_sample(toy_cylinder, n=300, repeats=1)
    columns = {k: v.astype(float) for k, v in sample.particles.columns.items()}
    # The toy gives 1 MeV a GeV, and momenta without mass.
    p2 = sum(columns[f"p{axis}_gev"] ** 2 for axis in "xyz")
    columns["energy_gev"] = np.sqrt(p2 + (columns["mass_mev"] / 1000) ** 2)
    source = Showers(toy_cylinder, columns, sample.particles.incident, sample.showers * 500)
    assert bad(source.inspect()) == {}
