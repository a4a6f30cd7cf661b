"""Geant4's run data: found where they lie, told apart from others, never fetched unasked."""

from __future__ import annotations

import subprocess
from importlib import metadata
from pathlib import Path

import pytest

from caloforge.errors import MissingExtraError, SimulationError
from caloforge.simulation import data_sets
from caloforge.simulation.data_sets import (
    DATA_SETS,
    check_installed,
    describe,
    fetch_data,
    find_data_sets,
    use_data_sets,
)


@pytest.fixture
def nowhere(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A machine without data: an empty home."""
    for name in ("GEANT4_DATA_DIR", *DATA_SETS):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setattr(metadata, "version", lambda name: f"{name} 1")
    return tmp_path


def official(folder: Path) -> None:
    """Put data sets with the official names into a folder."""
    for name, version, _ in DATA_SETS.values():
        (folder / f"{name}{version}").mkdir(parents=True)
        (folder / f"{name}{version}" / "data").touch()


def test_missing_data_are_said_in_one_line_with_the_cure(nowhere: Path) -> None:
    with pytest.raises(MissingExtraError, match=r"found no G4EMLOW8.8 .G4LEDATA.") as caught:
        use_data_sets()
    text = str(caught.value)
    assert "caloforge simulate --fetch-data" in text
    assert "GEANT4_DATA_DIR" in text
    assert "\n" not in text
    assert not list(nowhere.iterdir())  # nothing was downloaded


@pytest.mark.parametrize("place", ["download", "folder", "variables"])
def test_official_data_are_found_in_all_their_places(
    place: str, nowhere: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = nowhere / ".geant4_pybind" if place == "download" else nowhere / "data"
    official(folder)
    if place == "folder":
        monkeypatch.setenv("GEANT4_DATA_DIR", str(folder))
    if place == "variables":
        for variable, (name, version, _) in DATA_SETS.items():
            monkeypatch.setenv(variable, str(folder / f"{name}{version}"))
    found = use_data_sets()
    assert all(data_set.is_official for data_set in found)
    assert set(describe(found).values()) == {"official"}


def test_substituted_and_empty_data_are_called_so(
    nowhere: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (nowhere / "mine").mkdir()
    (nowhere / "mine" / "table").touch()
    (nowhere / "empty").mkdir()
    monkeypatch.setenv("G4LEDATA", str(nowhere / "mine"))
    monkeypatch.setenv("G4PIIDATA", str(nowhere / "empty"))
    said = describe(find_data_sets())
    assert said["G4EMLOW8.8"] == "substituted: 'mine' instead of the official set"
    assert said["G4PII1.3"] == "substituted: 'empty' is empty"
    assert said["G4PARTICLEXS4.2"] == "none"


def test_an_official_name_with_nothing_in_it_is_not_official(
    nowhere: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (nowhere / "G4EMLOW8.8").mkdir()
    monkeypatch.setenv("GEANT4_DATA_DIR", str(nowhere))
    assert not find_data_sets()[0].is_official


def test_without_geant4_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str) -> str:
        raise metadata.PackageNotFoundError(name)

    monkeypatch.setattr(metadata, "version", missing)
    with pytest.raises(MissingExtraError, match=r"pip install 'caloforge\[sim\]'"):
        check_installed()


def test_a_download_that_fails_is_one_line(
    nowhere: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: dict[str, str] = {}

    def run(command: list[str], env: dict[str, str], **_: object) -> object:
        seen.update(env)
        return subprocess.CompletedProcess(command, 1, stderr="Traceback\nURLError: no route")

    monkeypatch.setenv("G4LEDATA", str(nowhere))  # would keep its own downloader from it
    monkeypatch.setattr(data_sets.subprocess, "run", run)
    with pytest.raises(SimulationError, match="URLError: no route") as caught:
        fetch_data()
    assert "12 of 12 data sets are missing" in str(caught.value)
    assert "\n" not in str(caught.value)
    assert seen["CI"] == "true"  # geant4-pybind asks on the terminal otherwise
    assert "G4LEDATA" not in seen


def test_a_download_that_succeeds_says_where(
    nowhere: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def run(command: list[str], **_: object) -> object:
        official(nowhere / ".geant4_pybind")
        return subprocess.CompletedProcess(command, 0, stderr="")

    monkeypatch.setattr(data_sets.subprocess, "run", run)
    assert fetch_data() == nowhere / ".geant4_pybind"
    assert all(data_set.is_official for data_set in find_data_sets())
