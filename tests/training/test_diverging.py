"""A run that meets what is no number ends in one line, and leaves nothing half-written."""

from __future__ import annotations

import math
from contextlib import nullcontext

import pytest
import torch
from click.testing import CliRunner

from caloforge.cli import main
from caloforge.errors import TrainingError
from caloforge.models import e2e_sae
from caloforge.nn import processes
from caloforge.training import module
from caloforge.training.checkpoint import read_checkpoint
from caloforge.training.run import train

MODEL = e2e_sae.E2ESinkhornAutoencoder
CURE = "; try a smaller train.learning_rate, train.clip = 20, or train.precision = '32-true'"


class Spoiled(torch.autograd.Function):
    """The identity, with a gradient that is no number."""

    @staticmethod
    def forward(ctx, x):
        del ctx
        return x.clone()

    @staticmethod
    def backward(ctx, upstream):
        del ctx
        return upstream * math.nan


def spoil_gradient(monkeypatch, call: int, total=Spoiled.apply) -> None:
    """Let the loss of one step be finite, but not its gradient."""
    objective, calls = MODEL.objective, [0]

    def spoiled(self, batch, rng):
        good = objective(self, batch, rng)
        calls[0] += torch.is_grad_enabled()
        due = calls[0] == call and torch.is_grad_enabled()
        return good._replace(total=total(good.total)) if due else good

    monkeypatch.setattr(MODEL, "objective", spoiled)


def spoil_cells(monkeypatch, call: int, value: float = math.nan) -> None:
    """Let one generated shower of one validation be no number."""
    sample, calls = MODEL.sample, [0]

    def spoiled(self, conditions, noise):
        calls[0] += 1
        cells = sample(self, conditions, noise).clone()
        if calls[0] >= call:
            cells[0, 0] = value
        return cells

    monkeypatch.setattr(MODEL, "sample", spoiled)


def one_line(folder, run, *arguments: str) -> str:
    """What the command says of a run that fails."""
    path = folder.parent / "run.toml"
    path.write_text(run.to_toml())
    done = CliRunner().invoke(main, ("train", str(path), "-o", str(folder), *arguments))
    assert done.exit_code == 1
    assert "Traceback" not in done.stderr
    return done.stderr.strip().splitlines()[-1]


@pytest.mark.parametrize("value", [math.nan, math.inf])
@pytest.mark.parametrize("ema", ["0", "0.9"])
def test_generated_showers_that_are_no_numbers_end_the_run(
    value, ema, grid_run, tmp_path, monkeypatch
) -> None:
    spoil_cells(monkeypatch, 1, value)
    out = tmp_path / "out"
    line = one_line(out, grid_run(f"train.ema={ema}", "train.threads=1"))
    found = f"validation after 4 steps: found a sum of generated showers of {value}, expected"
    assert found in line
    assert line.endswith(CURE)
    assert not (out / "checkpoint" / "last.ckpt").exists()
    assert not (out / "history.csv").exists()
    assert not (out / "bundle").exists()


@pytest.mark.parametrize(
    ("what", "name"), [("energy_score", "a score"), ("wasserstein_1d", "a W1")]
)
def test_a_score_that_is_no_number_ends_the_run(
    what, name, grid_run, tmp_path, monkeypatch
) -> None:
    monkeypatch.setattr(module, what, lambda *_: torch.tensor(math.nan))
    message = (
        rf"^validation after 4 steps: found {name} of channel sums of nan, expected a fini"
    )
    with pytest.raises(TrainingError, match=message):
        train(grid_run(), tmp_path / "out")


