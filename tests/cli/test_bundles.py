"""Bundles by name in every command that takes one, and their list."""

from __future__ import annotations

import json
import re
import shlex
import shutil
from pathlib import Path

import pytest
from click.testing import CliRunner
from tests.bundles import TEST, toy_bundle

from caloforge.cli import main
from caloforge.data import ShowerFile, ShowerWriter, load_sample
from caloforge.geometry import load_geometry
from caloforge.training import bundle_names
from caloforge.training.bundle import add_metrics, write_bundle
from caloforge.training.slim import slim

NAME = "zn-toy"
CSV = """\
pdg,energy_gev,x_cm,y_cm,z_cm,px_gev,py_gev,pz_gev,mass_mev,charge_e
2112,500,0.3,-0.2,-11261.2,0.01,0.02,-499.999,939.565,0
22,100,1.1,0.4,-11261.2,0,0,-100,0,0
"""


def run(*arguments):
    return CliRunner().invoke(main, [*map(str, arguments)])


@pytest.fixture(scope="module")
def made(tmp_path_factory) -> Path:
    """A shelf with one small untrained bundle of the ZN."""
    folder = tmp_path_factory.mktemp("shelf")
    full = load_sample("zn-train")
    rows = slice(0, 300)
    sample = type(full)(
        particles=full.particles.select(rows),
        showers=full.showers[rows],
        geometry=full.geometry,
        cpu_seconds=None,
        provenance={},
        source="zn-train",
    )
    write_bundle(folder / NAME, slim(toy_bundle(sample, name=NAME)), force=False)
    return folder


@pytest.fixture(autouse=True)
def shelf(made, tmp_path, monkeypatch) -> Path:
    monkeypatch.setattr(bundle_names, "shipped_folder", lambda: made)
    monkeypatch.chdir(tmp_path)
    return made


def content(path) -> str:
    with ShowerFile(path) as file:
        return file.sha256()


def test_generate_by_name_gives_the_showers_of_the_path(shelf) -> None:
    Path("particles.csv").write_text(CSV)
    for bundle, out in ((NAME, "a.h5"), (shelf / NAME, "b.h5")):
        done = run("generate", bundle, "particles.csv", "-o", out, "--seed", 3, "--repeats", 5)
        assert done.exit_code == 0, done.output
        assert "10 showers" in done.stdout
        assert "Note" not in done.stderr
    assert content("a.h5") == content("b.h5")
    with ShowerFile("a.h5") as file:
        assert file.provenance["bundle"] == NAME
        assert file.geometry.same_cells(load_geometry("zn"))


def test_folder_of_the_name_is_taken_with_one_note(shelf) -> None:
    shutil.copytree(shelf / NAME, NAME)
    Path("particles.csv").write_text(CSV)
    told = run("generate", NAME, "particles.csv", "-o", "a.h5")
    assert told.exit_code == 0
    notes = [line for line in told.stderr.splitlines() if line.startswith("Note: ")]
    assert len(notes) == 1
    assert f"write ./{NAME} to mean the folder" in notes[0]
    quiet = run("generate", f"./{NAME}", "particles.csv", "-o", "b.h5")
    assert "Note" not in quiet.stderr
    shown = run("info", NAME)
    assert shown.stderr.count("Note: ") == 1


def test_info_shows_the_card(shelf) -> None:
    done = run("info", NAME)
    assert done.exit_code == 0
    assert done.stdout == (shelf / NAME / "README.md").read_text()


def test_evaluate_lets_a_bundle_make_the_showers(shelf) -> None:
    full = load_sample("zn-test")
    rows = slice(0, 200)
    with ShowerWriter("few.h5", full.geometry, provenance={}) as writer:
        writer.append(full.particles.select(rows), full.showers[rows])
    assert run("generate", NAME, "few.h5", "-o", "made.h5", "--seed", 4).exit_code == 0
    reports = []
    for generated, out in ((NAME, "by-name"), ("made.h5", "by-file")):
        done = run(
            *("evaluate", "few.h5", generated, "--suite", "quick", "--seed", 4, "-o", out),
            *("--name", "toy"),
        )
        assert done.exit_code == 0, done.output
        reports.append(json.loads(Path(out, "metrics.json").read_text()))
    by_name, by_file = (report["figures"] for report in reports)
    assert len(by_name) > 100
    # A file says how long its showers took, too.
    assert by_name == by_file[: len(by_name)]
    assert reports[0]["provenance"]["files"][1]["path"] == NAME


