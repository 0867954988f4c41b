"""What processors added to spans for the reader of a trace, column by column: most hold few values."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
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
        """The distinct values with their name, as members of a JSON object after a comma."""
        before = b",%b:" % encode_json(self.name)
        return [before + encode_json(value) for value in self.distinct]


def added_columns(spans: pl.DataFrame, added: Iterable[Column], elsewhere: frozenset[str]) -> list[AddedColumn]:
    """The added columns of `spans` that hold anything, but for those that are said elsewhere."""
    units = {column.name: column.unit for column in added if column.name not in elsewhere}
    alike: dict[pl.DataType, list[pl.Series]] = {}
    for name in units:
        if name in spans.columns and (column := spans[name]).null_count() < len(column):
            alike.setdefault(column.dtype, []).append(column)
    found = {column.name: column for columns in alike.values() for column in _read(columns, units)}
    return [found[name] for name in units if name in found]


def _read(columns: list[pl.Series], units: Mapping[str, str]) -> Iterator[AddedColumn]:
    """Columns of one type, read as one: there are many, and asking each costs as much as what it holds."""
    values = arrow(pl.concat(columns))
    places = pc.indices_nonzero(values.is_valid()).to_numpy().astype(np.int64)
    values = values.drop_null()
    are_few = pa.types.is_large_string(values.type) or pa.types.is_uint64(values.type)
    if are_few:
        # Numbers without sign are fingerprints: few, on many spans, and too large for JSON as they are.
        values = values.dictionary_encode()
        index = values.indices.to_numpy().astype(np.int64)
    distinct = (values.dictionary if are_few else values).to_pylist()
    height = len(columns[0])
    bounds = np.searchsorted(places, np.arange(len(columns) + 1) * height).tolist()
    for number, column in enumerate(columns):
        first, last = bounds[number : number + 2]
        if are_few:
            of_column, of_row = _used(index[first:last], distinct)
        else:
            of_column, of_row = distinct[first:last], np.arange(last - first)
        shown = _presented(column.name, column.dtype, of_column)
        yield AddedColumn(column.name, units[column.name], places[first:last] - number * height, shown, of_row)


def _used(index: Rows, values: list[Any]) -> tuple[list[Any], Rows]:
    """The values that an index uses, and the index into those."""
    is_used = np.zeros(len(values), np.bool_)
    is_used[index] = True
    used = [values[number] for number in np.flatnonzero(is_used).tolist()]
    return used, (np.cumsum(is_used) - 1)[index]


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
