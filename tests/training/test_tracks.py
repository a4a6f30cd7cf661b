"""Tracks are measured on the training side before a run, wherever its showers are."""

from __future__ import annotations

import pytest
import torch
from tests.training.conftest import write_sample

import caloforge
from caloforge.data import read_particles
from caloforge.data.track_light import TrackLight
from caloforge.errors import ConfigError
from caloforge.training.preparation import prepare
from caloforge.training.run import train

TRACKS = ("model.cells=tracks", "data.reflect=false")


@pytest.fixture
def many(tmp_path, toy_grid, toy_sample):
    return write_sample(tmp_path / "many.h5", toy_sample(toy_grid, 700))


def test_measured_on_repeated_training_showers(grid_run, many) -> None:
    run = grid_run(*TRACKS, f"data.train={many}")
    held = prepare(run)
    streamed = prepare(run, loading="stream")
    assert held.spec.tracks == streamed.spec.tracks
    sample = held.train.sample
    order = sample.particles.incident.argsort(kind="stable")
    again = TrackLight.fit(held.frame, sample.particles.select(order), sample.showers[order])
    assert held.spec.tracks.companions == pytest.approx(again.companions, abs=1e-6)
    assert held.spec.tracks.companions < 0.5  # the toy has no tracks
    assert prepare(grid_run(f"data.train={many}")).spec.tracks is None


def test_a_run_with_tracks_ends_in_a_bundle_that_knows_them(grid_run, many, tmp_path) -> None:
    run = grid_run(*TRACKS, f"data.train={many}", "model.network=shapes")
    light = prepare(run).spec.tracks
    simulation = caloforge.load(train(run, tmp_path / "run"))
    law = simulation.bundle.generator.cell_law
    assert (law.name, law.fano, law.wander) == ("tracks", 1 + light.companions, light.wander)
    particles = read_particles(many)
    with torch.inference_mode():
        assert simulation.generate(particles, seed=1).showers.sum() > 0


def test_particles_of_one_shower_each_tell_nothing(grid_run, tmp_path, toy_grid, toy_sample):
    data = write_sample(tmp_path / "single.h5", toy_sample(toy_grid, 300, repeats=1))
    with pytest.raises(ConfigError, match="found 0 particles with repeated showers"):
        prepare(grid_run(*TRACKS, f"data.train={data}"))
