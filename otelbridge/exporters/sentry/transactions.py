"""One segment -> one transaction, or several where one would be trimmed.

Parts after the first have no span of their own to stand for them. Each gets a segment span that is made up: a child of
the real one, of the same name with the number of the part, around the spans of the part, whose parents stay what they
were. All spans keep their places in the trace, and no statistics of the real transaction are touched.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from otelbridge.exporters.sentry.envelope import event_id, event_id_of
from otelbridge.exporters.sentry.facts import Profile, SegmentFacts
from otelbridge.exporters.sentry.fragments import encode_json
from otelbridge.exporters.sentry.limits import MAX_NAME, clip
from otelbridge.exporters.sentry.mapping import ORIGIN, SpanMapper
from otelbridge.exporters.sentry.measurements import Measurements
from otelbridge.exporters.sentry.splitting import is_small, split
from otelbridge.exporters.sentry.survivors import Survivors

PART = "otelbridge.part"


@dataclass(slots=True)
class Transaction:
    """One transaction: its payload, and what else is told of it.

    Attributes:
        id: event id, also that of the parcel.
        payload: the event, as JSON.
        spans: how many spans of the balance are in it.
    """

    id: str
    payload: bytes
    spans: int


@dataclass(slots=True)
class _Frame:
    """What the payloads of transactions with one profile have in common, piece by piece."""

    opening: bytes
    middle: bytes
    rates: bytes
    closing: bytes


class TransactionWriter:
    """Writes the transactions of segments."""

    def __init__(self, spans: Survivors, mapper: SpanMapper, max_spans: int) -> None:
        self._spans = spans
        self._mapper = mapper
        self._max_spans = max_spans
        self._measurements = Measurements(spans.added, spans.height)
        self._frames: dict[Profile, _Frame] = {}

    def transactions(self, facts: SegmentFacts, breadcrumbs: list[dict[str, Any]]) -> Sequence[Transaction]:
        """The transactions of a segment; the breadcrumbs are in the first."""
        segment = facts.segment
        children = segment.rows[1:]
        more = b""
        if breadcrumbs:
            more += b',"breadcrumbs":' + encode_json({"values": breadcrumbs})
        measurements = self._measurements.of(segment)
        if measurements:
            more += b',"measurements":' + encode_json(measurements)
        json = self._mapper.json.array(children)
        copied_bytes = facts.profile.copied_bytes + (sum(map(len, facts.user.values())) if facts.user else 0)
        if is_small(len(children), len(json) + 2, self._max_spans, copied_bytes):
            return (self._first(facts, self._frame(facts.profile), json, len(children), more),)
        sizes, descriptions = self._mapper.json.sizes(), self._mapper.descriptions.lengths()
        parts = split(children, sizes, descriptions, self._max_spans, copied_bytes)
        return self._parts(facts, parts, more)

    def _frame(self, profile: Profile) -> _Frame:
        frame = self._frames.get(profile)
        if frame is None:
            frame = self._frames[profile] = _frame(profile, profile.name, profile.tags)
        return frame

    def _parts(self, facts: SegmentFacts, parts: Sequence[Sequence[int]], more: bytes) -> list[Transaction]:
        transactions = []
        for number, rows in enumerate(parts, start=1):
            json = self._mapper.json.array(rows)
            tags, name = facts.profile.tags, facts.profile.name
            if len(parts) > 1:
                tags = {**tags, PART: f"{number}/{len(parts)}"}
            if number == 1:
                transactions.append(self._first(facts, _frame(facts.profile, name, tags), json, len(rows), more))
            else:
                frame = _frame(facts.profile, _numbered(name, number), tags)
                transactions.append(self._further(facts, frame, rows, json, number))
        return transactions

    def _first(self, facts: SegmentFacts, frame: _Frame, json: bytes, spans: int, more: bytes) -> Transaction:
        row = facts.root
        own_id = event_id_of(f"transaction/{facts.trace_id}/{facts.span_id}/1")
        times = self._mapper.json.times(row)
        payload = _payload(own_id, facts.user, frame, times, facts.context, json, more)
        return Transaction(own_id, payload, spans + 1 + facts.segment.repeats)

    def _further(
        self, facts: SegmentFacts, frame: _Frame, rows: Sequence[int], json: bytes, number: int
    ) -> Transaction:
        own_id = event_id("transaction", facts.trace_id, facts.span_id, number)
        starts, ends = self._spans.start_ns, self._spans.end_ns
        start, end = min(starts[row] for row in rows) / 1e9, max(ends[row] for row in rows) / 1e9
        times = f'{start!r},"timestamp":{end!r},'.encode()
        stand_in = {
            "trace_id": facts.trace_id,
            "span_id": event_id("part", facts.trace_id, facts.span_id, number)[:16],
            "parent_span_id": facts.span_id,
            "op": "otelbridge.part",
            "status": "ok",
            "origin": ORIGIN,
            "data": {},
        }
        payload = _payload(own_id, facts.user, frame, times, encode_json(stand_in)[1:-2], json, b"")
        return Transaction(own_id, payload, len(rows))


def _frame(profile: Profile, name: str, tags: Mapping[str, str]) -> _Frame:
    rates = b""
    if profile.rate is not None:
        number = encode_json(profile.rate)
        rates = b'"sentry.sample_rate":%b,"sentry.client_sample_rate":%b' % (number, number)
    emitter = profile.emitter
    return _Frame(
        b'","type":"transaction","transaction":%b,"transaction_info":{"source":"%b"},"start_timestamp":'
        % (encode_json(name), profile.source.encode()),
        b'%b,"tags":%b' % (emitter.event_json, encode_json(tags)),
        rates,
        b'}}%b},"spans":[' % emitter.context_json,
    )


def _payload(
    own_id: str,
    user: Mapping[str, str],
    frame: _Frame,
    times: bytes,
    context: bytes,
    spans: bytes,
    more: bytes,
) -> bytes:
    return b"".join(
        (
            b'{"event_id":"',
            own_id.encode(),
            frame.opening,
            times,
            frame.middle,
            b',"user":' + encode_json(user) if user else b"",
            more,
            b',"contexts":{"trace":{',
            context,
            b"," if frame.rates and not context.endswith(b"{") else b"",
            frame.rates,
            frame.closing,
            spans,
            b"]}",
        )
    )


def _numbered(name: str, number: int) -> str:
    suffix = f" (part {number})"
    return clip(name, MAX_NAME - len(suffix)) + suffix
