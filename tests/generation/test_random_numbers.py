import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import chisquare, kstest

from caloforge.errors import ConfigError
from caloforge.generation import random_numbers as keyed


@pytest.mark.parametrize(
    ("counter", "key", "expected"),
    [
        # Known answers of Random123 1.14, tests/kat_vectors, philox4x32 with 10 rounds.
        ([0] * 4, (0, 0), "6627e8d5 e169c58d bc57ac4c 9b00dbd8"),
        ([0xFFFFFFFF] * 4, (0xFFFFFFFF,) * 2, "408f276d 41c83b0e a20bc7c6 6d5451fd"),
        (
            [0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344],
            (0xA4093822, 0x299F31D0),
            "d16cfe09 94fdcceb 5001e420 24126ea1",
        ),
    ],
)
def test_known_answers_of_random123(counter, key, expected):
    (words,) = keyed.philox4x32([np.array([word]) for word in counter], key)
    assert " ".join(f"{word:08x}" for word in words) == expected


def test_many_counters_at_once_are_what_each_gives_alone():
    # Over the edges of the slices that are worked on at a time.
    n = 2 * keyed._SLICE + 3
    together = keyed.philox4x32((np.arange(n), 1, 2, 3), (4, 5))
    for k in (0, keyed._SLICE - 1, keyed._SLICE, n - 1):
        alone = keyed.philox4x32((np.array([k]), 1, 2, 3), (4, 5))
        assert (together[k] == alone[0]).all()


@settings(max_examples=30, deadline=None)
@given(
    seed=st.integers(0, 2**64 - 1),
    first=st.integers(0, 2**62),
    counts=st.lists(st.integers(0, 9), min_size=1, max_size=6),
    width=st.integers(0, 5),
)
def test_a_shower_has_its_numbers_in_any_company(seed, first, counts, width):
    showers, counts = first + np.arange(len(counts)), np.array(counts)
    normal = keyed.normal(seed, showers, width)
    assert normal.shape == (len(counts), width)
    coarse = keyed.coarse_uniform(seed, showers, counts, keyed.POSITIONS)
    ends = np.cumsum(counts)
    for k in range(len(counts)):
        alone = showers[k : k + 1]
        assert (keyed.normal(seed, alone, width) == normal[k]).all()
        mine = keyed.coarse_uniform(seed, alone, counts[k : k + 1], keyed.POSITIONS)
        assert (mine == coarse[ends[k] - counts[k] : ends[k]]).all()


def test_all_parts_of_the_key_matter():
    base = keyed.uniform(1, np.array([5]), 7, keyed.CELLS)
    for other in (
        keyed.uniform(2, np.array([5]), 7, keyed.CELLS),
        keyed.uniform(1 + 2**32, np.array([5]), 7, keyed.CELLS),
        keyed.uniform(1, np.array([6]), 7, keyed.CELLS),
        keyed.uniform(1, np.array([5 + 2**32]), 7, keyed.CELLS),
        keyed.uniform(1, np.array([5]), 8, keyed.CELLS),
        keyed.uniform(1, np.array([5]), 7, keyed.TOTALS),
    ):
        assert (other != base).all()


