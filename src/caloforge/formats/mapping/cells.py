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

_ALIKE = 9  # columns with the same name but for a number: more than components of a vector


class Rows(NamedTuple):
    """Some rows of one branch.

    Attributes:
        values: Numbers of all rows, one after the other, ``(sum of counts,)``.
        counts: How many belong to each row, ``(n,)``.
        gaps: Rows whose numbers are not there or cannot be told, ``(n,)``; ``None`` for none.
    """

    values: NDArray[Any]
    counts: NDArray[np.int64]
    gaps: NDArray[np.bool_] | None = None

    def __len__(self) -> int:
        """Return the number of rows."""
        return len(self.counts)

    def select(self, rows: NDArray[np.bool_]) -> Rows:
        """Return some of the rows."""
        gaps = None if self.gaps is None else self.gaps[rows]
        return Rows(self.values[np.repeat(rows, self.counts)], self.counts[rows], gaps)


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
        self._complete = False  # whether a row with all cells has come by
        if rule.index:
            self.conversions.append("cells: pairs of number and response to all cells")

    def showers(
        self, responses: Sequence[Rows], indices: Sequence[Rows], first_row: int
    ) -> NDArray[Any]:
        """Return flat showers ``(n, cell)`` in the geometry's unit and order.

        A row with a gap, or with another number of cells than most, is NaN in all cells.

        Arguments:
            responses: Rows of each branch of the rule.
            indices: Rows of each index branch; none for dense showers.
            first_row: Number of the first row, for messages.

        Raises:
            DataFormatError: If no row has all cells, or a cell does not exist.
        """
        given = (*responses, *indices)
        wrong = (
            self._unpaired(responses[0], indices, first_row)
            if indices
            else self._incomplete(responses, first_row)
        )
        for rows in given:
            wrong |= False if rows.gaps is None else rows.gaps
        if wrong.any():
            responses = [rows.select(~wrong) for rows in responses]
            indices = [rows.select(~wrong) for rows in indices]
        if indices:
            showers = self._sparse(responses[0], indices, np.flatnonzero(~wrong) + first_row)
        else:
            showers = self._dense(responses)
        if wrong.any():
            showers = _spread(showers, ~wrong)
        if showers.dtype == np.bool_:
            showers = showers.view(np.uint8)
        layout = self._geometry.layout
        if self._rule.order == "yx" and isinstance(layout, GridLayout):
            x, y = layout.cells
            showers = showers.reshape(-1, y, x).transpose(0, 2, 1).reshape(len(showers), -1)
        return self._unit.apply(showers)

    def _incomplete(self, responses: Sequence[Rows], first_row: int) -> NDArray[np.bool_]:
        """Find rows that do not have all cells; refuse the file if none has."""
        n_cells = self._geometry.n_cells
        counts = np.sum([rows.counts for rows in responses], axis=0)
        wrong: NDArray[np.bool_] = np.asarray(counts != n_cells)
        complete = int(np.argmin(wrong)) if len(wrong) else 0
        self._complete |= not wrong.all()
        if wrong.any() and not self._complete:
            row = int(np.argmax(wrong))
            names = _listed(self._rule.branch)
            msg = (
                f"{self._source}: row {first_row + row} has {counts[row]} cells in {names}, "
                f"expected {n_cells} for geometry '{self._geometry.name}'; name another "
                "geometry, or the index branch of cells that are listed hit by hit"
            )
            raise DataFormatError(msg)
        for rows, name in zip(responses, self._rule.branch, strict=True):
            width = rows.counts[complete] if len(wrong) else 0
            other = ~wrong & (rows.counts != width)
            if other.any():
                row = first_row + int(np.argmax(other))
                msg = (
                    f"{self._source}: branch '{name}' has another number of cells in row {row} "
                    "than before, expected as many in each; write all cells, or pairs"
                )
                raise DataFormatError(msg)
        return wrong

    def _dense(self, responses: Sequence[Rows]) -> NDArray[Any]:
        """Put the branches of each row one after the other."""
        n = len(responses[0])
        if len(responses) == 1 or not n:
            return responses[0].values[: n * self._geometry.n_cells].reshape(n, -1)
        parts = [rows.values.reshape(n, -1) for rows in responses]
        return np.concatenate(parts, axis=1)

    def _unpaired(
        self, responses: Rows, indices: Sequence[Rows], first_row: int
    ) -> NDArray[np.bool_]:
        """Find rows without pairs of number and response; refuse the file if all are."""
        wrong = np.zeros(len(responses), dtype=bool)
        for rows, name in zip(indices, self._rule.index, strict=True):
            differ = rows.counts != responses.counts
            if len(differ) and differ.all():
                msg = (
                    f"{self._source}: row {first_row} has {rows.counts[0]} numbers in "
                    f"'{name}' and {responses.counts[0]} in '{self._rule.branch[0]}', "
                    "expected pairs; write the file again"
                )
                raise DataFormatError(msg)
            wrong |= differ
            gap = np.isnan(rows.values) if rows.values.dtype.kind == "f" else np.zeros(1)
            if gap.any():
                wrong[np.repeat(np.arange(len(rows)), rows.counts)[gap]] = True
        return wrong

    def _sparse(
        self, responses: Rows, indices: Sequence[Rows], numbers: NDArray[np.int64]
    ) -> NDArray[Any]:
        """Spread pairs of cell number and response; several of one cell add up."""
        n, n_cells = len(responses), self._geometry.n_cells
        row_of = np.repeat(np.arange(n), responses.counts)
        cell = self._cell_numbers([rows.values for rows in indices], numbers[row_of])
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
        self, indices: list[NDArray[Any]], row_of: NDArray[np.int64]
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
                    f"{self._source}: row {int(row_of[at])} has "
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


def _spread(showers: NDArray[Any], rows: NDArray[np.bool_]) -> NDArray[Any]:
    """Put showers into their rows among others, which are NaN."""
    dtype = np.float32 if showers.dtype == np.float32 else np.float64
    spread = np.full((len(rows), showers.shape[1]), np.nan, dtype=dtype)
    spread[rows] = showers
    return spread


def one_column_a_cell(names: Sequence[str]) -> str:
    """Say how to name cells that stand in a column each, ``""`` if there are none such.

    Arguments:
        names: All columns of a file.
    """
    found: dict[str, list[str]] = {}
    for name in names:
        stem = name.rstrip("0123456789")
        if stem != name:
            found.setdefault(stem, []).append(name)
    most = max(found.values(), key=len, default=[])
    if len(most) < _ALIKE:
        return ""
    return (
        f"name all {len(most)} in their order in a mapping (--mapping): [cells] branch = "
        f'["{most[0]}", "{most[1]}", ... "{most[-1]}"]'
    )


def _listed(names: Sequence[str]) -> str:
    """Names in a message, of many the first ones."""
    return ", ".join(names[:20]) + (f" and {len(names) - 20} more" if len(names) > 20 else "")


def flat(values: NDArray[Any]) -> Rows:
    """Return an array ``(n, ...)`` with equal rows as `Rows`."""
    n = len(values)
    size = int(np.prod(values.shape[1:], dtype=np.int64))
    return Rows(values.reshape(-1), np.full(n, size, dtype=np.int64))