def test_evaluate_refuses_a_bundle_of_another_detector() -> None:
    done = run("evaluate", "zp-test", NAME)
    assert done.exit_code == 2
    assert done.stderr.count("\n") == 1
    assert f"{NAME}: makes showers of detector 'zn', expected 'zp'" in done.stderr


def test_explain_takes_a_name() -> None:
    done = run("explain", NAME, "zn-test", "-o", "out", "--n-showers", 30)
    assert done.exit_code == 0, done.output
    about = json.loads(Path("out/explain.json").read_text())["about"]
    assert about["bundle"] == NAME


@pytest.mark.parametrize(
    "command",
    [
        ["generate", "zn-tyo", "zn-test", "-o", "out.h5"],
        ["explain", "zn-tyo", "zn-test", "-o", "out"],
        ["evaluate", "zn-test", "zn-tyo"],
        ["info", "zn-tyo"],
    ],
)
def test_wrong_name_is_one_line_with_the_near_one_and_the_list(command) -> None:
    done = run(*command)
    assert done.exit_code == 2
    (line,) = done.stderr.splitlines()
    assert line.startswith("Error: zn-tyo: ")
    assert f"did you mean '{NAME}'?" in line
    assert f"({NAME})" in line


def test_page_of_the_docs_works_as_it_stands() -> None:
    """With our bundle in place of that of the page."""
    page = (Path(__file__).parents[2] / "docs" / "bundles.md").read_text()
    blocks = re.findall(r"^```(\w*)\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)
    table = next(text for _, text in blocks if text.startswith("pdg,"))
    assert table == CSV
    Path("particles.csv").write_text(table)
    names: dict = {}
    example = next(text for language, text in blocks if language == "python")
    exec(example.replace("zn-e2e-sae", NAME), names)
    assert names["photons"].shape == (2, 44, 44)
    assert names["channels"].shape == (2, 5)
    commands = [
        shlex.split(line)
        for language, text in blocks
        if not language
        for line in text.splitlines()
        if line.startswith("caloforge ")
    ]
    assert len(commands) >= 5
    for _, *arguments in commands:
        done = run(*[NAME if word == "zn-e2e-sae" else word for word in arguments])
        assert done.exit_code == 0, done.output


def test_models_lists_bundles_with_fidelity_and_speed(made, tmp_path, monkeypatch) -> None:
    folder = shutil.copytree(made, tmp_path / "shelf")
    monkeypatch.setattr(bundle_names, "shipped_folder", lambda: folder)
    (line,) = (x for x in run("models").stdout.splitlines() if x.split()[:1] == [NAME])
    assert line.split()[-5:] == ["-"] * 5
    add_metrics(folder / NAME, {"test": TEST})
    text = run("models").stdout
    (line,) = (x for x in text.splitlines() if x.split()[:1] == [NAME])
    assert "  1.04 ± 0.04  0.54 ± 0.02  " in line
    assert line.split()[-3:] == ["810", "9,300", "11,000"]
    places = [text.index(title) for title in ("bundles", "models:", "run files:", "conditions")]
    assert places == sorted(places)


def test_models_as_json() -> None:
    found = json.loads(run("models", "--json").stdout)
    assert list(found) == ["bundles", "models", "run_files", "conditions"]
    assert [bundle["name"] for bundle in found["bundles"]] == [NAME]
    assert "e2e-sae" in [model["name"] for model in found["models"]]
    assert "zn-e2e-sae" in [one["name"] for one in found["run_files"]]
    assert {"name", "numbers", "unit", "description"} == set(found["conditions"][0])


def test_models_in_a_terminal_has_the_same_names(monkeypatch) -> None:
    import rich.console

    class Terminal(rich.console.Console):
        def __init__(self, **options: object) -> None:
            super().__init__(**options, force_terminal=True, width=100)  # type: ignore[arg-type]

    monkeypatch.setattr(rich.console, "Console", Terminal)
    text = run("models").stdout
    assert "\x1b[1m" in text
    assert NAME in text
    assert "zn-e2e-sae" in text


def test_models_without_any_bundle(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(bundle_names, "shipped_folder", lambda: tmp_path / "none")
    done = run("models")
    assert done.exit_code == 0
    assert done.stdout.startswith("bundles: none come with this version\nmodels:\n")
    assert json.loads(run("models", "--json").stdout)["bundles"] == []
