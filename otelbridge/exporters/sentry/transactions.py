"""One segment -> one transaction, or several where one would be trimmed.

Parts after the first have no span of their own to stand for them. Each gets a segment span that is made up: a child of
the real one, of the same name with the number of the part, around the spans of the part, whose parents stay what they
were. All spans keep their places in the trace, and no statistics of the real transaction are touched.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from otelbridge.exporters.sentry.envelope import event_id
from otelbridge.exporters.sentry.facts import SegmentFacts
from otelbridge.exporters.sentry.fragments import encode_json
from otelbridge.exporters.sentry.limits import MAX_NAME, clip
from otelbridge.exporters.sentry.mapping import ORIGIN, SpanMapper
from otelbridge.exporters.sentry.measurements import Measurements
from otelbridge.exporters.sentry.splitting import is_small, split
from otelbridge.exporters.sentry.survivors import Survivors

PART = "otelbridge.part"


@dataclass(frozen=True, slots=True)
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


class TransactionWriter:
    """Writes the transactions of segments."""

    def __init__(self, spans: Survivors, mapper: SpanMapper, max_spans: int) -> None:
        self._spans = spans
        self._mapper = mapper
        self._max_spans = max_spans
        self._measurements = Measurements(spans.added)

    def transactions(self, facts: SegmentFacts, breadcrumbs: list[dict[str, Any]]) -> list[Transaction]:
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
        if is_small(len(children), len(json) + 2, self._max_spans, facts.copied_bytes):
            return [self._first(facts, json, len(children), more, facts.tags_json)]
        sizes, descriptions = self._mapper.json.sizes(), self._mapper.descriptions.lengths()
        parts = split(children, sizes, descriptions, self._max_spans, facts.copied_bytes)
        return self._parts(facts, parts, more)

    def _parts(self, facts: SegmentFacts, parts: Sequence[Sequence[int]], more: bytes) -> list[Transaction]:
        transactions = []
        for number, rows in enumerate(parts, start=1):
            json = self._mapper.json.array(rows)
            tags = facts.tags_json
            if len(parts) > 1:
                tags = encode_json({**facts.tags, PART: f"{number}/{len(parts)}"})
            if number == 1:
                transactions.append(self._first(facts, json, len(rows), more, tags))
            else:
                transactions.append(self._further(facts, rows, json, number, tags))
        return transactions

    def _first(self, facts: SegmentFacts, json: bytes, spans: int, more: bytes, tags: bytes) -> Transaction:
        row = facts.segment.root
        own_id = event_id("transaction", facts.trace_id, facts.span_id, 1)
        times = (self._spans.start_ns[row] / 1e9, self._spans.end_ns[row] / 1e9)
        payload = _payload(own_id, facts, encode_json(facts.name), times, facts.context, tags, json, more)
        return Transaction(own_id, payload, spans + 1 + facts.segment.repeats)

    def _further(self, facts: SegmentFacts, rows: Sequence[int], json: bytes, number: int, tags: bytes) -> Transaction:
        own_id = event_id("transaction", facts.trace_id, facts.span_id, number)
        starts, ends = self._spans.start_ns, self._spans.end_ns
        times = (min(starts[row] for row in rows) / 1e9, max(ends[row] for row in rows) / 1e9)
        stand_in = {
            "trace_id": facts.trace_id,
            "span_id": event_id("part", facts.trace_id, facts.span_id, number)[:16],
            "parent_span_id": facts.span_id,
            "op": "otelbridge.part",
            "status": "ok",
            "origin": ORIGIN,
            "data": {},
        }
        name = encode_json(_numbered(facts.name, number))
        payload = _payload(own_id, facts, name, times, encode_json(stand_in)[1:-2], tags, json, b"")
        return Transaction(own_id, payload, len(rows))


def _payload(
    own_id: str,
    facts: SegmentFacts,
    name: bytes,
    times: tuple[float, float],
    context: bytes,
    tags: bytes,
    spans: bytes,
    more: bytes,
) -> bytes:
    return (
        b'{"event_id":"%b","type":"transaction","transaction":%b,"transaction_info":{"source":"%b"},'
        b'"start_timestamp":%b,"timestamp":%b,%b,"tags":%b%b%b,'
        b'"contexts":{"trace":{%b%b}}%b},"spans":[%b]}'
    ) % (
        own_id.encode(),
        name,
        facts.source.encode(),
        repr(times[0]).encode(),
        repr(times[1]).encode(),
        facts.emitter.event_json,
        tags,
        facts.user_json,
        more,
        context,
        _rates(facts.rate, is_first=context.endswith(b"{")),
        facts.emitter.context_json,
        spans,
    )


def _rates(rate: float | None, *, is_first: bool) -> bytes:
    if rate is None:
        return b""
    number = encode_json(rate)
    return b'%b"sentry.sample_rate":%b,"sentry.client_sample_rate":%b' % (b"" if is_first else b",", number, number)


def _numbered(name: str, number: int) -> str:
    suffix = f" (part {number})"
    return clip(name, MAX_NAME - len(suffix)) + suffix
