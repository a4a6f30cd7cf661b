"""Columns of lists in Arrow tables, as flat numbers with a count a row."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from caloforge.errors import DataFormatError
from caloforge.formats.mapping.cells import Rows

if TYPE_CHECKING:
    from numpy.typing import NDArray


def numbers(kind: Any) -> bool:  # noqa: ANN401 - pyarrow has no types
    """Whether a column of this Arrow type holds one number a row."""
    import pyarrow as pa

    if pa.types.is_dictionary(kind):
        kind = kind.value_type
    return bool(
        pa.types.is_integer(kind)
        or pa.types.is_floating(kind)
        or pa.types.is_boolean(kind)
        or pa.types.is_decimal(kind)
    )


def list_depth(kind: Any) -> int | None:  # noqa: ANN401 - pyarrow has no types
    """Depth of lists of numbers, 1 for a plain list; ``None`` for any other type."""
    import pyarrow as pa

    if isinstance(kind, pa.BaseExtensionType):
        kind = kind.storage_type
    depth = 0
    while _is_list(kind):
        kind, depth = kind.value_type, depth + 1
    return depth if depth and numbers(kind) else None


def unnested_schema(schema: Any) -> Any:  # noqa: ANN401 - pyarrow has no types
    """Return the fields with those of records in their place, named ``"record.field"``."""
    import pyarrow as pa

    fields = list(schema)
    while any(pa.types.is_struct(field.type) for field in fields):
        fields = [
            part
            for field in fields
            for part in (field.flatten() if pa.types.is_struct(field.type) else [field])
        ]
    return pa.schema(fields)


def unnested(batch: Any) -> Any:  # noqa: ANN401 - pyarrow has no types
    """Return a batch with the columns of records in their place, as `unnested_schema`."""
    import pyarrow as pa

    if not any(pa.types.is_struct(field.type) for field in batch.schema):
        return batch
    table = pa.Table.from_batches([batch])
    while any(pa.types.is_struct(field.type) for field in table.schema):
        table = table.flatten()
    return table.combine_chunks().to_batches()[0]


def as_rows(array: Any, *, where: str, start: int) -> tuple[Rows, int]:  # noqa: ANN401
    """Return a column of lists, or of lists of lists, flat.

    Arguments:
        array: The column, an Arrow array of ``n`` rows. A row without list counts as empty, a
            gap in a list is NaN.
        where: File and column, for messages.
        start: Number of the first row, for messages.

    Returns:
        The numbers with their count in each row; and the length of the innermost lists where
        there are lists of lists, else 0.

    Raises:
        DataFormatError: If inner lists differ in length, so that cells could not be told.
    """
    import pyarrow as pa

    shape: list[int] = []
    if isinstance(array, pa.ExtensionArray):
        shape = list(getattr(array.type, "shape", ()))
        order = getattr(array.type, "permutation", None)
        if order is not None and list(order) != sorted(order):
            msg = f"{where}: holds tensors with exchanged axes, expected lists; write it again"
            raise DataFormatError(msg)
        array = array.storage
    counts = np.ones(len(array), dtype=np.int64)
    inner = shape[-1] if len(shape) > 1 else 0
    first = True
    while _is_list(array.type):
        lengths = _lengths(array)
        if not first:
            if len(lengths) and (lengths != lengths[0]).any():
                which = int(np.argmax(lengths != lengths[0]))
                row = start + int(np.searchsorted(np.cumsum(counts), which, side="right"))
                msg = (
                    f"{where}: lists within a list differ in length, {lengths[0]} and "
                    f"{lengths[which]}, first in row {row}, expected equal ones; store the "
                    "cells as one list, or list of equal lists"
                )
                raise DataFormatError(msg)
            inner = int(lengths[0]) if len(lengths) else 0
            counts = counts * inner
        else:
            counts = lengths
        array, first = array.flatten(), False
    return Rows(as_numbers(array), counts), inner


def _is_list(kind: Any) -> bool:  # noqa: ANN401 - pyarrow has no types
    import pyarrow as pa

    return bool(
        pa.types.is_list(kind)
        or pa.types.is_large_list(kind)
        or pa.types.is_fixed_size_list(kind)
    )


def _lengths(array: Any) -> NDArray[np.int64]:  # noqa: ANN401 - pyarrow has no types
    """Length of each list, 0 where there is none."""
    from pyarrow import compute

    lengths = compute.list_value_length(array)
    return np.asarray(compute.fill_null(lengths, 0)).astype(np.int64)


def as_numbers(array: Any) -> NDArray[Any]:  # noqa: ANN401 - pyarrow has no types
    """Return a column of numbers; a gap is NaN, for the checks to find."""
    import pyarrow as pa

    kind = array.type.value_type if pa.types.is_dictionary(array.type) else array.type
    if pa.types.is_decimal(kind):
        kind = pa.float64()
    if pa.types.is_boolean(kind):
        kind = pa.uint8()
    values: NDArray[Any] = array.cast(kind).to_numpy(zero_copy_only=False)
    return values
