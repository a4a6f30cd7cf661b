"""Bundles by name: what is found, which wins, and what a wrong name is told."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
import warnings
from pathlib import Path

import pytest
from tests.bundles import TEST, toy_bundle

import caloforge
from caloforge.errors import BundleError, DataFormatError
from caloforge.training import bundle_names
from caloforge.training.bundle import add_metrics, read_bundle, write_bundle
from caloforge.training.bundle_catalogue import bundle_entries
from caloforge.training.bundle_names import (
    BundleNote,
    bundle_folder,
    is_bundle,
    resolve_file_or_bundle,
    shipped_folder,
)

ROOT = Path(__file__).parents[2]
MOST_BYTES, MOST_BYTES_IN_ALL = 3_000_000, 15_000_000


@pytest.fixture
def shelf(tmp_path, monkeypatch, toy_grid, toy_sample) -> Path:
    """Folder of shipped bundles with one in it, ``toy-e2e-sae``; cwd is elsewhere."""
    folder = tmp_path / "shelf"
    bundle = toy_bundle(toy_sample(toy_grid), name="toy-e2e-sae")
    write_bundle(folder / "toy-e2e-sae", bundle, force=False)
    monkeypatch.setattr(bundle_names, "shipped_folder", lambda: folder)
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")
    return folder


def test_name_is_the_shipped_folder(shelf, toy_grid, toy_sample) -> None:
    assert bundle_names.bundle_names() == ("toy-e2e-sae",)
    assert bundle_folder("toy-e2e-sae") == shelf / "toy-e2e-sae"
    assert is_bundle("toy-e2e-sae")
    assert resolve_file_or_bundle("toy-e2e-sae") == shelf / "toy-e2e-sae"
    particles = toy_sample(toy_grid).particles
    by_name, by_path = (
        caloforge.load(b).generate(particles, seed=2)
        for b in ("toy-e2e-sae", shelf / "toy-e2e-sae")
    )
    assert (by_name.showers == by_path.showers).all()
    assert by_name.provenance["bundle"] == "toy-e2e-sae"
    assert by_name.provenance["weights_sha256"] == by_path.provenance["weights_sha256"] != ""


def test_folder_of_that_name_wins_with_a_note(shelf) -> None:
    shutil.copytree(shelf / "toy-e2e-sae", "toy-e2e-sae")
    with pytest.warns(
        BundleNote, match=r"the folder .* is taken.*write \./toy-e2e-sae"
    ) as told:
        read_bundle("toy-e2e-sae")
    assert len(told) == 1
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert bundle_folder("./toy-e2e-sae") == Path("toy-e2e-sae")


def test_folder_without_a_bundle_does_not_pass_for_the_shipped_one(shelf) -> None:
    Path("toy-e2e-sae").mkdir()
    with (
        pytest.warns(BundleNote),
        pytest.raises(BundleError, match=r"found no bundle\.json in it"),
    ):
        read_bundle("toy-e2e-sae")


def test_wrong_name_is_told_the_near_one_and_the_list(shelf) -> None:
    with pytest.raises(BundleError) as caught:
        bundle_folder("toy-e2e-sea")
    assert str(caught.value) == (
        "toy-e2e-sea: no such folder, expected a bundle; did you mean 'toy-e2e-sae'?; take one "
        "that comes along (toy-e2e-sae), or train one with 'caloforge train'"
    )
    with pytest.raises(
        BundleError, match=r"q: no such folder, expected a bundle; take one that"
    ):
        bundle_folder("q")
    with pytest.raises(DataFormatError, match=r"a sample \(.*did you mean 'toy-e2e-sae'\?"):
        resolve_file_or_bundle("toy-e2e-sea")
    with pytest.raises(DataFormatError, match="did you mean 'zn-test'"):
        resolve_file_or_bundle("zn-tset")


def test_without_any_bundle_the_message_still_helps(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(bundle_names, "shipped_folder", lambda: tmp_path / "none")
    assert bundle_names.bundle_names() == ()
    assert bundle_entries() == []
    with pytest.raises(BundleError, match="expected a bundle; train one with"):
        bundle_folder("zn-e2e-sae")


def test_half_written_bundles_have_no_name(shelf) -> None:
    shutil.copytree(shelf / "toy-e2e-sae", shelf / ".toy-2")
    (shelf / "empty").mkdir()
    assert bundle_names.bundle_names() == ("toy-e2e-sae",)


def test_samples_and_shower_files_are_no_bundles(shelf, tmp_path) -> None:
    (tmp_path / "file.h5").touch()
    assert not is_bundle("zn-test")
    assert not is_bundle(tmp_path / "file.h5")
    assert not is_bundle("nothing")
    assert is_bundle(shelf / "toy-e2e-sae")


def test_entries_say_what_was_measured(shelf) -> None:
    (entry,) = bundle_entries()
    assert (entry.figures, entry.showers_per_second) == ({}, {})
    add_metrics(shelf / "toy-e2e-sae", {"test": TEST})
    (entry,) = bundle_entries()
    assert entry.figures["w1_ratio"]["model"]["value"] == 1.0403
    assert entry.showers_per_second["256"] == 9310.0
    assert (entry.name, entry.model, entry.detector) == ("toy-e2e-sae", "e2e-sae", "toy-grid")
    assert entry.energy_gev == pytest.approx((10, 1000), rel=0.2)
    on_disk = sum(p.stat().st_size for p in (shelf / "toy-e2e-sae").iterdir())
    assert entry.n_bytes == on_disk > 1000
    assert json.loads(json.dumps(entry.as_dict()))["bytes"] == on_disk


def test_damaged_bundle_is_told_when_listed(shelf) -> None:
    (shelf / "toy-e2e-sae" / "bundle.json").write_text("{")
    with pytest.raises(BundleError, match="damaged"):
        bundle_entries()


class TestShipped:
    """What the package holds today, which may be nothing."""

    names = bundle_names.bundle_names()

    def test_sizes(self) -> None:
        folder = shipped_folder()
        sizes = {
            name: sum(p.stat().st_size for p in (folder / name).rglob("*") if p.is_file())
            for name in self.names
        }
        assert {n: s for n, s in sizes.items() if s > MOST_BYTES} == {}
        assert sum(sizes.values()) <= MOST_BYTES_IN_ALL
        if folder.is_dir():  # nothing but bundles lies there
            assert {p.name for p in folder.iterdir() if p.name[0] not in "._"} == {*self.names}

    @pytest.mark.parametrize("name", names)
    def test_each_can_be_used_and_has_a_whole_card(self, name) -> None:
        bundle = read_bundle(name)
        assert bundle.info["name"] == name
        card = (shipped_folder() / name / "README.md").read_text()
        for part in ("Use", "Data", "Training", "Metrics", "Speed", "Limits", "Licence"):
            assert f"\n## {part}\n" in card
        assert f"caloforge generate {name} " in card
        entry = next(entry for entry in bundle_entries() if entry.name == name)
        assert entry.figures["w1_ratio"]["model"]["error"] > 0
        assert entry.showers_per_second["1"] > 0
        test = caloforge.load_sample(f"{bundle.geometry.name}-test")
        made = caloforge.load(name).generate(test.particles.select(slice(0, 5)), seed=1)
        assert made.showers.any()


@pytest.mark.slow
def test_wheel_holds_the_bundles(tmp_path, shelf) -> None:
    """Built from a copy of the source, with a bundle where bundles go."""
    import zipfile

    for name in ("pyproject.toml", "README.md", "LICENSE", ".gitignore"):
        shutil.copy(ROOT / name, tmp_path / name)
    source = tmp_path / "src" / "caloforge"
    source.mkdir(parents=True)
    for name in ("__init__.py", "py.typed"):
        shutil.copy(ROOT / "src" / "caloforge" / name, source / name)
    shutil.copytree(shelf / "toy-e2e-sae", source / "bundles" / "toy-e2e-sae")
    build = (
        "from hatchling.build import build_wheel, build_sdist; import sys; "
        "print(build_wheel(sys.argv[1]))"
    )
    done = subprocess.run(
        [sys.executable, "-c", build, str(tmp_path / "dist")],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    )
    (wheel,) = (tmp_path / "dist").glob("*.whl")
    assert wheel.name in done.stdout
    held = [n for n in zipfile.ZipFile(wheel).namelist() if "/bundles/" in n]
    assert sorted(re.sub(".*/bundles/", "", name) for name in held) == [
        "toy-e2e-sae/README.md",
        "toy-e2e-sae/bundle.json",
        "toy-e2e-sae/run.toml",
        "toy-e2e-sae/weights.safetensors",
    ]
