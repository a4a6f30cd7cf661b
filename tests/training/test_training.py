"""Training: rounds, best weights, resume, and what goes wrong."""

from __future__ import annotations

import csv
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from tests.training.conftest import write_sample

from caloforge.errors import (
    BundleError,
    ConfigError,
    DataFormatError,
    OutputError,
    TrainingError,
)
from caloforge.models import e2e_sae
from caloforge.training.bundle import read_bundle
from caloforge.training.callbacks import RoundKeeper
from caloforge.training.checkpoint import read_checkpoint
from caloforge.training.preparation import prepare
from caloforge.training.run import resumed, train
from caloforge.types import Phase

CALOFORGE = str(Path(sys.executable).with_name("caloforge"))


def weights(folder) -> dict[str, torch.Tensor]:
    return load_file(folder / "bundle" / "weights.safetensors")


def same(first, second) -> bool:
    return first.keys() == second.keys() and all(
        torch.equal(first[k], second[k]) for k in first
    )


@pytest.mark.parametrize("detector", ["grid", "cylinder"])
@pytest.mark.parametrize("model", ["e2e-sae", "vae"])
def test_a_run_leaves_all_that_it_should(
    detector, model, grid_run, cylinder_run, tmp_path
) -> None:
    run = (grid_run if detector == "grid" else cylinder_run)(model=model)
    bundle = train(run, tmp_path / "out")
    assert bundle == tmp_path / "out" / "bundle"
    with (tmp_path / "out" / "history.csv").open() as file:
        history = list(csv.DictReader(file))
    assert [float(row["step"]) for row in history] == [4, 8, 12]
    assert float(history[-1]["train/autoencoder/reconstruction"]) != 0
    manifest = json.loads((tmp_path / "out" / "manifest.json").read_text())
    assert manifest["seed"] == 0
    assert (
        sum(row["train"] for row in manifest["balance"])
        == manifest["data"]["training particles"]
    )
    read = read_bundle(tmp_path / "out")
    assert read.run == run
    assert read.geometry.kind == detector
    best = min(float(row["validation/score"]) for row in history)
    assert read.info["metrics"]["validation score of channel sums"] == pytest.approx(best)
    assert resumed(tmp_path / "out") == run


def test_equal_seeds_give_equal_weights(grid_run, tmp_path) -> None:
    for name, seed in (("a", 0), ("b", 0), ("c", 1)):
        train(grid_run(f"seed={seed}"), tmp_path / name)
    assert same(weights(tmp_path / "a"), weights(tmp_path / "b"))
    assert not same(weights(tmp_path / "a"), weights(tmp_path / "c"))


class Stop(RuntimeError):
    """Stands for anything that ends a run in the middle."""


@pytest.mark.parametrize("settings", [(), ("train.accumulate=2", "data.pair_repeats=true")])
def test_resumed_run_ends_with_the_same_weights(
    settings, grid_run, tmp_path, monkeypatch
) -> None:
    run = grid_run(*settings)
    train(run, tmp_path / "whole")
    objective = e2e_sae.E2ESinkhornAutoencoder.objective
    calls = [0]

    def breaks(self, batch, rng):
        calls[0] += 1
        if calls[0] == 12:
            raise Stop
        return objective(self, batch, rng)

    monkeypatch.setattr(e2e_sae.E2ESinkhornAutoencoder, "objective", breaks)
    with pytest.raises(Stop):
        train(run, tmp_path / "broken")
    monkeypatch.undo()
    assert not (tmp_path / "broken" / "bundle").exists()
    train(run, tmp_path / "broken", resume=True)
    assert same(weights(tmp_path / "whole"), weights(tmp_path / "broken"))
    whole, broken = (
        (tmp_path / name / "history.csv").read_text() for name in ("whole", "broken")
    )
    assert whole == broken