def test_the_round_before_is_left_to_be_resumed(grid_run, tmp_path, monkeypatch) -> None:
    run = grid_run("train.threads=1")
    whole = train(run, tmp_path / "whole")
    repeats = run.train.validation_repeats
    spoil_cells(monkeypatch, repeats + 1)
    with pytest.raises(TrainingError, match=r"^validation after 8 steps"):
        train(run, tmp_path / "out")
    assert not (tmp_path / "out" / "bundle").exists()
    monkeypatch.undo()
    state = read_checkpoint(tmp_path / "out" / "checkpoint" / "last.ckpt")["state_dict"]
    assert int(state["steps_done"]) == 4
    again = train(run, tmp_path / "out", resume=True)
    first, second = ((b / "weights.safetensors").read_bytes() for b in (whole, again))
    assert first == second


def test_a_gradient_that_is_no_number_ends_the_run(grid_run, tmp_path, monkeypatch) -> None:
    spoil_gradient(monkeypatch, 3)
    out = tmp_path / "out"
    line = one_line(out, grid_run("train.threads=1"))
    found = "step 2: found a gradient of phase 'autoencoder' of norm nan, expected a finite one"
    assert found in line
    assert line.endswith(CURE)
    assert not (out / "checkpoint" / "last.ckpt").exists()
    assert not (out / "bundle").exists()


def test_a_gradient_beyond_all_numbers_ends_the_last_step(
    grid_run, tmp_path, monkeypatch
) -> None:
    def steep(total):
        return total + 1e30 * (total - total.detach())

    spoil_gradient(monkeypatch, 12, steep)
    with pytest.raises(TrainingError, match=r"^step 11: found a gradient .* of norm inf"):
        train(grid_run(), tmp_path / "out")


def test_without_clipping_the_next_loss_ends_the_run(grid_run, tmp_path, monkeypatch) -> None:
    spoil_gradient(monkeypatch, 2)
    with pytest.raises(TrainingError, match=r"^step 2: the loss of phase 'autoencoder' is not"):
        train(grid_run("train.clip=0"), tmp_path / "out")


def test_without_clipping_a_last_step_ends_the_run(grid_run, tmp_path, monkeypatch) -> None:
    spoil_gradient(monkeypatch, 12)
    with pytest.raises(TrainingError, match=r"^validation after 12 steps: found a sum of gene"):
        train(grid_run("train.clip=0"), tmp_path / "out")


def test_all_processes_are_asked_for_gradient_and_score(
    grid_run, tmp_path, monkeypatch
) -> None:
    """None may stop while another waits for it: what one finds, all find."""
    asked = []

    def other_finds(x):
        asked.append(x.ndim)
        return processes.finite(x) and len(asked) != 2  # its loss is fine, its gradient not

    shared = [0]

    def counted():
        shared[0] += 1
        return nullcontext()

    monkeypatch.setattr(module, "finite", other_finds)
    monkeypatch.setattr(module, "shared_batch", counted)
    with pytest.raises(TrainingError, match=r"^step 0: found a gradient of phase"):
        train(grid_run(), tmp_path / "out")
    assert len(asked) == shared[0] == 2


def test_counts_around_no_number_are_a_run_that_diverges() -> None:
    """A discriminator sees drawn counts: torch refuses them before there is a loss."""
    with (
        pytest.raises(TrainingError, match=r"^step 4: .*Poisson rate.*; try a smaller"),
        module._diverging("step 4: phase 'generator'"),
    ):
        torch.poisson(torch.tensor([math.nan]))
    memory = "out of memory"
    with pytest.raises(RuntimeError, match=memory), module._diverging("step 4"):
        raise RuntimeError(memory)


def test_a_finished_run_without_weights_is_told_so(grid_run, tmp_path) -> None:
    """As versions that did not stop at such scores left them."""
    out = tmp_path / "out"
    run = grid_run("train.threads=1")
    train(run, out)
    path = out / "checkpoint" / "last.ckpt"
    state = torch.load(path, weights_only=True)
    for kept in state["callbacks"].values():
        if "best_weights" in kept:
            kept["best_weights"] = {}
    torch.save(state, path)
    done = CliRunner().invoke(main, ("train", "-o", str(out), "--resume"))
    assert done.exit_code == 1
    assert "last.ckpt: found no round of a finite validation score, expected one" in done.stderr
