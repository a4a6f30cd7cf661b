"""Trials that train: alone, side by side, and what they leave and read."""

from __future__ import annotations

import json
import math
import os
import signal
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from caloforge.child_process import start_child
from caloforge.data.files.shower_file import ShowerFile
from caloforge.errors import DataFormatError
from caloforge.training.run import train
from caloforge.tuning.trial import run_trial
from caloforge.tuning.workers import Job, run_jobs


def always(*_told) -> bool:
    return True


def test_the_score_is_that_of_training_and_nothing_is_left(toy_run, tmp_path) -> None:
    rounds = []
    before = torch.get_num_threads()
    outcome = run_trial(toy_run, tmp_path, lambda *told: bool(rounds.append(told)) or True)
    assert torch.get_num_threads() == before
    assert {path.name for path in tmp_path.iterdir()} == {"grid.h5", "toy.toml"}
    bundle = train(
        replace(toy_run, train=replace(toy_run.train, threads=1)), tmp_path / "trained"
    )
    info = json.loads((bundle / "bundle.json").read_text())
    assert outcome.state == "complete"
    assert outcome.score == info["metrics"]["validation score of channel sums"]
    assert outcome.step == info["training"]["best step"]
    assert [share for share, _ in rounds] == [333, 667, 1000]
    assert min(score for _, score in rounds) == outcome.score


def test_a_hopeless_training_stops_after_its_round(toy_run, tmp_path) -> None:
    rounds = []
    outcome = run_trial(toy_run, tmp_path, lambda *told: rounds.append(told) is not None)
    assert outcome.state == "pruned"
    assert len(rounds) == 1
    assert outcome.score == rounds[0][1]


def test_a_training_that_diverges_fails_with_its_reason(toy_run, tmp_path) -> None:
    run = toy_run.changed(["train.learning_rate=1e30", "train.optimizer='rmsprop'"])
    outcome = run_trial(run, tmp_path, always)
    assert outcome.state == "failed"
    assert outcome.reason.startswith("step ")
    assert math.isnan(outcome.score)
    assert {path.name for path in tmp_path.iterdir()} == {"grid.h5", "toy.toml"}


def test_a_network_that_cannot_be_built_fails_with_its_reason(toy_run, tmp_path) -> None:
    outcome = run_trial(toy_run.changed(["model.network='conf'"]), tmp_path, always)
    assert outcome.state == "failed"
    assert "'conf'" in outcome.reason


def test_showers_that_cannot_be_read_stop_the_search(toy_run, tmp_path) -> None:
    with pytest.raises(DataFormatError, match="gone"):
        run_trial(toy_run.changed(["data.train='gone.h5'"]), tmp_path, always)


def test_only_the_training_file_is_opened(toy_run, tmp_path, monkeypatch) -> None:
    opened = set()
    whole = ShowerFile.__init__

    def noted(self, path, *arguments, **options):
        opened.add(Path(path).name)
        whole(self, path, *arguments, **options)

    monkeypatch.setattr(ShowerFile, "__init__", noted)
    run_trial(toy_run, tmp_path, always)
    assert opened == {"grid.h5"}


@pytest.mark.slow
def test_trainings_side_by_side_score_as_alone(toy_run, tmp_path, monkeypatch) -> None:
    """Three jobs for two processes: one is pruned, one killed, one complete."""
    alone = run_trial(toy_run, tmp_path, always)
    jobs = iter([Job((k,), toy_run) for k in range(3)])
    pids, scores, outcomes = [], {0: [], 1: [], 2: []}, {}

    def start(module, log):
        child = start_child(module, log)
        pids.append(child.pid)
        return child

    def on_round(job, share, score) -> bool:
        (key,) = job.key
        scores[key].append(score)
        if key == 1:  # as the system does when memory runs out
            os.kill(pids[1], signal.SIGKILL)
        return key != 0

    monkeypatch.setattr("caloforge.tuning.workers.start_child", start)
    run_jobs(
        lambda: next(jobs, None),
        on_round,
        lambda job, outcome: outcomes.update({job.key[0]: outcome}),
        workers=2,
        folder=tmp_path,
    )
    assert outcomes[0].state == "pruned"
    assert [outcomes[0].score] == scores[0]
    assert outcomes[1].state == "failed"
    assert "signal 9" in outcomes[1].reason
    assert outcomes[2]._replace(seconds=0.0) == alone._replace(seconds=0.0)
    assert {path.name for path in tmp_path.iterdir()} == {"grid.h5", "toy.toml"}
    for pid in pids:
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)


@pytest.mark.slow
def test_showers_that_cannot_be_read_stop_it_side_by_side_too(toy_run, tmp_path) -> None:
    jobs = iter([Job((0,), toy_run.changed(["data.train='gone.h5'"]))])
    with pytest.raises(DataFormatError, match="gone"):
        run_jobs(
            lambda: next(jobs, None), always, lambda *end: None, workers=2, folder=tmp_path
        )
