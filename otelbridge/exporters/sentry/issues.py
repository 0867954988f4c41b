"""`exception` events of spans -> Sentry error events, each error once.

An exception is recorded by every span that it passes on its way up, so one error arrives three times, with a stack
that grows. Of equal type and message along a chain of parents the innermost is the error; the others only say how
far it got. One that got to the local root was not handled.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from google.protobuf.message import DecodeError
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from otelbridge.exporters.sentry.attributes import AttributeReader
from otelbridge.exporters.sentry.envelope import event_id
from otelbridge.exporters.sentry.error_texts import without_values
from otelbridge.exporters.sentry.facts import SegmentFacts
from otelbridge.exporters.sentry.forest import Trace
from otelbridge.exporters.sentry.limits import (
    MAX_BREADCRUMB_DATA_BYTES,
    MAX_BREADCRUMB_MESSAGE,
    MAX_EXCEPTION_TYPE,
    MAX_MESSAGE,
    clip,
    fit,
)
from otelbridge.exporters.sentry.mapping import STATUS_ERROR
from otelbridge.exporters.sentry.marks import Marks
from otelbridge.exporters.sentry.scrubbing import shield
from otelbridge.exporters.sentry.stacktraces import ParsedException, bounded, parse, split_type
from otelbridge.exporters.sentry.survivors import Survivors

EXCEPTION_EVENT = "exception"
MAX_EVENTS_OF_A_SPAN = 1_000  # SDKs stop at 128 unless told otherwise
MAX_STACK_CHARS = 16_000  # of a stack that could not be parsed
_STANDARD = ("exception.type", "exception.message", "exception.stacktrace", "exception.escaped")


@dataclass(slots=True)
class Exceptional:
    """An exception event of a span.

    Attributes:
        row: the span.
        time_ns: when, within the span.
        type: as recorded, "" when it was not.
        message: as recorded.
        stack: text of the stack, "" when there is none.
        has_escaped: whether it was recorded as leaving the span.
        others: further attributes of the event.
        reached: rows of the spans above that recorded it too.
    """

    row: int
    time_ns: int
    type: str
    message: str
    stack: str
    has_escaped: bool
    others: dict[str, Any]
    reached: set[int] = field(default_factory=set)

    @property
    def identity(self) -> tuple[str, str]:
        """Equal for the same error on different spans."""
        return self.type, self.message


class EventReader:
    """Reads the events of spans: exceptions, and everything else as breadcrumbs."""

    def __init__(self, spans: Survivors, reader: AttributeReader) -> None:
        self._spans = spans
        self._reader = reader
        self._with_events = Marks(spans.details.events, spans.height)

    def read(self, rows: range) -> tuple[list[Exceptional], dict[int, list[dict[str, Any]]]]:
        """Exceptions of these rows, and breadcrumbs by row."""
        exceptions: list[Exceptional] = []
        breadcrumbs: dict[int, list[dict[str, Any]]] = {}
        events = self._spans.details.events
        if not self._with_events.among(rows):
            return exceptions, breadcrumbs
        for row in rows:
            if row not in events:
                continue
            for encoded in events[row][:MAX_EVENTS_OF_A_SPAN]:
                try:
                    event = Span.Event.FromString(encoded)
                except DecodeError:
                    continue
                if event.name == EXCEPTION_EVENT:
                    exceptions.append(self._exception(row, event))
                else:
                    breadcrumbs.setdefault(row, []).append(self._breadcrumb(row, event))
        return exceptions, breadcrumbs

    def _exception(self, row: int, event: Span.Event) -> Exceptional:
        found = self._reader.plain(event.attributes)
        kind, message, stack, escaped = (found.pop(name, "") for name in _STANDARD)
        return Exceptional(
            row=row,
            time_ns=self._time(row, event),
            type=str(kind).strip(),
            message=without_values(str(message)),
            stack=without_values(str(stack)),
            has_escaped=escaped in (True, "True", "true"),
            others=found,
        )

    def _breadcrumb(self, row: int, event: Span.Event) -> dict[str, Any]:
        data = self._reader.plain(event.attributes)
        fit(data, MAX_BREADCRUMB_DATA_BYTES)
        crumb = {
            "timestamp": self._time(row, event) / 1e9,
            "category": "span.event",
            "message": shield(clip(event.name, MAX_BREADCRUMB_MESSAGE)),
            "level": "info",
        }
        return {**crumb, "data": data} if data else crumb

    def _time(self, row: int, event: Span.Event) -> int:
        start, end = self._spans.start_ns[row], self._spans.end_ns[row]
        return min(max(event.time_unix_nano, start), end)


def distinct(exceptions: Iterable[Exceptional], trace: Trace) -> list[Exceptional]:
    """Of the same error on a span and on spans above it, the innermost; `reached` says where it got."""
    by_row: dict[int, dict[tuple[str, str], Exceptional]] = {}
    for exception in exceptions:
        known = by_row.setdefault(exception.row, {}).setdefault(exception.identity, exception)
        known.stack = known.stack or exception.stack
        known.has_escaped |= exception.has_escaped
    repeated: set[int] = set()
    everything = [exception for found in by_row.values() for exception in found.values()]
    for exception in everything:
        for above in _ancestors(exception.row, trace):
            same = by_row.get(above, {}).get(exception.identity)
            if same is not None:
                exception.reached.add(above)
                repeated.add(id(same))
    return [exception for exception in everything if id(exception) not in repeated]


def _ancestors(row: int, trace: Trace) -> Iterable[int]:
    seen = {row}
    parent = trace.parent(row)
    while parent is not None and parent not in seen:
        yield parent
        seen.add(parent)
        parent = trace.parent(parent)


def error_event(
    exception: Exceptional, facts: SegmentFacts, spans: Survivors, breadcrumbs: list[Any]
) -> dict[str, Any]:
    """The error event of an exception."""
    row = exception.row
    trace_id, span_id = f"{spans.trace_id[row]:032x}", f"{spans.span_id[row]:016x}"
    handled = not exception.has_escaped and facts.segment.root not in {row, *exception.reached}
    parsed = parse(exception.stack, facts.profile.emitter.platform) if exception.stack else None
    trace = {"trace_id": trace_id, "span_id": span_id, "op": spans.op[row] or "default"}
    if spans.parent_id[row]:
        trace["parent_span_id"] = f"{spans.parent_id[row]:016x}"
    event = facts.event()
    event.update(
        event_id=event_id("exception", trace_id, span_id, *exception.identity),
        timestamp=exception.time_ns / 1e9,
        level="warning" if handled and spans.status[row] != STATUS_ERROR else "error",
        contexts={"trace": trace, **facts.contexts()},
        exception={"values": _values(exception, parsed, handled=handled)},
    )
    if parsed is not None and event["platform"] == "other":
        event["platform"] = parsed.platform
    extra = exception.others
    if exception.stack and parsed is None:
        extra["stacktrace"] = shield(clip(exception.stack, MAX_STACK_CHARS))
    if extra:
        fit(extra, MAX_STACK_CHARS * 2)
        event["extra"] = extra
    if breadcrumbs:
        event["breadcrumbs"] = {"values": breadcrumbs}
    return event


def _values(exception: Exceptional, parsed: ParsedException | None, *, handled: bool) -> list[dict[str, Any]]:
    """Sentry's exception values, the cause of all first and the recorded one last."""
    top = parsed or ParsedException(exception.type)
    top.type = exception.type or top.type or "Error"
    top.value = exception.message or top.value
    walked = list(top.walk())
    values = []
    for number, (one, source, parent) in enumerate(walked):
        name, module = split_type(one.type or "Error")
        mechanism: dict[str, Any] = {"type": "opentelemetry" if number == 0 else "chained", "handled": handled}
        if len(walked) > 1:
            mechanism["exception_id"] = number
        if parent is not None:
            mechanism |= {"parent_id": parent, "source": source}
        if one.is_group:
            mechanism["is_exception_group"] = True
        value: dict[str, Any] = {"type": clip(name, MAX_EXCEPTION_TYPE), "value": clip(one.value, MAX_MESSAGE)}
        if module:
            value["module"] = module
        if one.frames:
            value["stacktrace"] = {"frames": bounded(one.frames)}
        values.append({**value, "mechanism": mechanism})
    return values[::-1]
