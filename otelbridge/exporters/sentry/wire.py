"""What only an exporter reads of a span: attributes, events, links and the status message.

All spans of an export are decoded in one call, and each distinct attribute of them once: spans repeat their attributes,
and on traffic of real applications five of six are repeats. Strings of a span are declared as bytes, because nothing
before this has checked their UTF-8.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import polars as pl
import pyarrow as pa
import pyarrow.compute as pc
from google.protobuf import descriptor_pb2, descriptor_pool
from ptars import HandlerPool

from otelbridge.otlp import projection

_Field = descriptor_pb2.FieldDescriptorProto


def _handlers() -> HandlerPool:
    file = descriptor_pb2.FileDescriptorProto(name="otelbridge/details.proto", package="otelbridge", syntax="proto3")
    span = file.message_type.add(name="Details")
    # Numbers are those of Span in opentelemetry/proto/trace/v1/trace.proto.
    for name, number in (("attributes", 9), ("events", 11), ("links", 13)):
        span.field.add(name=name, number=number, label=_Field.LABEL_REPEATED, type=_Field.TYPE_BYTES)
    span.field.add(
        name="status", number=15, label=_Field.LABEL_OPTIONAL, type=_Field.TYPE_MESSAGE, type_name=".otelbridge.Status"
    )
    status = file.message_type.add(name="Status")
    status.field.add(name="message", number=2, label=_Field.LABEL_OPTIONAL, type=_Field.TYPE_BYTES)
    _POOL.Add(file)
    return HandlerPool([_POOL.FindFileByName(file.name)])


_POOL = descriptor_pool.DescriptorPool()
_DETAILS = _handlers().get_for_message(_POOL.FindMessageTypeByName("otelbridge.Details"))


@dataclass(frozen=True, slots=True)
class Details:
    """Details of spans by row; rows without any are not in the mappings.

    Attributes:
        distinct_attributes: encoded KeyValues, each once.
        attributes: Int32, index into `distinct_attributes`, for the attributes of all rows one after the other.
        offsets: Int64, where the attributes of each row begin, and the end: one more than there are rows.
        events: encoded Events.
        links: encoded Links.
        status_message: bytes of what should be UTF-8.
    """

    distinct_attributes: pa.Array
    attributes: npt.NDArray[np.int32]
    offsets: npt.NDArray[np.int64]
    events: dict[int, list[bytes]]
    links: dict[int, list[bytes]]
    status_message: dict[int, bytes]


@dataclass(frozen=True, slots=True)
class KeyValues:
    """Decoded attributes.

    Attributes:
        keys: the distinct ones.
        key_of: which of them each attribute has.
        scalars: where the value is a string, a boolean, an integer and a double, and those values; the rest is no
            scalar, or nothing.
    """

    keys: list[str]
    key_of: npt.NDArray[np.int64]
    scalars: tuple[tuple[npt.NDArray[np.int64], pa.Array], ...]


def decode_details(raw: pl.Series) -> Details:
    """Details of encoded spans (Binary); raises ValueError if one of them is no span."""
    batch = _DETAILS.array_to_record_batch(raw.to_arrow().cast(pa.binary()))
    attributes = batch.column("attributes")
    encoded = attributes.flatten().dictionary_encode()
    message = batch.column("status").field("message")
    with_message = _where(pc.binary_length(message)) if message.null_count < len(message) else pa.array([], pa.int64())
    return Details(
        distinct_attributes=encoded.dictionary,
        attributes=encoded.indices.to_numpy(),
        offsets=np.concatenate(([0], np.cumsum(_lengths(attributes), dtype=np.int64))),
        events=_present(batch.column("events")),
        links=_present(batch.column("links")),
        status_message=dict(zip(with_message.to_pylist(), message.take(with_message).to_pylist(), strict=True)),
    )


def decode_key_values(encoded: pa.Array) -> KeyValues:
    """Decode attributes; raises ValueError if one of them is no KeyValue."""
    batch = projection.KEY_VALUE.array_to_record_batch(encoded)
    keys, value = batch.column("key").dictionary_encode(), batch.column("value")
    scalars = []
    for kind in ("string_value", "bool_value", "int_value", "double_value"):
        column = value.field(kind)
        places = pc.indices_nonzero(column.is_valid())
        scalars.append((places.to_numpy().astype(np.int64), column.take(places)))
    return KeyValues(keys.dictionary.to_pylist(), keys.indices.to_numpy().astype(np.int64), tuple(scalars))


def readable(raw: pl.Series) -> list[bool]:
    """Which of these bytes are spans, tried one by one; for when `decode_details` refused them together."""

    def is_span(encoded: bytes | None) -> bool:
        try:
            _DETAILS.array_to_record_batch(pa.array([encoded or b""], pa.binary()))
        except ValueError:
            return False
        return encoded is not None

    return [is_span(encoded) for encoded in raw]


def _lengths(lists: pa.Array) -> npt.NDArray[np.int32]:
    lengths: npt.NDArray[np.int32]
    if lists.null_count:
        lengths = pc.fill_null(pc.list_value_length(lists), 0).to_numpy()
    else:
        lengths = np.diff(lists.offsets.to_numpy())
    return lengths


def _present(lists: pa.Array) -> dict[int, list[bytes]]:
    if not len(lists.values):
        return {}
    rows = _where(pc.list_value_length(lists))
    return dict(zip(rows.to_pylist(), lists.take(rows).to_pylist(), strict=True))


def _where(lengths: pa.Array) -> pa.Array:
    return pc.indices_nonzero(pc.fill_null(lengths, 0))
