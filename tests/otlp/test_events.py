"""Events of a span, from its bytes."""

from __future__ import annotations

from opentelemetry.proto.common.v1.common_pb2 import AnyValue
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from otelbridge.otlp.events import first_event_ms


def test_the_earliest_event_of_a_name_counts_wherever_it_stands() -> None:
    events = [Span.Event(name=name, time_unix_nano=at) for name, at in (("b", 1), ("a", 7_000_000), ("a", 4_000_000))]
    raw = Span(start_time_unix_nano=1_000_000, events=events).SerializeToString()

    assert first_event_ms(raw, {"a"}) == 3.0
    assert first_event_ms(raw, {"c"}) is None


def test_a_span_that_is_too_deep_to_read_tells_nothing() -> None:
    value = AnyValue(int_value=1).SerializeToString()
    for _ in range(200):  # the protobuf limit is 100
        value = b"\x2a" + _length(len(value) + 1 + len(_length(len(value)))) + b"\x0a" + _length(len(value)) + value
    attribute = b"\x12" + _length(len(value)) + value
    told = Span(events=[Span.Event(name="a", time_unix_nano=1)]).SerializeToString()
    raw = b"\x4a" + _length(len(attribute)) + attribute + told

    assert first_event_ms(told, {"a"}) is not None
    assert first_event_ms(raw, {"a"}) is None


def _length(number: int) -> bytes:
    parts = []
    while number > 127:
        parts.append(number & 127 | 128)
        number >>= 7
    return bytes([*parts, number])
