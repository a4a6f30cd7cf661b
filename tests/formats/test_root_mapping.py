"""Mappings: what they may say, and what columns follow."""

from dataclasses import replace

import numpy as np
import pytest

from caloforge.data.columns import PARTICLE_COLUMNS
from caloforge.errors import ConfigError, DataFormatError
from caloforge.formats.mapping.columns import ColumnPlan
from caloforge.formats.mapping.names import BranchMapping, parse_mapping, read_mapping

POSITION = {"x_cm": 0, "y_cm": 0, "z_cm": 0}
MOMENTUM = ("px_gev", "py_gev", "pz_gev")


def plan(columns, branches=(), **table):
    pdg = table.pop("pdg", None)
    mapping = parse_mapping({"columns": columns, **table}, source="m.toml")
    return ColumnPlan(mapping, branches, pdg=pdg, source="a.root")


def worked_out(columns, branches=None, **table):
    branches = {name: np.asarray(values) for name, values in (branches or {}).items()}
    n = len(next(iter(branches.values()), np.zeros(1)))
    return plan(columns, list(branches), **table).columns(branches, n)


class TestColumns:
    def test_mass_and_charge_of_a_kind(self):
        table = worked_out(
            {**POSITION, "energy_gev": 5, **dict.fromkeys(MOMENTUM, 0)},
            {"pdg": [2212, 211, -11, 22, 12, 1000822080]},
        )
        np.testing.assert_allclose(
            table["mass_mev"][:5], [938.272, 139.570, 0.510999, 0, 0], atol=1e-3
        )
        np.testing.assert_array_equal(table["charge_e"], [1, 1, 1, 0, 0, 82])

    def test_an_unknown_kind_has_no_mass(self):
        table = worked_out(
            {**POSITION, "energy_gev": 5, **dict.fromkeys(MOMENTUM, 0)}, {"pdg": [22, 77777777]}
        )
        assert table["mass_mev"][0] == 0
        assert np.isnan(table["mass_mev"][1])

    def test_total_energy_from_the_kinetic_one(self):
        columns = {**POSITION, "pdg": 2212, "energy_gev": {"kinetic": "T", "unit": "MeV"}}
        table = worked_out(columns | dict.fromkeys(MOMENTUM, 0), {"T": [1000.0, 0.0]})
        np.testing.assert_allclose(table["energy_gev"], [1.938272, 0.938272], rtol=1e-6)

    def test_energy_from_the_momentum(self):
        columns = {**POSITION, "mass_mev": 4000, "energy_gev": {"derive_from": "momentum"}}
        table = worked_out(columns, {"pdg": [1], "px_gev": [1], "py_gev": [2], "pz_gev": [2.0]})
        assert table["energy_gev"] == pytest.approx(5)  # 3, 4, 5

    @pytest.mark.parametrize(
        ("direction", "expected"),
        [
            ({"x": 0, "z": -2}, (0, 0, -3)),
            ({"x": 1, "y": 2, "z": 2}, (1, 2, 2)),
            (
                {"theta": {"value": 90, "unit": "deg"}, "phi": {"value": 90, "unit": "deg"}},
                (0, 3, 0),
            ),
            ({"theta": np.pi, "phi": 1.0}, (0, 0, -3)),
            ({"eta": 0.0, "phi": np.pi}, (-3, 0, 0)),
        ],
    )
    def test_momentum_from_energy_and_direction(self, direction, expected):
        turned = {key: {"derive_from": "direction"} for key in MOMENTUM}
        columns = {**POSITION, "pdg": 22, "mass_mev": 4000, "energy_gev": 5, **turned}
        table = worked_out(columns, direction=direction)
        found = [table[name][0] for name in MOMENTUM]
        np.testing.assert_allclose(found, expected, atol=1e-12)

    def test_direction_from_branches_and_an_energy_below_the_mass(self):
        turned = {key: {"derive_from": "direction"} for key in MOMENTUM}
        columns = {**POSITION, "pdg": 22, "mass_mev": 4000, "energy_gev": "E", **turned}
        branches = {"E": [5.0, 3.0, 5.0], "dx": [0, 0, 0], "dz": [2.0, 1.0, 0.0]}
        table = worked_out(columns, branches, direction={"x": "dx", "z": "dz"})
        np.testing.assert_array_equal(table["pz_gev"], [3, np.nan, np.nan])

    def test_default_for_a_branch_that_is_not_there(self):
        columns = {**POSITION, "x_cm": {"branch": "vx", "default": 2, "unit": "mm"}}
        columns |= {"pdg": 22, "energy_gev": 1, **dict.fromkeys(MOMENTUM, 0)}
        assert worked_out(columns)["x_cm"] == pytest.approx(0.2)
        assert worked_out(columns, {"vx": [3.0]})["x_cm"] == pytest.approx(0.3)

    def test_kind_of_the_command_line(self):
        columns = {**POSITION, "energy_gev": 1, **dict.fromkeys(MOMENTUM, 0)}
        assert worked_out(columns, pdg=22)["pdg"] == 22
        assert worked_out({**columns, "pdg": 11}, pdg=22)["pdg"] == 22  # of the mapping
        assert worked_out(columns, {"pdg": [22]}, pdg=22)["pdg"] == 22
        assert worked_out(columns, {"pdg": [0]}, pdg=22)["pdg"] == 22
        with pytest.raises(ConfigError, match=r"a.root: .*found pdg 11, expected 22 by --pdg"):
            worked_out(columns, {"pdg": [11]}, pdg=22)

    def test_text_is_named(self):
        mapping = parse_mapping({"columns": POSITION}, source="m.toml")
        with pytest.raises(DataFormatError, match="; 'energy_gev' is there as text"):
            ColumnPlan(mapping, ["pdg"], pdg=None, source="a", others={"energy_gev": "text"})

    def test_thirds_of_a_charge(self):
        columns = {**POSITION, "pdg": 2212, "energy_gev": 1, **dict.fromkeys(MOMENTUM, 0)}
        columns["charge_e"] = {"branch": "q", "unit": "e/3"}
        assert worked_out(columns, {"q": [3]})["charge_e"] == 1

    def test_what_is_done_is_said(self):
        columns = {**POSITION, "pdg": "id", "energy_gev": {"branch": "E", "unit": "MeV"}}
        columns |= {"x_cm": {"value": 12, "unit": "mm"}, **dict.fromkeys(MOMENTUM, 0)}
        said = plan(columns, ["id", "E"]).conversions
        assert "energy_gev: MeV to GeV, times 0.001" in said
        assert "x_cm: 12 mm in all rows" in said
        assert "mass_mev: derived from pdg" in said

    def test_all_columns_come_in_any_order_of_rules(self):
        columns = dict.fromkeys(reversed(PARTICLE_COLUMNS), 1)
        assert set(worked_out(columns)) == set(PARTICLE_COLUMNS)

    def test_what_is_missing_is_listed_with_what_there_is(self):
        with pytest.raises(DataFormatError) as caught:
            plan({"x_cm": "vx", "y_cm": 0}, ["pdg", "energy_gev", "VX"])
        message = str(caught.value)
        assert "x_cm ('vx'), z_cm, px_gev" in message
        assert "it holds pdg, energy_gev, VX" in message
        assert "did you mean 'VX' for vx?" in message
        assert "m.toml" in message

    def test_direction_that_is_not_in_the_file(self):
        turned = {key: {"derive_from": "direction"} for key in MOMENTUM}
        columns = {**POSITION, "pdg": 22, "energy_gev": 5, **turned}
        with pytest.raises(DataFormatError, match=r"\[direction\] z \('dz'\)"):
            plan(columns, direction={"z": "dz"})


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ({"tre": "a"}, "unknown key 'tre'; did you mean 'tree'"),
        ({"tree": 1}, "tree: found 1, expected text"),
        ({"columns": {"energy_gve": "E"}}, "unknown column 'energy_gve'; did you mean"),
        ({"columns": {"a/b": "E"}}, "expected a name without '/'"),
        ({"columns": {"showers": "E"}}, "cannot be called 'showers'"),
        ({"columns": {"x_cm": {"brunch": "x"}}}, "unknown key 'brunch'; did you mean 'branch'"),
        ({"columns": {"x_cm": {"unit": "mm"}}}, "expected one of branch, kinetic, value"),
        ({"columns": {"x_cm": {"branch": "x", "value": 1}}}, "expected one of branch"),
        ({"columns": {"x_cm": True}}, "expected a table"),
        ({"columns": {"x_cm": {"branch": "x", "unit": "MeV"}}}, "unknown unit 'MeV' for cm"),
        ({"columns": {"energy_gev": {"branch": "E", "unit": "Mev"}}}, "did you mean 'MeV'"),
        ({"columns": {"pdg": {"branch": "i", "unit": "m"}}}, "this column has none"),
        ({"columns": {"x_cm": {"derive_from": "pdg"}}}, "nothing else tells it"),
        ({"columns": {"px_gev": {"derive_from": "pdg"}}}, "expected 'direction'"),
        ({"columns": {"px_gev": {"derive_from": "direction"}}}, "the table is missing"),
        ({"columns": {"x_cm": {"kinetic": "T"}}}, "expected it for energy_gev only"),
        ({"direction": {"theta": 1}}, "expected x, y, z; theta, phi; or eta, phi"),
        ({"direction": {"fi": 1}}, "unknown key 'fi'"),
        ({"direction": {"x": {"value": 1, "unit": "deg"}}}, "expected a branch or a number"),
        ({"cells": {"branch": []}}, "found no name"),
        ({"cells": {"index": ["a", "b", "c", "d"]}}, "expected 1, 2 or 3"),
        ({"cells": {"branch": ["a", "b"], "index": "i"}}, "expected one beside index"),
        ({"cells": {"order": "zy"}}, "expected 'xy' or 'yx'"),
        ({"cells": {"first_index": 2}}, "expected 0 or 1"),
        ({"cells": {"first": 1}}, "unknown key 'first'"),
    ],
)
def test_mistakes_are_named(table, message):
    with pytest.raises(ConfigError) as caught:
        parse_mapping(table, source="m.toml")
    assert message in str(caught.value)
    assert str(caught.value).startswith("m.toml")
    assert "\n" not in str(caught.value)


