"""Between polars and numpy: a polars call costs some 60 us however little it does, and calls are few among spans."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

from otelbridge.analysis.frames import where
from otelbridge.analysis.grouping import as_index
from otelbridge.core.arrays import nulls
from otelbridge.core.schema import DType

Floats = npt.NDArray[np.float64]
Booleans = npt.NDArray[np.bool_]
Rows = npt.NDArray[np.intp]
Ids = npt.NDArray[np.uint64]

NOWHERE = -1
"""A row that is not there: the one before the first, as Python counts the last of a sequence."""


def present_columns(spans: pl.DataFrame, names: tuple[str, ...]) -> list[pl.Series]:
    """Those of the columns that have a value anywhere."""
    columns = map(spans.get_column, names)
    return [column for column in columns if column.null_count() < spans.height]


def floats(name: str, height: int, rows: Rows, values: Floats) -> pl.Series:
    """Float64 with these values in these rows; null elsewhere, and where NaN."""
    return _scattered(name, np.zeros(height), rows, values, pl.Float64)


def integers(name: str, height: int, rows: Rows, values: Floats) -> pl.Series:
    """Int64 with these values in these rows; null elsewhere, and where NaN."""
    return _scattered(name, np.zeros(height, np.int64), rows, values, pl.Int64)


def _scattered(name: str, full: npt.NDArray[Any], rows: Rows, values: Floats, dtype: DType) -> pl.Series:
    is_known = ~np.isnan(values)
    if not is_known.any():
        return nulls(name, dtype, len(full))
    known_rows = rows[is_known]
    full[known_rows] = values[is_known]
    is_there = np.zeros(len(full), np.bool_)
    is_there[known_rows] = True
    return where(name, full, is_there)


def words(name: str, vocabulary: tuple[str, ...], places: Rows) -> pl.Series:
    """String: the word of the vocabulary at each place; null where there is NOWHERE."""
    said = pl.Series(name, [*vocabulary, None], pl.String)
    return said[as_index(np.where(places == NOWHERE, len(vocabulary), places))]
