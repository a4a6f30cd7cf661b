"""From files to a page."""

from __future__ import annotations

import json
import re

import numpy as np
import pytest
from tests.explain.conftest import KINDS, write_sample

from caloforge.data import read_showers
from caloforge.errors import BundleError, ConfigError, DataFormatError, GeometryError
from caloforge.explain import explain_file, write_explanation

LATENT = ["map", "prior", "reconstruction", "lines"]


def explained(make_bundle, held_out_file, kind, **options):
    return explain_file(make_bundle(kind), held_out_file(KINDS[kind][1]), **options)


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_model_gets_a_page(make_bundle, held_out_file, tmp_path, kind):
    calls = []
    explanation = explained(
        make_bundle, held_out_file, kind, progress=lambda *call: calls.append(call)
    )
    names = [part.name for part in explanation.sections]
    latent = ["latent"] if kind == "regression" else LATENT
    assert names == [*latent, "sweeps", "memory"]
    assert [number for _, number, _ in calls] == list(range(len(names)))
    # Files of their own once: they cost as much as the page.
    figures = "png" if kind == "e2e-sae" else None
    page = write_explanation(explanation, tmp_path / "out", figures=figures)
    text = page.read_text()
    assert not re.search(r'(?:src|href)="(?!data:|#)', text)
    for part in explanation.sections:
        for sentence in part.sentences:
            assert len(sentence) > 20
        for picture in part.pictures:
            assert f'id="figure-{picture.name}"' in text
            if figures:
                file = tmp_path / "out" / "figures" / f"{picture.name}.png"
                assert file.read_bytes().startswith(b"\x89PNG")
    table = json.loads((tmp_path / "out" / "explain.json").read_text())
    assert (table["format"], table["version"]) == ("caloforge-explanation", 1)
    assert list(table["sections"]) == names
    assert table["about"]["showers used"] == 60
    memory = table["sections"]["memory"]
    assert memory["showers"] == 60
    assert "training side" in memory["training"]


def test_equal_seeds_give_equal_pages(make_bundle, held_out_file):
    first, again, other = (
        explained(make_bundle, held_out_file, "e2e-sae", seed=seed).as_dict()
        for seed in (3, 3, 4)
    )
    assert first == again
    assert first["sections"]["prior"] != other["sections"]["prior"]


def test_every_reconstruction_error_and_sweep_has_an_error(make_bundle, held_out_file):
    explanation = explained(make_bundle, held_out_file, "e2e-sae")
    parts = {part.name: part for part in explanation.sections}
    (table,) = parts["reconstruction"].tables
    assert table.head[1:] == (
        "own code", "generated code", "floor: full simulation against itself"
    )  # fmt: skip
    for row in table.rows:
        assert all("±" in text for text in row[1:])
    (table,) = parts["sweeps"].tables
    assert all("±" in row[-1] or row[-1] == "–" for row in table.rows)
    assert any("±" in row[-1] for row in table.rows)


def test_a_model_without_encoder_says_so(make_bundle, held_out_file):
    explanation = explained(make_bundle, held_out_file, "regression")
    (sentence,) = explanation.sections[0].sentences
    assert "'regression' has no encoder" in sentence
    assert explanation.about["latent dimensions"] is None


def test_whole_particles_are_taken_from_large_files(make_bundle, held_out_file):
    explanation = explained(make_bundle, held_out_file, "regression", n_showers=25)
    assert explanation.about["showers used"] == 24
    assert explanation.about["particles used"] == 12
    assert explanation.about["showers in the file"] == 60


def test_single_showers_of_each_particle(make_bundle, held_out_file):
    path = held_out_file("toy_grid", repeats=1)
    explanation = explain_file(make_bundle("e2e-sae"), path)
    prior = explanation.as_dict()["sections"]["prior"]
    assert not prior["matched"]
    assert prior["n"] == 15
    part = {part.name: part for part in explanation.sections}["reconstruction"]
    assert part.tables[0].head == ("", "own code", "generated code")
    assert "no floor" in part.tables[0].note


class TestMemory:
    def sentence(self, explanation):
        return explanation.sections[-1].sentences[0]

    def test_showers_that_were_trained_on_are_no_test(self, make_bundle, training_file):
        file = training_file("toy_grid")
        found = explain_file(make_bundle("regression"), file, training=str(file))
        table = found.as_dict()["sections"]["memory"]
        # The validation side was not trained on.
        assert 0 < table["showers"] < 100

    def test_nothing_held_out(self, make_bundle, toy_sample, toy_grid, tmp_path):
        file = write_sample(tmp_path / "other.h5", toy_sample(toy_grid, 30, seed=9))
        found = explain_file(make_bundle("regression"), file, training=file)
        assert "all particles" in self.sentence(found)

    def test_training_showers_that_are_gone(self, make_bundle, held_out_file, tmp_path):
        folder = self.moved(make_bundle, tmp_path, {"source": "/nowhere/train.h5"})
        found = explain_file(folder, held_out_file("toy_grid"))
        assert "are not there; give them with --training" in self.sentence(found)
        assert found.as_dict()["sections"]["memory"] == {
            "sentences": list(found.sections[-1].sentences)
        }

    def test_training_showers_that_changed(self, make_bundle, held_out_file, tmp_path):
        path = held_out_file("toy_grid")
        folder = self.moved(make_bundle, tmp_path, {"source": str(path), "sha256": "0"})
        assert "has changed" in self.sentence(explain_file(folder, path))
        folder = self.moved(make_bundle, tmp_path, {})
        assert "does not name" in self.sentence(explain_file(folder, path))

    def moved(self, make_bundle, tmp_path, data):
        import shutil

        folder = tmp_path / f"bundle{len(list(tmp_path.iterdir()))}"
        shutil.copytree(make_bundle("regression"), folder)
        table = json.loads((folder / "bundle.json").read_text())
        table["data"] = data
        (folder / "bundle.json").write_text(json.dumps(table))
        return folder


class TestBadInput:
    def test_other_detector(self, make_bundle, held_out_file):
        with pytest.raises(GeometryError, match="found showers of detector 'toy-cylinder'"):
            explain_file(make_bundle("e2e-sae"), held_out_file("toy_cylinder"))
        with pytest.raises(GeometryError, match="give its training showers"):
            explain_file(
                make_bundle("e2e-sae"),
                held_out_file("toy_grid"),
                training=held_out_file("toy_cylinder"),
            )

    def test_no_bundle_no_file(self, make_bundle, held_out_file, tmp_path):
        with pytest.raises(BundleError, match="no such folder"):
            explain_file(tmp_path / "none", held_out_file("toy_grid"))
        with pytest.raises(DataFormatError, match="found no such file"):
            explain_file(make_bundle("e2e-sae"), tmp_path / "none.h5")

    def test_too_little(self, make_bundle, held_out_file):
        with pytest.raises(DataFormatError, match="found 8 showers of 4 particles"):
            explain_file(make_bundle("e2e-sae"), held_out_file("toy_grid", n=4))
        with pytest.raises(ConfigError, match="n-showers: found 3"):
            explained(make_bundle, held_out_file, "e2e-sae", n_showers=3)

    def test_no_response(self, make_bundle, held_out_file, tmp_path):
        sample = read_showers(held_out_file("toy_grid"))
        dark = type(sample)(
            sample.particles, np.zeros_like(sample.showers), sample.geometry, None, {}, "dark"
        )
        path = write_sample(tmp_path / "dark.h5", dark)
        with pytest.raises(DataFormatError, match="found no response in any shower"):
            explain_file(make_bundle("e2e-sae"), path)