def test_energy_and_momentum_cannot_both_be_derived():
    columns = {
        "energy_gev": {"derive_from": "momentum"},
        "px_gev": {"derive_from": "direction"},
    }
    with pytest.raises(ConfigError, match="other way round"):
        parse_mapping({"columns": columns, "direction": {"x": 1}}, source="m.toml")


def test_files_that_are_no_mapping(tmp_path):
    with pytest.raises(ConfigError, match="no readable file"):
        read_mapping(tmp_path / "none.toml")
    path = tmp_path / "m.toml"
    path.write_text("a = ")
    with pytest.raises(ConfigError, match="not valid TOML"):
        read_mapping(path)
    path.write_bytes(b"\xff\xfe")
    with pytest.raises(ConfigError, match="not valid TOML"):
        read_mapping(path)
    path.write_text("")
    assert read_mapping(path) == BranchMapping(source=str(path))


@pytest.mark.parametrize("name", ["", ".", "..", "a\0b", "x" * 70_000, "\udcff"])
def test_branches_whose_names_no_file_can_hold_are_left_out(name):
    made = plan({**POSITION, "energy_gev": 5, **dict.fromkeys(MOMENTUM, 0), "pdg": 22}, ["eta"])
    assert made.needed == ()  # others are kept only if asked for
    mapping = replace(BranchMapping(), others=True)
    made = ColumnPlan(mapping, [*PARTICLE_COLUMNS, "eta", name], pdg=None, source="a.root")
    assert "eta" in made.needed
    assert name not in made.needed
    (said,) = [text for text in made.conversions if "no file can hold such a name" in text]
    said.encode()
    assert len(said) < 200
