"""One segment -> one transaction, or several where one would be trimmed.

Parts after the first have no span of their own to stand for them. Each gets a segment span that is made up: a child of
the real one, of the same name with the number of the part, around the spans of the part, whose parents stay what they
were. All spans keep their places in the trace, and no statistics of the real transaction are touched.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import msgspec

from otelbridge import __version__
from otelbridge.exporters.sentry.envelope import event_id
from otelbridge.exporters.sentry.limits import MAX_NAME, MAX_SPAN_BYTES, MAX_USER_EMAIL, MAX_USER_ID, clip, one_line
from otelbridge.exporters.sentry.mapping import ORIGIN, encode_json, shortened
from otelbridge.exporters.sentry.resources import Emitter
from otelbridge.exporters.sentry.sampling import combined_rate, rate_of_trace_state
from otelbridge.exporters.sentry.segments import Segment
from otelbridge.exporters.sentry.splitting import Part, split
from otelbridge.exporters.sentry.survivors import Survivors
from otelbridge.semconv.concepts import CONCEPTS

SDK = {"name": "otelbridge", "version": __version__}
PART = "otelbridge.part"

JSON_EXPANSION = 8  # bytes of JSON for a byte of protobuf, at most: six for a control character

REMEMBERED_NAMES = 2048

_KIND_CONSUMER = 5
_METHOD_ONLY = re.compile(r"(?:HTTP )?(?:GET|HEAD|POST|PUT|DELETE|PATCH|OPTIONS|TRACE|CONNECT|QUERY)?", re.IGNORECASE)
_TASK_OPS = ("message", "queue", "function", "faas", "cron", "task", "pubsub", "timer", "datasource")
_ROUTES = tuple(source.key for source in CONCEPTS["http.route"].sources)
_MEASURED_UNITS = {"ms": "millisecond", "s": "second", "By": "byte", "1": "ratio"}
_MEASUREMENT_NAME = re.compile(r"[a-zA-Z][a-zA-Z0-9._]{0,100}")
_OUR_NAMES = "otelbridge."
_USER_FIELDS = {
    **{source.key: ("id", MAX_USER_ID) for source in CONCEPTS["user.id"].sources},
    "user.email": ("email", MAX_USER_EMAIL),
    "user.name": ("username", MAX_USER_ID),
}
_ANY_USER = frozenset(_USER_FIELDS)
_NOT_IN_TRACE_CONTEXT = ("start_timestamp", "timestamp", "description", "kind")


@dataclass(slots=True)
class Transaction:
    """One transaction: its payload, and what else is told of it.

    Attributes:
        id: event id, also that of the parcel.
        payload: the event.
        spans: how many spans of the balance are in it.
    """

    id: str
    payload: dict[str, Any]
    spans: int


@dataclass(slots=True)
class SegmentFacts:
    """What a segment's transactions and its error events have in common.

    Attributes:
        segment: its rows.
        mapped: its spans as Sentry's, the local root first.
        emitter: who emitted the root.
        name: transaction name.
        source: where the name comes from: route, task or custom.
        user: Sentry's user interface; empty when unknown.
        tags: for every event.
        rate: with which probability the trace was kept; None when unknown.
    """

    segment: Segment
    mapped: list[dict[str, Any]]
    emitter: Emitter
    name: str
    source: str
    user: dict[str, str]
    tags: dict[str, str]
    rate: float | None

    @property
    def root(self) -> dict[str, Any]:
        """The Sentry span of the local root."""
        return self.mapped[0]

    def event(self) -> dict[str, Any]:
        """The fields that every event of the segment has."""
        event: dict[str, Any] = {
            "platform": self.emitter.platform,
            "transaction": self.name,
            "sdk": SDK,
            "tags": dict(self.tags),
            **self.emitter.event_fields,
        }
        if self.user:
            event["user"] = self.user
        return event

    def contexts(self) -> dict[str, Any]:
        """The contexts beside `trace`."""
        return {"otel": {"resource": self.emitter.resource}} if self.emitter.resource else {}

    def copied_bytes(self) -> int:
        """Length of what Relay copies from the transaction into each span."""
        fields = self.emitter.event_fields.values()
        return len(self.name) + sum(map(len, fields)) + sum(map(len, self.user.values()))


class TransactionWriter:
    """Writes the transactions of segments."""

    def __init__(self, spans: Survivors, units: Mapping[str, str], max_spans: int) -> None:
        self._spans = spans
        self._units = {name: unit for name, unit in units.items() if name.startswith(_OUR_NAMES)}
        self._max_spans = max_spans

    def facts(self, segment: Segment, mapped: list[dict[str, Any]]) -> SegmentFacts:
        """What holds for all spans of a segment; `mapped` are its spans as Sentry's."""
        spans, row = self._spans, segment.root
        root = mapped[0]
        if spans.raw_bytes[row] > MAX_SPAN_BYTES // JSON_EXPANSION and len(encode_json(root)) > MAX_SPAN_BYTES:
            shortened(root)
        name, source = _name(root, spans.name[row], spans.kind[row])
        emitter, rule = spans.emitter[row], spans.rule[row]
        tags = dict(emitter.tags)
        if rule:
            tags["sampling.rule"] = one_line(rule, MAX_NAME)
        if spans.is_late[row]:
            tags["otelbridge.late"] = "true"
        if "tags" in root:
            tags = {**root.pop("tags"), **tags}
        rate = combined_rate(spans.rate[row], rate_of_trace_state(spans.trace_state[row]))
        return SegmentFacts(segment, mapped, emitter, name, source, _user(mapped), tags, rate)

    def transactions(self, facts: SegmentFacts, breadcrumbs: list[dict[str, Any]]) -> list[Transaction]:
        """The transactions of a segment; the breadcrumbs are in the first."""
        parts = split(facts.mapped[1:], self._max_spans, facts.copied_bytes())
        first = self._transaction(facts, facts.root, parts[0], 1 + facts.segment.repeats)
        if breadcrumbs:
            first.payload["breadcrumbs"] = {"values": breadcrumbs}
        measurements = self._measurements(facts.segment)
        if measurements:
            first.payload["measurements"] = measurements
        if len(parts) == 1:
            return [first]
        transactions = [first]
        for number, part in enumerate(parts[1:], start=2):
            transactions.append(self._transaction(facts, _stand_in(facts, part, number), part, 0, number))
        for number, transaction in enumerate(transactions, start=1):
            transaction.payload["tags"][PART] = f"{number}/{len(parts)}"
        return transactions

    def _transaction(
        self, facts: SegmentFacts, root: dict[str, Any], part: Part, own_spans: int, number: int = 1
    ) -> Transaction:
        trace = dict(root)
        for name in _NOT_IN_TRACE_CONTEXT:
            trace.pop(name, None)
        if facts.rate is not None:
            rates = {"sentry.sample_rate": facts.rate, "sentry.client_sample_rate": facts.rate}
            trace["data"] = {**root["data"], **rates}
        event = facts.event()
        event.update(
            event_id=event_id("transaction", facts.root["trace_id"], facts.root["span_id"], number),
            type="transaction",
            start_timestamp=root["start_timestamp"],
            timestamp=root["timestamp"],
            transaction_info={"source": facts.source},
            contexts={"trace": trace, **facts.contexts()},
            spans=msgspec.Raw(part.json),
        )
        if number > 1:
            event["transaction"] = _numbered(facts.name, number)
        return Transaction(event["event_id"], event, len(part.spans) + own_spans)

    def _measurements(self, segment: Segment) -> dict[str, Any]:
        """Our numbers about the root, and our sums of money over the whole segment."""
        measurements: dict[str, Any] = {}
        added = self._spans.added
        for row in segment.rows if self._units else ():
            for name, value in added.get(row, {}).items():
                unit = self._units.get(name)
                if unit is None or isinstance(value, (str, bool)) or not _MEASUREMENT_NAME.fullmatch(name):
                    continue
                if unit == "USD":
                    total = measurements.setdefault(name, {"value": 0.0, "unit": "none"})
                    total["value"] += value
                elif unit in _MEASURED_UNITS and row == segment.root:
                    measurements[name] = {"value": value, "unit": _MEASURED_UNITS[unit]}
        return measurements


