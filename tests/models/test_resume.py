"""A run that stops and goes on ends as one that did not: every model, conditional or not."""

from __future__ import annotations

from dataclasses import asdict

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from tests.models.conftest import ROWS, config_of
from tests.training.conftest import write_sample

from caloforge.config import run_from_tables
from caloforge.data import ShowerFile
from caloforge.generation import FastSimulation
from caloforge.training.bundle import read_bundle
from caloforge.training.callbacks import RoundKeeper
from caloforge.training.run import train

# Networks with batch normalisation have more to be remembered.
KINDS = [(name, "mlp", True) for name in ROWS]
KINDS += [(name, "mlp", False) for name in ROWS]
KINDS += [("dcgan", "conv", True), ("dcgan", "upsampling", True), ("vae", "conv", True)]


class Stop(RuntimeError):
    """Stands for anything that ends a run between two rounds."""


@pytest.fixture(scope="module")
def shower_file(tmp_path_factory, toy_grid, toy_sample):
    folder = tmp_path_factory.mktemp("showers")
    return write_sample(folder / "grid.h5", toy_sample(toy_grid, 30))


@pytest.mark.parametrize(
    ("row", "network", "conditioned"),
    KINDS,
    ids=["-".join((n, w, "conditional" if c else "unconditional")) for n, w, c in KINDS],
)
def test_a_run_that_stopped_after_a_round_ends_as_one_that_did_not(
    row, network, conditioned, shower_file, tmp_path, monkeypatch
) -> None:
    tables = {
        "model": {"name": ROWS[row].model, **asdict(config_of(row, network))},
        "data": {
            "train": str(shower_file),
            "conditions": ["log_energy", "kind"] if conditioned else [],
            "reflect": True,
        },
        "train": {"steps": 4, "batch_size": 16, "validate_every": 2, "ema": 0.9, "threads": 1},
    }
    run = run_from_tables(tables, source="test")
    train(run, tmp_path / "whole")

    end = RoundKeeper.on_train_epoch_end

    def stops(self, trainer, module):
        end(self, trainer, module)
        raise Stop

    monkeypatch.setattr(RoundKeeper, "on_train_epoch_end", stops)
    with pytest.raises(Stop):
        train(run, tmp_path / "stopped")
    monkeypatch.undo()
    train(run, tmp_path / "stopped", resume=True)

    first, second = (
        load_file(tmp_path / folder / "bundle" / "weights.safetensors")
        for folder in ("whole", "stopped")
    )
    assert first.keys() == second.keys()
    assert all(torch.equal(first[key], second[key]) for key in first)
    whole, stopped = (
        (tmp_path / folder / "history.csv").read_text() for folder in ("whole", "stopped")
    )
    assert whole == stopped
    assert whole.count("\n") == 3

    bundle = read_bundle(tmp_path / "whole")
    assert (bundle.conditions.dim > 0) == conditioned
    with ShowerFile(shower_file) as file:
        particles = file.particles(0, 10)
    pieces = [showers for _, showers in FastSimulation(bundle).chunks(particles, seed=1)]
    assert np.concatenate(pieces).shape == (10, 24)
