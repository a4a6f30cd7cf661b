"""Runs on showers that stay in their file."""

from __future__ import annotations

import io
import json
from dataclasses import replace

import h5py
import numpy as np
import pytest
import torch
from rich.console import Console
from safetensors.torch import load_file

from caloforge.data.feeding import loading
from caloforge.data.feeding.dataset import ShowerDataset
from caloforge.data.feeding.stream import StreamedShowers
from caloforge.data.feeding.stream_fits import stored
from caloforge.errors import ConfigError, DataFormatError
from caloforge.models import e2e_sae
from caloforge.training import preparation, start, streaming
from caloforge.training.preparation import prepare
from caloforge.training.run import train

STREAM = "data.loading=stream"


def rechunk(path, rows: int) -> None:
    """Store the same cells in other chunks."""
    with h5py.File(path, "r+") as file:
        cells, unit = file["showers"][:], file["showers"].attrs["unit"]
        del file["showers"]
        options = {"compression": "gzip", "shuffle": True}
        dataset = file.create_dataset("showers", data=cells, chunks=(rows, 24), **options)
        dataset.attrs["unit"] = unit


@pytest.fixture(autouse=True)
def small_chunks(grid_file) -> None:
    """Blocks of 7 showers, as a large file has them of 135."""
    rechunk(grid_file, 7)


@pytest.fixture
def small_pools(monkeypatch) -> None:
    """Pools of 30 showers, and no more of anything in memory."""
    monkeypatch.setattr(loading.Loading, "pool_bytes", 30 * 48)
    monkeypatch.setattr(loading, "_VALIDATION", 0.0)
    monkeypatch.setattr(loading, "_PARTICLES", 0.0)


def outcome(folder) -> tuple[str, dict[str, torch.Tensor]]:
    weights = load_file(folder / "bundle" / "weights.safetensors")
    return (folder / "history.csv").read_text(), weights


def as_held(data) -> dict[str, object]:
    assert data["streaming"] == {"chunk rows": 7, "pool rows": 30}
    return {k: v for k, v in data.items() if k != "streaming"} | {"loading": "memory"}


def same(first, second) -> bool:
    return first[0] == second[0] and all(
        torch.equal(first[1][name], second[1][name]) for name in first[1] | second[1]
    )


def test_what_is_fitted_is_what_is_fitted_in_memory(grid_run, small_pools) -> None:
    streamed, held = prepare(grid_run(STREAM)), prepare(grid_run())
    assert isinstance(streamed.train, StreamedShowers)
    assert isinstance(streamed.validation, StreamedShowers)
    assert isinstance(held.train, ShowerDataset)
    assert streamed.train.table is None
    assert as_held(streamed.data) == held.data
    assert streamed.record == held.record
    for mine, theirs in zip(
        streamed.train.conditions.features, held.train.conditions.features, strict=True
    ):
        assert (mine.name, mine.low, mine.high) == (theirs.name, theirs.low, theirs.high)
        assert (mine.mean, mine.scale) == pytest.approx((theirs.mean, theirs.scale))
    torch.testing.assert_close(streamed.spec.mean, held.spec.mean)
    assert streamed.spec.cell_scale == pytest.approx(held.spec.cell_scale)
    for pdg, means in held.frame.far_light.per_gev.items():
        assert streamed.frame.far_light.per_gev[pdg] == pytest.approx(means)


@pytest.mark.parametrize("settings", [(), ("data.pair_repeats=true", "train.accumulate=2")])
def test_resumed_run_ends_with_the_same_weights(
    settings, grid_run, tmp_path, monkeypatch, small_pools
) -> None:
    run = grid_run(STREAM, *settings)
    train(run, tmp_path / "whole")
    broken(run, tmp_path / "broken", monkeypatch)
    train(run, tmp_path / "broken", resume=True)
    assert same(outcome(tmp_path / "whole"), outcome(tmp_path / "broken"))


