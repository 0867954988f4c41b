"""The part of the OTLP trace protocol that is decoded into columns, as protobuf descriptors of our own.

Declaring only what is read has three effects. The schema is not recursive (array, kvlist and bytes values of an
attribute, events and links are not declared), so a hostile message cannot make it deep. Each span stays available as
its own bytes, for a lossless export. And flat messages decode faster than nested ones: spans, then attributes, then
values in separate passes cost two thirds of one nested pass.
"""

from __future__ import annotations

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
    "double": _Field.TYPE_DOUBLE,
    "fixed32": _Field.TYPE_FIXED32,
    "fixed64": _Field.TYPE_FIXED64,
}

# message -> "type name = number", as in opentelemetry/proto/trace/v1/trace.proto; `repeated` and `oneof` as there.
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
        if label == ["oneof"]:
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

REQUEST = _HANDLERS.get_for_message(_POOL.FindMessageTypeByName(f"{_PACKAGE}.Request"))
SPAN = _HANDLERS.get_for_message(_POOL.FindMessageTypeByName(f"{_PACKAGE}.Span"))
KEY_VALUE = _HANDLERS.get_for_message(_POOL.FindMessageTypeByName(f"{_PACKAGE}.KeyValue"))
