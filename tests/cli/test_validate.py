"""``caloforge validate`` as a user calls it."""

from __future__ import annotations

import json
from pathlib import Path

import h5py
import numpy as np
import pytest
from click.testing import CliRunner, Result

from caloforge.cli import main
from caloforge.data import ShowerWriter, load_sample


def run(*arguments: object) -> Result:
    return CliRunner().invoke(main, ["validate", *map(str, arguments)])


@pytest.fixture
def file(tmp_path: Path) -> Path:
    sample = load_sample("zn-test")
    path = tmp_path / "mine.h5"
    with ShowerWriter(path, sample.geometry, provenance={"by": "<b>me</b>"}) as writer:
        writer.append(sample.particles, sample.showers)
    return path


def test_clean_sample_is_ok() -> None:
    result = run("zn-test")
    assert result.exit_code == 0
    assert result.stdout.startswith("zn-test: 2,200 showers of 440 particles")
    assert result.stdout.endswith("Verdict: ok\n")
    assert "ERROR" not in result.stdout
    assert "WARNING" not in result.stdout


def test_verdict_says_what_was_not_checked_and_what_it_takes(tmp_path: Path) -> None:
    sample = load_sample("zn-test")
    path = tmp_path / "one.h5"
    with ShowerWriter(path, sample.geometry, provenance={}) as writer:
        writer.append(sample.particles.select([0]), sample.showers[:1])
    result = run(path)
    assert result.exit_code == 0
    verdict = " ".join(result.stdout.partition("Verdict: ")[2].split())
    assert verdict.startswith("ok, but 2 checks were not made: Dead and hot cells (")
    assert "for 95 % of them more than 58 showers are needed), Orientation (1 " in verdict
    assert verdict.endswith("30 that vary are needed to compare them with the showers)")
    assert json.loads(run(path, "--json").stdout)["not_judged"] == ["dead-cells", "orientation"]


def test_errors_end_with_1_and_name_shower_and_cure(file: Path) -> None:
    with h5py.File(file, "r+") as broken:
        broken["energy_gev"][100:110] *= 1000
    result = run(file)
    assert result.exit_code == 1
    assert "ERROR    Energy, momentum, mass, charge" in result.stdout
    assert "error: 10 of 2,200 energies are not sqrt(p^2 + m^2)" in result.stdout
    assert "[first shower:" in result.stdout
    assert "cure: convert these showers: they have energy in MeV" in result.stdout
    assert "Verdict: errors (" in result.stdout


def test_warnings_end_with_0(file: Path) -> None:
    with h5py.File(file, "r+") as broken:
        showers = broken["showers"][:]
        broken["showers"][:] = np.minimum(showers, 30)
    result = run(file)
    assert result.exit_code == 0
    assert "WARNING  Saturation" in result.stdout
    assert result.stdout.endswith("Verdict: warnings (1 warning)\n")


def test_json_is_json_only(file: Path) -> None:
    result = run(file, "--against", "zn-train", "--json")
    found = json.loads(result.stdout)
    assert (found["verdict"], found["showers"], found["particles"]) == ("ok", 2200, 440)
    assert found["against"] == "zn-train"
    assert len(found["checks"]) == 14
    assert {c["verdict"] for c in found["checks"]} <= {"ok", "not judged"}


def test_leak_between_two_files(file: Path) -> None:
    result = run(file, "--against", "zn-test", "--json")
    assert result.exit_code == 1
    found = {c["check"]: c for c in json.loads(result.stdout)["checks"]}
    assert found["leak"]["verdict"] == "error"
    assert found["leak"]["findings"][0]["first_shower"] == 0
    assert "split by incident particle" in found["leak"]["findings"][0]["cure"]


def test_report_is_one_page_and_json(file: Path, tmp_path: Path) -> None:
    folder = tmp_path / "checked"
    result = run(file, "--report", folder)
    assert result.exit_code == 0
    assert f"Report: {folder / 'inspection.html'}" in result.stdout
    assert sorted(p.name for p in folder.iterdir()) == ["inspection.html", "inspection.json"]
    assert json.loads((folder / "inspection.json").read_text())["verdict"] == "ok"
    again = run(file, "--report", folder)
    assert again.exit_code == 2
    assert "not empty" in again.stderr
    page = (folder / "inspection.html").read_bytes()
    assert run(file, "--report", folder, "--force").exit_code == 0
    assert (folder / "inspection.html").read_bytes() == page


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda p: None, "no such file"),
        (lambda p: p.write_bytes(b""), "empty"),
        (lambda p: p.write_text("hello world"), "found text"),
    ],
)
def test_what_cannot_be_read_ends_with_2(tmp_path: Path, make, words: str) -> None:
    path = tmp_path / "bad.h5"
    make(path)
    result = run(path, "--report", tmp_path / "out")
    assert result.exit_code == 2
    assert words in result.stderr
    assert len(result.stderr.splitlines()) == 1
    assert result.stdout == ""


def test_unknown_format_and_geometry(file: Path) -> None:
    result = run(file, "--from", "shower-h6")
    assert result.exit_code == 2
    assert "did you mean" in result.stderr
    assert run(file, "--geometry", "znn").exit_code == 2


def test_several_files_are_one(file: Path) -> None:
    result = run("zn-train", file)
    assert result.exit_code == 0, result.stdout
    assert "9,750 showers of 6,265 particles" in result.stdout


def test_a_misspelt_column_is_a_finding_not_an_unreadable_file(file: Path) -> None:
    with h5py.File(file, "r+") as broken:
        broken.move("x_cm", "X_cm")
    result = run(file, "--json")
    assert result.exit_code == 1
    found = {c["check"]: c for c in json.loads(result.stdout)["checks"]}
    (missing,) = [f for f in found["schema"]["findings"] if f["severity"] == "error"]
    assert missing["text"] == "the particles have no x_cm; did you mean 'X_cm' for x_cm?"
    assert {n for n, c in found.items() if c["verdict"] == "error"} == {"schema"}
    idle = {n: c["findings"][0]["text"] for n, c in found.items() if c["verdict"] != "ok"}
    for name in ("orientation", "front-face"):
        assert idle[name] == "the particles have no x_cm, which this check needs"


def test_second_file_may_be_of_another_format(tmp_path: Path) -> None:
    # The format that is named is that of the first file; a mapping and a geometry are, too.
    convert = ["convert", "zp-test", "-o", str(tmp_path / "zp.root"), "--to", "root"]
    assert CliRunner().invoke(main, convert).exit_code == 0
    result = run(tmp_path / "zp.root", "--from", "root", "--against", "zp-train")
    assert result.exit_code == 0, result.output
    assert "no shower and no particle is also in zp-train" in result.stdout
    # Where the first file is not of that format, that is said.
    assert run("zp-train", "--from", "root", "--against", "zp-test").exit_code == 2
