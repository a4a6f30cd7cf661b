"""Batches from a file: those of its showers in memory, whatever workers, resumes and ranks."""

from __future__ import annotations

from dataclasses import replace
from itertools import islice

import h5py
import numpy as np
import pytest
import torch

from caloforge.data import ShowerFile, ShowerWriter
from caloforge.data.far_light import FarLight
from caloforge.data.features import ConditionSet
from caloforge.data.feeding.dataset import ShowerDataset
from caloforge.data.feeding.stream import StreamedShowers
from caloforge.data.feeding.stream_fits import (
    fit_conditions,
    fit_light,
    group_starts,
    particle_pieces,
    stored,
)
from caloforge.data.feeding.stream_order import Blocks
from caloforge.data.transforms import CellFrame
from caloforge.errors import ConfigError, DataFormatError

CHUNK, POOL, BATCH = 8, 40, 16


def with_chunks(path, rows: int) -> None:
    """Store the cells of a file anew in chunks of some rows."""
    with h5py.File(path, "r+") as file:
        cells, unit = file["showers"][:], file["showers"].attrs["unit"]
        del file["showers"]
        dataset = file.create_dataset(
            "showers",
            data=cells,
            chunks=(rows, cells.shape[1]),
            compression="gzip",
            shuffle=True,
        )
        dataset.attrs["unit"] = unit


@pytest.fixture(params=["grid", "cylinder"])
def sample(request, toy_grid, toy_cylinder, toy_sample):
    return toy_sample(toy_grid if request.param == "grid" else toy_cylinder, 100, repeats=2)


@pytest.fixture
def path(tmp_path, sample):
    path = tmp_path / "showers.h5"
    with ShowerWriter(path, sample.geometry, provenance={}) as writer:
        writer.append(sample.particles, sample.showers)
    with_chunks(path, CHUNK)
    return path


@pytest.fixture
def both(path, sample):
    """Make the same training showers, streamed and in memory: six of seven particles."""

    def make(*, pair: bool = False, hold: bool = True, pool_rows: int = POOL):
        rows = np.flatnonzero(sample.particles.incident % 7 != 3)
        chosen = sample.select(rows)
        grid = sample.geometry.kind == "grid"
        names = ("log_energy", "kind", *(("impact",) if grid else ()))
        conditions = ConditionSet.fit(names, chosen.particles, sample.geometry)
        starts = group_starts(chosen.particles.incident, path) if pair else None
        streamed = StreamedShowers(
            path=path,
            rows=rows,
            geometry=sample.geometry,
            conditions=conditions,
            blocks=Blocks.of(rows, CHUNK, starts),
            pool_rows=pool_rows,
            centre_on_impact=grid,
            reflect=grid,
            table=chosen.particles if hold else None,
        )
        return streamed, ShowerDataset(chosen, conditions, grid, grid)

    return make


def equal(first, second) -> bool:
    return len(first) == len(second) and all(
        torch.equal(a, b)
        for one, two in zip(first, second, strict=True)
        for a, b in zip(one, two, strict=True)
    )


@pytest.mark.parametrize("hold", [True, False])
@pytest.mark.parametrize("pair", [True, False])
def test_batches_are_those_of_the_order(both, pair, hold) -> None:
    streamed, held = both(pair=pair, hold=hold)
    stream = streamed.stream(BATCH, seed=4, stop=25, pair_repeats=pair)
    assert stream.steps_per_epoch == len(held) // BATCH == 10
    expected = []
    for step in range(25):
        epoch, k = divmod(step, 10)
        rows = stream.order(epoch)[k * BATCH : (k + 1) * BATCH]
        expected.append(held.batch(rows, np.random.default_rng((4, 1, step, 0))))
    assert equal(list(stream), expected)


@pytest.mark.parametrize("workers", [0, 2])
def test_pools_may_be_smaller_than_batches(both, workers) -> None:
    streamed, held = both(pool_rows=5)
    stream = streamed.stream(BATCH, seed=4, stop=13, workers=workers)
    for step, batch in enumerate(stream):
        epoch, k = divmod(step, 10)
        rows = stream.order(epoch)[k * BATCH : (k + 1) * BATCH]
        expected = held.batch(rows, np.random.default_rng((4, 1, step, 0)))
        assert equal([batch], [expected])


