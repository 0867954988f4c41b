"""What came of the telemetry: the daemon's metrics and what it stored for Sentry, as plain records."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from prometheus_client.parser import text_string_to_metric_families

from otelbridge.exporters.local_store import StoredEnvelope

COST = "otelbridge.cost.usd"
SLOW_QUERY = "db.performance"  # category of the breadcrumbs that db_queries leaves


@dataclass(frozen=True, slots=True)
class Balance:
    """Every span that was received is in one of the others.

    Attributes:
        received: spans read from the log.
        kept: spans handed to the exporter.
        dropped: spans by reason.
        held: spans whose trace is undecided.
        waiting: kept spans that are not delivered yet.
        rules: traces kept and dropped, by sampling rule.
        requests: export requests that were acknowledged, by transport.
        points: data points of metrics that were read from the log.
        watched_points: those of them that a tracker watches.
    """

    received: int
    kept: int
    dropped: Mapping[str, int]
    held: int
    waiting: int
    rules: Mapping[str, tuple[int, int]]
    requests: Mapping[str, int]
    points: int = 0
    watched_points: int = 0

    @property
    def is_even(self) -> bool:
        """Whether nothing is missing."""
        return self.received == self.kept + sum(self.dropped.values()) + self.held


@dataclass(frozen=True, slots=True)
class Transaction:
    """One transaction: a service's part of a trace."""

    name: str
    op: str
    service: str
    spans: int
    duration_ms: float
    rule: str
    trace_id: str = ""


@dataclass(frozen=True, slots=True)
class Error:
    """One error event; `frame` is the innermost `function (file:line)`, `causes` are the exceptions behind it."""

    type: str
    value: str
    frame: str
    transaction: str
    causes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Finding:
    """One finding.

    Attributes:
        title: one sentence.
        context: its own (count, total_ms, route, example ...; baseline, recent, since ...).
        kind: which component's it is.
        service: whose.
        state: `once`, or where in its life a finding that lasts is.
        key: what all events of the same finding share.
        trace_id: its example.
    """

    title: str
    context: Mapping[str, Any]
    kind: str = ""
    service: str = ""
    state: str = "once"
    key: tuple[str, ...] = ()
    trace_id: str = ""


@dataclass(frozen=True, slots=True)
class Call:
    """One model call that is billed; `cost_usd` is None where the model has no known price."""

    model: str
    user: str
    input_tokens: int
    cached_tokens: int
    output_tokens: int
    cost_usd: float | None


@dataclass(frozen=True, slots=True)
class Stored:
    """What Sentry would have got, in the order of time."""

    transactions: tuple[Transaction, ...]
    errors: tuple[Error, ...]
    findings: tuple[Finding, ...]
    slow_queries: tuple[tuple[str, str], ...]
    """Transaction and message of each breadcrumb about a slow query."""
    calls: tuple[Call, ...]
    envelopes: int


def read_balance(exposition: str) -> Balance:
    """From the text of `/metrics`."""
    samples: dict[str, list[tuple[Mapping[str, str], int]]] = {}
    for family in text_string_to_metric_families(exposition):
        for sample in family.samples:
            samples.setdefault(sample.name, []).append((sample.labels, int(sample.value)))

    def total(name: str) -> int:
        return sum(value for _, value in samples.get(name, ()))

    rules: dict[str, tuple[int, int]] = {}
    for labels, traces in samples.get("otelbridge_sampling_traces_total", ()):
        kept, dropped = rules.get(labels["rule"], (0, 0))
        is_kept = labels["outcome"] == "kept"
        rules[labels["rule"]] = (kept + traces, dropped) if is_kept else (kept, dropped + traces)
    requests: dict[str, int] = {}
    for labels, number in samples.get("otelcol_receiver_requests_total", ()):
        if labels["outcome"] == "success":
            requests[labels["transport"]] = requests.get(labels["transport"], 0) + number
    dropped_spans = samples.get("otelbridge_spans_dropped_total", ())
    return Balance(
        received=total("otelbridge_spans_received_total"),
        kept=total("otelbridge_spans_kept_total"),
        dropped={labels["reason"]: spans for labels, spans in dropped_spans if spans},
        held=total("otelbridge_spans_held"),
        waiting=total("otelbridge_spans_outbox"),
        rules={rule: traces for rule, traces in rules.items() if any(traces)},
        requests=requests,
        points=total("otelbridge_metric_points_received_total"),
        watched_points=total("otelbridge_metric_points_measured_total"),
    )


