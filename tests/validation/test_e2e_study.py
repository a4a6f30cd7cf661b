"""The e2e study: which results and bundles are of the settings that it asks for."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
import torch

VALIDATION = Path(__file__).parents[2] / "validation"


@pytest.fixture
def study(monkeypatch):
    monkeypatch.syspath_prepend(str(VALIDATION))
    sys.modules.pop("e2e_study", None)
    import e2e_study

    return e2e_study


@pytest.mark.parametrize("key", ["run file", "baseline run file"])
def test_a_result_of_other_settings_is_made_again(study, tmp_path, key) -> None:
    path = tmp_path / "vae-0.json"
    assert not study.done("vae-0", path)
    result = study.asked("vae-0")
    study.write_json(path, result)
    assert study.done("vae-0", path)
    assert not study.done("e2e-1", path)
    study.write_json(path, result | {key: result[key].replace("steps = 1000", "steps = 999")})
    assert not study.done("vae-0", path)


def test_a_result_that_does_not_say_its_settings_counts_as_done(study, tmp_path) -> None:
    path = tmp_path / "e2e-0.json"
    study.write_json(path, {"name": "e2e-0"})
    assert study.done("e2e-0", path)
    assert study.seen(path)


def test_a_run_file_of_another_version_says_something_else(study, tmp_path) -> None:
    path = tmp_path / "e2e-0.json"
    text = study.asked("e2e-0")["run file"] + "\n[unknown]\nx = 1\n"
    study.write_json(path, {"run file": text})
    assert not study.done("e2e-0", path)


def test_rings_are_settings_though_no_run_file_has_them(study, tmp_path) -> None:
    path = tmp_path / "try-rings.json"
    result = study.asked("try-rings")
    study.write_json(path, result)
    assert study.done("try-rings", path)
    study.write_json(path, result | {"rings": [1, 4]})
    assert not study.done("try-rings", path)


def test_a_look_into_another_baseline_is_made_again(study, tmp_path) -> None:
    path = tmp_path / "noise.json"
    assert not study.seen(path)
    study.write_json(path, {"run file": study.asked("e2e-0")["run file"]})
    assert study.seen(path)
    study.write_json(path, {"run file": study.asked("vae-0")["run file"]})
    assert not study.seen(path)


def test_a_bundle_of_other_settings_is_trained_again(study, tmp_path, monkeypatch) -> None:
    """And with rare kinds as often as the run file says."""
    import e2e_training

    from caloforge.training.bundle import read_table

    given = []

    class Watched(e2e_training.WatchedTraining):
        def __init__(self, *args, **options) -> None:
            given.append(options)
            super().__init__(*args, **options)

    monkeypatch.setattr(e2e_training, "WatchedTraining", Watched)
    settings = (
        "data.oversample_kinds=0.5",
        "train.validate_every=1",
        "train.batch_size=16",
        "train.validation_repeats=2",
    )
    monkeypatch.setattr(study, "COMMON", ("train.threads=1",))
    threads = torch.get_num_threads()
    for steps, rings, trainings in ((1, (), 1), (1, (), 1), (2, (), 2), (2, (1, 4), 3)):
        monkeypatch.setitem(study.RUNS, "one", ("zn-vae", *settings, f"train.steps={steps}"))
        monkeypatch.setitem(study.RINGS, "one", rings)
        bundle = study.bundle_of("one", tmp_path)
        assert len(given) == trainings
        assert read_table(bundle)["training"]["steps"] == steps
        assert study.trained("one", bundle)
    torch.set_num_threads(threads)
    assert given[0]["oversample_kinds"] == 0.5


def test_tables_of_the_docs_are_those_of_the_results(study, tmp_path, monkeypatch) -> None:
    """But of whole trainings, which come from another study."""
    import e2e_drawing

    for figure in ("condition_weight", "stability", "truncation", "noise", "clouds"):
        monkeypatch.setattr(e2e_drawing, figure, lambda *_: None)
    (tmp_path / "tables").mkdir()
    e2e_drawing.draw(study.RESULTS, tmp_path, tmp_path / "no-zoo")
    made = {path.name: path.read_text() for path in (tmp_path / "tables").iterdir()}
    assert len(made) >= 7
    docs = VALIDATION.parent / "docs" / "tables"
    for name, text in made.items():
        assert (docs / name).read_text() == text, name
    for name in ("sinkhorn", "condition", "latent", "tries"):
        assert "about 0.14, comes on top of its error" in made[f"e2e-{name}.md"]


def test_the_scatter_of_a_difference_is_that_of_two_runs(study) -> None:
    from e2e_drawing import seed_scatter

    runs = {f"e2e-{k}": {"figures": {"score": {"value": float(k)}}} for k in range(3)}
    assert seed_scatter(runs) == pytest.approx(2**0.5)