@pytest.mark.parametrize("workers", [1, 2, 5])
def test_batches_are_the_same_for_any_number_of_workers(both, workers) -> None:
    streamed, _ = both()
    alone = list(streamed.stream(BATCH, seed=0, stop=31))
    assert equal(list(streamed.stream(BATCH, seed=0, stop=31, workers=workers)), alone)


@pytest.mark.parametrize("workers", [0, 2])
@pytest.mark.parametrize("start", [1, 7, 10, 29])
def test_resumed_stream_gives_the_same_batches(both, start, workers) -> None:
    whole = list(both()[0].stream(BATCH, seed=3, stop=31))
    rest = both()[0].stream(BATCH, seed=3, start=start, stop=31, workers=workers)
    assert equal(list(rest), whole[start:])


def test_a_resumed_stream_reads_its_own_pools_only(both, monkeypatch) -> None:
    streamed, _ = both()
    read = []
    take = ShowerFile.read_rows

    def spy(self, rows):
        read.append(len(rows))
        return take(self, rows)

    monkeypatch.setattr(ShowerFile, "read_rows", spy)
    list(streamed.stream(BATCH, seed=3, start=9, stop=10))
    assert sum(read) <= 2 * (POOL + CHUNK)


def test_ranks_share_every_batch(both) -> None:
    whole = list(both(pair=True)[0].stream(BATCH, seed=1, stop=12, pair_repeats=True))
    parts = [
        list(
            both(pair=True)[0].stream(
                BATCH, seed=1, stop=12, pair_repeats=True, rank=rank, world_size=3, workers=rank
            )
        )
        for rank in range(3)
    ]
    for k, batch in enumerate(whole):
        for rank in range(3):
            assert torch.equal(parts[rank][k].incident, batch.incident[rank::3])
            assert torch.equal(parts[rank][k].showers, batch.showers[rank::3])
            assert torch.equal(parts[rank][k].conditions, batch.conditions[rank::3])


def test_a_rank_reads_its_share_only(both, monkeypatch) -> None:
    read = []
    take = ShowerFile.read_rows

    def spy(self, rows):
        read.append(len(rows))
        return take(self, rows)

    monkeypatch.setattr(ShowerFile, "read_rows", spy)
    list(both()[0].stream(BATCH, seed=1, stop=10, rank=1, world_size=4))
    assert sum(read) == 10 * BATCH // 4


def test_few_pools_are_kept_and_the_next_stream_finds_them(both, monkeypatch) -> None:
    streamed, _ = both()
    for workers in (0, 2):
        for _ in islice(iter(streamed.stream(BATCH, seed=0, workers=workers)), 40):
            assert len(streamed.shelf) <= 3
    last = list(streamed.stream(BATCH, seed=0, stop=4))
    monkeypatch.setattr(ShowerFile, "read_rows", lambda *_: pytest.fail("read again"))
    assert equal(list(streamed.stream(BATCH, seed=0, start=3, stop=4)), last[3:])


def test_pools_of_another_seed_are_not_taken(both) -> None:
    streamed, _ = both()
    list(streamed.stream(BATCH, seed=0, stop=4))
    fresh = list(both()[0].stream(BATCH, seed=1, stop=4))
    assert equal(list(streamed.stream(BATCH, seed=1, stop=4)), fresh)


