"""A small run, and trainings that take no time."""

from __future__ import annotations

import math

import pytest
from rich.console import Console
from tests.training.conftest import write_sample

from caloforge.config import load_run
from caloforge.tuning.search import Effort, tune
from caloforge.tuning.space import parse_searches
from caloforge.tuning.trial import Outcome

RUN = """
title = "toy"
[data]
train = "{data}"
conditions = ["log_energy", "impact", "kind"]
[model]
name = "vae"
encoder = [8]
decoder = [8]
latent_dim = 3
[train]
steps = 12
batch_size = 16
validate_every = 4
validation_repeats = 2
"""
SEARCHES = ("model.latent_dim=2..20", "train.learning_rate=1e-4..1e-2:log")
QUICK = Effort(trials=12, confirm=0)


@pytest.fixture
def run_file(tmp_path, toy_grid, toy_sample):
    data = write_sample(tmp_path / "grid.h5", toy_sample(toy_grid, 40))
    path = tmp_path / "toy.toml"
    path.write_text(RUN.format(data=data))
    return path


@pytest.fixture
def toy_run(run_file):
    return load_run(run_file)


class Trainings:
    """Stands for `run_trial`: a score that depends on the settings, in ten rounds.

    Attributes:
        runs: What was trained.
        stop_at: Number of a training, from 1, in which Ctrl-C comes.
        fails: Whether a run fails.
        score: Score of a run.
    """

    def __init__(self):
        self.runs, self.stop_at, self.fails = [], None, lambda run: False
        self.score = lambda run: (
            1
            + (run.model.latent_dim - 9) ** 2 / 50
            + abs(math.log10(run.train.learning_rate) + 3)
        )

    def __call__(self, run, folder, goes_on):
        self.runs.append(run)
        if len(self.runs) == self.stop_at:
            goes_on(100, 5.0)
            raise KeyboardInterrupt
        if self.fails(run):
            return Outcome("failed", reason="step 3: not finite")
        for share in range(100, 1001, 100):
            last = self.score(run) * (2 - share / 1000)
            if not goes_on(share, last):
                return Outcome("pruned", last, share)
        return Outcome("complete", last, 1000, 1.0)


@pytest.fixture
def trainings(monkeypatch):
    made = Trainings()
    monkeypatch.setattr("caloforge.tuning.workers.run_trial", made)
    return made


@pytest.fixture
def search(toy_run, tmp_path, trainings):
    """Search in a folder of a name, by default two settings in 12 trials."""

    def make(name="out", *settings, effort=QUICK, run=True, searches=SEARCHES, **options):
        base = toy_run.changed(settings) if run else None
        space = parse_searches(searches, base) if run else None
        with (tmp_path / "said.txt").open("a") as file:
            said = Console(file=file, width=200)
            return tune(tmp_path / name, base, space, effort=effort, console=said, **options)

    return make
