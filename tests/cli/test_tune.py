"""``caloforge tune`` as a user calls it."""

from __future__ import annotations

import tomllib

import pytest
from click.testing import CliRunner
from tests.tuning.conftest import run_file

from caloforge.cli import main

__all__ = ["run_file"]  # a fixture of another folder

QUICK = ("--trials", "2", "--confirm", "1", "--seeds", "1")


def call(*arguments: str):
    return CliRunner().invoke(main, ["tune", *arguments])


def test_search_more_trials_and_a_run_file_that_trains(run_file, tmp_path) -> None:
    out = tmp_path / "out"
    done = call(
        *(str(run_file), "-o", str(out), *QUICK, "--set", "train.steps=4", "--seed", "3"),
        *("--search", "model.latent_dim=2..5", "--search", "model.encoder=[8],[4, 4]"),
    )
    assert done.exit_code == 0, done.output
    assert "trial   0 " in done.stderr
    assert "s)  latent_dim 3, encoder [8]" in done.stderr  # the run's own
    assert "trial   1 " in done.stderr
    assert "seed 4: " in done.stderr
    assert "model.latent_dim" in done.stdout
    assert "is best of 2 (2 complete)" in done.stdout
    assert f"caloforge train {out / 'best.toml'}" in done.stdout
    best = tomllib.loads((out / "best.toml").read_text())
    assert best["seed"] == 3
    assert best["train"]["steps"] == 4
    more = call("-o", str(out), "--trials", "3", "--confirm", "0")
    assert more.exit_code == 0, more.output
    assert "trial   2 " in more.stderr
    assert "trial   1 " not in more.stderr
    trained = CliRunner().invoke(
        main, ["train", str(out / "best.toml"), "-o", str(tmp_path / "trained")]
    )
    assert trained.exit_code == 0, trained.output


def test_show_prints_a_file_that_space_takes(run_file, tmp_path) -> None:
    default = call("zn-vae", "--show")
    assert default.exit_code == 0
    assert tomllib.loads(default.stdout)["tune"]["model"]["kl_weight"] == "0.1..10.0:log"
    (tmp_path / "space.toml").write_text(default.stdout)
    again = call(
        *("zn-vae", "--space", str(tmp_path / "space.toml"), "--show"),
        *("--search", "model.kl_weight=1..2"),
    )
    tables = tomllib.loads(again.stdout)["tune"]
    assert tables["model"]["kl_weight"] == "1.0..2.0"
    assert tables["train"] == tomllib.loads(default.stdout)["tune"]["train"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((), "give RUN, a run file or its name"),
        (("-o", "nowhere"), "found no study to go on with"),
        (("-o", "nowhere", "--seed", "2"), "--seed needs RUN"),
        (("-o", "nowhere", "--no-prune"), "--prune needs RUN"),
        (("zn-vea",), "did you mean 'zn-vae'?"),
        (("zn-vae", "--search", "model.latent=2..3"), "did you mean 'latent_dim'?"),
        (("zn-vae", "--space", "no.toml"), "no.toml: not a search file"),
        (("zn-vae", "--timeout", "soon"), "expected a time like 90, 30m or 2h"),
        (("zn-vae", "--data", "no.h5"), "no.h5"),
        (("zn-vae", "--data", "cylinder-train"), "centre_on_impact"),
        (("zn-vae", "--set", "model.cells=bounded"), "found 'bounded'"),
        (("zn-vae", "--workers", "0"), "--workers"),
    ],
)
def test_bad_usage_is_one_line_and_exit_2(arguments, message, tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    done = call(*arguments)
    assert done.exit_code == 2
    assert message in done.stderr
    assert "Traceback" not in done.stderr
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("text", "seconds"), [("90", 90.0), ("90s", 90.0), ("1.5m", 90.0), ("2h", 7200.0)]
)
def test_times_are_read_with_their_unit(text, seconds) -> None:
    from caloforge.cli.tune import Duration

    assert Duration().convert(text, None, None) == seconds