def _stand_in(facts: SegmentFacts, part: Part, number: int) -> dict[str, Any]:
    root = facts.root
    return {
        "trace_id": root["trace_id"],
        "span_id": event_id("part", root["trace_id"], root["span_id"], number)[:16],
        "parent_span_id": root["span_id"],
        "start_timestamp": min(span["start_timestamp"] for span in part.spans),
        "timestamp": max(span["timestamp"] for span in part.spans),
        "op": "otelbridge.part",
        "status": "ok",
        "origin": ORIGIN,
        "data": {},
    }


def _numbered(name: str, number: int) -> str:
    suffix = f" (part {number})"
    return clip(name, MAX_NAME - len(suffix)) + suffix


def _name(root: dict[str, Any], span_name: str, kind: int) -> tuple[str, str]:
    """Transaction name and its source. A source of `url` would make Sentry rewrite the name."""
    op, data = root["op"], root["data"]
    if op.startswith("http.server"):
        route = next((data[key] for key in _ROUTES if isinstance(data.get(key), str)), "")
        method = data.get("http.request.method", data.get("http.method", ""))
        return _server_name(span_name, route, method if isinstance(method, str) else "")
    # The name of a query may be the statement with its values; its summary has none.
    summary = data.get("db.query.summary") if op.startswith("db") else None
    is_task = kind == _KIND_CONSUMER or op.split(".")[0] in _TASK_OPS
    name = summary if isinstance(summary, str) else span_name
    return one_line(name, MAX_NAME) or op, "task" if is_task else "custom"


@lru_cache(REMEMBERED_NAMES)
def _server_name(name: str, route: str, method: str) -> tuple[str, str]:
    name = name.strip()
    if route and _METHOD_ONLY.fullmatch(name):
        name = f"{method} {route}".strip()
    return one_line(name, MAX_NAME) or "http.server", "route" if route else "custom"


def _user(mapped: Sequence[dict[str, Any]]) -> dict[str, str]:
    """The user of the first span that names one."""
    for span in mapped:
        data = span["data"]
        if _ANY_USER.isdisjoint(data):
            continue
        found: dict[str, str] = {}
        for key, (field, limit) in _USER_FIELDS.items():
            if key in data and field not in found and data[key] != "":
                found[field] = clip(str(data[key]), limit)
        return found
    return {}
