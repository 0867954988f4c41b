"""Small builders of OTLP requests: `request(span("GET /", span("SELECT", db("select 1"))))`."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field
from typing import Any

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import KeyValue
from opentelemetry.proto.trace.v1 import trace_pb2

MS = 1_000_000
START_NS = 1_790_000_000 * 1_000_000_000  # September 2026
KINDS = {"internal": 1, "server": 2, "client": 3, "producer": 4, "consumer": 5}
_ids = itertools.count(1)


@dataclass
class SpanTree:
    """A span to be, with its children."""

    name: str
    children: tuple[SpanTree, ...] = ()
    kind: str = "internal"
    start_ms: float = 0.0
    ms: float = 10.0
    status: int = 0
    flags: int = 0x101
    trace_state: str = ""
    attributes: dict[str, Any] = field(default_factory=dict)
    events: list[trace_pb2.Span.Event] = field(default_factory=list)
    span_id: bytes = b""

    def __post_init__(self) -> None:
        self.span_id = self.span_id or next(_ids).to_bytes(8, "big")


def span(name: str, *children: SpanTree, attributes: dict[str, Any] | None = None, **fields: Any) -> SpanTree:
    return SpanTree(name, children, attributes=attributes or {}, **fields)


def query(text: str, system: str = "postgresql", **fields: Any) -> SpanTree:
    attributes = {"db.system.name": system, "db.query.text": text}
    return span(text.split()[0], kind="client", attributes=attributes, **fields)


def trace_id(number: int) -> bytes:
    """Ids spread over the whole range, so that sampling by id is even; the same for the same number."""
    return ((number * 0x9E3779B97F4A7C15F39CC0605CEDC835 + 1) % 2**128).to_bytes(16, "big")


def key_value(key: str, value: Any) -> KeyValue:
    item = KeyValue(key=key)
    if isinstance(value, bool):
        item.value.bool_value = value
    elif isinstance(value, int):
        item.value.int_value = value
    elif isinstance(value, float):
        item.value.double_value = value
    elif isinstance(value, bytes):
        item.value.bytes_value = value
    elif isinstance(value, (list, tuple)):
        item.value.array_value.SetInParent()
        for element in value:
            item.value.array_value.values.add().CopyFrom(key_value("", element).value)
    elif isinstance(value, dict):
        item.value.kvlist_value.SetInParent()
        item.value.kvlist_value.values.extend(key_value(k, v) for k, v in value.items())
    elif value is not None:
        item.value.string_value = value
    return item


def spans_of(tree: SpanTree, trace: bytes, parent: bytes = b"") -> list[trace_pb2.Span]:
    start = START_NS + int(tree.start_ms * MS)
    own = trace_pb2.Span(
        trace_id=trace,
        span_id=tree.span_id,
        parent_span_id=parent,
        name=tree.name,
        kind=KINDS[tree.kind],  # type: ignore[arg-type]
        start_time_unix_nano=start,
        end_time_unix_nano=start + int(tree.ms * MS),
        attributes=[key_value(k, v) for k, v in tree.attributes.items()],
        events=tree.events,
        flags=tree.flags,
        trace_state=tree.trace_state,
    )
    own.status.code = tree.status  # type: ignore[assignment]
    return [own, *(item for child in tree.children for item in spans_of(child, trace, tree.span_id))]


def request_of(spans: list[trace_pb2.Span], resource: dict[str, Any] | None = None, scope: str = "test") -> bytes:
    message = ExportTraceServiceRequest()
    resource_spans = message.resource_spans.add()
    resource_spans.resource.attributes.extend(
        key_value(k, v) for k, v in (resource or {"service.name": "shop"}).items()
    )
    scope_spans = resource_spans.scope_spans.add()
    scope_spans.scope.name = scope
    scope_spans.spans.extend(spans)
    return message.SerializeToString()


def request(*trees: SpanTree, trace: int = 1, resource: dict[str, Any] | None = None) -> bytes:
    """One request with these trees in one trace."""
    spans = [item for tree in trees for item in spans_of(tree, trace_id(trace))]
    return request_of(spans, resource)
