"""Columns of polars as numpy arrays and back, without a copy.

Why not polars expressions: gathering into a column that is mostly nulls costs polars 13 ns a value and numpy 1.5, and
an expression costs 20 to 100 us however little it does, while a batch of 8,192 spans should take some milliseconds.

A text is represented by its view, 16 bytes that say how long it is and where in which buffer it lies (Arrow's string
view), so that texts are repeated and picked without looking at them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl
import pyarrow as pa

from otelbridge.core.schema import DType

Array = npt.NDArray[Any]
Booleans = npt.NDArray[np.bool_]

SHARED_ROWS = 32_768  # twice what a batch holds by default; a longer column is not kept
_NEWEST = pl.CompatLevel.newest()  # texts as views
_VIEW = np.dtype(np.complex128)  # any type of 16 bytes: numpy copies items of one piece faster than structures
_VIEW_TYPES: dict[DType, pa.DataType] = {pl.String: pa.string_view(), pl.Binary: pa.binary_view()}


@dataclass(frozen=True, slots=True)
class Items:
    """The values of a column, null or not, each in as many bytes.

    Attributes:
        values: one item a row; anything where the row is null.
        texts: the buffers that the views of texts point into; empty for numbers.
    """

    values: Array
    texts: Sequence[pa.Buffer] = ()

    def __getitem__(self, rows: Array) -> Items:
        return Items(self.values[rows], self.texts)


def items(column: pl.Series) -> Items:
    """The column's values, sharing its memory; for texts, booleans and numbers of up to 64 bits."""
    arrow = to_arrow(column)
    _, data, *texts = arrow.buffers()
    if column.dtype == pl.Boolean:
        unpacked = np.unpackbits(np.frombuffer(data, np.uint8), count=arrow.offset + len(arrow), bitorder="little")
        return Items(unpacked[arrow.offset :].view(np.bool_))
    kind = _VIEW if column.dtype in _VIEW_TYPES else np.dtype(arrow.type.to_pandas_dtype())
    return Items(np.frombuffer(data, kind, len(arrow), arrow.offset * kind.itemsize), texts)


def column(name: str, dtype: DType, of: Items, present: Booleans | None = None) -> pl.Series:
    """A column of items, with nulls where `present` is false."""
    validity = None if present is None else _bits(present)
    kind = _VIEW_TYPES.get(dtype) or pa.from_numpy_dtype(of.values.dtype)
    data = _bits(of.values) if of.values.dtype == np.bool_ else pa.py_buffer(of.values)
    return pl.Series(name, pa.Array.from_buffers(kind, len(of.values), [validity, data, *of.texts]))


def to_arrow(column: pl.Series) -> pa.Array:
    """The column without a copy; texts as views."""
    return column.rechunk().to_arrow(compat_level=_NEWEST)


def is_present(column: pl.Series) -> Booleans:
    """Which rows are not null."""
    if not column.has_nulls():
        return np.ones(len(column), np.bool_)
    if column.dtype in (pl.UInt128, pl.Int128):  # Arrow has none
        return column.is_not_null().to_numpy()
    arrow = to_arrow(column)
    bits = np.frombuffer(arrow.buffers()[0], np.uint8)
    unpacked = np.unpackbits(bits, count=arrow.offset + len(arrow), bitorder="little")
    return unpacked[arrow.offset :].view(np.bool_)


def compact_text(name: str, texts: pa.StringArray) -> pl.Series:
    """A column of texts, each different one once, in a buffer of its own, so that it keeps nothing else in memory."""
    offsets = text_offsets(texts)
    if offsets[0] == offsets[-1]:
        return repeated(name, "", len(texts))
    encoded = texts.dictionary_encode()
    distinct = items(pl.Series(encoded.dictionary, dtype=pl.String))
    return column(name, pl.String, Items(distinct.values[encoded.indices.to_numpy()], distinct.texts))


def text_offsets(texts: pa.StringArray | pa.BinaryArray) -> Array:
    """Where each text begins in the buffer, and where the last one ends."""
    if not len(texts):
        return np.zeros(1, np.int32)
    return np.frombuffer(texts.buffers()[1], np.int32, len(texts) + 1, texts.offset * 4)


def nulls(name: str, dtype: DType, length: int) -> pl.Series:
    """A column without values. All of one type share their memory."""
    return _shared((dtype, None), pl.Series([None], dtype=dtype), length).alias(name)


def repeated(name: str, text: str, length: int) -> pl.Series:
    """A column of the same text in every row. All of one text share their memory."""
    return _shared((pl.String, text), pl.Series([text]), length).alias(name)


_SHARED: dict[tuple[DType, str | None], pl.Series] = {}


def _shared(key: tuple[DType, str | None], item: pl.Series, length: int) -> pl.Series:
    if length > SHARED_ROWS:
        return item.new_from_index(0, length)
    if key not in _SHARED:
        _SHARED[key] = item.new_from_index(0, SHARED_ROWS)
    return _SHARED[key].slice(0, length)


def _bits(flags: Booleans) -> pa.Buffer:
    return pa.py_buffer(np.packbits(flags, bitorder="little"))
