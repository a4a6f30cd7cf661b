"""Two processes make the steps that one makes at the same global batch, for every model."""

from __future__ import annotations

import csv
import json
import os
import socket
import subprocess
import sys
from dataclasses import asdict

import pytest
import torch
from tests.models.conftest import ROWS, config_of
from tests.training.conftest import write_sample

from caloforge.errors import ConfigError
from caloforge.nn import ShowerSpec, processes
from caloforge.nn.batch_norm import SharedBatchNorm, share_batch_norms
from caloforge.training.checkpoint import read_checkpoint
from caloforge.training.run import train

# Plain descent: Adam would blow up gradients that are zero but for rounding.
PROGRAM = """
import json, os, sys
import torch
from rich.console import Console
from caloforge.config import run_from_tables
from caloforge.training import module
from caloforge.training.run import train
torch.set_num_threads(1)
module.OPTIMIZERS["adamw"] = lambda p, lr, **kept: torch.optim.SGD(p, lr=lr)
tables, folder = json.load(open(sys.argv[1])), sys.argv[2]
for name, table in tables.items():
    run = run_from_tables(table, source=name)
    train(run, f"{folder}/{name}", console=Console(file=open(os.devnull, "w")), force=True)
"""
TOLERANCE = 1e-4


def runs(data: str) -> dict[str, dict]:
    """Every model, networks with batch normalisation, no condition, streamed showers."""
    kinds = {name: (name, "mlp", "poisson", {}) for name in ROWS}
    kinds["vae-conv"] = ("vae", "conv", "negative-binomial", {})
    kinds["dcgan-conv"] = ("dcgan", "conv", "poisson", {})  # batch norm and gradient penalty
    kinds["dcgan-upsampling"] = ("dcgan", "upsampling", "log1p", {})
    kinds["no-condition"] = ("wae", "mlp", "poisson", {"conditions": []})
    kinds["streamed"] = ("vae", "mlp", "poisson", {"loading": "stream", "pair_repeats": True})
    table = {}
    for kind, (name, network, cells, more) in kinds.items():
        config = asdict(config_of(name, network, cells))
        if "code_noise" in config and kind == "sae":
            config["code_noise"] = 0.1
        table[kind] = {
            "data": {
                "train": data,
                "conditions": ["log_energy", "impact", "kind"],
                "centre_on_impact": True,
                "reflect": True,
                **more,
            },
            "model": {"name": ROWS[name].model, **config},
            "train": {
                "steps": 5,
                "batch_size": 16,
                "validate_every": 5,
                "ema": 0.9,
                "learning_rate": 1e-3,
                "schedule": "constant",
                "accumulate": 2 if kind == "vae" else 1,
                "accelerator": "cpu",
                "threads": 1,
            },
        }
    return table


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return found.getsockname()[1]


@pytest.mark.slow
def test_two_processes_make_the_steps_of_one(tmp_path, toy_grid, toy_sample) -> None:
    data = write_sample(tmp_path / "grid.h5", toy_sample(toy_grid, 40))
    tables = runs(str(data))
    port, started = str(free_port()), []
    for devices in (1, 2):
        for table in tables.values():
            table["train"]["devices"] = devices
        path = tmp_path / f"{devices}.json"
        path.write_text(json.dumps(tables))
        for rank in range(devices):
            shared = {"NODE_RANK": "0", "LOCAL_RANK": str(rank), "WORLD_SIZE": "2"}
            shared |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port}
            process = subprocess.Popen(
                [sys.executable, "-c", PROGRAM, str(path), str(tmp_path / f"of-{devices}")],
                env={**os.environ, "OMP_NUM_THREADS": "1", **(shared if devices > 1 else {})},
                stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
                text=True,
            )
            started.append(process)
    ends = [(process.communicate(timeout=300)[1], process.returncode) for process in started]
    for printed, code in ends:
        assert code == 0, printed
    for name in tables:
        one, two = (
            read_checkpoint(tmp_path / f"of-{n}" / name / "checkpoint" / "last.ckpt")
            for n in (1, 2)
        )
        one, two = one["state_dict"], two["state_dict"]
        assert one.keys() == two.keys()
        for key in one:
            size = float(one[key].double().abs().max())
            error = float((one[key].double() - two[key].double()).abs().max())
            assert error <= TOLERANCE * size, (name, key, error / size)
        rows = []
        for n in (1, 2):
            with (tmp_path / f"of-{n}" / name / "history.csv").open() as file:
                rows += list(csv.DictReader(file))
        for key in rows[0]:
            first, second = (float(row[key]) for row in rows)
            assert first == pytest.approx(second, rel=TOLERANCE, abs=TOLERANCE), (name, key)


def test_batches_that_cannot_be_shared_equally_are_refused(grid_run, tmp_path) -> None:
    run = grid_run("train.devices=3", "train.accelerator=cpu")
    message = "train.devices: found 3 for batches of 16 showers, expected equal shares"
    with pytest.raises(ConfigError, match=message):
        train(run, tmp_path / "out")


def test_one_process_has_the_whole_batch() -> None:
    x = torch.randn(3, 2)
    with processes.shared_batch():
        assert processes.share() == (0, 1)
        assert processes.gathered(x) is x
        assert processes.own(x) is x
        assert processes.summed(x) is x
    assert processes.finite(x)
    assert not processes.finite(x / 0)
    first, again = (torch.Generator().manual_seed(3) for _ in "ab")
    drawn = processes.normal(3, 2, first, x)
    assert torch.equal(drawn, torch.randn(3, 2, generator=again))


def test_shared_batch_norms_keep_weights_and_are_torchs_alone(toy_grid) -> None:
    spec = ShowerSpec.of(toy_grid, 2)
    torch.manual_seed(0)
    model = config_of("vae", "conv").build(spec)
    batch = torch.rand(8, 24), torch.rand(8, 2)
    expected = model.encoder(*batch)
    own, state = [id(p) for p in model.parameters()], list(model.state_dict())
    share_batch_norms(model)
    assert [id(p) for p in model.parameters()] == own
    assert list(model.state_dict()) == state
    assert torch.equal(model.encoder(*batch), expected)
    assert sum(isinstance(m, SharedBatchNorm) for m in model.modules()) == 3


def test_batch_norm_over_processes_is_that_of_the_whole_batch(monkeypatch) -> None:
    """The formula, in a process whose partner has the same showers: twice the sums."""
    torch.manual_seed(0)
    norm = SharedBatchNorm(3)
    norm.weight.data.normal_()
    norm.bias.data.normal_()
    plain = torch.nn.BatchNorm2d(3)
    plain.load_state_dict(norm.state_dict())
    x = torch.randn(4, 3, 5, 2)
    monkeypatch.setattr("caloforge.nn.batch_norm.share", lambda: (0, 2))
    monkeypatch.setattr("caloforge.nn.batch_norm.summed", lambda sums: 2 * sums)
    torch.testing.assert_close(norm(x), plain(torch.cat((x, x)))[:4])
    for name, buffer in plain.named_buffers():
        torch.testing.assert_close(norm.get_buffer(name), buffer)
    torch.testing.assert_close(norm.eval()(x), plain.eval()(x))
