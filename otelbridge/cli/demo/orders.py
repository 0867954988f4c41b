"""Four hours of a service in which something changed, sent in seconds.

Trackers go by the time of the spans, so the hours need not be waited for: the spans carry the time they would have had,
the last of them ends now. Requests are drawn from a fixed seed, so that every run shows the same hours.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass

from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.trace import SpanKind, Status, StatusCode, Tracer, set_span_in_context

SERVICE = "orders"
ROUTE = "/orders/{id}"
STATEMENT = "SELECT id, state, total FROM orders WHERE id = ?"
ERROR = "OrderLocked"

MINUTES = 240
REQUESTS_PER_MINUTE = 20  # 9,600 spans in all: a busy machine of two cores takes them in a few seconds
SLOWER_FROM = 150  # degradation needs 1,024 values before its first verdict: 51 minutes of these
SLOWER_BY = 1.7
SPIKE = range(205, 220)  # minutes; error_spike asks for five of them, and for some after them to call it over
SPIKE_RATE, BACKGROUND_RATE = 1 / 3, 0.005

QUERY_MS, QUERY_SPREAD = 20.0, 0.4  # median; spread of the logarithm: one in ten takes 1.7 times as long
HANDLER_MS, HANDLER_SPREAD = 150.0, 0.2  # so long that a slower query leaves the request's own level as it was
SEED = 1

SPANS = 2 * MINUTES * REQUESTS_PER_MINUTE


@dataclass(frozen=True, slots=True)
class Request:
    """One request: when it began, in seconds before the end, how long it and its query took, whether it failed."""

    seconds_ago: float
    ms: float
    query_ms: float
    is_failed: bool


def requests() -> Iterator[Request]:
    """All requests, in the order of their time."""
    rng = random.Random(SEED)  # noqa: S311 # nothing is secret about it
    count = MINUTES * REQUESTS_PER_MINUTE
    for number in range(count):
        minute = number // REQUESTS_PER_MINUTE
        factor = SLOWER_BY if minute >= SLOWER_FROM else 1.0
        query_ms = QUERY_MS * rng.lognormvariate(0, QUERY_SPREAD) * factor
        yield Request(
            seconds_ago=(count - number) * 60 / REQUESTS_PER_MINUTE,
            ms=HANDLER_MS * rng.lognormvariate(0, HANDLER_SPREAD) + query_ms,
            query_ms=query_ms,
            is_failed=rng.random() < (SPIKE_RATE if minute in SPIKE else BACKGROUND_RATE),
        )


def replay(provider: TracerProvider, now_ns: int) -> None:
    """Send the hours that end at `now_ns`."""
    tracer = provider.get_tracer("orders.web")
    for request in requests():
        _record(tracer, request, now_ns - _ns(request.seconds_ago * 1000))


def _record(tracer: Tracer, request: Request, start_ns: int) -> None:
    attributes: dict[str, str | int] = {
        "http.request.method": "GET",
        "http.route": ROUTE,
        "url.path": "/orders/17",
        "http.response.status_code": 500 if request.is_failed else 200,
    }
    if request.is_failed:
        attributes["error.type"] = ERROR
    root = tracer.start_span(f"GET {ROUTE}", kind=SpanKind.SERVER, attributes=attributes, start_time=start_ns)
    query_ns = start_ns + _ns(1)
    query = tracer.start_span(
        "SELECT orders",
        context=set_span_in_context(root),
        kind=SpanKind.CLIENT,
        attributes={"db.system.name": "postgresql", "db.query.text": STATEMENT},
        start_time=query_ns,
    )
    query.end(query_ns + _ns(request.query_ms))
    if request.is_failed:
        root.set_status(Status(StatusCode.ERROR))
    root.end(start_ns + _ns(request.ms))


def _ns(ms: float) -> int:
    return round(ms * 1_000_000)
