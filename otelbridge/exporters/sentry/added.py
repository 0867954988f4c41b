"""What processors added to spans for the reader of a trace, column by column: most hold few values."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.compute as pc

from otelbridge.core.schema import Column
from otelbridge.exporters.sentry.attributes import LARGEST_EXACT_INTEGER, scalar
from otelbridge.exporters.sentry.fragments import Rows, arrow, encode_json
from otelbridge.exporters.sentry.scrubbing import shield

_KNOWN_TO_SENTRY = ("db.", "gen_ai.", "mcp.", "http.")  # conventions of these families are not scrubbed by value


@dataclass(frozen=True)
class AddedColumn:
    """One added column, as far as it holds values.

    Attributes:
        name: of the column, and of the value in a span's data.
        unit: "" when it has none.
        rows: that have a value, in order.
        distinct: values as JSON takes them.
        index: which of them the rows have.
    """

    name: str
    unit: str
    rows: Rows
    distinct: list[Any]
    index: Rows

    @cached_property
    def by_row(self) -> dict[int, Any]:
        """Row -> value."""
        return dict(zip(self.rows.tolist(), map(self.distinct.__getitem__, self.index.tolist()), strict=True))

    def members(self) -> list[bytes]:
        """The distinct values with their name, as members of a JSON object."""
        before = b"%b:" % encode_json(self.name)
        return [before + encode_json(value) for value in self.distinct]


def added_columns(spans: pl.DataFrame, added: Iterable[Column], elsewhere: frozenset[str]) -> list[AddedColumn]:
    """The added columns of `spans` that hold anything, but for those that are said elsewhere."""
    units = {column.name: column.unit for column in added}
    columns = []
    for name, unit in units.items():
        if name in elsewhere or name not in spans.columns:
            continue
        column = spans[name]
        if column.null_count() == len(column):
            continue
        values = arrow(column)  # Arrow's functions cost a fifth of those of a polars Series, and there are many columns
        rows = pc.indices_nonzero(values.is_valid()).to_numpy().astype(np.int64)
        distinct, index = _distinct(values.drop_null())
        columns.append(AddedColumn(name, unit, rows, _presented(name, column.dtype, distinct), index))
    return columns


def _distinct(values: pa.Array) -> tuple[list[Any], Rows]:
    # Numbers without sign are fingerprints: few, on many spans, and too large for JSON as they are.
    if pa.types.is_large_string(values.type) or pa.types.is_uint64(values.type):
        encoded = values.dictionary_encode()
        return encoded.dictionary.to_pylist(), encoded.indices.to_numpy().astype(np.int64)
    return values.to_pylist(), np.arange(len(values))


def _presented(name: str, dtype: pl.DataType, values: list[Any]) -> list[Any]:
    """The values as they are shown."""
    if dtype == pl.Boolean or (dtype == pl.String and name.startswith(_KNOWN_TO_SENTRY)):
        return values
    if dtype == pl.String:
        return list(map(shield, values))
    if dtype.is_integer() and max(values) <= LARGEST_EXACT_INTEGER and min(values) >= -LARGEST_EXACT_INTEGER:
        return values
    if dtype.is_float() and all(map(math.isfinite, values)):
        return values
    return list(map(scalar, values))