def test_killed_run_ends_with_the_same_weights(grid_run, tmp_path) -> None:
    run = grid_run("train.steps=150", "train.validate_every=5")
    program = (
        "import sys, torch; torch.set_num_threads(1)\n"
        "from caloforge.config import load_run\n"
        "from caloforge.training.run import train\n"
        "train(load_run(sys.argv[1]), sys.argv[2])\n"
    )
    (tmp_path / "run.toml").write_text(run.to_toml())
    folder = tmp_path / "killed"
    process = subprocess.Popen(
        [sys.executable, "-c", program, str(tmp_path / "run.toml"), str(folder)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    checkpoint = folder / "checkpoint" / "last.ckpt"
    while not checkpoint.exists():
        assert process.poll() is None
        time.sleep(0.02)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    assert 0 < int(read_checkpoint(checkpoint)["state_dict"]["steps_done"]) < 150
    train(run, folder, resume=True)
    train(run, tmp_path / "whole")
    assert same(weights(tmp_path / "whole"), weights(folder))


def test_finished_run_can_be_resumed_without_change(grid_run, tmp_path) -> None:
    train(grid_run(), tmp_path / "out")
    before = weights(tmp_path / "out")
    train(grid_run(), tmp_path / "out", resume=True)
    assert same(before, weights(tmp_path / "out"))


def test_only_the_same_run_on_the_same_showers_is_resumed(
    grid_run, grid_file, tmp_path, toy_grid, toy_sample
) -> None:
    train(grid_run(), tmp_path / "out")
    with pytest.raises(ConfigError, match=r"another model\.latent_dim; resume it with its own"):
        train(grid_run("model.latent_dim=4"), tmp_path / "out", resume=True)
    grid_file.unlink()
    write_sample(grid_file, toy_sample(toy_grid, 60, seed=5))
    with pytest.raises(ConfigError, match="the training showers have changed"):
        train(grid_run(), tmp_path / "out", resume=True)


def test_nothing_to_resume(grid_run, tmp_path) -> None:
    with pytest.raises(ConfigError, match=r"found no run\.toml"):
        train(grid_run(), tmp_path / "none", resume=True)


def test_damaged_checkpoint_is_refused(grid_run, tmp_path) -> None:
    train(grid_run(), tmp_path / "out")
    checkpoint = tmp_path / "out" / "checkpoint" / "last.ckpt"
    checkpoint.write_bytes(checkpoint.read_bytes()[:1000])
    with pytest.raises(BundleError, match="not a training checkpoint, or damaged"):
        train(grid_run(), tmp_path / "out", resume=True)


def test_checkpoint_with_a_pickle_is_not_run(tmp_path) -> None:
    class Evil:
        def __reduce__(self):
            return (os.mkdir, (str(tmp_path / "pwned"),))

    torch.save({"state_dict": Evil()}, tmp_path / "last.ckpt")
    with pytest.raises(BundleError, match="not a training checkpoint"):
        read_checkpoint(tmp_path / "last.ckpt")
    assert not (tmp_path / "pwned").exists()


def test_nan_stops_with_step_terms_and_cure(grid_run, tmp_path, monkeypatch) -> None:
    calls = [0]
    objective = e2e_sae.E2ESinkhornAutoencoder.objective

    def breaks(self, batch, rng):
        calls[0] += 1
        good = objective(self, batch, rng)
        return good._replace(total=good.total * torch.nan) if calls[0] == 3 else good

    monkeypatch.setattr(e2e_sae.E2ESinkhornAutoencoder, "objective", breaks)
    with pytest.raises(TrainingError) as caught:
        train(grid_run(), tmp_path / "out")
    message = str(caught.value)
    assert message.startswith("step 2: the loss of phase 'autoencoder' is not finite")
    assert "reconstruction = " in message
    assert "try a smaller train.learning_rate" in message
    assert not (tmp_path / "out" / "bundle").exists()


@pytest.mark.parametrize("rate", ["1e6", "1e30"])
@pytest.mark.filterwarnings("ignore::caloforge.losses.scaling.ConvergenceWarning")
def test_diverging_run_stops_with_step_and_cure(rate, grid_run, tmp_path) -> None:
    with pytest.raises(
        TrainingError, match=r"^step \d+: .*; try a smaller train.learning_rate"
    ):
        train(grid_run(f"train.learning_rate={rate}", "train.clip=0"), tmp_path / "out")


def begun(grid_run, tmp_path):
    """Start the command on a long run, and wait for its first checkpoint."""
    run = grid_run("train.steps=100000", "train.validate_every=5", "train.threads=1")
    (tmp_path / "run.toml").write_text(run.to_toml())
    folder = tmp_path / "out"
    process = subprocess.Popen(
        [CALOFORGE, "train", str(tmp_path / "run.toml"), "-o", str(folder)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    while not (folder / "checkpoint" / "last.ckpt").exists():
        assert process.poll() is None
        time.sleep(0.02)
    return process, folder


def test_interrupted_command_says_how_to_go_on(grid_run, tmp_path) -> None:
    process, folder = begun(grid_run, tmp_path)
    process.send_signal(signal.SIGINT)
    _, printed = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "Interrupted." in printed
    assert "--resume" in printed
    assert "Traceback" not in printed
    assert read_checkpoint(folder / "checkpoint" / "last.ckpt")["state_dict"]


def test_terminated_command_leaves_a_run_to_resume(grid_run, tmp_path) -> None:
    process, folder = begun(grid_run, tmp_path)
    process.terminate()
    _, printed = process.communicate(timeout=60)
    assert process.returncode == 143
    assert "Traceback" not in printed
    assert read_checkpoint(folder / "checkpoint" / "last.ckpt")["state_dict"]


def test_full_disk_is_one_line(grid_run, tmp_path) -> None:
    (tmp_path / "run.toml").write_text(grid_run("train.threads=1").to_toml())
    # No file may grow beyond 20 kB: the checkpoint cannot be written.
    program = (
        "import resource, sys; resource.setrlimit(resource.RLIMIT_FSIZE, (20000, 20000))\n"
        "from caloforge.cli import main; main()\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, "train", tmp_path / "run.toml", "-o", tmp_path / "out"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert "last.ckpt: cannot be written (File too large); free some space" in done.stderr
    assert "Traceback" not in done.stderr
    assert not list((tmp_path / "out" / "checkpoint").iterdir())


def test_forced_run_leaves_no_older_bundle(grid_run, tmp_path) -> None:
    train(grid_run(), tmp_path / "out")
    with pytest.raises(TrainingError):
        train(grid_run("train.learning_rate=1e30"), tmp_path / "out", force=True)
    with pytest.raises(BundleError, match="found no bundle"):
        read_bundle(tmp_path / "out")
    assert not (tmp_path / "out" / "history.csv").exists()


def test_settings_that_do_not_fit_leave_nothing(cylinder_run, tmp_path) -> None:
    with pytest.raises(ConfigError, match="energies are no integers"):
        train(cylinder_run("model.cells=poisson"), tmp_path / "out")
    train(cylinder_run(), tmp_path / "out")


def test_early_stop(grid_run, tmp_path) -> None:
    # With no learning rate to speak of nothing gets better after the first round.
    run = grid_run(
        "train.patience=2", "train.steps=400", "train.learning_rate=1e-12", "train.ema=0"
    )
    bundle = train(run, tmp_path / "out")
    assert read_bundle(bundle).info["training"]["steps"] < 400


def test_weights_kept_are_those_of_the_best_round(grid_run, tmp_path, monkeypatch) -> None:
    states = {}
    end = RoundKeeper.on_train_epoch_end

    def spy(self, trainer, module):
        end(self, trainer, module)
        states[module.step()] = {
            k: v.clone() for k, v in module.best_candidate.state_dict().items()
        }

    monkeypatch.setattr(RoundKeeper, "on_train_epoch_end", spy)
    bundle = train(grid_run(), tmp_path / "out")
    best = read_bundle(bundle).info["training"]["best step"]
    assert same(states[best], weights(tmp_path / "out"))


def test_nothing_is_fitted_on_validation_particles(grid_run) -> None:
    prepared = prepare(grid_run())
    sides = [
        set(side.sample.particles.incident.tolist())
        for side in (prepared.train, prepared.validation)
    ]
    assert not sides[0] & sides[1]
    energy = prepared.train.sample.particles["energy_gev"]
    feature = prepared.train.conditions.features[0]
    assert feature.low == pytest.approx(float(torch.tensor(energy).log().min()))


def test_two_phases_move_only_their_own_parameters(grid_run, tmp_path) -> None:
    run = grid_run("train.steps=2", "train.validate_every=2", "train.ema=0")
    kind = e2e_sae.E2ESinkhornAutoencoder

    frozen = []

    def phases(self):
        first = [*self.encoder.parameters(), *self.decoder.parameters()]
        second = list(self.noise_generator.parameters())

        def objective(batch, rng):
            frozen.append([not any(p.requires_grad for p in part) for part in (first, second)])
            return self.objective(batch, rng)

        return (
            Phase("autoencoder", lambda: first, objective),
            Phase("prior", lambda: second, objective),
        )

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(kind, "phases", phases)
        train(run, tmp_path / "out")
    with (tmp_path / "out" / "history.csv").open() as file:
        (row,) = csv.DictReader(file)
    assert {"train/autoencoder/sinkhorn", "train/prior/sinkhorn"} <= row.keys()
    assert frozen[:4] == [[False, True], [True, False]] * 2


@pytest.mark.slow
def test_two_processes_write_one_bundle(grid_run, tmp_path) -> None:
    run = grid_run("train.devices=2", "train.accelerator=cpu", "train.threads=1")
    (tmp_path / "run.toml").write_text(run.to_toml())
    done = subprocess.run(
        [CALOFORGE, "train", str(tmp_path / "run.toml"), "-o", tmp_path / "out"],
        capture_output=True,
        text=True,
        timeout=200,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert read_bundle(tmp_path / "out").run.train.devices == 2
    with (tmp_path / "out" / "history.csv").open() as file:
        assert [float(row["step"]) for row in csv.DictReader(file)] == [4, 8, 12]


def test_too_few_showers(grid_run, tmp_path, toy_grid, toy_sample) -> None:
    path = write_sample(tmp_path / "few.h5", toy_sample(toy_grid, 1, repeats=1))
    with pytest.raises(DataFormatError, match="expected at least 2 each; add showers"):
        train(grid_run(f'data.train="{path}"'), tmp_path / "out")


def test_existing_folder_is_refused(grid_run, tmp_path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "mine.txt").write_text("mine")
    with pytest.raises(OutputError, match="not empty"):
        train(grid_run(), tmp_path / "out")
    train(grid_run(), tmp_path / "out", force=True)
    assert (tmp_path / "out" / "mine.txt").read_text() == "mine"


def test_a_validation_batch_of_one_shower_has_no_distance(grid_run, tmp_path) -> None:
    n = len(prepare(grid_run(model="wae")).validation)
    run = grid_run(f"train.batch_size={n - 1}", "train.steps=2", model="wae")
    train(run, tmp_path / "out")
    with (tmp_path / "out" / "history.csv").open() as file:
        (row,) = csv.DictReader(file)
    assert float(row["validation/autoencoder/distance"]) != 0
