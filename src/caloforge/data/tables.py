"""Plain tables of numbers as CSV and Parquet files."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
from pyarrow import csv
from pyarrow import parquet as pq

from caloforge.errors import DataFormatError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from numpy.typing import NDArray


def read_table(path: Path, *, parquet: bool) -> dict[str, NDArray[Any]]:
    """Read all columns of a table.

    Arguments:
        path: The file.
        parquet: Whether it is Parquet; else CSV with a header line.

    Returns:
        Columns by name, each ``(n,)``.

    Raises:
        DataFormatError: If the file is neither, or a column is named twice, has gaps, or does
            not hold numbers.
    """
    what = "Parquet" if parquet else "CSV"
    try:
        # One thread: a table of particles is small, and tests and batch jobs share their cores.
        table = (
            pq.read_table(path, use_threads=False)
            if parquet
            else csv.read_csv(path, read_options=csv.ReadOptions(use_threads=False))
        )
    except (pa.ArrowException, UnicodeDecodeError, OSError) as error:
        reason = " ".join(str(error).split())
        msg = f"{path}: not a readable {what} file ({reason}); expected a table of particles"
        raise DataFormatError(msg) from error
    columns: dict[str, NDArray[Any]] = {}
    for name, column in zip(table.column_names, table.columns, strict=True):
        name = name.strip()
        if name in columns:
            msg = f"{path}: column '{name}' is there twice; remove one"
            raise DataFormatError(msg)
        if column.null_count:
            row = column.to_pylist().index(None)
            msg = f"{path}: column '{name}' has a gap in row {row}; fill it or remove the row"
            raise DataFormatError(msg)
        columns[name] = column.to_numpy()
    return columns


def write_table(path: Path, columns: Mapping[str, NDArray[Any]], *, parquet: bool) -> None:
    """Write columns ``(n,)`` as Parquet or CSV, numbers with all their digits."""
    table = pa.table(dict(columns))
    if parquet:
        with path.open("wb") as file:  # Python's file says by number why a write fails
            pq.write_table(table, file)
        return
    # Python's shortest exact notation of a float; pyarrow's CSV keeps fewer digits of some.
    rows = zip(*(np.asarray(column).tolist() for column in columns.values()), strict=True)
    with path.open("w", encoding="utf-8", newline="\n") as text:
        text.write(",".join(columns) + "\n")
        text.writelines(",".join(map(repr, row)) + "\n" for row in rows)
