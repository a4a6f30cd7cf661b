"""Mixed precision: every model trains in it, and its bundle is float32 as any other."""

from __future__ import annotations

import csv
from dataclasses import asdict

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from tests.models.conftest import ROWS, config_of
from tests.training.conftest import write_sample
from torch import nn

from caloforge.config import run_from_tables
from caloforge.data import ShowerFile
from caloforge.generation import FastSimulation
from caloforge.nn import PoissonCells
from caloforge.training.bundle import read_bundle
from caloforge.training.mixed_precision import mix_precision
from caloforge.training.run import train

KINDS = [(name, "mlp") for name in ROWS]
KINDS += [(name, "conv") for name in ("vae", "dcgan", "e2e-sae", "latent-flow")]


@pytest.fixture(scope="module")
def shower_file(tmp_path_factory, toy_grid, toy_sample):
    folder = tmp_path_factory.mktemp("showers")
    return write_sample(folder / "grid.h5", toy_sample(toy_grid, 30))


@pytest.mark.parametrize(("row", "network"), KINDS, ids=["-".join(kind) for kind in KINDS])
def test_every_model_trains_in_mixed_precision(row, network, shower_file, tmp_path) -> None:
    settings = config_of(row, network, "negative-binomial")
    tables = {
        "model": {"name": ROWS[row].model, **asdict(settings)},
        "data": {"train": str(shower_file), "conditions": ["log_energy", "kind"]},
        "train": {
            "steps": 4,
            "batch_size": 16,
            "validate_every": 2,
            "ema": 0.9,
            "threads": 1,
            "accelerator": "cpu",
        },
    }
    for precision in ("32-true", "bf16-mixed"):
        tables["train"]["precision"] = precision
        train(run_from_tables(tables, source="test"), tmp_path / precision)
    full, mixed = (
        load_file(tmp_path / precision / "bundle" / "weights.safetensors")
        for precision in ("32-true", "bf16-mixed")
    )
    assert full.keys() == mixed.keys()
    assert all(full[key].dtype == mixed[key].dtype for key in full)
    assert not all(torch.equal(full[key], mixed[key]) for key in full)
    histories = []
    for precision in ("32-true", "bf16-mixed"):
        with (tmp_path / precision / "history.csv").open() as file:
            histories.append(list(csv.DictReader(file)))
    for one, other in zip(*histories, strict=True):
        assert one.keys() == other.keys()
        assert np.isfinite([float(value) for value in other.values()]).all()
        score = float(one["validation/score"])
        assert float(other["validation/score"]) == pytest.approx(score, rel=0.1)
    bundle = read_bundle(tmp_path / "bf16-mixed")
    with ShowerFile(shower_file) as file:
        particles = file.particles(0, 10)
    for _, showers in FastSimulation(bundle).chunks(particles, seed=1):
        assert showers.shape == (10, 24)


def test_networks_are_mixed_and_losses_are_not(shower_file, tmp_path, monkeypatch) -> None:
    seen: dict[str, set[torch.dtype]] = {"inside": set(), "outside": set()}
    forward, loss = nn.Linear.forward, PoissonCells.loss

    def inside(self, x):
        out = forward(self, x)
        seen["inside"].add(out.dtype)
        return out

    def outside(self, outputs, batch):
        seen["outside"].add(outputs.dtype)
        assert (outputs @ outputs.T).dtype == torch.float32
        return loss(self, outputs, batch)

    monkeypatch.setattr(nn.Linear, "forward", inside)
    monkeypatch.setattr(PoissonCells, "loss", outside)
    tables = {
        "model": {"name": "vae", "encoder": [8], "decoder": [8]},
        "data": {"train": str(shower_file), "conditions": ["log_energy"]},
        "train": {"steps": 1, "batch_size": 16, "precision": "bf16-mixed"},
    }
    train(run_from_tables(tables, source="test"), tmp_path / "out")
    assert seen == {"inside": {torch.bfloat16}, "outside": {torch.float32}}


def test_an_error_in_a_network_leaves_no_autocast_behind() -> None:
    model = nn.Sequential(nn.Linear(2, 2))
    mix_precision(model, "bf16-mixed")
    with pytest.raises(RuntimeError):
        model(torch.ones(1, 3))
    assert not torch.is_autocast_enabled("cpu")
    assert model(torch.ones(1, 2)).dtype == torch.float32


def test_all_is_float32_without_mixed_precision() -> None:
    model = nn.Sequential(nn.Linear(2, 2))
    mix_precision(model, "32-true")
    assert not model[0]._forward_hooks
