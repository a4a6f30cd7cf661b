"""The study of the model zoo: its tables from results, and how it goes on after an end."""

from __future__ import annotations

import json
import os
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from caloforge.config import load_run, run_names

VALIDATION = Path(__file__).parents[2] / "validation"
ROOT = VALIDATION.parent


@pytest.fixture(autouse=True)
def scripts_import_each_other(monkeypatch) -> None:
    monkeypatch.syspath_prepend(str(VALIDATION))


@pytest.fixture
def zoo(tmp_path, monkeypatch):
    """The study, with results in a folder of the test."""
    sys.modules.pop("zoo", None)
    import zoo
    import zoo_speeds
    import zoo_tables

    monkeypatch.setattr(zoo, "RESULTS", tmp_path / "results")
    monkeypatch.setattr(zoo_tables, "RESULTS", tmp_path / "results")
    monkeypatch.setattr(zoo_speeds, "RESULT", tmp_path / "speeds.json")
    return zoo


def figure(value: float, error: float = 0.1) -> dict:
    return {"value": value, "error": error, "unit": ""}


def result(job, w1_ratio: float) -> dict:
    """What a run leaves, with made-up figures."""
    names = ("w1", "mae", "mae_conditional", "conditional_bias", "spread_ratio")
    one = {name: figure(1.0) for name in (*names, "dispersion_discrepancy", "classifier_auc")}
    one["shapes"] = {"width_x": figure(2.0), "lit_cells": figure(3.0)}
    one["w1 of channels"] = {"channel 1": figure(0.5), "channel 2": figure(1.5)}
    run = load_run(job.run, job.settings())
    return {
        "system": job.system.title,
        "variant": job.variant,
        "seed": job.seed,
        "settings": job.settings(),
        "run file": run.to_toml(),
        "statement": "no cut",
        "epochs of the run file": None if job.tuned else 50.0,
        "batch size": 100,
        "training showers": 1000,
        "training": {"steps": 250},
        "core-seconds": 90.0,
        "parameters": 1234567,
        "full simulation seconds": 0.5,
        "fpd": {"n": 100, "note": ""},
        "floor": {**one, "w1_ratio": figure(1.0, 0.0)},
        "model": {**one, "w1_ratio": figure(w1_ratio)},
        "trained at": {"commit": "abc"},
        "provenance": {"date": "2026-01-02T00:00:00+00:00"},
    }


def leave(zoo, job, w1_ratio: float) -> Path:
    path = zoo.RESULTS / f"{job.label}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(result(job, w1_ratio)))
    return path


def test_every_job_has_a_run_file(zoo) -> None:
    jobs = zoo.jobs()
    assert {job.run for job in jobs} <= set(run_names())
    assert len({job.label for job in jobs}) == len(jobs)
    for job in jobs:
        run = load_run(job.run, job.settings())
        assert run.seed == job.seed
        assert run.data.train == f"{job.detector}-train"
        on_grid = job.detector != "cylinder"
        assert run.data.centre_on_impact == (on_grid and job.tuned)
        apart = {"dcgan": "log1p", "e2e-shapes": "deposit-tracks"}
        assert on_grid or run.model.cells == apart.get(job.system.name, "deposits")


@pytest.mark.parametrize("name", ["e2e-sae", "e2e-shapes"])
def test_run_files_of_the_cylinder_are_those_of_the_table(zoo, name) -> None:
    (job,) = [job for job in zoo.jobs() if job.label == f"cylinder/{name}-tuned-0"]
    own, ours = load_run(f"cylinder-{name}"), load_run(job.run, job.settings())
    assert own.model == ours.model
    assert own.data == ours.data
    assert own.train == replace(ours.train, threads=own.train.threads)


def test_seeds_are_averaged_with_their_spread(zoo) -> None:
    import zoo_tables

    vae = [job for job in zoo.jobs() if job.label.startswith("zn/vae-tuned")]
    for job, value in zip(vae, (1.0, 1.2, 1.4), strict=True):
        leave(zoo, job, value)
    (line,) = [text for text in zoo_tables.page("zn").splitlines() if "1,234,567" in text]
    assert "| tuned | VAE | 3 | 1.2 ± 0.1 ± 0.2 |" in line
    assert "| 1.5 | 14.92 | 23.13 |" in line


def test_speed_and_fpd_are_shown_where_they_were_measured(zoo, tmp_path, monkeypatch) -> None:
    import zoo_picture
    import zoo_tables

    old, new = (job for job in zoo.jobs() if job.label in ("zn/vae-tuned-0", "zn/wae-tuned-0"))
    leave(zoo, old, 1.1)
    text = zoo_tables.page("zn")
    assert "FPD" not in text
    assert "| one by one |" not in text
    path = leave(zoo, new, 1.2)
    one = json.loads(path.read_text())
    speeds = {new.label: {"1": 1234.0, "256": 45678.0, "best": 56789.0}}
    (tmp_path / "speeds.json").write_text(json.dumps({"speeds": speeds}))
    one["model"]["fpd"], one["floor"]["fpd"] = figure(0.7), figure(0.25)
    path.write_text(json.dumps(one))
    lines = zoo_tables.page("zn").splitlines()
    assert "| FPD |" in lines[0]
    assert "| 0.25 ± 0.1 |" in lines[2]
    (timed,) = [text for text in lines if "| WAE |" in text and "1,234,567" in text]
    assert "| 0.7 ± 0.1 |" in timed
    assert "| 1.5 | 1,200 | 46,000 | 57,000 | 23,000 |" in timed
    monkeypatch.setattr(zoo_picture, "FIGURES", tmp_path)
    zoo_picture.draw_frontier({"zn": zoo_tables.read("zn"), "zp": {}})
    assert not (tmp_path / "zoo-frontier.png").exists()  # of one system it says nothing
    speeds[old.label] = speeds[new.label]
    (tmp_path / "speeds.json").write_text(json.dumps({"speeds": speeds}))
    zoo_picture.draw_frontier({"zn": zoo_tables.read("zn"), "zp": {}})
    assert (tmp_path / "zoo-frontier.png").stat().st_size > 10_000


