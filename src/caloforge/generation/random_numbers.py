"""Random numbers by number, not by order: each is a function of (seed, shower, stream, draw).

Philox4x32-10 turns a key and a counter of 128 bits into four words of 32 bits. The key is the
seed; the counter holds the draw's number in its first word, the stream in the second and the
shower's number in the last two. Nothing is carried from one draw to the next, so a shower has
the same random numbers wherever and with whatever others it is made.

Where very many are needed, `sequences` gives them at a fraction of the cost: a SplitMix64
sequence for each shower, whose start is a mixture of the seed, the stream and the shower's
number.

References:
    | Parallel random numbers: as easy as 1, 2, 3 (Salmon et al., 2011)
    | https://doi.org/10.1145/2063384.2063405
    | Fast splittable pseudorandom number generators (Steele et al., 2014)
    | https://doi.org/10.1145/2660193.2660195
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy.special import ndtri

from caloforge.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import ModuleType

    from numpy.typing import ArrayLike, NDArray

# What a draw is for. Never renumber: showers of older versions could not be made again.
NOISE, TOTALS, POSITIONS, CELLS, SIZES, DONORS = range(6)
HIT_TOTALS, HITS, TRACKS = 6, 7, 8

FACTORS = np.array([[0xD2511F53], [0xCD9E8D57]], dtype=np.uint64)
KEY_STEPS = np.array([0x9E3779B9, 0xBB67AE85], dtype=np.uint64)
_LOW, _HALF = np.uint64(0xFFFFFFFF), np.uint64(32)
# SplitMix64: the step between states, and the mixing of a state's bits.
GAMMA = np.uint64(0x9E3779B97F4A7C15)
MIX_1, MIX_2 = np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB)
_SHIFTS = np.uint64(30), np.uint64(27), np.uint64(31)
_ONE = np.float64(1).view(np.uint64)
_SLICE = 4096  # counters that are worked on at a time, so that they stay in the cache
_WORDS = 4


def check_seed(seed: int) -> int:
    """Return the seed if it fits the key of 64 bits.

    Raises:
        ConfigError: If it is negative or too large.
    """
    if not 0 <= seed < 2**64:
        msg = f"seed: found {seed}, expected 0 to 2^64 - 1; give another"
        raise ConfigError(msg)
    return seed


def philox4x32(counters: Sequence[ArrayLike], key: tuple[int, int]) -> NDArray[np.uint64]:
    """Philox4x32-10, the generator of Random123, on many counters.

    Arguments:
        counters: The four words of the counters, each ``(n,)`` or a number.
        key: The two words of the key.

    Returns:
        Four words of 32 bits a counter, ``(n, 4)``.
    """
    words = np.broadcast_arrays(*(np.asarray(word, dtype=np.uint64) for word in counters))
    result = np.empty((words[0].size, _WORDS), dtype=np.uint64)
    steps = np.arange(10, dtype=np.uint64)[:, None] * KEY_STEPS
    keys = ((np.array(key, dtype=np.uint64) + steps) & _LOW)[:, :, None]
    for start in range(0, len(result), _SLICE):
        part = slice(start, start + _SLICE)
        # Words 0 and 2 are multiplied; of the two products, crosswise, the upper halves mixed
        # with the other words and the key, and the lower halves, are the new words.
        factors = np.stack([words[0][part], words[2][part]])
        others = np.stack([words[1][part], words[3][part]])
        for key_words in keys:
            factors *= FACTORS
            others ^= (factors >> _HALF)[::-1]
            others ^= key_words
            factors &= _LOW
            factors, others = others, factors[::-1]
        result[part, 0::2], result[part, 1::2] = factors.T, others.T
    return result


def words(
    seed: int, showers: NDArray[np.int64], draws: NDArray[np.int64] | int, stream: int
) -> NDArray[np.uint64]:
    """Four words of 32 bits for each pair of shower and draw, ``(n, 4)``."""
    number = np.asarray(showers).astype(np.uint64)
    key = (seed & 0xFFFFFFFF, seed >> 32)
    return philox4x32((draws, stream, number & _LOW, number >> _HALF), key)


def uniform(
    seed: int, showers: NDArray[np.int64], draws: NDArray[np.int64] | int, stream: int
) -> NDArray[np.float64]:
    """Two uniform numbers for each pair of shower and draw, ``(n, 2)``.

    They are the middles of 2^52 equal parts of (0, 1), exact in double precision: never 0 or 1.
    """
    six = np.uint64(6)
    high = words(seed, showers, draws, stream) >> six
    bits = (high[:, 0::2] << np.uint64(26)) | high[:, 1::2]
    return (bits.astype(np.float64) + 0.5) * 2.0**-52


def normal(
    seed: int, showers: NDArray[np.int64], n: int, loops: ModuleType | None = None
) -> NDArray[np.float32]:
    """Standard normal noise of showers, ``(len(showers), n)``; one column may be had alone.

    With ``loops``, `caloforge.generation.loops`, it takes less time; the numbers are the same.
    """
    if loops is not None:
        noise = np.empty((len(showers), n), dtype=np.float32)
        loops.draw_normal(np.uint64(seed), showers, noise)
        return noise
    blocks = -(-n // 2)
    pairs = uniform(
        seed, np.repeat(showers, blocks), np.tile(np.arange(blocks), len(showers)), NOISE
    )
    quantiles: NDArray[np.float64] = ndtri(pairs.reshape(len(showers), 2 * blocks)[:, :n])
    return quantiles.astype(np.float32)


def coarse_uniform(
    seed: int, showers: NDArray[np.int64], counts: NDArray[np.int64], stream: int
) -> NDArray[np.float64]:
    """Some uniform numbers for each shower, of 32 bits: the middles of 2^32 parts of (0, 1).

    Arguments:
        seed: The key.
        showers: Numbers of the showers, ``(n,)``.
        counts: How many numbers each needs, ``(n,)``.
        stream: What they are for.

    Returns:
        ``(counts.sum(),)``: those of the first shower, then those of the second, and so on.
    """
    blocks = -(-counts // _WORDS)
    first = np.cumsum(blocks) - blocks
    draws = np.arange(blocks.sum()) - np.repeat(first, blocks)
    drawn = words(seed, np.repeat(showers, blocks), draws, stream).ravel()
    # The last block of a shower may hold more than it needs.
    start = np.cumsum(counts) - counts
    place = np.arange(counts.sum()) + np.repeat(_WORDS * first - start, counts)
    numbers: NDArray[np.float64] = (drawn[place].astype(np.float64) + 0.5) * 2.0**-32
    return numbers


def sequences(
    seed: int, showers: NDArray[np.int64], counts: NDArray[np.int64], width: int, stream: int
) -> NDArray[np.float64]:
    """Rows of uniform numbers for each shower, from its own SplitMix64 sequence.

    Arguments:
        seed: The key.
        showers: Numbers of the showers, ``(n,)``.
        counts: How many rows each needs, ``(n,)``.
        width: Numbers in a row.
        stream: What they are for.

    Returns:
        ``(counts.sum(), width)``: rows of the first shower, then those of the second, and so
        on; the middles of 2^52 equal parts of (0, 1). With more rows the first stay the same.
    """
    one = np.array([seed], dtype=np.uint64) + np.array([stream + 1], dtype=np.uint64) * GAMMA
    starts = _mixed(_mixed(one) + showers.astype(np.uint64) * GAMMA)
    # Number of each word in its shower's sequence, from 1.
    total = int(counts.sum())
    place = np.arange(1, total * width + 1, dtype=np.uint64)
    first = (np.cumsum(counts) - counts).astype(np.uint64) * np.uint64(width)
    states = place.reshape(total, width)
    states *= GAMMA
    states += np.repeat(starts - first * GAMMA, counts)[:, None]
    bits = _mixed(states)
    # Into the mantissa of a number between 1 and 2: faster than a conversion, and the same.
    bits >>= np.uint64(12)
    bits |= _ONE
    numbers = bits.view(np.float64)
    numbers -= 1 - 2.0**-53
    return numbers


def _mixed(states: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """Mix the bits of each state, in place."""
    for shift, factor in zip(_SHIFTS, (MIX_1, MIX_2, None), strict=True):
        states ^= states >> shift
        if factor is not None:
            states *= factor
    return states