def test_pairs_of_repeats_share_a_batch(both) -> None:
    streamed, _ = both(pair=True)
    for batch in streamed.stream(BATCH, seed=0, stop=10, pair_repeats=True):
        _, counts = batch.incident.unique(return_counts=True)
        assert counts.tolist() == [2] * (BATCH // 2)


def test_pairs_are_a_matter_of_the_blocks(both) -> None:
    with pytest.raises(ValueError, match="not so the blocks"):
        both()[0].stream(BATCH, seed=0, pair_repeats=True)


def test_repeats_that_lie_apart_are_refused() -> None:
    with pytest.raises(
        ConfigError, match=r"showers of incident 5 lie apart \(1 such"
    ) as caught:
        group_starts(np.array([5, 5, 6, 5]), "showers.h5")
    assert "set data.loading = 'memory'" in str(caught.value)
    assert "\n" not in str(caught.value)
    assert group_starts(np.array([5, 5, 6, 1]), "f").tolist() == [True, False, True, True]


@pytest.mark.parametrize("workers", [0, 2])
def test_in_order(both, workers) -> None:
    streamed, held = both(hold=False)
    streamed = replace(streamed, workers=workers)
    pieces = [side.in_order(30, ShowerDataset.batch) for side in (streamed, held)]
    assert equal(*map(list, pieces))


@pytest.mark.parametrize("workers", [0, 2])
def test_damage_is_told_in_one_line(both, path, workers) -> None:
    with h5py.File(path, "r+") as file:
        file["showers"].id.write_direct_chunk((8, 0), b"damaged")
    streamed, _ = both()
    with pytest.raises(DataFormatError, match="'showers' is damaged; copy or make the file"):
        list(streamed.stream(BATCH, seed=0, stop=10, workers=workers))


def test_abandoned_stream_closes_its_threads(both) -> None:
    stream = iter(both()[0].stream(BATCH, seed=0, workers=3))
    next(stream)
    stream.close()
    import threading

    names = [thread.name for thread in threading.enumerate() if thread.is_alive()]
    assert not [name for name in names if name.startswith(("batch", "reader"))]


def test_conditions_fitted_piece_by_piece(path, sample) -> None:
    names = ("log_energy", "z_cm", "kind", "px_gev")
    rows = np.arange(0, len(sample), 3)
    whole = ConditionSet.fit(names, sample.particles.select(rows), sample.geometry)
    with ShowerFile(path) as file:
        pieces = fit_conditions(names, lambda: particle_pieces(file, rows, 7), file.geometry)
    assert (pieces.names, pieces.kinds) == (whole.names, whole.kinds)
    for mine, theirs in zip(pieces.features, whole.features, strict=True):
        assert (mine.name, mine.low, mine.high) == (theirs.name, theirs.low, theirs.high)
        assert mine.mean == pytest.approx(theirs.mean, rel=1e-12)
        assert mine.scale == pytest.approx(theirs.scale, rel=1e-9)
    with ShowerFile(path) as file, pytest.raises(ConfigError, match="unknown feature 'enrgy'"):
        fit_conditions(["enrgy"], lambda: particle_pieces(file, rows), file.geometry)


def test_far_light_and_check_piece_by_piece(path, sample, monkeypatch) -> None:
    rows, rng = np.arange(0, len(sample), 3), np.random.default_rng(0)
    some = sample.select(rows)
    frame = CellFrame(sample.geometry, sample.geometry.kind == "grid")
    monkeypatch.setattr("caloforge.data.files.shower_format.PIECE_BYTES", 1000)
    with ShowerFile(path) as file:
        found = fit_light(file, rows, frame, rng)
        whole = FarLight.fit(frame, some.particles, some.showers)
        assert found.per_gev.keys() == whole.per_gev.keys()
        for pdg, means in whole.per_gev.items():
            assert found.per_gev[pdg] == pytest.approx(means, rel=1e-12)
        monkeypatch.setattr("caloforge.data.feeding.stream_fits.FOR_LIGHT", 40)
        part = fit_light(file, rows, frame, rng)
    assert part.per_gev.keys() == found.per_gev.keys()
    if frame.centre_on_impact:
        assert part != found
        assert part.per_gev[0] == pytest.approx(found.per_gev[0], rel=0.5)


def test_bad_cells_are_found_before_training(path, sample) -> None:
    if sample.geometry.counts:
        return  # stored without a sign
    with h5py.File(path, "r+") as file:
        file["showers"][17, 3] = -1.0
    frame, rng = CellFrame(sample.geometry), np.random.default_rng(0)
    with ShowerFile(path) as file, pytest.raises(DataFormatError, match="negative"):
        fit_light(file, np.arange(len(sample)), frame, rng)


def test_stored(path, tmp_path, sample) -> None:
    width = sample.showers.dtype.itemsize * sample.showers.shape[1]
    assert stored(path) == (sample.showers.dtype, width, CHUNK)
    with h5py.File(path, "r+") as file:  # of another program, without chunks
        cells = file["showers"][:]
        del file["showers"]
        file["showers"] = cells
    assert stored(path).chunk_rows == 512 * 1024 // width
