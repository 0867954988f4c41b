"""What the transactions and the error events of a segment have in common."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np

from otelbridge.exporters.sentry.limits import MAX_NAME, MAX_USER_EMAIL, MAX_USER_ID, clip, one_line
from otelbridge.exporters.sentry.mapping import SpanMapper
from otelbridge.exporters.sentry.marks import Marks
from otelbridge.exporters.sentry.resources import SDK, Emitter
from otelbridge.exporters.sentry.sampling import combined_rate, rate_of_trace_state
from otelbridge.exporters.sentry.segments import Segment
from otelbridge.exporters.sentry.survivors import Survivors
from otelbridge.semconv.concepts import CONCEPTS

REMEMBERED_NAMES = 2048
REMEMBERED_RATES = 256

_KIND_CONSUMER = 5
_METHOD_ONLY = re.compile(r"(?:HTTP )?(?:GET|HEAD|POST|PUT|DELETE|PATCH|OPTIONS|TRACE|CONNECT|QUERY)?", re.IGNORECASE)
_TASK_OPS = ("message", "queue", "function", "faas", "cron", "task", "pubsub", "timer", "datasource")
_ROUTES = tuple(source.key for source in CONCEPTS["http.route"].sources)
_USER_FIELDS = {
    **{source.key: ("id", MAX_USER_ID) for source in CONCEPTS["user.id"].sources},
    "user.email": ("email", MAX_USER_EMAIL),
    "user.name": ("username", MAX_USER_ID),
}
_ANY_USER = frozenset(_USER_FIELDS)
_NOBODY: Mapping[str, str] = {}


@dataclass(slots=True, eq=False)
class Profile:
    """What local roots that are alike have in common.

    Attributes:
        emitter: who emitted the root.
        name: transaction name.
        source: where the name comes from: route, task or custom.
        tags: for every event.
        rate: with which probability the trace was kept; None when unknown.
        copied_bytes: length of what Relay copies from the transaction into each span, but for the user.
    """

    emitter: Emitter
    name: str
    source: str
    tags: Mapping[str, str]
    rate: float | None
    copied_bytes: int


@dataclass(slots=True)
class SegmentFacts:
    """The facts.

    Attributes:
        segment: its rows.
        trace_id: of the root, in hexadecimal.
        span_id: of the root.
        context: the root's trace context as JSON, up to its data.
        profile: what it shares with others.
        user: Sentry's user interface; empty when unknown.
    """

    segment: Segment
    trace_id: str
    span_id: str
    context: bytes
    profile: Profile
    user: Mapping[str, str]

    def event(self) -> dict[str, Any]:
        """The fields that every event of the segment has."""
        emitter = self.profile.emitter
        event: dict[str, Any] = {
            "platform": emitter.platform,
            "transaction": self.profile.name,
            "sdk": SDK,
            "tags": dict(self.profile.tags),
            **emitter.event_fields,
        }
        if self.user:
            event["user"] = self.user
        return event

    def contexts(self) -> dict[str, Any]:
        """The contexts beside `trace`."""
        resource = self.profile.emitter.resource
        return {"otel": {"resource": resource}} if resource else {}


class FactFinder:
    """Finds the facts of segments."""

    def __init__(self, spans: Survivors, mapper: SpanMapper) -> None:
        self._spans = spans
        self._mapper = mapper
        self._named = Marks(np.flatnonzero(mapper.data.having(_ANY_USER)).tolist(), spans.height)
        self._profiles: dict[tuple[object, ...], Profile] = {}

    def facts(self, segment: Segment, trace_id: str) -> SegmentFacts:
        """What holds for all spans of a segment."""
        row = segment.root
        return SegmentFacts(
            segment,
            trace_id,
            f"{self._spans.span_id[row]:016x}",
            self._mapper.json.context(row),
            self._profile(row),
            self._user(segment.rows) if self._named.among(segment.rows) else _NOBODY,
        )

    def _profile(self, row: int) -> Profile:
        spans, mapper = self._spans, self._mapper
        emitter = spans.emitter[row]
        name, source = _name(mapper.op[row], mapper.looked_up(row), spans.name[row], spans.kind[row])
        tagged = row if row in mapper.tags else None
        rate, rule, is_late, state = spans.rate[row], spans.rule[row], spans.is_late[row], spans.trace_state[row]
        key = (id(emitter), name, source, rate, rule, is_late, state, tagged)
        profile = self._profiles.get(key)
        if profile is None:
            tags = {**mapper.tags.get(row, {}), **self._tags(row)}
            copied_bytes = len(name) + emitter.copied_bytes
            profile = self._profiles[key] = Profile(emitter, name, source, tags, _rate(rate, state), copied_bytes)
        return profile

    def _tags(self, row: int) -> dict[str, str]:
        spans = self._spans
        tags = dict(spans.emitter[row].tags)
        if spans.rule[row]:
            tags["sampling.rule"] = one_line(str(spans.rule[row]), MAX_NAME)
        if spans.is_late[row]:
            tags["otelbridge.late"] = "true"
        return tags

    def _user(self, rows: Sequence[int]) -> Mapping[str, str]:
        """The user of the first span that names one."""
        for row in rows:
            data = self._mapper.data.looked_up(row)
            if _ANY_USER.isdisjoint(data):
                continue
            found: dict[str, str] = {}
            for key, (field, limit) in _USER_FIELDS.items():
                if key in data and field not in found and data[key] != "":
                    found[field] = clip(str(data[key]), limit)
            return found
        return _NOBODY


@lru_cache(REMEMBERED_RATES)
def _rate(ours: float | None, trace_state: str) -> float | None:
    return combined_rate(ours, rate_of_trace_state(trace_state))


def _name(op: str, data: Mapping[str, Any], span_name: str, kind: int) -> tuple[str, str]:
    """Transaction name and its source. A source of `url` would make Sentry rewrite the name."""
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
