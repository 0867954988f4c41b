"""Columns of a frame, without a query engine: planning a query costs 30-200 us however little it does."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl
import pyarrow as pa

from otelbridge.core.schema import DType


def with_series(spans: pl.DataFrame, columns: Iterable[pl.Series]) -> pl.DataFrame:
    """As `with_columns`: the columns replace those of their names, others are added."""
    place = {name: i for i, name in enumerate(spans.columns)}
    added = []
    result = spans.clone()  # of columns, which are shared
    for column in columns:
        if column.name in place:
            result.replace_column(place[column.name], column)
        else:
            added.append(column)
    return result.hstack(added) if added else result


def absent(name: str, dtype: DType, height: int) -> pl.Series:
    """A column of nulls."""
    return pl.Series(name, [None], dtype).new_from_index(0, height)


def where(name: str, values: npt.NDArray[Any], is_there: npt.NDArray[np.bool_]) -> pl.Series:
    """The values where they are there; null elsewhere."""
    return pl.Series(name, pa.array(values, mask=~is_there))
