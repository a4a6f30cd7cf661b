"""Checks of images: labels, and none of the questions that only particles can answer."""

from __future__ import annotations

import numpy as np
import pytest
from tests.images import image_sample
from tests.inspection.showers import Showers, bad, texts

from caloforge.inspection.checks.labels import OF_PARTICLES
from caloforge.inspection.page import render_page
from caloforge.inspection.table import lines


@pytest.fixture
def images() -> Showers:
    sample = image_sample(300)
    columns = {k: v.astype(np.float64) for k, v in sample.particles.columns.items()}
    return Showers(sample.geometry, columns, sample.particles.incident.copy(), sample.showers)


def test_nothing_is_wrong_with_dark_borders(images) -> None:
    """A row and a column of pixels is always dark, as in MNIST."""
    found = images.inspect()
    assert found.verdict == "ok"
    made = {outcome.check.name for outcome in found.outcomes}
    assert "labels" in made
    assert not set(OF_PARTICLES) & made
    (said,) = [f.text for o in found.outcomes if o.check.name == "labels" for f in o.findings]
    assert said == "3 labels occur: 0 33.3 %, 1 33.3 %, 2 33.3 %"


def test_particles_are_not_asked_for_labels(zn) -> None:
    assert "labels" not in {o.check.name for o in zn.rows(slice(500)).inspect().outcomes}


def test_labels_that_are_no_integers(images) -> None:
    images.columns["label"][7] = 1.5
    found = images.inspect()
    assert bad(found) == {"labels": "error"}
    assert "label is no integer in 1 image" in texts(found, "labels")
    assert "first: 1.5" in texts(found, "labels")


def test_labels_that_are_no_classes(images) -> None:
    n = 1200
    many = images.rows(np.arange(n) % 300)
    rng = np.random.default_rng(0)
    many.showers = rng.integers(0, 256, many.showers.shape, dtype=np.uint16)
    many.incident = np.arange(n)
    many.columns["label"] = np.arange(n, dtype=np.float64)
    assert "1,200 different labels" in texts(many.inspect(), "labels")


def test_rare_labels(images) -> None:
    images.columns["label"][:] = np.arange(300) % 2
    images.columns["label"][5] = 9
    found = images.inspect()
    assert bad(found) == {"labels": "warning"}
    assert "label 9 has less than a tenth" in texts(found, "labels")


def test_images_that_share_a_number(images) -> None:
    images.incident[10] = images.incident[11]
    found = images.inspect()
    assert bad(found) == {"labels": "warning"}
    assert "2 images share a number" in texts(found, "labels")


def test_without_labels(images) -> None:
    del images.columns["label"]
    found = images.inspect()
    assert found.verdict == "ok"
    said = [f.text for o in found.outcomes if o.check.name == "labels" for f in o.findings]
    assert said == ["no column 'label': models have no condition"]


def test_cells_above_the_maximum(images) -> None:
    images.showers[3, 4] = 256
    found = images.inspect()
    assert bad(found) == {"saturation": "error"}
    assert "the largest cell is 256, expected at most 255" in texts(found, "saturation")


def test_copies_and_leaks(images) -> None:
    other = images.rows(slice(0, 40))
    found = images.rows(slice(30, 300)).inspect(other)
    assert bad(found) == {"leak": "error"}
    images.showers[7] = images.showers[100]
    assert "duplicates" in bad(images.inspect())


def test_table_and_page_speak_of_images(images) -> None:
    found = images.inspect()
    assert "300 images" in next(iter(lines(found)))
    page = render_page(found)
    assert "none, these are images" in page
    for word in ("GeV", "impact", "photon", "Spectrum of energies"):
        assert word not in page.split("What the checks look for")[0]
    assert "Mean image" in page
