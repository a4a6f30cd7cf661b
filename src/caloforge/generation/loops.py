"""Generation compiled by numba: the same showers as NumPy makes, to the last bit.

Loops over showers and hits, for `caloforge.generation.hits` and `random_numbers`. Nothing here
is approximate: numbers come from the same sequences, distribution functions from the same
routines of SciPy, and the compiler may not reorder sums. It is imported where numba is
installed (extra ``fast``), and only then.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
from llvmlite.binding import add_symbol
from numba import config, float64, int32, njit
from numba.core.types import ExternalFunction
from numba.extending import get_cython_function_address

from caloforge.generation.random_numbers import FACTORS, GAMMA, KEY_STEPS, MIX_1, MIX_2
from caloforge.types import ACTIVATIONS, LEAKY_SLOPE

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    Function = TypeVar("Function", bound=Callable[..., Any])

# What `draw_hits` answers.
DRAWN, NOT_AMOUNTS, TOO_MANY = range(3)

_30, _27, _31, _12 = np.uint64(30), np.uint64(27), np.uint64(31), np.uint64(12)
(_FACTOR_1,), (_FACTOR_2,) = FACTORS
_STEP_1, _STEP_2 = KEY_STEPS
_LOW, _32, _26, _6 = np.uint64(0xFFFFFFFF), np.uint64(32), np.uint64(26), np.uint64(6)
_0 = np.uint64(0)
_FULL, _GUIDE = 65535, 512
_LEAKY_RELU, _SILU = ACTIVATIONS["leaky-relu"], ACTIVATIONS["silu"]


def _compiled(function: Function) -> Function:
    """Compile when first called; kept on disk where there is a place for it."""
    try:
        made: Any = njit(cache=True, nogil=True, error_model="numpy")(function)
    except RuntimeError:  # neither the package nor the user's folder can be written to
        made = njit(nogil=True, error_model="numpy")(function)
    compiled: Function = made
    return compiled


def _routine(name: str, n: int) -> Any:  # noqa: ANN401 - a foreign function
    """Return SciPy's function of ``n`` numbers; by name, so that callers can be cached."""
    symbol = f"caloforge_{name}"
    add_symbol(symbol, get_cython_function_address("scipy.special.cython_special", name))
    # Cython's last argument says whether Python could have overloaded the function.
    return ExternalFunction(symbol, float64(*[float64] * n, int32))


_pdtr, _ndtri = _routine("pdtr", 2), _routine("ndtri", 1)


@_compiled
def _mixed(state: np.uint64) -> np.uint64:
    """Mix the bits of a SplitMix64 state."""
    state = (state ^ (state >> _30)) * MIX_1
    state = (state ^ (state >> _27)) * MIX_2
    return state ^ (state >> _31)


@_compiled
def _start(seed: np.uint64, shower: np.int64, stream: int) -> np.uint64:
    """Where a shower's sequence starts."""
    one = _mixed(seed + np.uint64(stream + 1) * GAMMA)
    return _mixed(one + np.uint64(shower) * GAMMA)


@_compiled
def _uniform(start: np.uint64, word: int) -> float:
    """Return a word of a sequence, from 1, as a number in (0, 1)."""
    bits = _mixed(start + np.uint64(word) * GAMMA)
    return float(bits >> _12) * 2.0**-52 + 2.0**-53


@_compiled
def _poisson(probability: float, mean: float) -> int:
    """Quantile of a Poisson number: `caloforge.generation.counts.quantile`."""
    z = _ndtri(probability, 0)
    k = max(np.floor(mean + np.sqrt(mean) * z + (z * z - 1) / 6), 0.0)
    while not _pdtr(k, mean, 0) >= probability:
        k += 1
    while k > 0 and _pdtr(k - 1, mean, 0) >= probability:
        k -= 1
    return int(k)


@_compiled
def _fill_guide(edges: NDArray[np.float64], guide: NDArray[np.int32]) -> None:
    """Find for each of equal parts of the unit interval the first edge that is above it.

    Arguments:
        edges: Increasing, ``(n,)``.
        guide: Receives how many edges lie below or at the part's beginning, ``(part,)``.
    """
    part, n_parts = 0, len(guide)
    for k in range(len(edges)):
        while part < n_parts and part < edges[k] * n_parts:
            guide[part] = k
            part += 1
    guide[part:] = len(edges)


