"""Columns of a frame, without a query engine: planning a query costs 30-200 us however little it does."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl
import pyarrow as pa

from otelbridge.core.arrays import is_present, items, to_arrow


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


def rows_of(frame: pl.DataFrame, names: Sequence[str]) -> Iterator[tuple[Any, ...]]:
    """As `frame.select(names).iter_rows()`, which takes four times as long for some hundred rows.

    Not all rows become objects at once: a frame may hold hours, when a backlog is worked off.
    """
    columns = [frame.get_column(name) for name in names]
    for begin in range(0, frame.height, ROWS_AT_ONCE):
        yield from zip(*(column[begin : begin + ROWS_AT_ONCE].to_list() for column in columns), strict=True)


ROWS_AT_ONCE = 8192  # of some 60 bytes a value


def where(name: str, values: npt.NDArray[Any], is_there: npt.NDArray[np.bool_]) -> pl.Series:
    """The values where they are there; null elsewhere."""
    return pl.Series(name, pa.array(values, mask=~is_there))


def overlaid(below: pl.Series, rows: npt.NDArray[np.integer], above: pl.Series) -> pl.Series:
    """`below` with the texts of `above` in these rows, where `above` has one.

    Only views of the texts move, 16 bytes each: a third of what it costs to gather or to merge the columns.
    """
    is_there = is_present(above)
    if not is_there.any():
        return below
    under, over = to_arrow(below), to_arrow(above)
    contents, more_contents = under.buffers()[2:], over.buffers()[2:]
    added = _views(over)[is_there]
    added[added[:, _LENGTH] > _INLINE_BYTES, _BUFFER] += len(contents)
    views = _views(under).copy()
    views[rows[is_there]] = added
    validity = is_present(below)
    validity[rows[is_there]] = True
    bitmap = np.packbits(validity, bitorder="little")
    buffers = [pa.py_buffer(bitmap), pa.py_buffer(views), *contents, *more_contents]
    return pl.Series(below.name, pa.Array.from_buffers(pa.string_view(), len(views), buffers))


def text_codes(column: pl.Series, rows: npt.NDArray[np.integer] | None = None) -> npt.NDArray[np.uint64]:
    """A number a text: equal texts of up to 12 bytes have equal ones, longer texts mostly; others hardly ever.

    The number is made of the text's view, which is the text itself or says where it lies. Nulls have the number 0.

    Args:
        column: texts.
        rows: of which there is to be a number; None for all of them, one after another.
    """
    views = items(column).values
    halves = (views if rows is None else views[rows]).view(np.uint64)
    codes: npt.NDArray[np.uint64] = (halves[::2] * _ODD) ^ (halves[1::2] + np.uint64(1))
    if column.has_nulls():
        present = is_present(column)
        codes *= present if rows is None else present[rows]
    return codes


def begins_with(column: pl.Series, prefix: str) -> npt.NDArray[np.bool_]:
    """Which texts begin with a prefix of at most four bytes, of which every view holds a copy; nulls do not."""
    wanted = prefix.encode()
    views = _views(to_arrow(column)).view(np.uint32)
    mask = np.uint32((1 << 8 * len(wanted)) - 1)
    begins = (views[:, _PREFIX] & mask) == np.uint32(int.from_bytes(wanted, "little"))
    found: npt.NDArray[np.bool_] = begins & (views[:, _LENGTH] >= len(wanted))
    return found & is_present(column) if column.has_nulls() else found


def _views(texts: pa.Array) -> npt.NDArray[np.int32]:
    """One row a text: its length, and either the text or its first bytes, the number of a buffer and a place in it."""
    offset = texts.offset * _VIEW_BYTES
    return np.frombuffer(texts.buffers()[1], np.int32, 4 * len(texts), offset).reshape(-1, 4)


_ODD = np.uint64(0x9E3779B97F4A7C15)
_VIEW_BYTES, _INLINE_BYTES = 16, 12  # by Arrow's definition of string_view; and the places of three fields:
_LENGTH, _PREFIX, _BUFFER = 0, 1, 2
