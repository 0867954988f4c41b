"""The applications' OpenTelemetry SDKs: one for each service, exporting over gRPC or HTTP, and metrics of one."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from opentelemetry.exporter.otlp.proto.grpc.metric_exporter import OTLPMetricExporter
from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter as GrpcExporter
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter as HttpExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter

from otelbridge.cli.demo import orders, outage, pool

EXPORT_INTERVAL_MS = 200  # the SDK's 5,000 would make the demo wait, and services report in time for each other
FLUSH_MS = 10_000
QUEUE, BATCH = 2048, 512  # the SDK's own; a full queue loses spans
REPLAY_BATCH = 2048  # some 600 kB; the fewer requests, the sooner a daemon that ended is noticed


class _Counter(SpanProcessor):
    def __init__(self) -> None:
        self.ended = 0

    def on_end(self, span: ReadableSpan) -> None:
        self.ended += 1


class Telemetry:
    """A tracer provider for each service, and how many spans they sent."""

    def __init__(self, grpc_endpoint: str, http_endpoint: str) -> None:
        self._counter = _Counter()

        def grpc() -> GrpcExporter:
            return GrpcExporter(endpoint=f"http://{grpc_endpoint}", insecure=True)

        self.chatbot = self._provider("chatbot", _sending(grpc()))
        self.assistant = self._provider("assistant", _sending(HttpExporter(f"http://{http_endpoint}/v1/traces")))
        # Their hours are made faster than they can be exported: there is room for all of them.
        self.orders = self._provider(orders.SERVICE, _sending(grpc(), orders.SPANS, REPLAY_BATCH))
        # One exporter for the three, as in a collector before them: what happened at a time must come at a time.
        together = _sending(grpc(), outage.SPANS, outage.SPANS)
        self.failing = {service: self._provider(service, together) for service in outage.SERVICES}
        self._metrics = OTLPMetricExporter(endpoint=f"http://{grpc_endpoint}", insecure=True)

    @property
    def ended_spans(self) -> int:
        """Spans that were handed to the exporters."""
        return self._counter.ended

    def report_pool(self, now_ns: int) -> bool:
        """Send what the pool of `orders` reported in the hours that end at `now_ns`; False if that did not work."""
        return pool.replay(self._metrics, self.orders.resource, now_ns)

    def flush(self) -> bool:
        """Send what is left; False if that did not work."""
        return all(provider.force_flush(FLUSH_MS) for provider in self._providers())

    def close(self) -> None:
        """Send what is left and end the threads."""
        for provider in self._providers():
            provider.shutdown()
        self._metrics.shutdown()

    def _providers(self) -> Iterator[TracerProvider]:
        yield from (self.assistant, self.chatbot, self.orders, *self.failing.values())

    def _provider(self, service: str, sending: SpanProcessor) -> TracerProvider:
        attributes = {"service.name": service, "service.version": "1.0.0", "deployment.environment.name": "demo"}
        provider = TracerProvider(resource=Resource.create(attributes), shutdown_on_exit=False)
        provider.add_span_processor(self._counter)
        provider.add_span_processor(sending)
        return provider


def _sending(exporter: SpanExporter, queue: int = QUEUE, batch: int = BATCH) -> SpanProcessor:
    return BatchSpanProcessor(
        exporter, max_queue_size=queue, max_export_batch_size=batch, schedule_delay_millis=EXPORT_INTERVAL_MS
    )


@contextmanager
def exporting(grpc_endpoint: str, http_endpoint: str) -> Iterator[Telemetry]:
    """The SDKs while the block runs."""
    telemetry = Telemetry(grpc_endpoint, http_endpoint)
    try:
        yield telemetry
    finally:
        telemetry.close()
