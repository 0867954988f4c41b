"""Recordings as if they had just been made: Sentry takes no old spans, so the exporter drops them."""

from __future__ import annotations

import json
import time
from typing import Any

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from tests.support import otlp, recordings

NS_PER_SECOND = 1_000_000_000


def now_ms() -> float:
    """For `start_ms` of spans that are built."""
    return (time.time_ns() - otlp.START_NS) / otlp.MS


def seconds_to_today(name: str) -> int:
    """Whole seconds between a recording and now."""
    newest = max(span.end_time_unix_nano for span in recordings.spans(name))
    return time.time_ns() // NS_PER_SECOND - newest // NS_PER_SECOND - 2


def today(name: str, seconds: int) -> bytes:
    """A recording, shifted by so many seconds."""
    request = ExportTraceServiceRequest.FromString(recordings.load(name))
    for resource_spans in request.resource_spans:
        for scope_spans in resource_spans.scope_spans:
            for span in scope_spans.spans:
                span.start_time_unix_nano += seconds * NS_PER_SECOND
                span.end_time_unix_nano += seconds * NS_PER_SECOND
                for event in span.events:
                    event.time_unix_nano += seconds * NS_PER_SECOND
    return request.SerializeToString()


def today_in_json(name: str, seconds: int) -> bytes:
    """The same of its JSON."""

    def shifted(part: dict[str, Any]) -> dict[str, Any]:
        times = {key: int(value) + seconds * NS_PER_SECOND for key, value in part.items() if key.endswith("UnixNano")}
        return {**part, **times}

    return json.dumps(json.loads(recordings.load_json(name), object_hook=shifted)).encode()
