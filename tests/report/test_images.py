"""Images in a report: upright, as bright as they are, and without a word of particles."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from matplotlib.figure import Figure
from tests.images import N_LABELS, image_sample, pictures, small_geometry

from caloforge.geometry import load_geometry
from caloforge.metrics import Side
from caloforge.metrics.regions import find_regions
from caloforge.metrics.settings import Settings
from caloforge.report import Evaluation, evaluate_samples
from caloforge.report.content import Content
from caloforge.report.images import (
    drawn_as_image,
    upright_image,
    upright_mean,
    words_of_images,
)
from caloforge.report.maps import mean_maps, shower_grid
from caloforge.report.page import render_page
from caloforge.report.pictures import make_pictures
from caloforge.report.sheets import region_sheet
from caloforge.report.summary import summaries


@pytest.fixture(scope="module")
def evaluation() -> Evaluation:
    reference, generated = image_sample(90), image_sample(90, seed=1)
    evaluation = evaluate_samples(reference, {"made": generated})
    found = find_regions(
        evaluation.trial, Settings(n_bootstrap=5, n_permutations=9), np.random.default_rng(0)
    )
    return replace(evaluation, assessment=replace(evaluation.outcome, regions=tuple(found)))


@pytest.fixture(scope="module")
def sides(evaluation) -> tuple[Side, ...]:
    return evaluation.trial.sides


def shown(figure: Figure) -> list[np.ndarray]:
    return [image.get_array().data for ax in figure.axes for image in ax.images]


def words(figure: Figure) -> str:
    return " ".join(
        text.get_text() for text in figure.findobj(lambda a: hasattr(a, "get_text"))
    )


def test_images_are_bounded_grids() -> None:
    assert drawn_as_image(small_geometry())
    assert not drawn_as_image(load_geometry("zn"))


def test_a_picture_is_upright_and_from_0_to_1() -> None:
    sample = image_sample(4)
    for cells, picture in zip(sample.showers, pictures(4), strict=True):
        np.testing.assert_allclose(upright_image(cells, sample.geometry), picture / 255)


def test_three_planes_are_colours_and_two_are_their_mean() -> None:
    picture = pictures(1)[0]
    colour = image_sample(1, planes=3)
    planes = np.stack([picture, picture // 2, picture // 4], axis=2)
    np.testing.assert_allclose(upright_image(colour.showers[0], colour.geometry), planes / 255)
    np.testing.assert_allclose(
        upright_mean(colour.showers[0], colour.geometry), planes.mean(axis=2)
    )
    two = image_sample(1, planes=2)
    np.testing.assert_allclose(
        upright_image(two.showers[0], two.geometry), planes[:, :, :2].mean(axis=2) / 255
    )


def test_values_beyond_the_maximum_are_white() -> None:
    geometry = small_geometry()
    assert upright_image(np.full(30, 300.0), geometry).max() == 1


def test_mean_images_and_their_differences_are_linear(sides) -> None:
    figure = mean_maps(sides, small_geometry())
    first, second, residual = shown(figure)
    means = pictures(90).mean(axis=0), pictures(90, seed=1).mean(axis=0)
    np.testing.assert_allclose(first, means[0] / 255)
    np.testing.assert_allclose(second, means[1] / 255)
    np.testing.assert_allclose(residual, means[1] - means[0], atol=1e-9)
    assert "cm" not in words(figure)


def test_single_images_are_of_all_labels(sides) -> None:
    figure = shower_grid(sides, small_geometry(), N_LABELS)
    titles = [ax.get_title() for ax in figure.axes if ax.get_title()]
    assert titles == [f"label {k}" for k in range(N_LABELS)]
    for k, picture in enumerate(shown(figure)):
        assert picture.sum(axis=1).argmax() == 1 + k % N_LABELS


def test_no_word_of_particles(evaluation) -> None:
    content = Content(evaluation)
    made = {picture.name: picture for picture in make_pictures(content)}
    assert {"regions", "region-showers", "maps", "showers"} <= set(made)
    assert not {"energy", "particles"} & set(made)
    assert made["regions"].title == "By label"
    for picture in (made[name] for name in ("regions", "region-showers", "maps", "showers")):
        assert "GeV" not in words(picture.figure)
        assert "energ" not in picture.caption + picture.title
    ticks = [t.get_text() for t in made["regions"].figure.axes[1].get_xticklabels()]
    assert ticks == [str(k) for k in range(N_LABELS)]


def test_the_page_says_how_its_words_are_read(evaluation) -> None:
    page = render_page(evaluation)
    assert "Generated images against the given ones, images" in page
    assert "Generated showers against full simulation" not in page
    assert words_of_images(small_geometry()) in page


def test_the_size_of_a_pixel_is_told_where_there_are_pixels(toy_cylinder) -> None:
    one = small_geometry()
    assert one.layout.pitch_cm == (1.0, 1.0)
    assert words_of_images(one).endswith("counts as 1 cm.")
    flat = replace(one, layout=replace(one.layout, pitch_cm=(2.0, 0.5)))
    assert words_of_images(flat).endswith("counts as 2 x 0.5 cm.")
    assert words_of_images(toy_cylinder).endswith("with its label.")


def test_regions_are_labels(evaluation) -> None:
    regions = evaluation.outcome.regions
    assert {r.label for r in regions} == {f"label {k}" for k in range(N_LABELS)}
    assert all("images" not in r.as_dict() for r in regions)
    sheet = region_sheet(Content(evaluation))
    assert sheet is not None
    assert "energy" not in sheet.head
    assert {len(row) for row in sheet.rows} == {len(sheet.head)}
    assert "GeV" not in str([s.lines for s in summaries(Content(evaluation))])


def test_showers_of_particles_keep_their_energies(toy_grid, toy_sample) -> None:
    sample = toy_sample(toy_grid, n=40, repeats=1)
    trial = evaluate_samples(sample, {"made": sample}).trial
    assert not trial.images
    figure = shower_grid(trial.sides, toy_grid)
    assert "GeV" in words(figure)
    page = render_page(evaluate_samples(sample, {"made": sample}))
    assert "Generated showers against full simulation" in page
    assert "keeps the words of showers" not in page
