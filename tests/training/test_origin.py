import json

from caloforge.data import ShowerFile, load_sample
from caloforge.data.splits.selection import Selection
from caloforge.formats.conversion import convert
from caloforge.training.origin import origin
from caloforge.training.preparation import prepare


def test_origin_survives_two_conversions(tmp_path):
    convert(["zn-test"], tmp_path / "zn.parquet", selection=Selection(min_sum=10.0))
    convert([tmp_path / "zn.parquet"], tmp_path / "back.h5")
    with ShowerFile(tmp_path / "back.h5") as file:
        told = origin(file.provenance)
    for key, value in load_sample("zn-test").provenance.items():
        assert told[f"source.source.{key}"] == value
    assert "Geant4" in told["source.source.simulation"]
    assert "substituted" in told["source.source.run_data"]
    assert told["source.selection.min_sum"] == 10
    assert "source.selection.max_sum" not in told
    assert str(told["inputs"]).startswith(f"{tmp_path / 'zn.parquet'} (SHA-256 ")
    assert json.loads(json.dumps(told)) == told


def test_a_bundle_keeps_the_origin_of_a_converted_file(tmp_path, grid_file, grid_run):
    convert([grid_file], tmp_path / "a.parquet")
    grid_file.unlink()
    convert([tmp_path / "a.parquet"], grid_file)
    told = prepare(grid_run()).data["full simulation"]
    assert told["source.source.simulation"] == "toy"
    assert told["converted_by"].startswith("caloforge")


def test_lists_are_one_text():
    table = {
        "conversions": ["E: MeV to GeV", "x: mm to cm"],
        "none": [],
        "empty": "",
        "no": None,
    }
    assert origin(table) == {"conversions": "E: MeV to GeV; x: mm to cm"}
    assert origin({"runs": list(range(25))})["runs"].endswith("; 18; 19; and 5 more")
    assert origin({"a": [{"b": 1, "c": {"d": "e"}}]}) == {"a": "b 1, c.d e"}
