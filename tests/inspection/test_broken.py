"""Files that are broken in one way each: the check for it complains, and no other does."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from tests.inspection.showers import Showers, bad, texts

from caloforge.data import sample_names
from caloforge.geometry import GridLayout

Break = Callable[[Showers], Showers | None]
BREAKS: dict[str, tuple[Break, dict[str, str], str]] = {}


def breaks(found: dict[str, str], words: str) -> Callable[[Break], Break]:
    """Register a way to break the ZN sample, what must be found, and words of the finding."""

    def register(function: Break) -> Break:
        BREAKS[function.__name__] = (function, found, words)
        return function

    return register


def _cells(zn: Showers, dtype: type = np.float32) -> np.ndarray:
    zn.showers = zn.showers.astype(dtype)
    return zn.showers


@breaks({"schema": "error"}, "px_gev is not a finite number in 1 of 7,550 showers [1, 17]")
def nan_in_a_column(zn: Showers) -> None:
    zn.columns["px_gev"][17] = np.nan


@breaks(
    {"schema": "error"}, "energy_gev is not above 0 in 2 of 7,550 showers (first: -1) [2, 3]"
)
def energies_below_zero(zn: Showers) -> None:
    zn.columns["energy_gev"][[3, 9]] = -1


@breaks({"schema": "error"}, "pdg is no particle number in 1 of 7,550 showers (first: 21.5)")
def kind_with_a_fraction(zn: Showers) -> None:
    zn.columns["pdg"][0] = 21.5


@breaks({"schema": "warning"}, "no known mass and charge (first: pdg 77777777)")
def unknown_kind(zn: Showers) -> None:
    zn.columns["pdg"][5] = 77777777


@breaks({"schema": "error"}, "did you mean 'energy_gev'?")
def misspelt_column(zn: Showers) -> None:
    zn.columns["energi_gev"] = zn.columns["energy_gev"]


@breaks(
    {"schema": "error"},
    "the particles have no pdg, x_cm; did you mean 'X_cm' for x_cm? [7550, 0] rename what",
)
def columns_misspelt_and_missing(zn: Showers) -> None:
    zn.columns["X_cm"] = zn.columns.pop("x_cm")
    del zn.columns["pdg"]


@breaks({"schema": "error"}, "the particles have no charge_e [7550, 0] add the columns")
def missing_column(zn: Showers) -> None:
    del zn.columns["charge_e"]


@breaks({"cells": "error"}, "2 cells are negative (first: -3 in cell 900) [2, 40]")
def negative_cells(zn: Showers) -> None:
    _cells(zn, np.int32)[[40, 4000], 900] = -3


@breaks({"cells": "error"}, "1 cell is NaN or infinite (first: nan in cell 1000) [1, 33]")
def nan_cell(zn: Showers) -> None:
    _cells(zn)[33, 1000] = np.nan


@breaks({"cells": "error"}, "(first: nan in cell 7) [1, 6000]")
def infinite_cell(zn: Showers) -> None:
    _cells(zn)[6000, 7] = np.inf


@breaks({"counts": "error"}, "no integer")
def counts_scaled(zn: Showers) -> None:
    _cells(zn)[:] *= 0.9


@breaks({"energy": "warning"}, "1 shower is 8 to")
def one_shower_far_too_bright(zn: Showers) -> None:
    row = int(np.flatnonzero((zn.columns["pdg"] == 2112) & (zn.showers.sum(axis=1) > 100))[0])
    zn.showers[row] *= 40


@breaks({"energy": "error", "kinematics": "error"}, "check the unit of the energies")
def energies_in_mev(zn: Showers) -> None:
    zn.columns["energy_gev"] *= 1000


@breaks(
    {"energy": "warning", "kinematics": "error", "coverage": "warning"},
    "changes by a factor of",
)
def some_energies_in_mev(zn: Showers) -> None:
    zn.columns["energy_gev"][2000:4000] *= 1000


@breaks({"energy": "error", "orientation": "error"}, "does not grow with its energy")
def rows_shuffled(zn: Showers) -> None:
    zn.showers = np.random.default_rng(0).permutation(zn.showers)


@breaks(
    {"dead-cells": "error"}, "1 cell is dead: never lit, though the neighbours are: (22, 25)"
)
def one_dead_cell(zn: Showers) -> None:
    zn.showers[:, 22 * 44 + 25] = 0


@breaks({"dead-cells": "error"}, "100 cells are dead")
def dead_block(zn: Showers) -> None:
    zn.showers.reshape(-1, 44, 44)[:, 15:25, 30:40] = 0


@breaks({"dead-cells": "error"}, "44 cells are dead")
def dead_row(zn: Showers) -> None:
    zn.showers.reshape(-1, 44, 44)[:, :, 12] = 0


@breaks(
    {"dead-cells": "warning"},
    "1 cell is weak: lit far less often than the neighbours: (22, 20)",
)
def cell_off_for_most_of_the_file(zn: Showers) -> None:
    zn.showers.reshape(-1, 44, 44)[800:, 22, 20] = 0


@breaks({"dead-cells": "error"}, "1 cell is hot: lit far more often")
def noisy_cell(zn: Showers) -> None:
    noise = np.random.default_rng(0).random(len(zn.showers)) < 0.2
    zn.showers.reshape(-1, 44, 44)[noise, 4, 6] += 1


@breaks({"dead-cells": "error"}, "1 cell is hot")
def cell_of_wrong_gain(zn: Showers) -> None:
    zn.showers.reshape(-1, 44, 44)[:, 30, 20] *= 8


@breaks({"dead-cells": "error"}, "1 cell is hot")
def stuck_cell(zn: Showers) -> None:
    zn.showers[:, 100] = 3


@breaks({"orientation": "error"}, "transposed (axes swapped): so read")
def transposed(zn: Showers) -> None:
    zn.showers = zn.showers.reshape(-1, 44, 44).swapaxes(1, 2).reshape(-1, 1936)


@breaks({"orientation": "error"}, "mirrored along x: so read")
def mirrored_in_x(zn: Showers) -> None:
    zn.showers = zn.showers.reshape(-1, 44, 44)[:, ::-1].reshape(-1, 1936)


@breaks({"orientation": "error"}, "mirrored along y: so read")
def sign_of_y(zn: Showers) -> None:
    zn.columns["y_cm"] *= -1
    zn.columns["py_gev"] *= -1


@breaks({"orientation": "error"}, "turned by 180 degrees: so read")
def turned(zn: Showers) -> None:
    zn.showers = zn.showers[:, ::-1]


@breaks({"orientation": "error"}, "impact and centroid have a correlation of")
def positions_shuffled(zn: Showers) -> None:
    order = np.random.default_rng(1).permutation(len(zn.showers))
    for name in ("x_cm", "y_cm"):
        zn.columns[name] = zn.columns[name][order]
    zn.incident = None


@breaks({"orientation": "warning"}, "moves by 9.")
def positions_in_decimetres(zn: Showers) -> None:
    zn.columns["x_cm"] *= 0.1
    zn.columns["y_cm"] *= 0.1


@breaks({"orientation": "warning", "front-face": "warning"}, "subtract 1.99")
def positions_shifted(zn: Showers) -> None:
    zn.columns["x_cm"] += 2.0


@breaks({"duplicates": "error"}, "particle, too, is the same (first: shower 7500 is shower")
def copied_rows(zn: Showers) -> Showers:
    return zn.rows(np.r_[0:7500, 100:130])


@breaks({"duplicates": "error"}, "particle is another")
def copied_showers(zn: Showers) -> None:
    bright = np.flatnonzero(np.abs(zn.columns["energy_gev"] - 200) < 20)
    zn.showers[bright[1]] = zn.showers[bright[0]]


@breaks({"coverage": "warning"}, "no particle has energy_gev between")
def hole_in_the_energy(zn: Showers) -> Showers:
    energy = zn.columns["energy_gev"]
    return zn.rows((energy < 90) | (energy > 140))


@breaks({"coverage": "warning"}, "no particle has x_cm between")
def hole_in_the_position(zn: Showers) -> Showers:
    return zn.rows(np.abs(zn.columns["x_cm"] - 0.2) > 0.15)


@breaks({"coverage": "warning"}, "z_cm has 1 outliers")
def stray_position(zn: Showers) -> None:
    zn.columns["z_cm"][77] -= 0.5


@breaks({"kinematics": "error"}, "energies are kinetic")
def kinetic_energies(zn: Showers) -> None:
    zn.columns["energy_gev"] -= zn.columns["mass_mev"] / 1000


@breaks({"kinematics": "error"}, "as momentum in MeV/c they would agree")
def momenta_in_mev(zn: Showers) -> None:
    for axis in "xyz":
        zn.columns[f"p{axis}_gev"] *= 1000


@breaks({"kinematics": "error"}, "7,550 of 7,550 energies are not sqrt(p^2 + m^2)")
def energies_of_other_rows(zn: Showers) -> None:
    zn.columns["energy_gev"] *= 1.07


@breaks({"kinematics": "error"}, "masses are not those of the kind (first: 0.9395")
def masses_in_gev(zn: Showers) -> None:
    zn.columns["mass_mev"] /= 1000
    p2 = sum(zn.columns[f"p{axis}_gev"] ** 2 for axis in "xyz")
    zn.columns["energy_gev"] = np.sqrt(p2 + (zn.columns["mass_mev"] / 1000) ** 2)


@breaks(
    {"kinematics": "error"},
    "they are in GeV",
)
def masses_in_gev_where_energy_and_momentum_are_right(zn: Showers) -> None:
    zn.columns["mass_mev"] /= 1000


@breaks({"kinematics": "error"}, "masses are not those of the kind (first: 1879.13")
def masses_of_another_kind_where_energy_and_momentum_are_right(zn: Showers) -> None:
    zn.columns["mass_mev"] *= 2


@breaks({"kinematics": "warning"}, "mass_mev is 0 throughout: fill it from the kind")
def no_masses(zn: Showers) -> None:
    zn.columns["mass_mev"] *= 0


@breaks(
    {"kinematics": "error"}, "charges are not those of the kind (first: 3); they are in units"
)
def charges_in_thirds(zn: Showers) -> None:
    zn.columns["charge_e"] *= 3


@breaks({"kinematics": "warning"}, "charge_e is 0 throughout")
def no_charges(zn: Showers) -> None:
    zn.columns["charge_e"] *= 0


@breaks({"front-face": "error"}, "7,550 particles fly away from the detector")
def all_backwards(zn: Showers) -> None:
    zn.columns["pz_gev"] *= -1


@breaks({"front-face": "warning"}, "10 particles fly backwards, towards the collision")
def some_backwards(zn: Showers) -> None:
    zn.columns["pz_gev"][20:30] *= -1
    zn.incident = None


@breaks({"front-face": "warning"}, "of the particles miss the front face")
def particles_that_miss(zn: Showers) -> None:
    zn.columns["y_cm"][50:60] = 3.9
    zn.incident = None


@breaks({"front-face": "warning", "coverage": "warning"}, "taken as not given")
def some_z_not_given(zn: Showers) -> None:
    zn.columns["z_cm"][60:70] = 0.0


@breaks({"front-face": "warning", "coverage": "warning"}, "are not on the front face")
def some_vertices_elsewhere(zn: Showers) -> None:
    zn.columns["z_cm"][60:70] += 100.0
    zn.incident = None


@breaks({"empty": "warning"}, "% of the showers are empty")
def many_empty(zn: Showers) -> None:
    zn.showers[np.random.default_rng(2).random(len(zn.showers)) < 0.3] = 0


@breaks({"empty": "error"}, "50 showers in a row are empty [50, 5000]")
def unwritten_part(zn: Showers) -> None:
    zn.showers[5000:5050] = 0


@breaks({"repeats": "error"}, "numbers in 'incident' stand for particles of different")
def numbers_mixed_up(zn: Showers) -> None:
    zn.incident[500] = zn.incident[0]


@breaks(
    {"repeats": "warning"},
    "sets of properties have several numbers in 'incident': 7,550 numbers for 5,825 different",
)
def numbers_of_rows(zn: Showers) -> None:
    zn.incident = np.arange(len(zn.showers))


@breaks(
    {"repeats": "warning"},
    "1 set of properties has several numbers in 'incident': 5,826 numbers for 5,825",
)
def one_particle_with_two_numbers(zn: Showers) -> None:
    numbers, counts = np.unique(zn.incident, return_counts=True)
    again = np.flatnonzero(zn.incident == numbers[np.argmax(counts)])[1:]
    zn.incident[again] = zn.incident.max() + 1


@breaks({"saturation": "warning"}, "cells are at the largest value, 40")
def clipped(zn: Showers) -> None:
    np.minimum(zn.showers, 40, out=zn.showers)


@breaks({"saturation": "warning"}, "at the largest value, 127 (the limit of 7 bits)")
def seven_bits(zn: Showers) -> None:
    np.minimum(zn.showers, 127, out=zn.showers)


@breaks({"saturation": "warning"}, "ends at 127, the limit of 7 bits, where about 24 brighter")
def wrapped(zn: Showers) -> None:
    zn.showers %= 128


@pytest.mark.parametrize("name", BREAKS)
def test_each_mistake_is_found_and_nothing_else(name: str, zn: Showers) -> None:
    function, expected, words = BREAKS[name]
    inspection = (function(zn) or zn).inspect()
    assert bad(inspection) == expected
    assert any(words in texts(inspection, check) for check in expected)
    assert inspection.verdict == ("errors" if "error" in expected.values() else "warnings")


@pytest.mark.parametrize("name", sample_names())
def test_samples_pass(name: str, sample_of: Callable[[str], Showers]) -> None:
    inspection = sample_of(name).inspect()
    assert bad(inspection) == {}
    assert inspection.verdict == "ok"
    assert {o.check.name for o in inspection.unmade} <= {"dead-cells", "orientation"}


def test_one_particle_that_fills_the_file(zn: Showers) -> None:
    singles = zn.rows(slice(2000, 7550))
    same = {
        name: np.r_[values, np.full(300, values[0])] for name, values in singles.columns.items()
    }
    kind, energy = singles.columns["pdg"][0], singles.columns["energy_gev"][0]
    # Other showers of the same kind and about the energy stand for its repeats.
    near = np.argsort(
        np.where(zn.columns["pdg"] == kind, abs(zn.columns["energy_gev"] - energy), np.inf)
    )[:300]
    rng = np.random.default_rng(0)
    repeats = zn.showers[near] + (rng.random((300, 1936)) < 0.01).astype(np.uint16)
    broken = Showers(singles.geometry, same, None, np.concatenate((singles.showers, repeats)))
    found = bad(broken.inspect())
    assert found["repeats"] == "warning"
    assert set(found) <= {"repeats", "orientation"}


@pytest.mark.parametrize("order", ["xy", "yx"])
def test_trap_of_o2_in_a_detector_that_is_no_square(
    sample_of: Callable[[str], Showers], order: str
) -> None:
    zp = sample_of("zp-train")
    assert isinstance(zp.geometry.layout, GridLayout)
    nx, ny = zp.geometry.layout.cells
    if order == "yx":
        # Cell (x, y) at y * cells_x + x, as AliceO2 reads it.
        zp.showers = zp.showers.reshape(-1, nx, ny).swapaxes(1, 2).reshape(-1, nx * ny)
    inspection = zp.inspect()
    assert bad(inspection) == (
        {} if order == "xy" else {"orientation": "error", "dead-cells": "warning"}
    )
    if order == "yx":
        assert "y * cells_x + x" in texts(inspection, "orientation")


def test_dead_quadrant_has_impacts_but_no_hit(sample_of: Callable[[str], Showers]) -> None:
    zn = sample_of("zn-train").rows(slice(1500))
    zn.showers.reshape(-1, 44, 44)[:, :22, :22] = 0
    assert "dead-cells" in bad(zn.inspect())
    assert "tower 1" in texts(zn.inspect(), "dead-cells") or "484 cells" in texts(
        zn.inspect(), "dead-cells"
    )


def test_a_few_showers_do_not_make_edge_cells_dead(zn: Showers) -> None:
    few = zn.rows(slice(60))
    assert (few.showers.sum(axis=0) == 0).sum() > 500
    inspection = few.inspect()
    assert bad(inspection) == {}
    (dead,) = [o for o in inspection.outcomes if o.check.name == "dead-cells"]
    assert "showers are needed" in dead.findings[0].text


def test_columns_that_are_not_ours_may_hold_anything(zn: Showers) -> None:
    rng = np.random.default_rng(0)
    zn.columns["weight"] = np.exp(rng.normal(0, 2, len(zn.showers)))
    zn.columns["is_signal"] = (rng.random(len(zn.showers)) < 0.003) * 1.0
    assert bad(zn.inspect()) == {}
