"""A model of images is explained by labels, without energies and impact points."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from tests.images import N_LABELS, image_sample, pictures

from caloforge.config import run_from_tables
from caloforge.data.far_light import FarLight
from caloforge.data.features import ConditionSet
from caloforge.data.feeding.dataset import ShowerDataset
from caloforge.data.transforms import CellFrame
from caloforge.explain import latent_pictures, shower_pictures
from caloforge.explain.interpolation import lines
from caloforge.explain.latent_sections import map_section, reconstruction_section
from caloforge.explain.particle_sections import sweeps_section
from caloforge.explain.reconstruction import reconstruct
from caloforge.explain.subject import Subject
from caloforge.generation import load
from caloforge.nn import ShowerSpec
from caloforge.training.bundle import Bundle, build_model, write_bundle


@pytest.fixture(scope="module")
def subject(tmp_path_factory) -> Subject:
    sample = image_sample(60)
    model = {"name": "vae", "encoder": [8], "decoder": [8], "latent_dim": 2, "cells": "bounded"}
    data = {"conditions": ["label"], "split_by": "shower"}
    run = run_from_tables({"model": model, "data": data, "train": {"steps": 1}}, source="test")
    conditions = ConditionSet.fit(["label"], sample.particles, sample.geometry)
    light = FarLight.fit(CellFrame(sample.geometry, False), sample.particles, sample.showers)
    batch = ShowerDataset(sample, conditions, False).batch(np.arange(len(sample)))
    spec = ShowerSpec.of(sample.geometry, conditions.dim, batch=batch)
    torch.manual_seed(0)
    network = build_model(run, spec).eval()
    frame = CellFrame(sample.geometry, False, light)
    folder = tmp_path_factory.mktemp("bundle") / "images"
    bundle = Bundle(network, run, spec, conditions, frame, {})
    return Subject(load(write_bundle(folder, bundle, force=False)), image_sample(60, seed=1))


def words(figure) -> str:
    return " ".join(
        text.get_text() for text in figure.findobj(lambda a: hasattr(a, "get_text"))
    )


def test_maps_are_by_origin_and_label(subject) -> None:
    section = map_section(subject, np.random.default_rng(0))
    (picture,) = section.pictures
    titles = [ax.get_title() for ax in picture.figure.axes]
    assert titles == ["Encoded and generated codes", "Label"]
    assert all(f"label {k}" in words(picture.figure) for k in range(N_LABELS))
    assert "energ" not in (picture.caption + words(picture.figure)).lower()


def test_ten_digits_have_ten_colours() -> None:
    assert len(set(latent_pictures.LABELS)) == 10
    kinds = np.array([f"label {k % 10}" for k in range(40)])
    points = np.random.default_rng(0).normal(size=(20, 2))
    figure = latent_pictures.embedding(points, points, kinds=kinds, energy_gev=None)
    assert "other" not in words(figure)


def test_errors_are_by_label(subject) -> None:
    found = reconstruct(subject, np.random.default_rng(0), 0)
    figure = shower_pictures.reconstruction_errors(subject, found)
    for ax in figure.axes:
        assert ax.get_xlabel() == "label"
        assert [t.get_text() for t in ax.get_xticklabels()] == [str(k) for k in range(N_LABELS)]
        assert ax.get_ylabel()
    own = figure.axes[0].containers[0].lines[0].get_ydata(orig=False)
    labels = subject.sample.particles["label"][found.lit]
    error = np.abs(found.own.total[found.lit])
    expected = [np.median(error[labels == k]) for k in range(N_LABELS)]
    np.testing.assert_allclose(own, expected)


def test_reconstructions_are_pictures(subject) -> None:
    found = reconstruct(subject, np.random.default_rng(0), 0)
    figure = shower_pictures.reconstruction(subject, found)
    first = figure.axes[0].images[0].get_array().data
    np.testing.assert_allclose(first, pictures(60, seed=1)[found.examples[0]] / 255)
    assert "counts" not in words(figure)
    section = reconstruction_section(subject, 0, np.random.default_rng(0))
    told = " ".join([*section.sentences, *(p.caption for p in section.pictures)])
    for word in ("energy", "Poisson", "dotted", "white"):
        assert word not in told


def test_lines_are_between_images_of_one_label(subject) -> None:
    found = lines(subject)
    assert [line.title for line in found] == [f"two images of label {k}" for k in (0, 1)]
    assert "GeV" not in words(shower_pictures.lines(subject, found))


def test_no_sweeps(subject) -> None:
    section = sweeps_section(subject, np.random.default_rng(0))
    assert section.sentences == ("Images have no energy and no impact point: no sweep.",)
    assert not section.pictures