@pytest.mark.parametrize("draw", ["uniform", "coarse"])
def test_uniform_within_and_between_showers(draw):
    n = 512
    if draw == "uniform":
        pairs = keyed.uniform(3, np.repeat(np.arange(n), n // 2), np.tile(range(n // 2), n), 0)
        values = pairs.reshape(n, n)
    else:
        values = keyed.coarse_uniform(3, np.arange(n), np.full(n, n), 1).reshape(n, n)
    assert 0 < values.min() < 1e-4
    assert 1 - 1e-4 < values.max() < 1
    for sample in (values.ravel(), values[:, 0], values[0]):
        assert kstest(sample, "uniform").pvalue > 1e-3
    means = (values.mean(axis=1) - 0.5) * np.sqrt(12 * n)
    assert kstest(means, "norm").pvalue > 1e-3  # central limit
    # Neighbours in both directions fall independently into 8 x 8 boxes.
    for a, b in ((values[1:], values[:-1]), (values[:, 1:], values[:, :-1])):
        boxes = np.histogram2d(a.ravel(), b.ravel(), bins=8, range=[[0, 1]] * 2)[0]
        assert chisquare(boxes.ravel()).pvalue > 1e-3


def test_noise_is_standard_normal():
    noise = keyed.normal(0, np.arange(4000), 17)
    assert noise.dtype == np.float32
    assert kstest(noise.ravel(), "norm").pvalue > 1e-3
    correlations = np.corrcoef(noise.T) - np.eye(17)
    assert np.abs(correlations).max() < 5 / np.sqrt(4000)


def test_uniform_never_reaches_its_ends(monkeypatch):
    for word in (0, 0xFFFFFFFF):
        monkeypatch.setattr(
            keyed, "words", lambda *_, word=word: np.full((1, 4), word, dtype=np.uint64)
        )
        value = keyed.uniform(0, np.array([0]), 0, 0)
        assert ((value > 0) & (value < 1)).all()
        value = keyed.coarse_uniform(0, np.array([0]), np.array([4]), 0)
        assert ((value > 0) & (63 + value < 64)).all()


@pytest.mark.parametrize("seed", [-1, 2**64])
def test_seed_out_of_range(seed):
    with pytest.raises(ConfigError, match=rf"seed: found {seed}, expected 0 to 2\^64 - 1"):
        keyed.check_seed(seed)


def splitmix64(state: int, n: int) -> list[int]:
    """The generator as its authors wrote it, in whole numbers."""
    low, words = 2**64 - 1, []
    for _ in range(n):
        state = (state + 0x9E3779B97F4A7C15) & low
        z = state
        z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & low
        z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & low
        words.append(z ^ (z >> 31))
    return words


def test_sequences_are_splitmix64():
    # Known answers of the authors' C program for the seed 1234567.
    assert splitmix64(1234567, 2) == [6457827717110365317, 3203168211198807973]
    seed, shower, stream = 2**63 + 5, 2**40 + 3, keyed.HITS
    of_stream = splitmix64(seed + stream * 0x9E3779B97F4A7C15, 1)[0]
    start = splitmix64(of_stream + (shower - 1) * 0x9E3779B97F4A7C15, 1)[0]
    expected = [((word >> 12) + 0.5) / 2**52 for word in splitmix64(start, 6)]
    made = keyed.sequences(seed, np.array([shower]), np.array([3]), 2, stream)
    assert made.ravel().tolist() == expected


@settings(max_examples=30, deadline=None)
@given(
    seed=st.integers(0, 2**64 - 1),
    first=st.integers(0, 2**62),
    counts=st.lists(st.integers(0, 9), min_size=1, max_size=6),
)
def test_a_shower_has_its_sequence_in_any_company(seed, first, counts):
    showers, counts = first + np.arange(len(counts)), np.array(counts)
    together = keyed.sequences(seed, showers, counts, 3, keyed.HITS)
    alone = [
        keyed.sequences(seed, showers[k : k + 1], counts[k : k + 1] + 2, 3, keyed.HITS)[:-2]
        for k in range(len(counts))
    ]
    assert (together == np.concatenate(alone)).all()


def test_sequences_are_uniform_and_unlike():
    values = keyed.sequences(3, np.arange(512), np.full(512, 256), 2, keyed.HITS)
    assert 0 < values.min() < 1e-4
    assert 1 - 1e-4 < values.max() < 1
    assert kstest(values.ravel(), "uniform").pvalue > 0.01
    rows = values.reshape(512, 512)
    for one, other in ((rows[:-1], rows[1:]), (rows[:, :-1], rows[:, 1:])):
        correlation = np.corrcoef(one.ravel(), other.ravel())[0, 1]
        assert abs(correlation) < 4 / np.sqrt(one.size)
    others = [
        keyed.sequences(4, np.arange(512), np.full(512, 256), 2, keyed.HITS),
        keyed.sequences(3, np.arange(512), np.full(512, 256), 2, keyed.HIT_TOTALS),
    ]
    for other in others:
        assert abs(np.corrcoef(values.ravel(), other.ravel())[0, 1]) < 4 / np.sqrt(values.size)
