"""Spans as instrumentations really send them: the specimens of which payloads are made.

They are taken from the recordings of the tests, so that the attributes of a span, their order, types and lengths are
what the instrumentation wrote, and not what somebody thought that a benchmark should hold.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.resource.v1.resource_pb2 import Resource
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from tests.support import recordings

CHATBOT, DATABASE = "ai-sdk-v6", "drizzle-pg"
RECORDED = (CHATBOT, DATABASE)
"""The recordings that specimens come from: a chatbot's model calls, and a chatbot's queries."""

AttributeValue = str | int | float | bool | tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Specimen:
    """One recorded span and the name of the instrumentation that wrote it."""

    scope: str
    span: Span

    def copy(self, name: str, changes: Mapping[str, AttributeValue]) -> Span:
        """The span with another name ("": its own) and other values of attributes that it has."""
        span = Span()
        span.CopyFrom(self.span)
        if name:
            span.name = name
        missing = set(changes)
        for item in span.attributes:
            if item.key in changes:
                _set(item.value, changes[item.key])
                missing.discard(item.key)
        if missing:
            raise LookupError(f"the recorded span {self.span.name!r} has no {sorted(missing)}")
        return span


def _set(value: object, new: AttributeValue) -> None:
    if isinstance(new, tuple):
        elements = value.array_value.values  # type: ignore[attr-defined] # an AnyValue; its stubs hide the oneof
        del elements[:]
        for text in new:
            elements.add().string_value = text
    else:
        kind = {bool: "bool_value", int: "int_value", float: "double_value", str: "string_value"}[type(new)]
        setattr(value, kind, new)


@cache
def specimen(recording: str, scope: str, name: str, *holding: str) -> Specimen:
    """The first recorded span whose name begins with `name` and in whose bytes all of `holding` occur."""
    for found_scope, span in _spans(recording):
        if found_scope == scope and span.name.startswith(name):
            encoded = span.SerializeToString()
            if all(text.encode() in encoded for text in holding):
                return Specimen(scope, span)
    raise LookupError(f"{recording} has no span {name!r} of {scope!r} that holds {holding}")


@cache
def resource() -> Resource:
    """The resource of the recorded chatbot."""
    return ExportTraceServiceRequest.FromString(recordings.load(CHATBOT)).resource_spans[0].resource


def _spans(recording: str) -> Iterator[tuple[str, Span]]:
    for resource_spans in ExportTraceServiceRequest.FromString(recordings.load(recording)).resource_spans:
        for scope_spans in resource_spans.scope_spans:
            for span in scope_spans.spans:
                yield scope_spans.scope.name, span
