"""OTLP/JSON requests of any signal as the protobuf bytes of the same request.

Everything behind the receivers knows one encoding. OTLP's JSON is protobuf's JSON mapping but for ids, which are
hexadecimal, so a stock protobuf parser does not read it; and what browsers and Node really send goes beyond both: text
cut in the middle of a character, integers above int64. Values are converted by the type that the message descriptor
states, and collected as keyword arguments of one message that the protobuf library then builds and encodes in C: five
times faster than its own JSON parser.

Where a key is repeated or two members of a oneof are given, the last one counts, as in protobuf's binary encoding.
"""

from __future__ import annotations

import binascii
import json
import re
from collections.abc import Callable
from typing import Any

from google.protobuf.descriptor import Descriptor, EnumDescriptor, FieldDescriptor
from google.protobuf.message import Message
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from otelbridge.core.component import Signal
from otelbridge.core.errors import Undecodable

MAX_DEPTH = 100
"""Messages inside messages; what protobuf's own parsers take by default, so that others can read what is made here."""

_ID_FIELDS = frozenset({"trace_id", "span_id", "parent_span_id"})
_WIDER = {"int_value": "double_value", "as_int": "as_double"}
"""Members of a oneof that hold integers, and the member that takes those above int64."""

_INTEGER = re.compile(r"-?[0-9]{1,40}")  # no further: int() takes quadratic time
_NUMBER = re.compile(r"-?[0-9]{1,400}(\.[0-9]{1,400})?([eE][+-]?[0-9]{1,4})?")
_RANGES = {
    FieldDescriptor.TYPE_INT32: (-(2**31), 2**31 - 1),
    FieldDescriptor.TYPE_INT64: (-(2**63), 2**63 - 1),
    FieldDescriptor.TYPE_SINT32: (-(2**31), 2**31 - 1),
    FieldDescriptor.TYPE_UINT32: (0, 2**32 - 1),
    FieldDescriptor.TYPE_UINT64: (0, 2**64 - 1),
    FieldDescriptor.TYPE_FIXED32: (0, 2**32 - 1),
    FieldDescriptor.TYPE_FIXED64: (0, 2**64 - 1),
}

_Read = Callable[[Any, int], Any]
"""Converts a JSON value, found so many messages deep, to what the constructor of a protobuf message takes."""


class _Mismatch(Exception):
    """A value is not what its field holds; collects the way to it, innermost step first."""

    def __init__(self, expected: str) -> None:
        super().__init__(expected)
        self.steps: list[str | int] = []

    def __str__(self) -> str:
        path = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in reversed(self.steps))
        return f"{path.lstrip('.') or 'the request'}: expected {self.args[0]}"


def to_protobuf(body: bytes, signal: Signal) -> bytes:
    """The bytes of the signal's export request that `body` is in JSON; raises Undecodable, saying where and why.

    About 30 us a span (`bench/receive.py`). The message never repeats a value from the request.
    """
    message, read = _REQUESTS[signal]
    try:
        request = read(json.loads(body.decode()), 1)
    except UnicodeDecodeError as error:
        raise Undecodable(f"not UTF-8 at byte {error.start}") from None
    except json.JSONDecodeError as error:
        raise Undecodable(f"not JSON: {error.msg} at character {error.pos}") from None
    except RecursionError:
        raise Undecodable("nested too deeply") from None
    except _Mismatch as mismatch:
        raise Undecodable(str(mismatch)) from None
    except ValueError:  # json raises a plain one for an integer with more digits than int() takes
        raise Undecodable("a number has too many digits") from None
    return message(**request).SerializeToString()


def _message(descriptor: Descriptor, known: dict[str, _Read]) -> _Read:
    """Reads a JSON object, ignoring the keys that the message does not have, as the specification demands."""
    fields: dict[str, tuple[str, _Read]] = {}

    def read(value: Any, depth: int) -> dict[str, Any]:
        if type(value) is not dict:
            raise _Mismatch("an object")
        if depth > MAX_DEPTH:
            raise _Mismatch(f"at most {MAX_DEPTH} levels")
        message = {}
        for key, item in value.items():
            if item is None or key not in fields:  # null is a field that is not set
                continue
            name, convert = fields[key]
            try:
                message[name] = convert(item, depth + 1)
            except _Mismatch as mismatch:
                mismatch.steps.append(key)
                raise
        return message

    wider = next(((field.name, _WIDER[field.name]) for field in descriptor.fields if field.name in _WIDER), None)
    reader = read if wider is None else _widening(read, *wider)
    known[descriptor.full_name] = reader  # before its fields are looked at: an AnyValue may hold AnyValues
    for field in descriptor.fields:
        convert: _Read
        if field.name in _ID_FIELDS:
            convert = _id
        elif field.name in _WIDER:
            convert = _wide_integer
        else:
            convert = _scalar(field, known)
        entry = (field.name, _list(convert) if field.is_repeated else convert)
        fields[field.json_name] = fields[field.name] = entry  # parsers take both spellings
    return reader


