"""Columns that hold whole numbers, whatever the type in which they are stored."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from caloforge.errors import DataFormatError

if TYPE_CHECKING:
    from numpy.typing import NDArray


def whole_numbers(values: NDArray[Any], name: str, where: str, start: int) -> NDArray[np.int64]:
    """Return numbers as integers; one that is none is refused, not cut.

    Arguments:
        values: Numbers of any type, ``(n,)``.
        name: Name of the column, for the message.
        where: The file, for the message.
        start: Number of the first row, for the message.

    Raises:
        DataFormatError: If one is no integer of 64 bits; 0 and 0.5 would else become equal.
    """
    if values.dtype.kind not in "iub":
        with np.errstate(invalid="ignore"):
            wrong = values.astype(np.int64) != values
        if wrong.any():
            row = int(np.argmax(wrong))
            msg = (
                f"{where}: '{name}' has {values[row]} in row {start + row}, expected an "
                "integer in each; leave the column out if it means nothing"
            )
            raise DataFormatError(msg)
    return values.astype(np.int64)
