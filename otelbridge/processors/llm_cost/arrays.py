"""Between polars and numpy: a polars call costs some 60 us however little it does, and calls are few among spans."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import numpy.typing as npt
import polars as pl
import pyarrow as pa

from otelbridge.core.schema import DType

Floats = npt.NDArray[np.float64]
Booleans = npt.NDArray[np.bool_]
Rows = npt.NDArray[np.intp]
Ids = npt.NDArray[np.uint64]

NOWHERE = -1
"""A row that is not there."""

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


def absent(name: str, dtype: DType, height: int) -> pl.Series:
    """A column of nulls."""
    return pl.Series(name, [None], dtype).new_from_index(0, height)


def with_series(spans: pl.DataFrame, *columns: pl.Series) -> pl.DataFrame:
    """As `with_columns`, without the fixed cost of an expression where all columns are new."""
    if any(column.name in spans.columns for column in columns):
        return spans.with_columns(*columns)
    return spans.hstack(list(columns))


def gather(frame: pl.DataFrame, rows: Rows) -> pl.DataFrame:
    """The rows in this order; nulls where there is NOWHERE."""
    with_nothing = pl.concat([frame, _nothing(tuple(frame.schema.items()))], rechunk=True)
    return with_nothing[pl.Series(np.where(rows == NOWHERE, frame.height, rows))]


@lru_cache(maxsize=32)
def _nothing(schema: tuple[tuple[str, pl.DataType], ...]) -> pl.DataFrame:
    return pl.DataFrame([absent(name, dtype, 1) for name, dtype in schema])


def floats(name: str, values: Floats, where: Booleans) -> pl.Series:
    """Float64; null but `where`, and where NaN."""
    return pl.Series(name, pa.array(values, mask=~where | np.isnan(values)))


def integers(name: str, values: Floats, where: Booleans) -> pl.Series:
    """Int64; null but `where`, and where NaN."""
    lacking = ~where | np.isnan(values)
    return pl.Series(name, pa.array(np.where(lacking, 0, values).astype(np.int64), mask=lacking))


def words(name: str, vocabulary: tuple[str, ...], places: Rows) -> pl.Series:
    """String: the word of the vocabulary at each place; null where there is NOWHERE."""
    return gather(pl.DataFrame([pl.Series(name, vocabulary)]), places).to_series()