def read_stored(envelopes: Iterable[StoredEnvelope]) -> Stored:
    """From the local store."""
    in_order = sorted(envelopes, key=lambda stored: stored.payload["timestamp"])
    transactions = [stored for stored in in_order if stored.category == "transaction"]
    events = [stored.payload for stored in in_order if stored.category == "error"]
    return Stored(
        transactions=tuple(_transaction(stored) for stored in transactions),
        errors=tuple(_error(event) for event in events if "exception" in event),
        findings=tuple(_finding(event) for event in events if "finding" in event.get("tags", {})),
        slow_queries=tuple(crumb for stored in transactions for crumb in _slow_queries(stored.payload)),
        calls=tuple(call for stored in transactions for call in _calls(stored.payload)),
        envelopes=len(in_order),
    )


def _transaction(stored: StoredEnvelope) -> Transaction:
    payload = stored.payload
    tags = payload.get("tags", {})
    return Transaction(
        name=payload["transaction"],
        op=payload["contexts"]["trace"]["op"],
        service=tags.get("service.name", ""),
        spans=stored.spans,
        duration_ms=(payload["timestamp"] - payload["start_timestamp"]) * 1000,
        rule=tags.get("sampling.rule", ""),
        trace_id=payload["contexts"]["trace"].get("trace_id", ""),
    )


def _error(event: Mapping[str, Any]) -> Error:
    *causes, raised = event["exception"]["values"]
    frames = raised.get("stacktrace", {}).get("frames", [])
    frame = frames[-1] if frames else {}
    place = f"{frame.get('function', '?')} ({frame.get('filename', '?')}:{frame.get('lineno', '?')})" if frame else ""
    return Error(
        type=raised.get("type", ""),
        value=raised.get("value", ""),
        frame=place,
        transaction=event.get("transaction", ""),
        causes=tuple(f"{cause.get('type', '')}: {cause.get('value', '')}" for cause in causes),
    )


def _finding(event: Mapping[str, Any]) -> Finding:
    tags, contexts = event["tags"], event["contexts"]
    return Finding(
        title=event["logentry"].get("message", event["logentry"]["formatted"]),
        context=contexts.get(tags["finding"], {}),
        kind=tags["finding"],
        service=tags.get("service.name", ""),
        state=tags.get("finding.state", "once"),
        key=tuple(event.get("fingerprint", ())),
        trace_id=contexts.get("trace", {}).get("trace_id", ""),
    )


def _slow_queries(payload: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for crumb in payload.get("breadcrumbs", {}).get("values", ()):
        if crumb["category"] == SLOW_QUERY:
            yield payload["transaction"], crumb["message"]


def _calls(payload: Mapping[str, Any]) -> Iterator[Call]:
    """The billed spans; only they have a type of `ai_client` and tokens."""
    for span in (payload["contexts"]["trace"], *payload["spans"]):
        data = span.get("data", {})
        if data.get("gen_ai.operation.type") == "ai_client" and "gen_ai.usage.input_tokens" in data:
            yield Call(
                model=data.get("gen_ai.response.model", ""),
                user=data.get("user.id", ""),
                input_tokens=data["gen_ai.usage.input_tokens"],
                cached_tokens=data.get("gen_ai.usage.cache_read.input_tokens", 0),
                output_tokens=data.get("gen_ai.usage.output_tokens", 0),
                cost_usd=data.get(COST),
            )
