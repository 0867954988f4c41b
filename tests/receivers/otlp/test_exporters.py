"""The exporters of the OpenTelemetry SDK, as applications use them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest
from grpc import Compression as GrpcCompression
from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter as GrpcExporter
from opentelemetry.exporter.otlp.proto.http import Compression as HttpCompression
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter as HttpExporter
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult

from otelbridge.core.component import Accepted
from otelbridge.core.errors import RetryLater, Undecodable
from tests.receivers.otlp.conftest import Running, Start

Make = Callable[[Running], SpanExporter]
HEADERS = {"authorization": "Bearer s3cret"}


def over_grpc(compression: GrpcCompression) -> Make:
    def make(running: Running) -> SpanExporter:
        endpoint = f"http://{running.receiver.endpoints['grpc']}"
        return GrpcExporter(endpoint, insecure=True, compression=compression, headers=HEADERS, timeout=10)

    return make


def over_http(compression: HttpCompression) -> Make:
    def make(running: Running) -> SpanExporter:
        endpoint = f"http://{running.receiver.endpoints['http']}/v1/traces"
        return HttpExporter(endpoint, compression=compression, headers=HEADERS, timeout=10)

    return make


EXPORTERS = {
    "grpc": over_grpc(GrpcCompression.NoCompression),
    "grpc gzip": over_grpc(GrpcCompression.Gzip),
    "http": over_http(HttpCompression.NoCompression),
    "http gzip": over_http(HttpCompression.Gzip),
    "http deflate": over_http(HttpCompression.Deflate),
}
every_exporter = pytest.mark.parametrize("make", EXPORTERS.values(), ids=EXPORTERS)
one_a_protocol = pytest.mark.parametrize("make", [EXPORTERS["grpc"], EXPORTERS["http"]], ids=["grpc", "http"])


def spans(count: int) -> list[ReadableSpan]:
    tracer = TracerProvider(shutdown_on_exit=False).get_tracer("shop")
    started = [tracer.start_span(f"span {number}", attributes={"number": number}) for number in range(count)]
    for span in started:
        span.end()
    return started  # type: ignore[return-value] # a span of the SDK can be read


async def export(exporter: SpanExporter, count: int = 3) -> SpanExportResult:
    try:
        return await asyncio.to_thread(exporter.export, spans(count))
    finally:
        exporter.shutdown()


@every_exporter
async def test_spans_arrive(start: Start, make: Make) -> None:
    settings = {"auth": {"bearer": "s3cret"}}
    running = await start(grpc=settings, http=settings)
    assert await export(make(running), 500) is SpanExportResult.SUCCESS
    (request,) = map(ExportTraceServiceRequest.FromString, running.log.requests)
    arrived = request.resource_spans[0].scope_spans[0].spans
    assert [span.name for span in arrived] == [f"span {number}" for number in range(500)]


@one_a_protocol
async def test_a_partial_success_is_a_success(running: Running, make: Make) -> None:
    running.log.answer = Accepted(items=3, rejected=1, reason="no trace id")
    assert await export(make(running)) is SpanExportResult.SUCCESS


@one_a_protocol
async def test_what_was_refused_for_good_is_not_sent_again(running: Running, make: Make) -> None:
    running.log.error = Undecodable("broken")
    assert await export(make(running)) is SpanExportResult.FAILURE
    requests = [counts.requests for counts in running.receiver.counts.values()]
    assert sum(sum(outcomes.values()) for outcomes in requests) == 1


@one_a_protocol
async def test_what_was_refused_for_now_is_sent_again(running: Running, make: Make) -> None:
    attempts: list[bytes] = []

    async def refuse_once(request: bytes) -> Accepted:
        attempts.append(request)
        if len(attempts) == 1:
            raise RetryLater("full", seconds=0.01)
        return Accepted(items=3)

    running.log.take = refuse_once
    assert await export(make(running)) is SpanExportResult.SUCCESS
    assert len(attempts) == 2
    assert attempts[0] == attempts[1]
