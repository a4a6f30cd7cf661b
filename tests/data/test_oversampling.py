"""Rare kinds of particles more often: frequencies, groups, resume, in memory and streamed."""

from __future__ import annotations

from dataclasses import replace

import h5py
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from caloforge.data import Particles, ShowerFile, ShowerWriter
from caloforge.data.features import ConditionSet
from caloforge.data.feeding.dataset import ShowerDataset
from caloforge.data.feeding.oversampling import Kinds, repeated_order
from caloforge.data.feeding.stream import StreamedShowers
from caloforge.data.feeding.stream_fits import group_starts, particle_pieces
from caloforge.data.feeding.stream_order import Blocks, EpochOrder
from caloforge.data.images import NO_PARTICLE

COUNTS = {2112: 150, 22: 40, 2212: 8, 310: 2}
NAMES = ("n", "gamma", "p", "K(S)0")
BATCH = 20


@pytest.fixture
def sample(toy_grid, toy_sample):
    """100 particles with two showers each, most of them neutrons; kinds mixed in the file."""
    sample = toy_sample(toy_grid, 100, repeats=2)
    pdg = np.repeat(list(COUNTS), [n // 2 for n in COUNTS.values()])
    pdg = np.repeat(np.random.default_rng(0).permutation(pdg), 2)
    columns = dict(sample.particles.columns) | {"pdg": pdg.astype(np.int32)}
    return replace(sample, particles=Particles(columns, sample.particles.incident))


@pytest.fixture
def both(sample, tmp_path):
    """The same showers, in memory and streamed in chunks of 8 and pools of 50."""
    path = tmp_path / "showers.h5"
    with ShowerWriter(path, sample.geometry, provenance={}) as writer:
        writer.append(sample.particles, sample.showers)
    with h5py.File(path, "r+") as file:
        cells, unit = file["showers"][:], file["showers"].attrs["unit"]
        del file["showers"]
        file.create_dataset("showers", data=cells, chunks=(8, 24)).attrs["unit"] = unit
    conditions = ConditionSet.fit(("log_energy",), sample.particles, sample.geometry)
    rows = np.arange(len(sample))

    def make(*, pair: bool = False):
        starts = group_starts(sample.particles.incident, path) if pair else None
        with ShowerFile(path) as file:
            kinds = Kinds.of(particle_pieces(file, rows, 30))
        streamed = StreamedShowers(
            path=path,
            rows=rows,
            geometry=sample.geometry,
            conditions=conditions,
            blocks=Blocks.of(rows, 8, starts),
            pool_rows=50,
            kinds=kinds,
        )
        return ShowerDataset(sample, conditions), streamed

    return make


def counted(stream, sample, epoch: int) -> dict[str, int]:
    kinds = sample.particles.kinds()[stream.order(epoch)]
    return dict(zip(*np.unique(kinds, return_counts=True), strict=True))


@pytest.mark.parametrize("pair", [False, True])
@pytest.mark.parametrize("exponent", [0.3, 0.5, 1.0])
def test_kinds_come_in_their_shares(both, sample, exponent, pair) -> None:
    weight = {name: n ** (1 - exponent) for name, n in zip(NAMES, COUNTS.values(), strict=True)}
    for data in both(pair=pair):
        stream = data.stream(BATCH, seed=3, oversample_kinds=exponent, pair_repeats=pair)
        for epoch in range(4):
            found = counted(stream, sample, epoch)
            assert sum(found.values()) == len(sample)
            for name in NAMES:
                expected = len(sample) * weight[name] / sum(weight.values())
                assert abs(found[name] - expected) <= (2 if pair else 1)


def test_each_shower_of_a_kind_comes_equally_often(both, sample) -> None:
    for data in both():
        stream = data.stream(BATCH, seed=3, oversample_kinds=1.0)
        often = np.zeros(len(sample))
        for epoch in range(30):
            times = np.bincount(stream.order(epoch), minlength=len(sample))
            for name in NAMES:
                of_kind = times[sample.particles.kinds() == name]
                assert of_kind.max() - of_kind.min() <= 1
            often += times
        neutrons = often[sample.particles.kinds() == "n"]
        # A third of them in every epoch, others each time: none is left out for ever.
        assert neutrons.mean() == pytest.approx(10, rel=0.05)
        assert neutrons.min() >= 2
        assert neutrons.std() < 4


def test_without_an_exponent_batches_are_those_of_before(both) -> None:
    for data in both():
        orders = [
            data.stream(BATCH, seed=1, **more).order(2)
            for more in ({}, {"oversample_kinds": 0.0})
        ]
        np.testing.assert_array_equal(*orders)
        np.testing.assert_array_equal(np.sort(orders[0]), np.arange(200))


@pytest.mark.parametrize("pair", [False, True])
@pytest.mark.parametrize("workers", [0, 2])
@pytest.mark.parametrize("start", [1, 9, 10, 27])
def test_a_resumed_stream_gives_the_same_batches(both, start, workers, pair) -> None:
    options = {"seed": 5, "stop": 31, "oversample_kinds": 0.5, "pair_repeats": pair}
    for whole, again in zip(both(pair=pair), both(pair=pair), strict=True):
        first = list(whole.stream(BATCH, **options))
        rest = list(again.stream(BATCH, start=start, workers=workers, **options))
        assert len(rest) == 31 - start
        for one, other in zip(first[start:], rest, strict=True):
            assert all(torch.equal(a, b) for a, b in zip(one, other, strict=True))


def test_batches_are_cut_from_the_order(both, sample) -> None:
    for data in both():
        stream = data.stream(BATCH, seed=2, stop=12, oversample_kinds=0.7)
        for step, batch in enumerate(stream):
            rows = stream.order(step // 10)[step % 10 * BATCH :][:BATCH]
            expected = torch.from_numpy(sample.showers[rows].astype(np.float32))
            assert torch.equal(batch.showers, expected)


def test_ranks_share_every_batch(both) -> None:
    for data in both():
        options = {"seed": 1, "stop": 11, "oversample_kinds": 0.5}
        whole = list(data.stream(BATCH, **options))
        parts = [list(data.stream(BATCH, rank=r, world_size=2, **options)) for r in (0, 1)]
        for k, batch in enumerate(whole):
            for rank in (0, 1):
                assert torch.equal(parts[rank][k].showers, batch.showers[rank::2])


def test_pairs_stay_together_when_they_come_again(both) -> None:
    for data in both(pair=True):
        stream = data.stream(BATCH, seed=0, stop=10, oversample_kinds=1.0, pair_repeats=True)
        for batch in stream:
            neighbours = batch.incident.reshape(-1, 2)
            assert torch.equal(neighbours[:, 0], neighbours[:, 1])
            assert not torch.equal(batch.showers[::2], batch.showers[1::2])


@settings(deadline=None, max_examples=60)
@given(
    seed=st.integers(0, 9999),
    n=st.integers(1, 200),
    n_kinds=st.integers(1, 6),
    exponent=st.floats(0, 1),
    block_rows=st.integers(1, 30),
    pool_rows=st.integers(1, 80),
    grouped=st.booleans(),
)
def test_an_epoch_of_blocks_has_what_was_drawn(
    seed, n, n_kinds, exponent, block_rows, pool_rows, grouped
) -> None:
    rng = np.random.default_rng(seed)
    number = np.unique(rng.integers(n_kinds, size=n), return_inverse=True)[1].astype(np.int32)
    kinds = Kinds(number, tuple("abcdef"[: number.max() + 1]))
    start = rng.random(n) < 0.4
    start[0] = True
    group = np.cumsum(start) - 1 if grouped else None
    times = kinds.times(exponent, seed=seed, epoch=1, group=group)
    assert times.sum() == n or (grouped and times.sum() > n)
    blocks = Blocks.of(np.arange(n), block_rows, start if grouped else None)
    order = EpochOrder(blocks, pool_rows, seed=seed, epoch=1, times=times)
    pools = [order.pool(k) for k in range(len(order))]
    np.testing.assert_array_equal([len(pool) for pool in pools], np.diff(order.edges))
    assert min(map(len, pools)) > 0
    found = np.bincount(np.concatenate(pools), minlength=n)
    np.testing.assert_array_equal(found, times)


def test_copies_of_a_group_are_side_by_side() -> None:
    group = np.array([0, 0, 1, 2, 2, 2])
    order = repeated_order(
        np.array([2, 2, 0, 1, 1, 1]), np.random.default_rng(0), group
    ).tolist()
    assert sorted(order) == [0, 0, 1, 1, 3, 4, 5]
    runs = group[order]
    assert 1 + np.count_nonzero(np.diff(runs)) <= 3
    pairs = [sorted(order[k : k + 2]) for k in range(6) if order[k] < 2]
    assert [0, 1] in pairs


def test_kinds_are_needed_for_streams(both) -> None:
    with pytest.raises(ValueError, match="no kinds"):
        replace(both()[1], kinds=None).stream(BATCH, seed=0, oversample_kinds=0.5)


def test_images_have_their_labels_for_kinds() -> None:
    columns = {name: np.full(4, value) for name, value in NO_PARTICLE.items()}
    columns |= {"label": np.array([7, 3, 7, 7])}
    kinds = Kinds.of([Particles(columns, np.arange(4))])
    found = [kinds.names[k] for k in kinds.number]
    assert found == ["label 7", "label 3", "label 7", "label 7"]
    np.testing.assert_allclose(kinds.shares(1.0), 0.5)
