"""Counting what is wrong: how often, and where first."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray


class Defect:
    """Showers that have something wrong.

    Attributes:
        count: How many.
        first: Number of the first shower, if any.
        example: What was found there.
    """

    def __init__(self) -> None:
        self.count = 0
        self.first: int | None = None
        self.example = ""

    def add(self, wrong: NDArray[np.bool_], start: int, values: NDArray[np.float64]) -> None:
        """Count rows of a piece from shower ``start``; ``values`` says what is there."""
        number = int(np.count_nonzero(wrong))
        if number and self.first is None:
            row = int(np.argmax(wrong))
            self.first, self.example = start + row, f"{values[row]:.10g}"
        self.count += number


class CellDefect:
    """Cells that have something wrong.

    Attributes:
        cells: How many cells.
        count: In how many showers.
        first: Number of the first shower, if any.
        example: What was found there, and in which cell.
    """

    def __init__(self) -> None:
        self.cells = 0
        self.count = 0
        self.first: int | None = None
        self.example = ""

    def add(
        self,
        wrong: NDArray[np.bool_],
        start: int,
        rows: NDArray[np.int64],
        cells: NDArray[np.int64],
        values: NDArray[np.float64],
    ) -> None:
        """Count lit cells of a piece that starts at shower ``start``."""
        number = int(np.count_nonzero(wrong))
        if not number:
            return
        if self.first is None:
            place = int(np.argmax(wrong))
            self.first = start + int(rows[place])
            self.example = f"{float(values[place]):.6g} in cell {int(cells[place])}"
        self.cells += number
        self.count += len(np.unique(rows[wrong]))
