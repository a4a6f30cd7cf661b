import heapq

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from caloforge.simulation.chunks import costs, cut, dearest_first


@given(st.lists(st.integers(1, 20_000_000), min_size=1, max_size=300))
def test_every_shower_is_in_one_chunk(cost):
    chunks = cut(np.array(cost))
    assert [c.start for c in chunks] == [0, *(c.stop for c in chunks[:-1])]
    assert chunks[-1].stop == len(cost)
    assert all(c.cost == sum(cost[c.start : c.stop]) for c in chunks)
    budget = max(200_000, min(6_000_000, sum(cost) // 64))
    assert all(c.cost <= budget or c.stop == c.start + 1 for c in chunks)


def test_no_shower_no_chunk():
    assert cut(np.zeros(0, dtype=np.int64)) == []


def test_particles_that_miss_cost_nothing_and_energy_costs():
    few, many, missed = costs(np.array([1.0, 100.0, 100.0]), np.array([False, False, True]))
    assert missed < few < many
    assert max(c.stop - c.start for c in cut(np.full(5000, missed))) == 1024


@pytest.mark.parametrize("workers", [2, 4])
def test_a_hundred_showers_keep_workers_busy_to_the_end(workers):
    # Whoever is free takes the next chunk; energies as of the ZN's gun, 10 GeV to 1 TeV.
    energy = 10 ** np.random.default_rng(0).uniform(1, 3, 100)
    chunks = dearest_first(cut(costs(energy, np.zeros(100, dtype=bool))))
    busy = [0] * workers
    for chunk in chunks:
        heapq.heappush(busy, heapq.heappop(busy) + chunk.cost)
    assert sum(busy) / workers > 0.98 * max(busy)


def test_a_long_run_has_chunks_of_seconds():
    chunks = cut(costs(np.full(100_000, 100.0), np.zeros(100_000, dtype=bool)))
    assert {round(c.cost / 1e6) for c in chunks[:-1]} <= {5, 6}