@_compiled
def _size(function: NDArray[np.float64], number: float) -> int:
    """Counts of a hit; most have one."""
    size = 0
    while size < len(function) and function[size] <= number:
        size += 1
    return size + 1


@_compiled
def draw_hits(
    amounts: NDArray[np.float32],
    seed: np.uint64,
    showers: NDArray[np.int64],
    rows: NDArray[np.int64],
    streams: tuple[int, int, int],
    law: tuple[float, float, float],
    sizes: NDArray[np.float64],
    keep: NDArray[np.float32],
    alias: NDArray[np.int32],
    light: NDArray[np.float32],
    moves: tuple[NDArray[np.int64], NDArray[np.float64]],
    grid: tuple[int, int],
    shift: NDArray[np.int64],
    far: tuple[NDArray[np.int64], NDArray[np.float64]],
    counts: NDArray[np.uint16],
) -> int:
    """Draw the hits of showers into zeros: `caloforge.generation.hits.HitDrawing.draw`.

    Arguments:
        amounts: Expected counts of each shape, ``(n, shape)``.
        seed: Key of the random numbers.
        showers: Numbers of the showers, ``(n,)``.
        rows: Which of them are drawn, ``(m,)``.
        streams: What random numbers are for: totals, hits, tracks.
        law: Hits for an expected count; chance that a count wanders; most hits of a shower.
        sizes: Distribution function of the counts of a hit, without its end.
        keep: Of the alias table, ``(shape, cell)``.
        alias: Of the alias table, ``(shape, cell)``.
        light: Chance of each cell, ``(shape, cell)``; empty where nothing wanders.
        moves: Steps along x and y ``(m, 2)``, and the upper edges of their chances without
            the last.
        grid: Cells along x and y.
        shift: Cells by which the model's frame is moved, ``(n, 2)``.
        far: Lower edges of bins of distance from the impact point, and the mean of a far cell
            in them ``(n, bin)``; no bins where nothing is far.
        counts: Receives the counts, ``(n, cell)``, zeros before.

    Returns:
        `DRAWN`, or why not: `NOT_AMOUNTS` or `TOO_MANY`, also if a cell is full. ``counts`` is
        then of no meaning.
    """
    n_shapes = amounts.shape[1]
    n_cells = counts.shape[1]
    nx, ny = grid
    # Look-ups are faster than divisions.
    lines = np.empty((n_cells, 2), dtype=np.int32)
    for cell in range(n_cells):
        lines[cell, 0], lines[cell, 1] = cell // ny, cell % ny
    guide, step_guide = np.empty(_GUIDE, dtype=np.int32), np.empty(_GUIDE + 1, dtype=np.int32)
    # Shape and cell of hits and of counts; where a number lies in the share of its cell.
    chosen, placed = np.empty((0, 2), dtype=np.int32), np.empty((0, 2), dtype=np.int32)
    within = np.empty(0)
    per_count, leaving, most = law
    steps, step_edges = moves
    _fill_guide(step_edges, step_guide[:_GUIDE])
    step_guide[_GUIDE] = len(step_edges)
    far_bins, far_rates = far
    edges = np.empty(n_shapes)
    for row in rows:
        total = 0.0
        for shape in range(n_shapes):
            amount = amounts[row, shape]
            if not (amount >= 0 and amount < np.inf):
                return NOT_AMOUNTS
            total += float(amount)
            edges[shape] = total
        dx, dy = shift[row]
        far_cells = nx * ny - (nx - abs(dx)) * (ny - abs(dy))
        brightest = far_rates[row].max() if len(far_bins) > 0 else 0.0
        if not (total <= most and brightest * far_cells <= most):
            return TOO_MANY
        start = _start(seed, showers[row], streams[0])
        n_near = _poisson(_uniform(start, 1), total * per_count)
        n_far = _poisson(_uniform(start, 2), brightest * far_cells * per_count)
        if total > 0:
            for shape in range(n_shapes):
                edges[shape] /= total
        _fill_guide(edges[:-1], guide)
        start = _start(seed, showers[row], streams[1])
        tracks = _start(seed, showers[row], streams[2])
        if len(chosen) < n_near:
            chosen = np.empty((2 * n_near, 2), dtype=np.int32)
            within = np.empty(2 * n_near, dtype=np.float64)
        # Steps one after the other for all hits, without branches: the processor then waits
        # for many places of the tables at a time.
        for hit in range(n_near):
            number = _uniform(start, 2 * hit + 1)
            shape = guide[int(number * _GUIDE)]
            while shape < n_shapes - 1 and edges[shape] <= number:
                shape += 1
            below = edges[shape - 1] if shape > 0 else 0.0
            width = edges[shape] - below
            scaled = (number - below) / (width if width > 0 else 1.0) * n_cells
            cell = min(int(scaled), n_cells - 1)
            chosen[hit, 0], chosen[hit, 1], within[hit] = shape, cell, scaled - cell
        for hit in range(n_near):
            shape, cell = chosen[hit]
            other = alias[shape, cell]
            chosen[hit, 1] = cell if within[hit] < keep[shape, cell] else other
        n_counts = 0
        for hit in range(n_near):
            size = _size(sizes, _uniform(start, 2 * hit + 2))
            if len(placed) < n_counts + size:
                larger = np.empty((2 * (n_counts + size), 2), dtype=np.int32)
                larger[:n_counts] = placed[:n_counts]
                placed = larger
            for _ in range(size):
                placed[n_counts, 0], placed[n_counts, 1] = chosen[hit, 0], chosen[hit, 1]
                n_counts += 1
        for count in range(n_counts if len(light) > 0 else 0):
            shape, here = placed[count]
            number = _uniform(tracks, 2 * count + 1)
            share = min(number / leaving, 1.0)
            step = step_guide[int(share * _GUIDE)]
            while step < len(step_edges) and step_edges[step] <= share:
                step += 1
            x, y = lines[here, 0] + steps[step, 0], lines[here, 1] + steps[step, 1]
            goes = (number < leaving) & (x >= 0) & (x < nx) & (y >= 0) & (y < ny)
            there = x * ny + y if goes else here
            number = _uniform(tracks, 2 * count + 2)
            stays = number * float(light[shape, here]) >= light[shape, there]
            placed[count, 1] = here if stays else there
        for count in range(n_counts):
            here = placed[count, 1]
            x, y = lines[here, 0] + dx, lines[here, 1] + dy
            if 0 <= x < nx and 0 <= y < ny:
                if counts[row, x * ny + y] == _FULL:
                    return TOO_MANY
                counts[row, x * ny + y] += 1
        for hit in range(n_far):
            word = 2 * n_near + 4 * hit
            place = int(_uniform(start, word + 1) * far_cells)
            # The band in x has whole columns; that in y what is left of the others.
            if place < abs(dx) * ny:
                x, y = place // ny + (nx + dx if dx < 0 else 0), place % ny
            else:
                place -= abs(dx) * ny
                x = place // max(abs(dy), 1) + max(dx, 0)
                y = place % max(abs(dy), 1) + (ny + dy if dy < 0 else 0)
            distance = max(abs(x - nx // 2 - dx), abs(y - ny // 2 - dy))
            which = 0
            while which + 1 < len(far_bins) and far_bins[which + 1] <= distance:
                which += 1
            if not _uniform(start, word + 2) < far_rates[row, which] / brightest:
                continue
            size = _size(sizes, _uniform(start, word + 3))
            if counts[row, x * ny + y] > _FULL - size:
                return TOO_MANY
            counts[row, x * ny + y] += size
    return DRAWN


@_compiled
def draw_normal(
    seed: np.uint64, showers: NDArray[np.int64], noise: NDArray[np.float32]
) -> None:
    """Fill in standard normal numbers: `caloforge.generation.random_numbers.normal`.

    Arguments:
        seed: Key of the random numbers.
        showers: Numbers of the showers, ``(n,)``.
        noise: Receives them, ``(n, k)``.
    """
    n, width = noise.shape
    for row in range(n):
        number = np.uint64(showers[row])
        for block in range((width + 1) // 2):
            a, b = np.uint64(block), _0
            c, d = number & _LOW, number >> _32
            key_1, key_2 = seed & _LOW, seed >> _32
            for _ in range(10):
                first, second = a * _FACTOR_1, c * _FACTOR_2
                a, b = (second >> _32) ^ b ^ key_1, second & _LOW
                c, d = (first >> _32) ^ d ^ key_2, first & _LOW
                key_1, key_2 = (key_1 + _STEP_1) & _LOW, (key_2 + _STEP_2) & _LOW
            pairs = ((a >> _6) << _26) | (b >> _6), ((c >> _6) << _26) | (d >> _6)
            for k in range(min(2, width - 2 * block)):
                noise[row, 2 * block + k] = _ndtri((float(pairs[k]) + 0.5) * 2.0**-52, 0)


@_compiled
def run_chain(
    numbers: NDArray[np.float32],
    layers: NDArray[np.int64],
    limits: tuple[float, float],
    conditions: NDArray[np.float32],
    noise: NDArray[np.float32],
    amounts: NDArray[np.float32],
) -> None:
    """Go through a chain of dense layers: `caloforge.types.DenseChain`.

    The terms of each sum are added in their order, so that a row depends on nothing else.

    Arguments:
        numbers: Weights ``(input, output)`` and biases of all layers, one after the other.
        layers: Inputs, outputs, activation (0 none, 1 leaky ReLU, 2 SiLU), and whether the
            conditions are joined, of each layer, ``(layer, 4)``.
        limits: Where logarithms of amounts are cut off.
        conditions: ``(n, condition)``.
        noise: ``(n, noise)``.
        amounts: Receives the amounts, ``(n, shape)``.
    """
    widest = max(layers[:, 0].max(), layers[:, 1].max())
    x, y = np.empty(widest, dtype=np.float32), np.empty(widest, dtype=np.float32)
    one, slope = np.float32(1), np.float32(LEAKY_SLOPE)
    low, high = np.float32(limits[0]), np.float32(limits[1])
    for row in range(len(conditions)):
        n, place = noise.shape[1], 0
        x[:n] = noise[row]
        for inputs, outputs, activation, joined in layers:
            if joined:
                x[n:inputs] = conditions[row]
            bias = place + inputs * outputs
            y[:outputs] = numbers[bias : bias + outputs]
            for k in range(inputs):
                weights = numbers[place + k * outputs : place + (k + 1) * outputs]
                value = x[k]
                for j in range(outputs):
                    y[j] += value * weights[j]
            if activation == _LEAKY_RELU:
                for j in range(outputs):
                    y[j] = y[j] if y[j] > 0 else slope * y[j]
            elif activation == _SILU:
                for j in range(outputs):
                    y[j] = y[j] / (one + np.exp(-y[j]))
            x, y = y, x
            n, place = outputs, bias + outputs
        for shape in range(n):
            amounts[row, shape] = np.exp(min(max(x[shape], low), high))


def warm_up() -> None:
    """Compile everything, or read what was compiled before.

    Raises:
        OSError: If what was compiled cannot be read or kept, and its like.
    """
    if getattr(config, "DISABLE_JIT", 0):
        raise ImportError
    row, one = np.zeros((1, 1), dtype=np.float32), np.zeros(1, dtype=np.int64)
    table, none = np.ones((1, 1), dtype=np.float32), np.empty(0)
    moves = np.zeros((0, 2), dtype=np.int64), none
    draw_hits(
        row,
        np.uint64(0),
        one,
        one,
        (6, 7, 8),
        (1.0, 0.0, 1.0),
        none,
        table,
        np.zeros((1, 1), dtype=np.int32),
        table[:0],
        moves,
        (1, 1),
        np.zeros((1, 2), dtype=np.int64),
        (one[:0], np.empty((0, 0))),
        np.zeros((1, 1), dtype=np.uint16),
    )
    draw_normal(np.uint64(0), one, row)
    layers = np.ones((1, 4), dtype=np.int64)
    run_chain(np.zeros(2, dtype=np.float32), layers, (0.0, 0.0), row, row[:, :0], row)
