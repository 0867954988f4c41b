"""Between polars and numpy: a polars call costs some 60 us however little it does, and calls are few among spans."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl
import pyarrow as pa

from otelbridge.analysis.frames import absent
from otelbridge.core.schema import DType

Floats = npt.NDArray[np.float64]
Booleans = npt.NDArray[np.bool_]
Rows = npt.NDArray[np.intp]
Ids = npt.NDArray[np.uint64]

NOWHERE = -1
"""A row that is not there: the one before the first, as Python counts the last of a sequence."""

_NEWEST = pl.CompatLevel.newest()


def to_arrow(column: pl.Series) -> pa.Array:
    """The column without a copy."""
    return column.to_arrow(compat_level=_NEWEST)


def is_present(column: pl.Series) -> Booleans:
    """Where the column is not null."""
    present: Booleans = to_arrow(column).is_valid().to_numpy(zero_copy_only=False)
    return present


def present_columns(spans: pl.DataFrame, names: tuple[str, ...]) -> list[pl.Series]:
    """Those of the columns that have a value anywhere."""
    columns = map(spans.get_column, names)
    return [column for column in columns if column.null_count() < spans.height]


def overlaid(below: pl.Series, rows: Rows, above: pl.Series) -> pl.Series:
    """`below` with the values of `above` in these rows, where `above` has one."""
    is_there = is_present(above)
    if not is_there.any():
        return below
    index = np.arange(len(below), dtype=np.uint32)
    index[rows[is_there]] = len(below) + np.flatnonzero(is_there)
    return pl.concat([below, above.rename(below.name)], rechunk=True)[pl.Series(index)]


def floats(name: str, height: int, rows: Rows, values: Floats) -> pl.Series:
    """Float64 with these values in these rows; null elsewhere, and where NaN."""
    return _scattered(name, np.zeros(height), rows, values, pl.Float64)


def integers(name: str, height: int, rows: Rows, values: Floats) -> pl.Series:
    """Int64 with these values in these rows; null elsewhere, and where NaN."""
    return _scattered(name, np.zeros(height, np.int64), rows, values, pl.Int64)


def _scattered(name: str, full: npt.NDArray[Any], rows: Rows, values: Floats, dtype: DType) -> pl.Series:
    is_known = ~np.isnan(values)
    if not is_known.any():
        return absent(name, dtype, len(full))
    known_rows = rows[is_known]
    is_lacking = np.ones(len(full), np.bool_)
    is_lacking[known_rows] = False
    full[known_rows] = values[is_known]
    return pl.Series(name, pa.array(full, mask=is_lacking))


def words(name: str, vocabulary: tuple[str, ...], places: Rows) -> pl.Series:
    """String: the word of the vocabulary at each place; null where there is NOWHERE."""
    said = (*vocabulary, None)  # NOWHERE is -1, the last
    return pl.Series(name, [said[place] for place in places.tolist()], pl.String)
