"""Kept traces and findings -> parcels of Sentry envelopes. Reads from top to bottom as what is done with a trace.

    spans of a trace -> segments -> transactions (split where one would be trimmed)
                     -> exceptions, each once -> error events
    findings         -> events

Everything is deterministic: encoding the same again gives the same bytes under the same ids.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from otelbridge.core.component import Encoded, Kept, Parcel
from otelbridge.core.findings import Breadcrumb, Finding
from otelbridge.exporters.sentry.attributes import AttributeReader, scalar
from otelbridge.exporters.sentry.envelope import envelope
from otelbridge.exporters.sentry.findings import finding_event
from otelbridge.exporters.sentry.issues import EventReader, ReadEvents, distinct, error_event
from otelbridge.exporters.sentry.limits import (
    MAX_BREADCRUMB_DATA_BYTES,
    MAX_BREADCRUMB_MESSAGE,
    MAX_BREADCRUMBS_BYTES,
    MAX_CATEGORY,
    clip,
    fit,
    size,
)
from otelbridge.exporters.sentry.mapping import SpanMapper
from otelbridge.exporters.sentry.resources import Emitters
from otelbridge.exporters.sentry.scrubbing import shield, shield_name
from otelbridge.exporters.sentry.segments import TraceTree
from otelbridge.exporters.sentry.survivors import Survivors, survivors, units
from otelbridge.exporters.sentry.transactions import SegmentFacts, TransactionWriter

MAX_BREADCRUMBS = 100  # as many as Sentry's SDKs keep

TRANSACTION = "transaction"
ERROR = "error"  # Sentry's data category of every event that is no transaction


class SentryEncoder:
    """Encodes for the destinations that `route` names.

    Args:
        route: resource attributes -> name of the destination.
        public_keys: destination -> its project's public key; without it envelopes have no trace header.
        max_spans: of one transaction.
        max_age_seconds: older spans are dropped, because Sentry refuses them.
        max_errors: error events of one trace.
        error_events: whether exceptions become error events.
        withhold_secrets: whether values under names that look like secrets are replaced.
    """

    def __init__(
        self,
        route: Callable[[Mapping[str, Any]], str],
        public_keys: Mapping[str, str],
        *,
        max_spans: int,
        max_age_seconds: float,
        max_errors: int,
        error_events: bool = True,
        withhold_secrets: bool = True,
    ) -> None:
        self._route = route
        self._public_keys = public_keys
        self._max_spans = max_spans
        self._max_age_seconds = max_age_seconds
        self._max_errors = max_errors if error_events else 0
        self._reader = AttributeReader(withhold_secrets=withhold_secrets)
        self._emitters = Emitters(route, self._reader)

    def encode(self, kept: Kept) -> Encoded:
        """Everything in `kept`; never raises, whatever the bytes of the spans are."""
        parcels: list[Parcel] = []
        dropped: dict[str, int] = {}
        if not kept.spans.is_empty():
            spans, dropped = survivors(kept, self._emitters, self._reader, self._max_age_seconds)
            mapped = SpanMapper(spans, self._reader).spans()
            writer = TransactionWriter(spans, mapped, units(kept.added), self._max_spans)
            events_of = EventReader(spans, self._reader).read
            hints = _by_trace(kept.breadcrumbs)
            for rows in spans.traces():
                parcels += self._trace(spans, rows, writer, events_of, hints.get(spans.trace_id[rows.start], []))
        parcels += [self._finding(finding) for finding in kept.findings]
        return Encoded(parcels, dropped)

    def _trace(
        self, spans: Survivors, rows: range, writer: TransactionWriter, events_of: ReadEvents, hints: list[Breadcrumb]
    ) -> list[Parcel]:
        tree = TraceTree(spans, rows)
        segments = tree.segments()
        facts = {segment.root: writer.facts(segment) for segment in segments}
        header = self._trace_header(spans, facts)
        exceptions, events = events_of(rows)
        breadcrumbs: dict[int, list[dict[str, Any]]] = {root: [] for root in facts}
        for hint in hints:
            row = tree.row(hint.span_id)
            breadcrumbs[tree.root(row) if row is not None else segments[0].root].append(_breadcrumb(hint))
        for row, found in events.items():
            breadcrumbs[tree.root(row)] += found
        parcels = []
        for root, of_segment in facts.items():
            if breadcrumbs[root]:
                breadcrumbs[root] = _latest(breadcrumbs[root])
            for transaction in writer.transactions(of_segment, breadcrumbs[root]):
                body = envelope("transaction", transaction.payload, header)
                destination = of_segment.emitter.destination
                parcels.append(Parcel(transaction.id, destination, TRANSACTION, body, transaction.spans))
        for exception in distinct(exceptions, tree)[: self._max_errors] if exceptions else ():
            root = tree.root(exception.row)
            event = error_event(exception, facts[root], spans, breadcrumbs[root])
            body = envelope("event", event, header)
            parcels.append(Parcel(event["event_id"], facts[root].emitter.destination, ERROR, body, 0))
        return parcels

    def _trace_header(self, spans: Survivors, facts: Mapping[int, SegmentFacts]) -> dict[str, str] | None:
        """The dynamic sampling context: the same for everything of a trace, from its head where that is known."""
        row, head = next(
            ((root, found) for root, found in facts.items() if not spans.parent_id[root]), next(iter(facts.items()))
        )
        public_key = self._public_keys.get(head.emitter.destination)
        if public_key is None:
            return None
        header = {"trace_id": f"{spans.trace_id[row]:032x}", "public_key": public_key, "sampled": "true"}
        if not spans.parent_id[row]:
            header["transaction"] = head.name
        if head.emitter.environment:
            header["environment"] = head.emitter.environment
        if head.emitter.release:
            header["release"] = head.emitter.release
        if head.rate is not None:
            header["sample_rate"] = repr(head.rate)
        return header

    def _finding(self, finding: Finding) -> Parcel:
        event = finding_event(finding)
        resource = {
            "service.name": finding.service,
            "deployment.environment.name": finding.environment,
            "service.version": finding.release,
        }
        return Parcel(event["event_id"], self._route(resource), ERROR, envelope("event", event), 0)


def _by_trace(breadcrumbs: tuple[Breadcrumb, ...]) -> dict[int, list[Breadcrumb]]:
    found: dict[int, list[Breadcrumb]] = {}
    for breadcrumb in breadcrumbs:
        found.setdefault(breadcrumb.trace_id, []).append(breadcrumb)
    return found


def _breadcrumb(breadcrumb: Breadcrumb) -> dict[str, Any]:
    data = {shield_name(str(key)): _shielded(value) for key, value in breadcrumb.data.items() if value is not None}
    fit(data, MAX_BREADCRUMB_DATA_BYTES)
    crumb: dict[str, Any] = {
        "timestamp": breadcrumb.time,
        "category": clip(breadcrumb.category, MAX_CATEGORY),
        "message": shield(clip(breadcrumb.message, MAX_BREADCRUMB_MESSAGE)),
        "level": breadcrumb.level,
    }
    return {**crumb, "data": data} if data else crumb


def _shielded(value: Any) -> Any:
    value = scalar(value)
    return shield(value) if isinstance(value, str) else value


def _latest(breadcrumbs: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The latest hundred by time, fewer when they are large; our own go before events of spans."""
    by_worth = sorted(breadcrumbs, key=lambda crumb: (crumb["category"] == "span.event", -crumb["timestamp"]))
    chosen, used = [], 0
    for crumb in by_worth[:MAX_BREADCRUMBS]:
        used += size(crumb)
        if used > MAX_BREADCRUMBS_BYTES:
            break
        chosen.append(crumb)
    return sorted(chosen, key=lambda crumb: crumb["timestamp"])
