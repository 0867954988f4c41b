"""The columns of the wire: the fields that every span has, as `core.schema` documents them."""

from __future__ import annotations

import numpy as np
import polars as pl
import pyarrow as pa

from otelbridge.core import schema
from otelbridge.core.arrays import Array, Items, column, compact_text, text_offsets
from otelbridge.otlp.decode import DecodedSpans

TRACE_ID_BYTES = 16
SPAN_ID_BYTES = 8
LATEST_NS = np.uint64(2**63 - 1)


def wire_columns(decoded: DecodedSpans) -> list[pl.Series]:
    """Every wire column but those that say where a span came from.

    All of them but `raw` are copies: what ptars decoded together is freed together, attributes and all, and these
    columns may stay for long.
    """
    fields = decoded.fields
    return [
        _trace_ids(fields.column("trace_id")),
        _span_ids(schema.SPAN_ID, fields.column("span_id")),
        _span_ids(schema.PARENT_SPAN_ID, fields.column("parent_span_id")),
        compact_text("name", fields.column("name")),
        pl.Series("kind", _small(fields.column("kind"), 5)),
        pl.Series("start_ns", _nanoseconds(fields.column("start_time_unix_nano"))),
        pl.Series("end_ns", _nanoseconds(fields.column("end_time_unix_nano"))),
        pl.Series("status", _small(fields.column("status").flatten()[0].fill_null(0), 2)),
        pl.Series("flags", fields.column("flags").to_numpy().copy()),
        compact_text("trace_state", fields.column("trace_state")),
        pl.Series(schema.RAW, decoded.raw, dtype=pl.Binary),
    ]


def _trace_ids(ids: pa.BinaryArray) -> pl.Series:
    as_bytes = pl.Series(schema.TRACE_ID, ids, dtype=pl.Binary)
    if not (np.diff(text_offsets(ids)) == TRACE_ID_BYTES).all():
        as_bytes = as_bytes.set(as_bytes.bin.size() != TRACE_ID_BYTES, None)
    numbers = as_bytes.bin.reinterpret(dtype=pl.UInt128, endianness="big")
    is_zero = numbers == 0
    return numbers.set(is_zero, None) if is_zero.any() else numbers


def _span_ids(name: str, ids: pa.BinaryArray) -> pl.Series:
    offsets = text_offsets(ids)
    is_id = np.diff(offsets) == SPAN_ID_BYTES
    items = np.zeros(len(ids), np.uint64)
    if is_id.any():
        data = ids.buffers()[2]
        words = np.ndarray(data.size - SPAN_ID_BYTES + 1, ">u8", data, strides=(1,))  # the 8 bytes from each byte on
        items[is_id] = words[offsets[:-1][is_id]]
    return column(name, pl.UInt64, Items(items), items != 0)


def _small(codes: pa.Array, largest: int) -> Array:
    small: Array = codes.to_numpy().clip(0, largest).astype(np.int8)
    return small


def _nanoseconds(times: pa.Array) -> Array:
    nanoseconds: Array = np.minimum(times.to_numpy(), LATEST_NS).astype(np.int64)
    return nanoseconds
