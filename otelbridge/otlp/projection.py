"""The parts of the OTLP trace and metrics protocols that are decoded into columns, as protobuf descriptors of our own.

Declaring only what is read has three effects. The schema is not recursive (array, kvlist and bytes values of an
attribute, events and links, buckets and exemplars are not declared), so a hostile message cannot make it deep. Each
span stays available as its own bytes, for a lossless export. And flat messages decode faster than nested ones: spans,
then attributes, then values in separate passes cost two thirds of one nested pass.

A metric's data are declared as repeated bytes, all kinds of one layout (`MetricData`): where a message holds the same
kind twice, protobuf puts the two together, and so do lists; ptars would keep one of two single values.
"""

from __future__ import annotations

from typing import Any

from google.protobuf import descriptor_pb2, descriptor_pool
from ptars import HandlerPool

_Field = descriptor_pb2.FieldDescriptorProto
_PACKAGE = "otelbridge.projection"
_SCALARS = {
    "bytes": _Field.TYPE_BYTES,
    "string": _Field.TYPE_STRING,
    "bool": _Field.TYPE_BOOL,
    "int32": _Field.TYPE_INT32,
    "int64": _Field.TYPE_INT64,
    "uint32": _Field.TYPE_UINT32,
    "sfixed64": _Field.TYPE_SFIXED64,
    "double": _Field.TYPE_DOUBLE,
    "fixed32": _Field.TYPE_FIXED32,
    "fixed64": _Field.TYPE_FIXED64,
}

# message -> "type name = number", as in opentelemetry/proto/trace/v1/trace.proto and metrics/v1/metrics.proto;
# `repeated` and `oneof` as there, `optional` is a oneof of one.
_MESSAGES: dict[str, tuple[str, ...]] = {
    "Request": ("repeated ResourceSpans resource_spans = 1",),
    "ResourceSpans": ("bytes resource = 1", "repeated ScopeSpans scope_spans = 2"),
    "ScopeSpans": ("bytes scope = 1", "repeated bytes spans = 2"),
    "Span": (
        "bytes trace_id = 1",
        "bytes span_id = 2",
        "string trace_state = 3",
        "bytes parent_span_id = 4",
        "string name = 5",
        "int32 kind = 6",
        "fixed64 start_time_unix_nano = 7",
        "fixed64 end_time_unix_nano = 8",
        "repeated bytes attributes = 9",
        "Status status = 15",
        "fixed32 flags = 16",
    ),
    "Status": ("int32 code = 3",),
    "KeyValue": ("string key = 1", "AnyValue value = 2"),
    "AnyValue": (
        "oneof string string_value = 1",
        "oneof bool bool_value = 2",
        "oneof int64 int_value = 3",
        "oneof double double_value = 4",
    ),
    "MetricsRequest": ("repeated ResourceMetrics resource_metrics = 1",),
    "ResourceMetrics": ("bytes resource = 1", "repeated ScopeMetrics scope_metrics = 2"),
    "ScopeMetrics": ("bytes scope = 1", "repeated bytes metrics = 2"),
    "Metric": (
        "string name = 1",
        "string unit = 3",
        "repeated bytes gauge = 5",
        "repeated bytes sum = 7",
        "repeated bytes histogram = 9",
        "repeated bytes exponential_histogram = 10",
        "repeated bytes summary = 11",
    ),
    "MetricData": ("repeated bytes data_points = 1", "int32 aggregation_temporality = 2", "bool is_monotonic = 3"),
    "NumberDataPoint": (
        "fixed64 start_time_unix_nano = 2",
        "fixed64 time_unix_nano = 3",
        "oneof double as_double = 4",
        "oneof sfixed64 as_int = 6",
        "repeated bytes attributes = 7",
        "uint32 flags = 8",
    ),
    "HistogramDataPoint": (
        "fixed64 start_time_unix_nano = 2",
        "fixed64 time_unix_nano = 3",
        "fixed64 count = 4",
        "optional double sum = 5",
        "repeated bytes attributes = 9",
        "uint32 flags = 10",
    ),
    "ExponentialHistogramDataPoint": (
        "repeated bytes attributes = 1",
        "fixed64 start_time_unix_nano = 2",
        "fixed64 time_unix_nano = 3",
        "fixed64 count = 4",
        "optional double sum = 5",
        "uint32 flags = 10",
    ),
    "SummaryDataPoint": (
        "fixed64 start_time_unix_nano = 2",
        "fixed64 time_unix_nano = 3",
        "fixed64 count = 4",
        "double sum = 5",
        "repeated bytes attributes = 7",
        "uint32 flags = 8",
    ),
}


def _add_message(file: descriptor_pb2.FileDescriptorProto, name: str, fields: tuple[str, ...]) -> None:
    message = file.message_type.add(name=name)
    for declaration in fields:
        *label, kind, field_name, _, number = declaration.split()
        field = message.field.add(name=field_name, number=int(number))
        field.label = _Field.LABEL_REPEATED if label == ["repeated"] else _Field.LABEL_OPTIONAL
        if kind in _SCALARS:
            field.type = _SCALARS[kind]
        else:
            field.type = _Field.TYPE_MESSAGE
            field.type_name = f".{_PACKAGE}.{kind}"
        if label in (["oneof"], ["optional"]):
            if not message.oneof_decl:
                message.oneof_decl.add(name="value")
            field.oneof_index = 0


def _pool() -> descriptor_pool.DescriptorPool:
    file = descriptor_pb2.FileDescriptorProto(name="otelbridge/projection.proto", package=_PACKAGE, syntax="proto3")
    for name, fields in _MESSAGES.items():
        _add_message(file, name, fields)
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return pool


_POOL = _pool()
_HANDLERS = HandlerPool([_POOL.FindFileByName("otelbridge/projection.proto")])


def _handler(name: str) -> Any:
    return _HANDLERS.get_for_message(_POOL.FindMessageTypeByName(f"{_PACKAGE}.{name}"))


KEY_VALUE = _handler("KeyValue")

REQUEST = _handler("Request")
SPAN = _handler("Span")

METRICS_REQUEST = _handler("MetricsRequest")
METRIC = _handler("Metric")
METRIC_DATA = _handler("MetricData")
NUMBER_DATA_POINT = _handler("NumberDataPoint")
HISTOGRAM_DATA_POINT = _handler("HistogramDataPoint")
EXPONENTIAL_HISTOGRAM_DATA_POINT = _handler("ExponentialHistogramDataPoint")
SUMMARY_DATA_POINT = _handler("SummaryDataPoint")
