"""Files with hardly anything in them: every check answers, none falls over."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from tests.inspection.showers import Showers, bad, texts

from caloforge.data import ShowerSample
from caloforge.geometry import (
    CylinderLayer,
    CylinderLayout,
    DetectorGeometry,
    GridLayout,
    load_geometry,
)
from caloforge.inspection.pictures import make_pictures

Odd = Callable[[Showers], Showers | None]
ODD: dict[str, Odd] = {}
MUST: dict[str, dict[str, str]] = {}


def odd(**must: str) -> Callable[[Odd], Odd]:
    """Register a way to make a file odd, and what must be found in it, however few showers."""

    def register(function: Odd) -> Odd:
        ODD[function.__name__] = function
        MUST[function.__name__] = {k.replace("_", "-"): v for k, v in must.items()}
        return function

    return register


@odd(empty="error")
def all_cells_zero(file: Showers) -> None:
    file.showers = np.zeros_like(file.showers)


@odd()
def one_shower(file: Showers) -> Showers:
    return file.rows(slice(1))


@odd(empty="error")
def one_empty_shower(file: Showers) -> Showers:
    file.showers = np.zeros_like(file.showers)
    return file.rows(slice(1))


@odd()
def two_showers(file: Showers) -> Showers:
    return file.rows(slice(2))


@odd(empty="warning")
def one_lit_cell(file: Showers) -> None:
    file.showers = np.zeros_like(file.showers)
    file.showers[3, -1] = 2


@odd(dead_cells="error")
def same_cell_lit_in_all(file: Showers) -> None:
    file.showers = np.zeros_like(file.showers)
    file.showers[:, -1] = np.arange(1, len(file.showers) + 1)


@odd()
def all_cells_equal(file: Showers) -> None:
    file.showers = np.ones_like(file.showers)


@odd(cells="error")
def all_cells_nan(file: Showers) -> None:
    file.showers = np.full(file.showers.shape, np.nan, dtype=np.float32)


@odd(cells="error")
def all_cells_infinite(file: Showers) -> None:
    file.showers = np.full(file.showers.shape, np.inf, dtype=np.float32)


@odd(cells="error")
def all_cells_negative(file: Showers) -> None:
    file.showers = -file.showers.astype(np.float64) - 1


@odd(energy="error")
def huge_cells(file: Showers) -> None:
    file.showers = np.full(file.showers.shape, 1e29, dtype=np.float32)


@odd(cells="error")
def cells_that_cancel(file: Showers) -> None:
    file.showers = np.zeros(file.showers.shape, dtype=np.float64)
    file.showers[:, 0], file.showers[:, -1] = 5.0, -5.0


@odd(schema="error")
def every_column_nan(file: Showers) -> None:
    for name in file.columns:
        file.columns[name] = np.full(len(file.showers), np.nan)


@odd(schema="error")
def every_column_zero(file: Showers) -> None:
    for name in file.columns:
        file.columns[name] = np.zeros(len(file.showers))


@odd(schema="error", cells="error")
def everything_nan(file: Showers) -> None:
    every_column_nan(file)
    all_cells_nan(file)


@odd(schema="error")
def no_column_at_all(file: Showers) -> None:
    file.columns.clear()


@odd(schema="error")
def energies_nan(file: Showers) -> None:
    file.columns["energy_gev"][:] = np.nan


@odd(schema="error")
def one_energy_known(file: Showers) -> None:
    file.columns["energy_gev"][1:] = np.nan


@odd(schema="error")
def energies_below_zero(file: Showers) -> None:
    file.columns["energy_gev"][:] = -1.0


@odd(kinematics="error")
def energies_constant(file: Showers) -> None:
    file.columns["energy_gev"][:] = 100.0


@odd(schema="error")
def positions_nan(file: Showers) -> None:
    for name in ("x_cm", "y_cm", "z_cm"):
        file.columns[name][:] = np.nan


@odd(schema="error")
def momenta_nan(file: Showers) -> None:
    for axis in "xyz":
        file.columns[f"p{axis}_gev"][:] = np.nan


@odd()
def momenta_zero(file: Showers) -> None:
    for axis in "xyz":
        file.columns[f"p{axis}_gev"][:] = 0.0


@odd()
def one_kind(file: Showers) -> Showers:
    return file.rows(file.columns["pdg"] == file.columns["pdg"][0])


@odd(duplicates="error")
def a_kind_with_a_single_shower(file: Showers) -> Showers:
    rows = np.flatnonzero(file.columns["pdg"] == file.columns["pdg"][0])
    other = file.rows(np.r_[rows, rows[:1]])
    other.columns["pdg"][-1] = 130
    return other


@odd(empty="warning")
def a_kind_whose_showers_are_all_empty(file: Showers) -> None:
    file.showers[file.columns["pdg"] == file.columns["pdg"][0]] = 0


@odd(schema="error")
def kinds_nan(file: Showers) -> None:
    file.columns["pdg"][:] = np.nan


@odd(energy="warning")
def one_particle(file: Showers) -> None:
    for name, values in file.columns.items():
        file.columns[name] = np.full(len(values), values[0])
    file.incident = None


@odd(duplicates="error")
def one_shower_copied(file: Showers) -> Showers:
    return file.rows(np.zeros(40, dtype=int))


@odd(kinematics="error")
def only_muons(file: Showers) -> None:
    file.columns["pdg"][:] = 13


def _grid(cells: tuple[int, int]) -> DetectorGeometry:
    return DetectorGeometry(
        name="small",
        title="Small grid",
        layout=GridLayout(cells, (0.5, 0.25), ()),
        unit="photons",
        counts=True,
    )


def _line(n_layers: int) -> DetectorGeometry:
    """One cell a layer, and an empty layer at either end."""
    layers = (CylinderLayer(()), *[CylinderLayer((0.0, 50.0))] * n_layers, CylinderLayer(()))
    return DetectorGeometry(
        name="line", title="Line", layout=CylinderLayout(layers), unit="MeV", counts=False
    )


DETECTORS: dict[str, Callable[[], DetectorGeometry]] = {
    "grid": lambda: _grid((6, 4)),
    "grid-2x1": lambda: _grid((2, 1)),
    "grid-1x1": lambda: _grid((1, 1)),
    "line": lambda: _line(3),
    "zn": lambda: load_geometry("zn"),
    "pions": lambda: load_geometry("calochallenge-1-pions"),
    "cylinder": lambda: load_geometry("cylinder"),
}
SMALL = ("grid", "grid-2x1", "grid-1x1", "line", "pions")


@pytest.fixture(scope="module")
def file_of(toy_sample: Callable[..., ShowerSample]) -> Callable[[DetectorGeometry], Showers]:
    """Make a file of 120 showers of a detector."""

    def make(geometry: DetectorGeometry) -> Showers:
        sample = toy_sample(geometry, n=60, repeats=2)
        columns = {k: v.astype(np.float64) for k, v in sample.particles.columns.items()}
        if isinstance(geometry.layout, CylinderLayout):
            columns["pz_gev"] *= -1
            columns["z_cm"] *= 0
            if geometry.name == "cylinder":  # along the axis: the order of cells can be judged
                for column in ("x_cm", "y_cm", "px_gev", "py_gev"):
                    columns[column] *= 0
        p2 = sum(columns[f"p{axis}_gev"] ** 2 for axis in "xyz")
        columns["energy_gev"] = np.sqrt(p2 + (columns["mass_mev"] / 1000) ** 2)
        # The toy gives 1 MeV a GeV, hardly what a calorimeter sees.
        showers = sample.showers * (1 if geometry.counts else 200)
        return Showers(geometry, columns, sample.particles.incident.copy(), showers)

    return make


@pytest.mark.parametrize("detector", [*SMALL, "toy_cylinder"])
@pytest.mark.parametrize("name", ODD)
def test_no_check_falls_over(
    name: str,
    detector: str,
    file_of: Callable[[DetectorGeometry], Showers],
    toy_cylinder: DetectorGeometry,
) -> None:
    geometry = toy_cylinder if detector == "toy_cylinder" else DETECTORS[detector]()
    file = file_of(geometry)
    file = ODD[name](file) or file
    inspection = file.inspect(against=file)
    # A file is in itself, whatever it is; 15 energies or so are few by design.
    assert bad(inspection)["leak"] in ("warning", "error")


@pytest.mark.parametrize("detector", ["zn", "cylinder"])
@pytest.mark.parametrize("name", ODD)
def test_verdict_is_sensible(
    name: str, detector: str, file_of: Callable[[DetectorGeometry], Showers]
) -> None:
    file = file_of(DETECTORS[detector]())
    inspection = (ODD[name](file) or file).inspect()
    found, must = bad(inspection), MUST[name]
    assert must.items() <= found.items()
    if name in ("one_lit_cell", "all_cells_equal"):  # wrong in several ways
        assert inspection.verdict != "ok"
        return
    if "error" not in must.values():
        assert found == must
    verdicts = {(): "ok", ("warning",): "warnings"}
    assert inspection.verdict == verdicts.get(tuple(set(must.values())), "errors")


@pytest.mark.parametrize("detector", ["zn", "cylinder", "grid", "toy_cylinder"])
def test_empty_file_says_only_that(
    detector: str,
    file_of: Callable[[DetectorGeometry], Showers],
    toy_cylinder: DetectorGeometry,
) -> None:
    file = file_of(toy_cylinder if detector == "toy_cylinder" else DETECTORS[detector]())
    file.showers = np.zeros_like(file.showers)
    inspection = file.inspect()
    assert bad(inspection) == {"empty": "error"}
    assert "all showers are empty [120, 0] read the right data set" in texts(
        inspection, "empty"
    )
    idle = {o.check.name for o in inspection.outcomes if o.severity == "not judged"}
    assert idle >= {"energy", "dead-cells", "orientation", "saturation"}


@pytest.mark.parametrize("k", range(0, len(ODD), 3))
def test_no_picture_falls_over(k: int, file_of: Callable[[DetectorGeometry], Showers]) -> None:
    name = list(ODD)[k]
    file = file_of(DETECTORS[("grid-2x1", "cylinder")[k % 2]]())
    file = ODD[name](file) or file
    assert len(list(make_pictures(file.inspect(against=file).evidence))) >= 3
