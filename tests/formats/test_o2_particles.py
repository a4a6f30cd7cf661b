"""O2's particle lists: told by their header, read by detector."""

import numpy as np
import pytest

from caloforge.errors import DataFormatError
from caloforge.formats.mapping.names import BranchMapping, ColumnRule
from caloforge.formats.o2.particles import ParticleList, header, side, with_o2_names

HEADER = "Detector, Pdg,Energy,Vx,Vy,Vz,PhotonSum"


def written(path, *lines):
    path.write_text("\n".join([HEADER, *lines]) + "\n")
    return ParticleList(path, header(path))


@pytest.mark.parametrize(
    ("text", "names"),
    [
        (HEADER, ("Detector", "Pdg", "Energy", "Vx", "Vy", "Vz", "PhotonSum")),
        ("Detector,Pdg", ()),  # too few to be known by
        ("Pdg,Energy,Vx,Vy,Vz", ()),
        ("1,2,3,4", ()),
        ("", ()),
    ],
)
def test_header(tmp_path, text, names):
    (tmp_path / "a.txt").write_text(text + "\nN,1,2,3,4,5,6\n")
    assert header(tmp_path / "a.txt") == names
    (tmp_path / "b.txt").write_bytes(b"Detector,\xff\xfe,Pdg,Energy,Vx,Vy\n")
    assert header(tmp_path / "b.txt") == ()


@pytest.mark.parametrize(
    ("label", "letter"),
    [("N", "N"), ("ZN", "N"), ("zna", "N"), (" ZPC ", "P"), ("P", "P"), ("ZEM", "ZEM")],
)
def test_labels_of_detectors(label, letter):
    assert side(label) == letter


def test_rows_of_one_detector_in_their_order(tmp_path):
    found = written(
        tmp_path / "a.txt", "ZNA,22,1,0,0,0,5", "ZPA,211,2,0,0,0,6", "N,2112,3,0,0,,7"
    )
    assert found.rows_of_sides() == {"N": 2, "P": 1}
    (table,) = found.tables("N", ["Pdg", "Energy", "Vz"])
    assert table["Pdg"].tolist() == [22, 2112]
    assert table["Energy"].tolist() == [1, 3]
    np.testing.assert_array_equal(table["Vz"], [0, np.nan])  # a gap
    (table,) = found.tables("", ["PhotonSum"])
    assert table["PhotonSum"].tolist() == [5, 6, 7]


def test_a_mapping_says_otherwise():
    mapping = BranchMapping(columns={"x_cm": ColumnRule(branch="Vy")})
    found = with_o2_names(mapping, ("Pdg", "Vx", "Vy", "PhotonSum"))
    assert {name: rule.branch for name, rule in found.columns.items()} == {
        "pdg": "Pdg",
        "x_cm": "Vy",
        "y_cm": "Vy",
    }


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        (["N,22,one,0,0,0,5"], "not a readable list of particles"),
        (["N,22,1"], "not a readable list of particles"),
    ],
)
def test_broken_lists_are_refused_in_one_line(tmp_path, lines, message):
    found = written(tmp_path / "a.txt", *lines)
    with pytest.raises(DataFormatError, match=message) as caught:
        list(found.tables("N", ["Energy"]))
    assert "\n" not in str(caught.value)


def test_columns_that_are_there_twice_are_refused(tmp_path):
    with pytest.raises(DataFormatError, match="a column is there twice"):
        ParticleList(tmp_path / "a.txt", ("Detector", "Pdg", "Pdg"))
