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
        array: The column, an Arrow array of ``n`` rows. A gap in a list is NaN; a row without
            list, or with inner lists of other lengths than most, is a gap as a whole.
        where: File and column, for messages.
        start: Number of the first row, for messages.

    Returns:
        The numbers with their count in each row; and the length of the innermost lists where
        there are lists of lists, else 0.

    Raises:
        DataFormatError: If inner lists differ in length in all rows.
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
    gaps = np.asarray(array.is_null()) & _is_list(array.type)
    inner = shape[-1] if len(shape) > 1 else 0
    lengths = owner = np.zeros(0, dtype=np.int64)
    depth = 0
    while _is_list(array.type):
        above, lengths = lengths, _lengths(array)
        if depth == 0:
            counts = lengths
        else:
            # Row of each list.
            owner = np.repeat(np.arange(len(counts)) if depth == 1 else owner, above)
            inner = int(np.bincount(lengths).argmax()) if len(lengths) else 0
            uneven = np.zeros(len(counts), dtype=bool)
            uneven[owner[lengths != inner]] = True
            if len(uneven) and (uneven | gaps).all() and uneven.any():
                row = int(np.argmax(uneven))
                found = ", ".join(map(str, np.unique(lengths[owner == row])))
                msg = (
                    f"{where}: lists within a list differ in length, {found}, first in row "
                    f"{start + row}, expected equal ones; store the cells as one list, or list "
                    "of equal lists"
                )
                raise DataFormatError(msg)
            gaps |= uneven
            counts = np.bincount(owner, weights=lengths, minlength=len(counts)).astype(np.int64)
        array, depth = array.flatten(), depth + 1
    return Rows(as_numbers(array), counts, gaps if gaps.any() else None), inner


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
