"""What the transactions and the error events of a segment have in common."""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np

from otelbridge.analysis.grouping import as_index
from otelbridge.exporters.sentry.entries import NOTHING
from otelbridge.exporters.sentry.fragments import Rows
from otelbridge.exporters.sentry.limits import MAX_NAME, MAX_USER_EMAIL, MAX_USER_ID, clip, one_line
from otelbridge.exporters.sentry.mapping import SpanMapper
from otelbridge.exporters.sentry.resources import SDK, Emitter
from otelbridge.exporters.sentry.sampling import combined_rate, rate_of_trace_state
from otelbridge.exporters.sentry.segments import Segment
from otelbridge.exporters.sentry.survivors import LATE, SAMPLING_RATE, SAMPLING_RULE, Survivors
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
_COLUMNS_IN_PROFILES = (SAMPLING_RATE, SAMPLING_RULE, LATE, "trace_state", "kind")
_NAMES_IN_NAMES = (*_ROUTES, "http.request.method", "http.method", "db.query.summary")
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
        root: the first of them.
        trace_id: of the root, in hexadecimal.
        span_id: of the root.
        context: the root's trace context as JSON, up to its data.
        profile: what it shares with others.
        user: Sentry's user interface; empty when unknown.
    """

    segment: Segment
    root: int
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


_Likeness = tuple[float | None, str | None, bool, str, int, int, int, int, tuple[int, ...]]


class FactFinder:
    """Finds the facts of segments; `roots` are rows that most of them begin with."""

    def __init__(self, spans: Survivors, mapper: SpanMapper, roots: Rows) -> None:
        self._spans = spans
        self._mapper = mapper
        self._values = mapper.data.values
        self._users = [name for name in _USER_FIELDS if self._values.numbers(name) is not None]
        self._user_fields = [_USER_FIELDS[name] for name in self._users]
        self._named = np.flatnonzero(mapper.data.having(_ANY_USER)).tolist()
        keys = self._values.keys(np.array(self._named, np.int64), self._users)
        self._user_of = dict(zip(self._named, keys, strict=True))
        self._profiles: dict[_Likeness, Profile] = {}
        self._likeness = dict(zip(roots.tolist(), self._like(roots), strict=True))

    def facts(self, segment: Segment, trace_id: str) -> SegmentFacts:
        """What holds for all spans of a segment."""
        row = segment.root
        return SegmentFacts(
            segment,
            row,
            trace_id,
            f"{self._spans.span_id[row]:016x}",
            self._mapper.json.context(row),
            self._profile(row),
            self._user(segment.rows) if self._named else _NOBODY,
        )

    def _profile(self, row: int) -> Profile:
        """The profile of a local root; only the first of those that are alike is looked at."""
        key = self._likeness.get(row)
        if key is None:
            (key,) = self._like(np.array([row]))
        if row in self._mapper.tags or not self._mapper.is_regular(row):
            return self._described(row, self._mapper.all_data(row))
        profile = self._profiles.get(key)
        if profile is None:
            data = self._values.data(_NAMES_IN_NAMES, key[-1])
            profile = self._profiles[key] = self._described(row, data)
        return profile

    def _like(self, rows: Rows) -> list[_Likeness]:
        """For each of the rows what its profile is made of: equal for rows that are alike."""
        spans, mapper, places = self._spans, self._mapper, as_index(rows)
        columns = [
            *(spans.frame[name][places].to_list() for name in _COLUMNS_IN_PROFILES),
            *(numbers[rows].tolist() for numbers in (spans.emitter_index, mapper.op.index, mapper.names.index)),
            self._values.keys(rows, _NAMES_IN_NAMES),
        ]
        return list(zip(*columns, strict=True))

    def _described(self, row: int, data: Mapping[str, Any]) -> Profile:
        spans, mapper = self._spans, self._mapper
        emitter = spans.emitters[spans.emitter_index[row]]
        rate, rule, is_late, state, kind = (spans.frame[name][row] for name in _COLUMNS_IN_PROFILES)
        name, source = _name(mapper.op[row], data, mapper.names[row], kind)
        tags = {**mapper.tags.get(row, {}), **emitter.tags}
        if rule:
            tags["sampling.rule"] = one_line(str(rule), MAX_NAME)
        if is_late:
            tags["otelbridge.late"] = "true"
        return Profile(emitter, name, source, tags, _rate(rate, state), len(name) + emitter.copied_bytes)

    def _user(self, rows: Sequence[int]) -> Mapping[str, str]:
        """The user of the first span that names one."""
        if isinstance(rows, range):
            place = bisect_left(self._named, rows.start)
            row = self._named[place] if place < len(self._named) and self._named[place] < rows.stop else None
        else:
            row = next((row for row in rows if row in self._user_of), None)
        return _NOBODY if row is None else self._user_named_by(row)

    def _user_named_by(self, row: int) -> Mapping[str, str]:
        found: dict[str, str] = {}
        if self._mapper.data.irregular[row]:
            data = self._mapper.data.read(row).data
            said = [data.get(name, "") for name in self._users]
        else:
            said = ["" if number == NOTHING else self._values.value(number) for number in self._user_of[row]]
        for (field, limit), value in zip(self._user_fields, said, strict=True):
            if value != "" and field not in found:
                found[field] = clip(str(value), limit)
        return found


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
