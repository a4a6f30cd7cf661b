"""Codes, reconstructions and generated showers are those of the model."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from tests.explain.conftest import KINDS

from caloforge.data import read_showers
from caloforge.data.feeding.dataset import ShowerDataset
from caloforge.explain.interpolation import N_STEPS, lines
from caloforge.explain.reconstruction import Errors, reconstruct
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
    assert np.nanmax(np.abs(found.own.total)) < 1e-6
    assert np.nanmax(found.own.centroid_cm) < 1e-5
    assert found.own.cells.max() < 1e-3
    results = found.own.measured(np.random.default_rng(0))
    assert results["cells, mean distance of square roots"].value < 1e-3
    assert abs(results["total response, bias of the sum"].value) < 1e-6
    # The floor is of two different showers of one particle.
    assert found.floor.cells.mean() > 0.1
    assert len(np.unique(found.floor.particle)) == len(np.unique(subject.particle))
    assert found.drawn.cells.mean() > 0.1
    energies = subject.sample.particles["energy_gev"][found.examples]
    assert (np.diff(energies) >= 0).all()


def test_without_repeats_there_is_no_floor(subject):
    first = np.unique(subject.particle, return_index=True)[1]
    alone = Subject(subject.simulation, subject.sample.select(first))
    assert reconstruct(alone, np.random.default_rng(0), 0).floor is None


def errors_of(expected, true, particle):
    zero = np.zeros(len(true))
    return Errors(np.stack((expected, true), axis=1), zero, zero, particle)


def test_the_bias_is_that_of_the_sums_and_not_inflated_by_fluctuation():
    rng = np.random.default_rng(0)
    true = rng.poisson(5, 20_000).astype(float)
    found = errors_of(np.full(20_000, 5.0), true, np.arange(20_000))
    assert np.nanmean(found.total) > 0.2  # what a mean of ratios makes of a perfect model
    bias = found.measured(rng)["total response, bias of the sum"]
    assert bias.value == pytest.approx(5 * 20_000 / true.sum() - 1)
    assert abs(bias.value) < 4 * bias.error
    # Delta method, of a mean of Poisson counts of mean 5.
    assert bias.error == pytest.approx(1 / np.sqrt(5 * 20_000), rel=0.2)


def test_errors_are_by_incident_particle():
    rng = np.random.default_rng(0)
    true = np.repeat(rng.uniform(1, 9, 100), 4)
    one, four = (
        errors_of(np.full(400, 5.0), true, particle).measured(rng)
        for particle in (np.arange(400), np.repeat(np.arange(100), 4))
    )
    for name in ("total response, bias of the sum", "total response, median relative error"):
        assert four[name].error == pytest.approx(2 * one[name].error, rel=0.35)


def test_dark_showers_have_no_relative_error():
    found = errors_of(np.ones(4), np.zeros(4), np.arange(4))
    results = found.measured(np.random.default_rng(0))
    assert not any("total" in name for name in results)


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
