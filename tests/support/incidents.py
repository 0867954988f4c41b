"""Hours of a shop in which things go wrong at known times, as requests. The spans' time is made up."""

from __future__ import annotations

import random
from collections.abc import Iterator

from tests.support.otlp import request_of, span, spans_of, trace_id

MINUTE_MS = 60_000.0
TRACES_PER_MINUTE = 20
SLOWER_FROM, SLOWER_BY = 150, 1.7  # minute; factor of the queries
SPIKE = range(210, 228)  # minutes in which a third of the requests fails
FILLING_FROM, FILLING_PER_MINUTE = 100, 0.003
RESOURCE = {"service.name": "shop", "deployment.environment.name": "production", "service.version": "7.1"}


def incidents(minutes: int, seed: int = 1) -> Iterator[bytes]:
    """One request a minute."""
    rng = random.Random(seed)
    for minute in range(minutes):
        spans = []
        for number in range(TRACES_PER_MINUTE):
            start_ms = minute * MINUTE_MS + number * MINUTE_MS / TRACES_PER_MINUTE
            spans += spans_of(_request(rng, minute, start_ms), trace_id(minute * TRACES_PER_MINUTE + number + 1))
        yield request_of(spans, RESOURCE)


def _request(rng: random.Random, minute: int, start_ms: float):  # type: ignore[no-untyped-def] # a SpanTree
    factor = SLOWER_BY if minute >= SLOWER_FROM else 1.0
    failed = rng.random() < (0.33 if minute in SPIKE else 0.004)
    filled = 0.3 + max(0, minute - FILLING_FROM) * FILLING_PER_MINUTE
    query = span(
        "select",
        kind="client",
        start_ms=start_ms + 1,
        ms=rng.lognormvariate(3.0, 0.4) * factor,
        attributes={"db.system.name": "postgresql", "db.query.text": "SELECT * FROM orders WHERE id = $1"},
    )
    return span(
        "GET /orders/{id}",
        query,
        kind="server",
        start_ms=start_ms,
        ms=rng.lognormvariate(5.0, 0.3),
        status=2 if failed else 0,
        attributes={
            "http.request.method": "GET",
            "http.route": "/orders/{id}",
            "queue.utilization": min(1.0, filled + rng.uniform(-0.01, 0.01)),
            **({"error.type": "OrderLocked"} if failed else {}),
        },
    )


def cascade(minutes: int, failing: range, seed: int = 1) -> Iterator[bytes]:
    """A front and a stock service over one database, which fails for some minutes; a request every two seconds."""
    rng = random.Random(seed)
    for number in range(minutes * 30):
        start_ms = number * 2000.0
        is_failing = number // 30 in failing and rng.random() < 0.8
        status = 2 if is_failing or rng.random() < 0.002 else 0
        database = span(
            "SELECT",
            kind="client",
            start_ms=start_ms + 3,
            status=status,
            attributes={"db.system.name": "postgresql", "db.query.text": "SELECT 1", "server.address": "db-1"},
        )
        served = span("GET /stock", database, kind="server", start_ms=start_ms + 2, status=status)
        called = span("GET", served, kind="client", start_ms=start_ms + 1, status=status)
        front = span("GET /", called, kind="server", start_ms=start_ms, status=status)
        spans = spans_of(front, trace_id(number + 1))
        for service, part in (("front", spans[:2]), ("stock", spans[2:])):
            yield request_of(part, {"service.name": service, "deployment.environment.name": "production"})