def _scalar(field: FieldDescriptor, known: dict[str, _Read]) -> _Read:
    if field.message_type is not None:
        return known.get(field.message_type.full_name) or _message(field.message_type, known)
    if field.enum_type is not None:
        return _enum(field.enum_type)
    if field.type in _RANGES:
        return _integer(*_RANGES[field.type])
    return {
        FieldDescriptor.TYPE_STRING: _text,
        FieldDescriptor.TYPE_BOOL: _boolean,
        FieldDescriptor.TYPE_DOUBLE: _double,
        FieldDescriptor.TYPE_BYTES: _base64,
    }[field.type]


def _list(convert: _Read) -> _Read:
    def read(value: Any, depth: int) -> list[Any]:
        if type(value) is not list:
            raise _Mismatch("an array")
        items: list[Any] = []
        try:
            for item in value:
                items.append(convert(item, depth))  # noqa: PERF401 - its length is the index of the failure
        except _Mismatch as mismatch:
            mismatch.steps.append(len(items))
            raise
        return items

    return read


def _widening(read: _Read, integer: str, double: str) -> _Read:
    def read_widening(value: Any, depth: int) -> dict[str, Any]:
        message: dict[str, Any] = read(value, depth)
        if type(message.get(integer)) is float:
            message[double] = message.pop(integer)
        return message

    return read_widening


def _text(value: Any, _depth: int) -> str:
    if type(value) is not str:
        raise _Mismatch("a string")
    if value.isascii():
        return value
    try:
        value.encode()
    except UnicodeEncodeError:
        # JavaScript cuts text to a length in UTF-16 units, so half a surrogate pair may stand at its end.
        return value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return value


def _boolean(value: Any, _depth: int) -> bool:
    if type(value) is not bool:
        raise _Mismatch("true or false")
    return value


def _integer(low: int, high: int) -> _Read:
    expected = f"an integer from {low} to {high}"

    def read(value: Any, _depth: int) -> int:
        number = _whole_number(value)
        if number is None or not low <= number <= high:
            raise _Mismatch(expected)
        return number

    return read


def _wide_integer(value: Any, depth: int) -> int | float:
    """The integer of an attribute or data point; a double above int64, as JavaScript calls 1e21 an integer."""
    number = _whole_number(value)
    if number is None:
        return _double(value, depth)
    return number if -(2**63) <= number < 2**63 else float(number)


def _whole_number(value: Any) -> int | None:
    if type(value) is int:
        return value
    if type(value) is str and _INTEGER.fullmatch(value):
        return int(value)
    if type(value) is float and value.is_integer():
        return int(value)
    return None


def _double(value: Any, _depth: int) -> float:
    if type(value) is float:
        return value
    if type(value) is str:
        if value in ("NaN", "Infinity", "-Infinity") or _NUMBER.fullmatch(value):
            return float(value)
    elif type(value) is int:
        try:
            return float(value)
        except OverflowError:
            pass
    raise _Mismatch("a number")


def _enum(descriptor: EnumDescriptor) -> _Read:
    by_name = {value.name: value.number for value in descriptor.values}
    low, high = _RANGES[FieldDescriptor.TYPE_INT32]

    def read(value: Any, _depth: int) -> int:
        number = by_name.get(value) if type(value) is str else None
        if number is None:
            number = _whole_number(value)
        if number is None or not low <= number <= high:
            raise _Mismatch(f"a number or name of {descriptor.name}")
        return number

    return read


def _id(value: Any, _depth: int) -> bytes:
    # An id of the wrong length is one unusable span and is counted as such behind the log; an id that is not
    # hexadecimal (base64, as protobuf's own JSON has it) means that the sender speaks another dialect throughout.
    try:
        return binascii.unhexlify(value)
    except (ValueError, TypeError):
        raise _Mismatch("an id of hexadecimal digits") from None


def _base64(value: Any, _depth: int) -> bytes:
    try:
        unpadded = value.translate(_TO_STANDARD_BASE64).rstrip("=")
        return binascii.a2b_base64(unpadded + "=" * (-len(unpadded) % 4), strict_mode=True)
    except (ValueError, TypeError, AttributeError):
        raise _Mismatch("base64") from None


_TO_STANDARD_BASE64 = str.maketrans("-_", "+/")
_REQUESTS: dict[Signal, tuple[type[Message], _Read]] = {
    Signal.TRACES: (ExportTraceServiceRequest, _message(ExportTraceServiceRequest.DESCRIPTOR, {})),
    Signal.METRICS: (ExportMetricsServiceRequest, _message(ExportMetricsServiceRequest.DESCRIPTOR, {})),
}
