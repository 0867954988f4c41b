"""The applications' OpenTelemetry SDKs: one for each service, exporting over gRPC or HTTP."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter as GrpcExporter
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter as HttpExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter

from otelbridge.cli.demo import orders

EXPORT_INTERVAL_MS = 200  # the SDK's 5,000 would make the demo wait, and services report in time for each other
FLUSH_MS = 10_000
QUEUE, BATCH = 2048, 512  # the SDK's own; a full queue loses spans
ORDERS_BATCH = 2048  # some 600 kB; the fewer requests, the sooner a daemon that ended is noticed


class _Counter(SpanProcessor):
    def __init__(self) -> None:
        self.ended = 0

    def on_end(self, span: ReadableSpan) -> None:
        self.ended += 1


class Telemetry:
    """Three tracer providers, and how many spans they sent."""

    def __init__(self, grpc_endpoint: str, http_endpoint: str) -> None:
        self._counter = _Counter()
        self.chatbot = self._provider("chatbot", GrpcExporter(endpoint=f"http://{grpc_endpoint}", insecure=True))
        self.assistant = self._provider("assistant", HttpExporter(endpoint=f"http://{http_endpoint}/v1/traces"))
        # Its hours are made faster than they can be exported: there is room for all of them.
        self.orders = self._provider(
            orders.SERVICE,
            GrpcExporter(endpoint=f"http://{grpc_endpoint}", insecure=True),
            queue=orders.SPANS,
            batch=ORDERS_BATCH,
        )

    @property
    def ended_spans(self) -> int:
        """Spans that were handed to the exporters."""
        return self._counter.ended

    def flush(self) -> bool:
        """Send what is left; False if that did not work."""
        return all(provider.force_flush(FLUSH_MS) for provider in (self.assistant, self.chatbot, self.orders))

    def close(self) -> None:
        """Send what is left and end the threads."""
        for provider in (self.assistant, self.chatbot, self.orders):
            provider.shutdown()

    def _provider(self, service: str, exporter: SpanExporter, queue: int = QUEUE, batch: int = BATCH) -> TracerProvider:
        attributes = {"service.name": service, "service.version": "1.0.0", "deployment.environment.name": "demo"}
        provider = TracerProvider(resource=Resource.create(attributes), shutdown_on_exit=False)
        provider.add_span_processor(self._counter)
        provider.add_span_processor(
            BatchSpanProcessor(
                exporter,
                max_queue_size=queue,
                max_export_batch_size=batch,
                schedule_delay_millis=EXPORT_INTERVAL_MS,
            )
        )
        return provider


@contextmanager
def exporting(grpc_endpoint: str, http_endpoint: str) -> Iterator[Telemetry]:
    """The SDKs while the block runs."""
    telemetry = Telemetry(grpc_endpoint, http_endpoint)
    try:
        yield telemetry
    finally:
        telemetry.close()
