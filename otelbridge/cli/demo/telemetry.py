"""The application's OpenTelemetry SDKs: one for each service, one exporting over gRPC, the other over HTTP."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter as GrpcExporter
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter as HttpExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter

EXPORT_INTERVAL_MS = 200  # the SDK's 5,000 would make the demo wait, and services report in time for each other


class _Counter(SpanProcessor):
    def __init__(self) -> None:
        self.ended = 0

    def on_end(self, span: ReadableSpan) -> None:
        self.ended += 1


class Telemetry:
    """Two tracer providers, and how many spans they sent."""

    def __init__(self, grpc_endpoint: str, http_endpoint: str) -> None:
        self._counter = _Counter()
        self.chatbot = self._provider("chatbot", GrpcExporter(endpoint=f"http://{grpc_endpoint}", insecure=True))
        self.assistant = self._provider("assistant", HttpExporter(endpoint=f"http://{http_endpoint}/v1/traces"))

    @property
    def ended_spans(self) -> int:
        """Spans that were handed to the exporters."""
        return self._counter.ended

    def flush(self) -> bool:
        """Send what is left; False if that did not work."""
        return all(provider.force_flush(10_000) for provider in (self.assistant, self.chatbot))

    def close(self) -> None:
        """Send what is left and end the threads."""
        self.assistant.shutdown()
        self.chatbot.shutdown()

    def _provider(self, service: str, exporter: SpanExporter) -> TracerProvider:
        attributes = {"service.name": service, "service.version": "1.0.0", "deployment.environment.name": "demo"}
        provider = TracerProvider(resource=Resource.create(attributes), shutdown_on_exit=False)
        provider.add_span_processor(self._counter)
        provider.add_span_processor(BatchSpanProcessor(exporter, schedule_delay_millis=EXPORT_INTERVAL_MS))
        return provider


@contextmanager
def exporting(grpc_endpoint: str, http_endpoint: str) -> Iterator[Telemetry]:
    """Both SDKs while the block runs."""
    telemetry = Telemetry(grpc_endpoint, http_endpoint)
    try:
        yield telemetry
    finally:
        telemetry.close()
