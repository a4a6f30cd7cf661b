"""Pass or fail: a tolerance is asked for where the showers suffice to judge it."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from caloforge.metrics.figures import Figure


def judged(figures: Iterable[Figure], tolerance: float) -> list[Figure]:
    """Ask figures to be within a tolerance of their ideal.

    Only where the error of the floor is at most half of the tolerance: full simulation itself
    then fails in at most 5 of 100 comparisons. Elsewhere the figure says what it lacks.

    Arguments:
        figures: Differences to full simulation whose ideal is 0.
        tolerance: Largest acceptable absolute value, in their unit.
    """
    return [_judged(figure, tolerance) for figure in figures]


def _judged(figure: Figure, tolerance: float) -> Figure:
    if figure.floor is None or figure.value is None:
        return figure
    if figure.floor.error <= tolerance / 2:
        return replace(figure, tolerance=tolerance)
    unit = f" {figure.floor.unit}" if figure.floor.unit else ""
    lack = f"too few showers to judge a tolerance of {tolerance:g}{unit}"
    return replace(figure, note=f"{figure.note}; {lack}" if figure.note else lack)
