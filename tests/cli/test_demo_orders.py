"""The four hours that the demo replays."""

from __future__ import annotations

from statistics import mean, median

import pytest
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from otelbridge.cli.demo import orders


def replayed(now_ns: int) -> list[ReadableSpan]:
    exporter = InMemorySpanExporter()
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    orders.replay(provider, now_ns)
    return list(exporter.get_finished_spans())


def test_the_replayed_hours_end_now_and_every_request_has_one_query() -> None:
    now_ns = 1_790_000_000 * 10**9
    spans = replayed(now_ns)

    roots = {span.context.span_id: span for span in spans if span.parent is None}
    queries = [span for span in spans if span.parent is not None]
    assert len(spans) == orders.SPANS
    assert sorted(span.parent.span_id for span in queries if span.parent) == sorted(roots)
    starts = [span.start_time or 0 for span in roots.values()]
    assert min(starts) == now_ns - orders.MINUTES * 60 * 10**9
    assert now_ns - 60 * 10**9 < max(starts) < now_ns
    assert all(
        (roots[span.parent.span_id].end_time or 0) >= (span.end_time or 0) > (span.start_time or 0)
        for span in queries
        if span.parent
    )


def test_the_replayed_hours_hold_a_slowdown_and_a_spike() -> None:
    requests = list(orders.requests())
    calm = requests[: orders.SLOWER_FROM * orders.REQUESTS_PER_MINUTE]
    slow = requests[len(calm) :]
    spike = requests[orders.SPIKE.start * orders.REQUESTS_PER_MINUTE : orders.SPIKE.stop * orders.REQUESTS_PER_MINUTE]

    def query_ms(of: list[orders.Request]) -> float:
        return median(request.query_ms for request in of)

    assert query_ms(slow) / query_ms(calm) == pytest.approx(orders.SLOWER_BY, rel=0.05)
    assert median(request.ms for request in slow) / median(request.ms for request in calm) < 1.15
    assert mean(request.is_failed for request in spike) == pytest.approx(orders.SPIKE_RATE, abs=0.05)
    assert mean(request.is_failed for request in calm) == pytest.approx(orders.BACKGROUND_RATE, abs=0.003)
