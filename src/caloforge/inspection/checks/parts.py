"""Rows in which something is wrong while it is right in the others: merged productions."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

# Chance that a mark stands at a right row (0.5 % in the samples), and at a wrong one. A run of
# rows is wrong if its marks are so much likelier than by chance: 16 rows in a row, or so.
_RIGHT = 0.02
_WRONG = 0.35
_SURE = 18.0
_MOST_RUNS = 5
_NEVER = -1e6  # a run does not reach over one that was found


class Run(NamedTuple):
    """Consecutive rows in which marks abound.

    Attributes:
        begin: First row.
        end: Row after the last one.
        marks: Marks in it.
    """

    begin: int
    end: int
    marks: int


def runs(marks: NDArray[np.bool_], repeats: float = 1.0) -> list[Run]:
    """Find where in a sequence marks abound, by the likelihood of each stretch of rows.

    Arguments:
        marks: Rows that look wrong, ``(n,)``.
        repeats: Rows that are wrong together, as showers of one particle are.

    Returns:
        Stretches that begin and end with a mark, in their order; five at most.
    """
    n = len(marks)
    if not n:
        return []
    # A row says less if its neighbour is bound to say the same.
    seen, unseen = np.log(_WRONG / _RIGHT), np.log((1 - _WRONG) / (1 - _RIGHT))
    steps = np.where(marks, float(seen), float(unseen)) / max(repeats, 1.0)
    found: list[Run] = []
    while len(found) < _MOST_RUNS:
        total = np.concatenate(([0.0], np.cumsum(steps)))
        gain = total - np.minimum.accumulate(total)
        end = int(np.argmax(gain))
        if gain[end] < _SURE + np.log(n):
            break
        # The lowest point before it, the last of several.
        before = total[: end + 1]
        begin = end - int(np.argmin(before[::-1]))
        found.append(Run(begin, end, int(np.count_nonzero(marks[begin:end]))))
        steps[begin:end] = _NEVER
    return sorted(found)


def rows_of(found: list[Run], numbers: NDArray[np.int64]) -> str:
    """Name the showers of some runs: ``"showers 3,775 to 7,549"``."""
    parts = [f"{numbers[run.begin]:,} to {numbers[run.end - 1]:,}" for run in found]
    return f"showers {', '.join(parts)}"


def many(count: int, n: int, share: float, repeats: float = 1.0) -> bool:
    """Whether marks are more than a share of the rows, surely (once in a million files)."""
    from scipy.stats import binom

    independent = max(repeats, 1.0)
    k, m = int(count / independent), max(1, round(n / independent))
    return count > share * n and bool(binom.sf(k - 1, m, share) < 1e-6)