def test_workers_and_memory_do_not_show(grid_run, tmp_path, monkeypatch, small_pools) -> None:
    console = Console(file=io.StringIO(), width=300)
    train(grid_run(STREAM), tmp_path / "one", console=console)
    assert "grid.h5: 30 showers a pool (data.buffer_mb = 128)" in console.file.getvalue()
    train(grid_run(STREAM, "data.workers=0"), tmp_path / "none")
    train(grid_run(STREAM, "data.workers=3"), tmp_path / "three")
    # The validation side held, as where there is room for it.
    monkeypatch.setattr(loading, "_VALIDATION", 0.25)
    assert isinstance(prepare(grid_run(STREAM)).validation, ShowerDataset)
    train(grid_run(STREAM), tmp_path / "held")
    first = outcome(tmp_path / "one")
    for name in ("none", "three", "held"):
        assert same(first, outcome(tmp_path / name))
    train(grid_run(), tmp_path / "memory")
    assert not same(first, outcome(tmp_path / "memory"))  # another order of batches


def test_resumed_run_keeps_its_loading(grid_run, tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(loading, "free_memory", lambda: 1000)
    train(grid_run(), tmp_path / "out")
    manifest = json.loads((tmp_path / "out" / "manifest.json").read_text())
    assert manifest["data"]["loading"] == "stream"
    monkeypatch.setattr(loading, "free_memory", lambda: 10**12)
    asked = []

    def spy(*arguments, **options):
        asked.append(options)
        return prepare(*arguments, **options)

    monkeypatch.setattr("caloforge.training.run.prepare", spy)
    train(grid_run(), tmp_path / "out", resume=True)
    assert asked == [{"loading": "stream"}]
    assert prepare(grid_run()).data["loading"] == "memory"


def broken(run, folder, monkeypatch) -> None:
    """A run that stopped after its first round."""
    objective, calls = e2e_sae.E2ESinkhornAutoencoder.objective, [0]

    def breaks(self, batch, rng):
        calls[0] += 1
        if calls[0] == 14:
            raise RuntimeError
        return objective(self, batch, rng)

    with monkeypatch.context() as patch:
        patch.setattr(e2e_sae.E2ESinkhornAutoencoder, "objective", breaks)
        with pytest.raises(RuntimeError):
            train(run, folder)


def test_resume_refuses_the_same_showers_in_other_chunks(
    grid_run, grid_file, tmp_path, monkeypatch, small_pools
) -> None:
    run = grid_run(STREAM)
    broken(run, tmp_path / "out", monkeypatch)
    before = prepare(run).data["sha256"]
    rechunk(grid_file, 5)
    assert prepare(run).data["sha256"] == before
    with pytest.raises(ConfigError, match=r"chunk rows .*: found 5, expected 7 .*; put "):
        train(run, tmp_path / "out", resume=True)
    rechunk(grid_file, 7)
    with monkeypatch.context() as patch:
        patch.setattr(loading.Loading, "pool_bytes", 29 * 48)
        with pytest.raises(ConfigError, match=r"pool rows .*: found 29, expected 30 "):
            train(run, tmp_path / "out", resume=True)
    train(run, tmp_path / "out", resume=True)


def test_resume_in_memory_does_not_care_for_chunks(
    grid_run, grid_file, tmp_path, monkeypatch
) -> None:
    broken(grid_run(), tmp_path / "out", monkeypatch)
    rechunk(grid_file, 5)
    train(grid_run(), tmp_path / "out", resume=True)


@pytest.mark.parametrize("size", [1, 7, 50])
def test_mean_in_pieces(size, grid_run, cylinder_run, monkeypatch) -> None:
    """Counts have the same bits; energies are summed in float64."""
    runs = [(grid_run, True), (cylinder_run, False)]
    whole = [prepare(run()).spec for run, _ in runs]
    monkeypatch.setattr(start, "piece_rows", lambda _: 4 * size)
    for (run, exact), before in zip(runs, whole, strict=True):
        monkeypatch.setattr(start, "_HELD_PIECE", 0.25)
        for spec in (prepare(run()).spec, prepare(run(STREAM)).spec):
            if exact:
                assert torch.equal(spec.mean, before.mean)
            torch.testing.assert_close(spec.mean, before.mean)
            assert spec.cell_scale == pytest.approx(before.cell_scale, rel=0 if exact else 1e-6)


def test_selection_and_folds_are_streamed(grid_run, small_pools) -> None:
    settings = ("data.min_sum=60", "data.folds=4", "data.fold=2")
    streamed, held = prepare(grid_run(STREAM, *settings)), prepare(grid_run(*settings))
    assert as_held(streamed.data) == held.data
    batches = list(streamed.train.stream(16, seed=0, stop=4))
    assert min(float(batch.showers.sum(1).max()) for batch in batches) >= 60
    order = streamed.train.stream(16, seed=0).order(0)
    np.testing.assert_array_equal(np.sort(order), np.arange(len(held.train)))


def test_too_little_memory_for_a_chunk(grid_run, grid_file, monkeypatch) -> None:
    large = stored(grid_file)._replace(chunk_rows=100_000)
    monkeypatch.setattr(streaming, "stored", lambda _: large)
    with pytest.raises(ConfigError, match=r"data.buffer_mb: found 1, too little .*; try 98"):
        prepare(grid_run(STREAM, "data.buffer_mb=1"))
    prepare(grid_run(STREAM, "data.buffer_mb=98"))


def test_repeats_that_lie_apart_cannot_be_paired(grid_run, grid_file) -> None:
    with h5py.File(grid_file, "r+") as file:
        for dataset in file.values():
            dataset[:] = np.concatenate((dataset[::2], dataset[1::2]))
    with pytest.raises(ConfigError, match=r"data.pair_repeats: .* lie apart"):
        prepare(grid_run(STREAM, "data.pair_repeats=true"))
    prepare(grid_run("data.pair_repeats=true"))


def test_damage_in_the_middle_is_one_line(grid_run, grid_file) -> None:
    with h5py.File(grid_file, "r+") as file:
        file["showers"].id.write_direct_chunk((70, 0), b"damaged")
    with pytest.raises(DataFormatError, match=r"grid.h5: 'showers' is damaged"):
        prepare(grid_run(STREAM))


def test_held_sides_do_not_hold_what_is_left_out(grid_run) -> None:
    run = grid_run("data.kinds=['n']")
    prepared = prepare(run)
    assert len(prepared.train) + len(prepared.validation) < 120
    assert set(prepared.train.sample.particles["pdg"]) == {2112}
    assert preparation.prepare(replace(run, seed=3)).train.sample.source.endswith("grid.h5")


@pytest.mark.parametrize("loading", ["memory", "stream"])
def test_oversampled_kinds_change_batches_and_nothing_that_is_fitted(
    loading, grid_run, tmp_path, monkeypatch, small_pools
) -> None:
    settings = (f"data.loading={loading}", "data.oversample_kinds=1.0")
    plain, run = prepare(grid_run(settings[0])), grid_run(*settings)
    prepared = prepare(run)
    for kept in ("mean", "cell_scale", "condition_dim"):
        before, now = (getattr(one.spec, kept) for one in (plain, prepared))
        assert torch.equal(before, now) if kept == "mean" else before == now
    assert prepared.train.conditions.features == plain.train.conditions.features
    assert prepared.frame.far_light.per_gev == plain.frame.far_light.per_gev
    shares = prepared.data["shares of kinds in an epoch"]
    assert len(shares) > 1
    assert set(shares.values()) == {round(1 / len(shares), 6)}
    assert "shares of kinds in an epoch" not in plain.data

    printed = io.StringIO()
    train(run, tmp_path / "whole", console=Console(file=printed, width=200))
    assert "kinds in an epoch, oversampled: " in printed.getvalue()
    broken(run, tmp_path / "stopped", monkeypatch)
    train(run, tmp_path / "stopped", resume=True)
    assert same(outcome(tmp_path / "whole"), outcome(tmp_path / "stopped"))
    train(grid_run(settings[0]), tmp_path / "plain")
    assert not same(outcome(tmp_path / "whole"), outcome(tmp_path / "plain"))
