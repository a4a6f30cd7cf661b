"""Codes, reconstructions and generated showers are those of the model."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from tests.explain.conftest import KINDS

from caloforge.data import read_showers
from caloforge.data.dataset import ShowerDataset
from caloforge.explain.interpolation import N_STEPS, lines
from caloforge.explain.reconstruction import reconstruct
from caloforge.explain.subject import Subject
from caloforge.generation import load


@pytest.fixture(params=["e2e-sae", "energies"])
def subject(request, make_bundle, held_out_file):
    detector = KINDS[request.param][1]
    return Subject(load(make_bundle(request.param)), read_showers(held_out_file(detector)))


def test_codes_are_those_of_the_encoder_in_the_frame_of_training(subject):
    bundle = subject.bundle
    data = ShowerDataset(subject.sample, bundle.conditions, bundle.frame.centre_on_impact)
    batch = data.batch(np.arange(len(subject.sample)))
    with torch.inference_mode():
        expected = bundle.model.encode(batch.showers, batch.conditions).numpy()
    rows = np.array([7, 3, 40])
    np.testing.assert_allclose(subject.encoded(rows), expected[rows], rtol=1e-4, atol=1e-5)
    blurred = subject.encoded(rows, np.random.default_rng(0))
    assert not np.allclose(blurred, expected[rows])


def test_decoding_generated_codes_is_generating(subject):
    particles = subject.sample.particles
    noise = subject.noise(len(particles), np.random.default_rng(0))
    codes = subject.drawn_codes(particles, noise)
    np.testing.assert_allclose(
        subject.decoded(codes, particles), subject.expected(particles, noise), rtol=1e-5
    )


def test_expected_cells_are_the_mean_of_generated_showers(make_bundle, held_out_file):
    # Without noise the mean of many showers of a particle is what the model expects.
    subject = Subject(load(make_bundle("regression")), read_showers(held_out_file("toy_grid")))
    one = subject.sample.particles.select(np.zeros(4000, dtype=int))
    expected = subject.expected(one.select([0]), np.zeros((1, 0), np.float32))[0]
    drawn = np.concatenate([s for _, s in subject.simulation.chunks(one)])
    again = subject.counts(np.tile(expected, (4000, 1)), seed=1)
    for showers in (drawn, again):
        error = np.sqrt(expected / 4000) + 1e-3
        assert (np.abs(showers.mean(axis=0) - expected) < 5 * error).all()


def test_one_generated_shower_for_each_row(subject):
    rows = np.array([5, 1])
    generated = subject.generate(rows, seed=2)
    whole = subject.simulation.generate(subject.sample.particles.select(rows), seed=2)
    np.testing.assert_array_equal(generated, whole.showers)


def test_a_perfect_decoder_has_no_error(subject, monkeypatch):
    truth = subject.sample.showers.astype(np.float32)
    monkeypatch.setattr(Subject, "decoded", lambda *_: truth)
    found = reconstruct(subject, np.random.default_rng(0), 0)
    assert np.abs(found.own.total).max() < 1e-6
    assert found.own.centroid_cm.max() < 1e-5
    assert found.own.cells.max() < 1e-3
    assert found.own.as_dict()["cells, mean distance of square roots"] < 1e-3
    assert found.drawn.cells.mean() > 0.1
    energies = subject.sample.particles["energy_gev"][found.examples]
    assert (np.diff(energies) >= 0).all()


def test_lines_join_their_ends(subject):
    found = {line.name: line for line in lines(subject)}
    assert set(found) == {"one particle", "two particles"}
    for line in found.values():
        assert line.decoded.shape == (N_STEPS, subject.geometry.n_cells)
        assert line.evenness >= 1
        np.testing.assert_allclose(line.totals, line.decoded.sum(axis=1), rtol=1e-5)
    one = found["one particle"]
    assert np.ptp(one.energies) < 1e-9
    # The ends of the line are the reconstructions of the showers at its ends.
    showers = subject.sample.showers
    row = int(np.flatnonzero((showers == one.ends[0]).all(axis=1))[0])
    own = subject.decoded(
        subject.encoded(np.array([row])), subject.sample.particles.select([row])
    )
    np.testing.assert_allclose(one.decoded[0], own[0], rtol=1e-4)
