"""Cell responses of another program, dense or hit by hit, as flat showers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from caloforge.errors import DataFormatError
from caloforge.formats.units import Conversion, conversion
from caloforge.geometry import CylinderLayout, GridLayout

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from caloforge.formats.mapping.names import CellRule
    from caloforge.geometry import DetectorGeometry


class Rows(NamedTuple):
    """Some rows of one branch.

    Attributes:
        values: Numbers of all rows, one after the other, ``(sum of counts,)``.
        counts: How many belong to each row, ``(n,)``.
    """

    values: NDArray[Any]
    counts: NDArray[np.int64]

    def __len__(self) -> int:
        """Return the number of rows."""
        return len(self.counts)


class CellPlan:
    """How showers follow from branches.

    Arguments:
        rule: Where the responses are.
        geometry: Detector that they are of.
        source: File and mapping, for messages.

    Attributes:
        conversions: What is converted, a sentence each.

    Raises:
        DataFormatError: If the rule does not fit the geometry.
    """

    def __init__(self, rule: CellRule, geometry: DetectorGeometry, *, source: str) -> None:
        self._rule, self._geometry, self._source = rule, geometry, source
        self._unit: Conversion = conversion(
            rule.unit, geometry.unit, where=f"{source}: [cells] unit"
        )
        layout = geometry.layout
        needed = {1: "any", 2: "grid", 3: "cylinder"}.get(len(rule.index), "any")
        if needed not in ("any", layout.kind):
            msg = (
                f"{source}: [cells] index has {len(rule.index)} names, expected "
                f"{2 if layout.kind == 'grid' else 3} or 1 for the {layout.kind} "
                f"'{geometry.name}'"
            )
            raise DataFormatError(msg)
        if rule.order == "yx" and (layout.kind != "grid" or len(rule.index) > 1):
            what = "a grid" if layout.kind != "grid" else "it without two index branches"
            msg = f"{source}: [cells] order = 'yx', expected {what}; remove it"
            raise DataFormatError(msg)
        self.conversions = [text for text in (self._unit.text("cells"),) if text]
        if rule.order == "yx":
            self.conversions.append("cells: order [y][x] to [x][y]")
        if rule.index:
            self.conversions.append("cells: pairs of number and response to all cells")

    def showers(
        self, responses: Sequence[Rows], indices: Sequence[Rows], first_row: int
    ) -> NDArray[Any]:
        """Return flat showers ``(n, cell)`` in the geometry's unit and order.

        Arguments:
            responses: Rows of each branch of the rule.
            indices: Rows of each index branch; none for dense showers.
            first_row: Number of the first row, for messages.

        Raises:
            DataFormatError: If a row has another number of cells, or a cell does not exist.
        """
        if indices:
            showers = self._sparse(responses[0], indices, first_row)
        else:
            showers = self._dense(responses, first_row)
        if showers.dtype == np.bool_:
            showers = showers.view(np.uint8)
        layout = self._geometry.layout
        if self._rule.order == "yx" and isinstance(layout, GridLayout):
            x, y = layout.cells
            showers = showers.reshape(-1, y, x).transpose(0, 2, 1).reshape(len(showers), -1)
        return self._unit.apply(showers)

    def _dense(self, responses: Sequence[Rows], first_row: int) -> NDArray[Any]:
        """Put the branches of each row one after the other."""
        counts = np.sum([rows.counts for rows in responses], axis=0)
        wrong = np.flatnonzero(counts != self._geometry.n_cells)
        if len(wrong):
            row = int(wrong[0])
            msg = (
                f"{self._source}: row {first_row + row} has {counts[row]} cells in "
                f"{', '.join(self._rule.branch)}, expected {self._geometry.n_cells} for "
                f"geometry '{self._geometry.name}'; name another geometry, or the index branch "
                "of cells that are listed hit by hit"
            )
            raise DataFormatError(msg)
        n = len(responses[0])
        if len(responses) == 1:
            return responses[0].values.reshape(n, self._geometry.n_cells)
        widths = [rows.counts[:1].sum() for rows in responses]
        for rows, name, width in zip(responses, self._rule.branch, widths, strict=True):
            if (rows.counts != width).any():
                row = first_row + int(np.argmax(rows.counts != width))
                msg = (
                    f"{self._source}: branch '{name}' has another number of cells in row {row} "
                    "than before, expected as many in each; write all cells, or pairs"
                )
                raise DataFormatError(msg)
        parts = [
            rows.values.reshape(n, width) for rows, width in zip(responses, widths, strict=True)
        ]
        return np.concatenate(parts, axis=1)

    def _sparse(self, responses: Rows, indices: Sequence[Rows], first_row: int) -> NDArray[Any]:
        """Spread pairs of cell number and response; several of one cell add up."""
        n, n_cells = len(responses), self._geometry.n_cells
        for rows, name in zip(indices, self._rule.index, strict=True):
            differ = np.flatnonzero(rows.counts != responses.counts)
            if len(differ):
                row = int(differ[0])
                msg = (
                    f"{self._source}: row {first_row + row} has {rows.counts[row]} numbers in "
                    f"'{name}' and {responses.counts[row]} in '{self._rule.branch[0]}', "
                    "expected pairs; write the file again"
                )
                raise DataFormatError(msg)
        row_of = np.repeat(np.arange(n), responses.counts)
        cell = self._cell_numbers([rows.values for rows in indices], row_of, first_row)
        flat_cell = row_of * n_cells + cell
        # Sums in float64: exact for counts up to 2^53, and for single float32 responses.
        total = np.bincount(flat_cell, weights=responses.values, minlength=n * n_cells)
        kind = responses.values.dtype.kind
        if kind in "iub":
            total = total.astype(np.int64)
        elif responses.values.dtype == np.float32:
            total = total.astype(np.float32)
        return total.reshape(n, n_cells)

    def _cell_numbers(
        self, indices: list[NDArray[Any]], row_of: NDArray[np.int64], first_row: int
    ) -> NDArray[np.int64]:
        """Turn the index branches into our cell numbers."""
        layout = self._geometry.layout
        first = self._rule.first_index
        numbers = [self._whole(values, k) - first for k, values in enumerate(indices)]
        limits: list[Any] = [self._geometry.n_cells]
        if len(numbers) == 2 and isinstance(layout, GridLayout):
            limits = list(layout.cells)
        elif len(numbers) == 3 and isinstance(layout, CylinderLayout):
            layer = np.clip(numbers[0], 0, len(layout.layers) - 1)
            shapes = np.array([part.shape for part in layout.layers])
            limits = [len(layout.layers), shapes[layer, 0], shapes[layer, 1]]
        for values, limit, name in zip(numbers, limits, self._rule.index, strict=True):
            wrong = (values < 0) | (values >= limit)
            if wrong.any():
                at = int(np.argmax(wrong))
                last = int(np.broadcast_to(limit, values.shape)[at]) - 1 + first
                msg = (
                    f"{self._source}: row {first_row + int(row_of[at])} has "
                    f"{values[at] + first} in '{name}', expected {first} to {last} for "
                    f"geometry '{self._geometry.name}'; check it and [cells] first_index"
                )
                raise DataFormatError(msg)
        cells = numbers[0]
        if isinstance(layout, CylinderLayout) and len(numbers) == 3:
            starts = np.array([part.start for part in layout.slices], dtype=np.int64)
            cells = starts[numbers[0]] + numbers[1] * limits[2] + numbers[2]
        elif len(numbers) == 2:
            cells = numbers[0] * limits[1] + numbers[1]
        return cells.astype(np.int64, copy=False)

    def _whole(self, values: NDArray[Any], which: int) -> NDArray[np.int64]:
        """Return cell numbers as integers, also where they were stored as floats."""
        if values.dtype.kind in "iu":
            return values.astype(np.int64)
        with np.errstate(invalid="ignore"):
            whole = values.astype(np.int64)
        if not (whole == values).all():
            value = values[np.argmax(whole != values)]
            msg = (
                f"{self._source}: '{self._rule.index[which]}' holds {value}, expected cell "
                "numbers; are index and branch exchanged in the mapping?"
            )
            raise DataFormatError(msg)
        return whole


def flat(values: NDArray[Any]) -> Rows:
    """Return an array ``(n, ...)`` with equal rows as `Rows`."""
    n = len(values)
    size = int(np.prod(values.shape[1:], dtype=np.int64))
    return Rows(values.reshape(-1), np.full(n, size, dtype=np.int64))
