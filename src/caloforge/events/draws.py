"""Random numbers of the n-th particle: a function of the seed and n alone."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from caloforge.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

# What each number of a particle is for, in the order of the draws. Never renumber: runs of
# older versions could not be made again. The last is spare.
KIND, POSITION, ENERGY, X, Y, SLOPE_X, SLOPE_Y = range(7)
N_DRAWS = 8

_STREAM = (
    0x63616C6F67756E  # the second key word, so that no other use of the seed is correlated
)
_WORDS = 4  # 64-bit words that Philox makes from one value of its counter


def uniforms(seed: int, n: int, *, first: int = 0) -> NDArray[np.float64]:
    """Uniform numbers of the particles ``first`` to ``first + n - 1``.

    Philox4x64 with the key (seed, a constant of this file); particle k owns the counter values
    2k and 2k + 1, that is `N_DRAWS` words. Nothing is carried from one particle to the next.

    Arguments:
        seed: Seed of the run, 0 to 2^64 - 1.
        n: How many particles.
        first: Number of the first of them.

    Returns:
        ``(n, N_DRAWS)``, the middles of 2^52 equal parts of (0, 1): never 0 or 1.

    Raises:
        ConfigError: If the seed is out of range.

    References:
        | Parallel random numbers: as easy as 1, 2, 3 (Salmon et al., 2011)
        | https://doi.org/10.1145/2063384.2063405

    Example:
        >>> bool((uniforms(1, 5)[3] == uniforms(1, 1, first=3)[0]).all())
        True
    """
    if not 0 <= seed < 2**64:
        msg = f"seed: found {seed}, expected 0 to 2^64 - 1; give another"
        raise ConfigError(msg)
    # As uint64: numpy would read a list with one number above 2^63 as floats, and round it.
    philox = np.random.Philox(key=np.array([seed, _STREAM], dtype=np.uint64))
    philox.advance(first * (N_DRAWS // _WORDS))
    words = philox.random_raw(n * N_DRAWS).reshape(n, N_DRAWS)
    numbers: NDArray[np.float64] = (
        (words >> np.uint64(12)).astype(np.float64) + 0.5
    ) * 2.0**-52
    return numbers


def pick(weights: Sequence[float], uniform: NDArray[np.float64]) -> NDArray[np.int64]:
    """Choose an index in proportion to its weight, one for each uniform number, ``(n,)``."""
    shares = np.cumsum(weights) / np.sum(weights)
    # The last share may fall short of 1 by rounding; the last weight may be 0.
    shares[np.flatnonzero(weights)[-1] :] = 1.0
    return np.searchsorted(shares, uniform, side="right").astype(np.int64)


def normal(uniform: NDArray[np.float64]) -> NDArray[np.float64]:
    """Turn uniform numbers into standard normal ones, of the same shape."""
    from scipy.special import ndtri  # scipy takes a while to load

    quantiles: NDArray[np.float64] = ndtri(uniform)
    return quantiles
