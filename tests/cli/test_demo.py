"""``caloforge demo`` from the first line to the last, with a few steps."""

from __future__ import annotations

import json

import pytest
from click.testing import CliRunner

from caloforge.cli import main
from caloforge.data import read_showers
from caloforge.training.bundle import read_bundle


@pytest.mark.slow
def test_demo_trains_generates_measures_and_says_what_next(tmp_path) -> None:
    out = tmp_path / "demo"
    done = CliRunner().invoke(main, ["demo", "-o", str(out), "--steps", "20"])
    assert done.exit_code == 0, done.output
    for text in ("e2e SAE", "mean regression", "nearest shower", "floor", "W1 / floor", "±"):
        assert text in done.stdout
    assert done.stdout.count("caloforge ") >= 3
    metrics = json.loads((out / "metrics.json").read_text())
    assert metrics
    assert (
        "<svg" in (out / "report.html").read_text()
        or "data:image" in (out / "report.html").read_text()
    )
    assert len(read_showers(out / "generated.h5")) == 2200
    figures = read_bundle(out / "model").info["metrics"]
    assert "w1_ratio" in figures
    again = CliRunner().invoke(main, ["demo", "-o", str(out)])
    assert again.exit_code == 2
    assert "not empty" in again.stderr
