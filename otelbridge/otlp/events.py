"""Events of a single span, from the span as it was received: events have no columns, because few components ask."""

from __future__ import annotations

from collections.abc import Container

from google.protobuf.message import DecodeError
from opentelemetry.proto.trace.v1.trace_pb2 import Span


def first_event_ms(raw: bytes, names: Container[str]) -> float | None:
    """Milliseconds from the span's start to its first event of one of these names; None when there is none."""
    try:
        span = Span.FromString(raw)
    except DecodeError:  # too deep; what is undecodable otherwise was refused
        return None
    times = [event.time_unix_nano for event in span.events if event.name in names]
    if not times or min(times) < span.start_time_unix_nano:
        return None
    return (min(times) - span.start_time_unix_nano) / 1e6
