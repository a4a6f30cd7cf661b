"""Widths of networks: what can be built for a detector, and what is refused."""

from __future__ import annotations

from typing import TYPE_CHECKING

from caloforge.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Sequence


def check_widths(
    key: str,
    widths: Sequence[int],
    *,
    least: int = 0,
    halvings: int = 0,
    grid: tuple[int, int] | None = None,
    expected: str = "units of hidden layers, each 1 or more",
) -> None:
    """Refuse widths of which no network can be made.

    Arguments:
        key: Setting of the run file, for the message.
        widths: What was found there.
        least: Numbers that are needed.
        halvings: How often the network halves the grid.
        grid: Cells along x and y; ``None`` for a network that sees no grid.
        expected: What the numbers mean, for the message.

    Raises:
        ConfigError: If there are too few, one is below 1, or nothing is left of the grid.
    """
    few = len(widths) < least or any(width < 1 for width in widths)
    if few or (grid is not None and min(grid) >> halvings < 1):
        of = "" if grid is None else f" for a grid of {grid[0]} x {grid[1]}"
        msg = f"{key}: found {list(widths)}{of}, expected {expected}"
        raise ConfigError(msg)
