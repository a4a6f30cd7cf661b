"""The order of an epoch: every row once, in blocks and pools, and how well that mixes."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from caloforge.data.feeding.stream_order import Blocks, EpochOrder


@settings(deadline=None, max_examples=80)
@given(
    seed=st.integers(0, 9999),
    n=st.integers(1, 300),
    share=st.floats(0.05, 1.0),
    block_rows=st.integers(1, 50),
    pool_rows=st.integers(1, 120),
    grouped=st.booleans(),
)
def test_every_row_once_in_whole_blocks(seed, n, share, block_rows, pool_rows, grouped) -> None:
    rng = np.random.default_rng(seed)
    rows = np.flatnonzero(rng.random(n) <= share)
    if not len(rows):
        return
    start = rng.random(len(rows)) < 0.4
    start[0] = True
    blocks = Blocks.of(rows, block_rows, start if grouped else None)
    order = EpochOrder(blocks, pool_rows, seed=seed, epoch=3)
    pools = [order.pool(number) for number in range(len(order))]
    np.testing.assert_array_equal(np.diff(order.edges), [len(pool) for pool in pools])
    np.testing.assert_array_equal(np.sort(np.concatenate(pools)), np.arange(len(rows)))
    block = np.searchsorted(blocks.edges, np.arange(len(rows)), side="right") - 1
    group = np.cumsum(start) - 1
    for pool in pools:
        # Whole blocks, and no more of them than it takes to fill the pool.
        members, sizes = np.unique(block[pool], return_counts=True)
        np.testing.assert_array_equal(sizes, np.diff(blocks.edges)[members])
        assert len(pool) - sizes.max() < pool_rows
        if grouped:  # the rows of a group lie side by side
            runs = 1 + np.count_nonzero(np.diff(group[pool]))
            assert runs == len(np.unique(group[pool]))
    if not grouped:
        assert all(len(np.unique(rows[block == b] // block_rows)) == 1 for b in set(block))


@pytest.mark.parametrize(("start", "stop"), [(0, 1), (5, 90), (20, 21), (0, 100)])
def test_pools_of_places(start, stop) -> None:
    order = EpochOrder(Blocks.of(np.arange(100), 7), 21, seed=0, epoch=0)
    expected = {
        number
        for number in range(len(order))
        if order.edges[number] < stop and order.edges[number + 1] > start
    }
    assert set(order.pools(start, stop)) == expected


def test_order_is_of_seed_and_epoch() -> None:
    blocks = Blocks.of(np.arange(5000), 40)

    def order(seed, epoch):
        pools = EpochOrder(blocks, 1000, seed=seed, epoch=epoch)
        return np.concatenate([pools.pool(number) for number in range(len(pools))])

    np.testing.assert_array_equal(order(1, 2), order(1, 2))
    for other in (order(1, 3), order(2, 2)):
        assert not np.array_equal(order(1, 2), other)


# 200,000 ZN showers in chunks of 135, pools as of buffer_mb = 256: 185 blocks a pool.
N, CHUNK, POOL, BATCH = 200_000, 135, 25_000, 256


def spread_of_batch_means(sorted_value: np.ndarray, orders: list[np.ndarray]) -> float:
    """Standard deviation of batch means over what a full shuffle would give."""
    value = (sorted_value - sorted_value.mean()) / sorted_value.std()
    used = N // BATCH * BATCH
    means = np.concatenate(
        [value[order[:used]].reshape(-1, BATCH).mean(axis=1) for order in orders]
    )
    return float(means.std() * np.sqrt(BATCH))


def orders(n_epochs: int) -> list[np.ndarray]:
    blocks = Blocks.of(np.arange(N), CHUNK)
    made = []
    for epoch in range(n_epochs):
        order = EpochOrder(blocks, POOL, seed=0, epoch=epoch)
        made.append(np.concatenate([order.pool(number) for number in range(len(order))]))
    return made


def test_distances_in_the_order_are_those_of_random_pools() -> None:
    (order,) = orders(1)
    place = np.argsort(order)
    # Two rows of a file far apart: as in a full shuffle, a third of the epoch on average.
    far = np.abs(place[: N // 2] - place[N // 2 :]).mean()
    assert far == pytest.approx(N / 3, rel=0.1)
    # Neighbours in the file are in the same pool, a third of it apart.
    near = np.abs(np.diff(place))
    inside = near[np.arange(1, N) % CHUNK > 0].mean()
    assert inside == pytest.approx(POOL / 3, rel=0.05)
    # They share a batch nearly as seldom as any two rows of a pool do.
    together = np.mean((place[1:] // BATCH == place[:-1] // BATCH)[np.arange(1, N) % CHUNK > 0])
    assert together == pytest.approx(BATCH / POOL, rel=0.15)


def test_spread_of_batches_of_a_file_in_the_worst_order() -> None:
    # A file sorted by energy: a pool is a random sample of 185 of 1482 chunks, and a batch one
    # of 256 rows of the pool. Its mean spreads with both, with a full shuffle as the second.
    made = orders(6)
    n_blocks, in_pool = -(-N // CHUNK), -(-POOL // CHUNK)
    expected = np.sqrt(1 + BATCH * (1 / in_pool - 1 / n_blocks))
    assert expected == pytest.approx(1.48, abs=0.01)
    assert spread_of_batch_means(np.arange(N), made) == pytest.approx(expected, rel=0.12)
    # A file in random order: nothing is lost.
    random = np.random.default_rng(0).random(N)
    assert spread_of_batch_means(random, made[:2]) == pytest.approx(1.0, abs=0.05)


def test_pools_are_mixed_anew_every_epoch() -> None:
    first, second = (np.argsort(order) // POOL for order in orders(2))
    # Of the chunks that share a pool in one epoch, an eighth does so in the next.
    chunk = np.arange(0, N, CHUNK)
    pairs = np.random.default_rng(0).choice(chunk, (4000, 2))
    shared = first[pairs[:, 0]] == first[pairs[:, 1]]
    again = (second[pairs[:, 0]] == second[pairs[:, 1]])[shared].mean()
    assert again == pytest.approx(POOL / N, abs=0.06)