def test_aims_are_bold_where_they_are_reached(zoo, tmp_path) -> None:
    import zoo_aims
    import zoo_tables

    jobs = [job for job in zoo.jobs() if job.label.startswith("zn/e2e-sae-tuned")]
    for job in jobs:
        leave(zoo, job, 1.2)
    speeds = {jobs[0].label: {"1": 4000.0, "256": 61234.0, "best": 1e5}}
    (tmp_path / "speeds.json").write_text(json.dumps({"speeds": speeds}))
    rows = zoo_aims.aims({"zn": zoo_tables.read("zn"), "zp": {}})
    assert rows[2:] == [
        "| ZN | W1 / floor | <= 1.15 (e2e SAE 1.5) | **1.2 ± 0.1 ± 0** |  |  |",
        "| ZN | AUC of a classifier of observables | <= 0.6 | 1 ± 0.1 ± 0 |  |  |",
        "| ZN | conditional MAE / floor | <= 1.1 | **1 ± 0.1 ± 0** |  |  |",
        "| ZN | dispersion discrepancy / floor | <= 1.1 | **1 ± 0.1 ± 0** |  |  |",
        "| ZN | showers/s of a core, 256 at a time | >= 50,000 | **61,000** |  |  |",
        "| ZN | us, one by one | <= 200 | 250 |  |  |",
    ]


def test_a_cut_run_states_its_share_of_the_published_training(zoo) -> None:
    import zoo_tables

    (job,) = [job for job in zoo.jobs() if job.label == "zn/wae-published-0"]
    leave(zoo, job, 1.0)
    assert "| 25 of 50 |" in zoo_tables.page("zn")
    assert zoo_tables.page("zp") == ""


def test_a_result_of_other_settings_is_not_taken(zoo) -> None:
    job = zoo.jobs()[0]
    path = zoo.RESULTS / f"{job.label}.json"
    assert not zoo.done(job, path)
    leave(zoo, job, 1.0)
    assert zoo.done(job, path)
    table = json.loads(path.read_text())
    table["run file"] = table["run file"].replace("steps = 2500", "steps = 2400")
    path.write_text(json.dumps(table))
    assert not zoo.done(job, path)


def test_a_run_belongs_to_one_command_and_is_given_back(zoo, tmp_path) -> None:
    path = tmp_path / "work" / "a.claim"
    with zoo.claimed(path) as first:
        assert first
        assert path.read_text() == str(os.getpid())
        with zoo.claimed(path) as second:
            assert not second
        assert path.exists()
    assert not path.exists()
    with pytest.raises(KeyboardInterrupt), zoo.claimed(path):
        raise KeyboardInterrupt
    assert not path.exists()
    path.write_text("999999999")  # of a process that is gone
    with zoo.claimed(path) as ours:
        assert ours


def test_a_claim_is_whole_as_soon_as_it_is_there(zoo, tmp_path, monkeypatch) -> None:
    """Two commands at once: the other one takes the run just before the name is linked."""
    path = tmp_path / "a.claim"
    linked = []

    def link(source, target) -> None:
        assert Path(source).read_text() == str(os.getpid())
        monkeypatch.undo()
        with zoo.claimed(path) as other:
            linked.append(other)
            os.link(source, target)  # fails: the name is there

    monkeypatch.setattr(zoo.os, "link", link)
    with zoo.claimed(path) as ours:
        assert not ours
        assert linked == [True]
    assert list(tmp_path.iterdir()) == []


def test_a_stale_claim_that_another_command_renews_stays(zoo, tmp_path, monkeypatch) -> None:
    path = tmp_path / "a.claim"
    path.write_text("999999999")
    rename = Path.rename

    def slow(self, target):
        self.write_text(str(os.getpid()))  # the other command was faster
        return rename(self, target)

    monkeypatch.setattr(Path, "rename", slow)
    with zoo.claimed(path) as ours:
        assert not ours
    assert path.read_text() == str(os.getpid())
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("detector", ["zn", "zp"])
def test_tables_of_the_docs_are_those_of_the_results(detector) -> None:
    import zoo_tables

    assert (ROOT / "docs" / "tables" / f"zoo-{detector}.md").read_text() == zoo_tables.page(
        detector
    )


def test_table_of_the_readme_is_that_of_the_results() -> None:
    import zoo_tables

    assert zoo_tables.short_table() in (ROOT / "README.md").read_text()
