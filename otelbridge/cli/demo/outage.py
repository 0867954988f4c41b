"""Two minutes in which three services failed one after the other, because the last of them did.

As short as that it is no error spike; that the failures spread, and from where, is told at once.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.trace import Span, SpanKind, Status, StatusCode, set_span_in_context

from otelbridge.cli.demo import orders

SERVICES = ("checkout", "payments", "ledger")  # each calls the next
ROOT = SERVICES[-1]
ERROR = "LedgerUnavailable"

BEGINS = 60  # of the minutes of `orders`
MINUTES = 12
FAILING = range(8, 10)  # of these minutes; `cascade` asks to have seen a service for two
SECONDS_BETWEEN = 4
HOP_MS = 5.0  # a call begins so long after its caller did, and ends so long before it

SPANS = MINUTES * 60 // SECONDS_BETWEEN * (2 * len(SERVICES) - 1)
MS, MINUTE_NS = 1_000_000, 60_000_000_000


def replay(providers: Mapping[str, TracerProvider], now_ns: int, minutes: range) -> None:
    """Send these of the minutes, as part of the hours of `orders` that end at `now_ns`."""
    begin = now_ns - (orders.MINUTES - BEGINS) * MINUTE_NS
    for second in range(minutes.start * 60, minutes.stop * 60, SECONDS_BETWEEN):
        _record(providers, begin + second * 1000 * MS, is_failed=second // 60 in FAILING)


def _record(providers: Mapping[str, TracerProvider], start_ns: int, *, is_failed: bool) -> None:
    """One request: a server's span in each service, and a client's span around each call."""
    opened: list[Span] = []
    for depth, (service, name, kind) in enumerate(_spans()):
        parent = set_span_in_context(opened[-1]) if opened else None
        tracer = providers[service].get_tracer("demo.outage")
        span = tracer.start_span(name, parent, kind, start_time=start_ns + round(depth * HOP_MS * MS))
        if is_failed:
            span.set_attribute("error.type", ERROR)
            span.set_status(Status(StatusCode.ERROR))
        opened.append(span)
    for depth, span in enumerate(reversed(opened)):
        span.end(start_ns + round((len(opened) + depth) * HOP_MS * MS))


def _spans() -> Iterator[tuple[str, str, SpanKind]]:
    for number, service in enumerate(SERVICES):
        yield service, f"POST /{service}", SpanKind.SERVER
        if number + 1 < len(SERVICES):
            yield service, "POST", SpanKind.CLIENT
