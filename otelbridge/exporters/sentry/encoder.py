"""Kept traces and findings -> parcels of Sentry envelopes. Reads from top to bottom as what is done with a trace.

    spans of a trace -> segments -> transactions (split where one would be trimmed)
                     -> exceptions, each once -> error events
    findings         -> events

Everything is deterministic: encoding the same again gives the same bytes under the same ids.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from otelbridge.core.component import Encoded, Kept, Parcel
from otelbridge.core.findings import Breadcrumb, Finding
from otelbridge.exporters.sentry.attributes import AttributeReader, scalar
from otelbridge.exporters.sentry.envelope import envelope, framed
from otelbridge.exporters.sentry.facts import FactFinder, Profile, SegmentFacts
from otelbridge.exporters.sentry.findings import finding_event
from otelbridge.exporters.sentry.forest import Forest, Trace
from otelbridge.exporters.sentry.fragments import encode_json
from otelbridge.exporters.sentry.issues import EventReader, distinct, error_event
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
from otelbridge.exporters.sentry.survivors import Survivors, survivors
from otelbridge.exporters.sentry.transactions import TransactionWriter

_NO_BREADCRUMBS: Mapping[int, list[dict[str, Any]]] = {}
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
        resolved_findings: whether the end of a finding that was raised becomes an event, too.
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
        resolved_findings: bool = True,
    ) -> None:
        self._resolved_findings = resolved_findings
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
            if spans.height:
                export = _Export(spans, self._reader, self._public_keys, self._max_spans, self._max_errors)
                parcels += export.parcels(kept.breadcrumbs)
        parcels += [
            self._finding(finding)
            for finding in kept.findings
            if finding.state != "resolved" or self._resolved_findings
        ]
        return Encoded(parcels, dropped)

    def _finding(self, finding: Finding) -> Parcel:
        event = finding_event(finding)
        resource = {
            "service.name": finding.service,
            "deployment.environment.name": finding.environment,
            "service.version": finding.release,
        }
        return Parcel(event["event_id"], self._route(resource), ERROR, envelope("event", event), 0)


class _Export:
    """The traces of one call of `encode`, one after the other."""

    def __init__(
        self,
        spans: Survivors,
        reader: AttributeReader,
        public_keys: Mapping[str, str],
        max_spans: int,
        max_errors: int,
    ) -> None:
        self._spans = spans
        mapper = SpanMapper(spans, reader)
        self._forest = Forest(spans)
        self._facts = FactFinder(spans, mapper, self._forest.roots)
        self._writer = TransactionWriter(spans, mapper, max_spans)
        self._events = EventReader(spans, reader)
        self._public_keys = public_keys
        self._max_errors = max_errors
        self._contexts: dict[tuple[Profile, bool], bytes] = {}

    def parcels(self, breadcrumbs: tuple[Breadcrumb, ...]) -> Iterator[Parcel]:
        """Transactions and error events of all traces."""
        hints = _by_trace(breadcrumbs)
        for trace, trace_id in zip(self._forest, self._spans.trace_hex, strict=True):
            of_trace = hints.get(self._spans.trace_id[trace.rows.start], []) if hints else []
            yield from self._trace(trace, trace_id, of_trace)

    def _trace(self, trace: Trace, trace_id: str, hints: list[Breadcrumb]) -> Iterator[Parcel]:
        facts = {segment.root: self._facts.facts(segment, trace_id) for segment in trace.segments}
        header = self._header(facts)
        exceptions, events = self._events.read(trace.rows)
        breadcrumbs = _breadcrumbs(trace, list(facts), hints, events) if hints or events else _NO_BREADCRUMBS
        for root, of_segment in facts.items():
            destination = of_segment.profile.emitter.destination
            for transaction in self._writer.transactions(of_segment, breadcrumbs.get(root, [])):
                body = framed("transaction", _with_id(transaction.id, header), transaction.payload)
                yield Parcel(transaction.id, destination, TRANSACTION, body, transaction.spans)
        for exception in distinct(exceptions, trace)[: self._max_errors] if exceptions else ():
            root = trace.root(exception.row)
            event = error_event(exception, facts[root], self._spans, breadcrumbs.get(root, []))
            body = framed("event", _with_id(event["event_id"], header), encode_json(event))
            yield Parcel(event["event_id"], facts[root].profile.emitter.destination, ERROR, body, 0)

    def _header(self, facts: Mapping[int, SegmentFacts]) -> bytes:
        """The dynamic sampling context as a member of an envelope's header, after a comma.

        It is the same for everything of a trace, from its head where that is known.
        """
        parents = self._spans.parent_id
        row = next(iter(facts))
        if parents[row] and len(facts) > 1:
            row = next((root for root in facts if not parents[root]), row)
        head, is_head = facts[row], not parents[row]
        context = self._contexts.get((head.profile, is_head))
        if context is None:
            context = self._contexts[head.profile, is_head] = self._context(head.profile, is_head=is_head)
        return context and b',"trace":{"trace_id":"%b",%b}' % (head.trace_id.encode(), context)

    def _context(self, profile: Profile, *, is_head: bool) -> bytes:
        emitter = profile.emitter
        public_key = self._public_keys.get(emitter.destination)
        if public_key is None:
            return b""
        known = {
            "public_key": public_key,
            "sampled": "true",
            "transaction": profile.name if is_head else None,
            "environment": emitter.environment,
            "release": emitter.release,
            "sample_rate": None if profile.rate is None else repr(profile.rate),
        }
        return encode_json({name: value for name, value in known.items() if value is not None})[1:-1]


def _with_id(event_id: str, header: bytes) -> bytes:
    return b'{"event_id":"%b"%b}' % (event_id.encode(), header)


def _by_trace(breadcrumbs: tuple[Breadcrumb, ...]) -> dict[int, list[Breadcrumb]]:
    found: dict[int, list[Breadcrumb]] = {}
    for breadcrumb in breadcrumbs:
        found.setdefault(breadcrumb.trace_id, []).append(breadcrumb)
    return found


def _breadcrumbs(
    trace: Trace, roots: list[int], hints: list[Breadcrumb], events: Mapping[int, list[dict[str, Any]]]
) -> dict[int, list[dict[str, Any]]]:
    """Breadcrumbs by local root; those of a span that is not there are with the first."""
    found: dict[int, list[dict[str, Any]]] = {root: [] for root in roots}
    for hint in hints:
        row = trace.row(hint.span_id)
        found[roots[0] if row is None else trace.root(row)].append(_breadcrumb(hint))
    for row, of_span in events.items():
        found[trace.root(row)] += of_span
    return {root: _latest(breadcrumbs) for root, breadcrumbs in found.items()}


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
    if len(breadcrumbs) == 1:  # the rule where there are any: what one may hold is bounded, and nothing is to be chosen
        return breadcrumbs
    by_worth = sorted(breadcrumbs, key=lambda crumb: (crumb["category"] == "span.event", -crumb["timestamp"]))
    chosen, used = [], 0
    for crumb in by_worth[:MAX_BREADCRUMBS]:
        used += size(crumb)
        if used > MAX_BREADCRUMBS_BYTES:
            break
        chosen.append(crumb)
    return sorted(chosen, key=lambda crumb: crumb["timestamp"])
