"""The daemon's own spans, through the OpenTelemetry SDK: off unless an endpoint is configured.

One span for each batch fed, each checkpoint and each stop: never one for a span that passes through, so that a daemon
that is its own destination does not feed itself for ever faster.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from opentelemetry import trace
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor

Stop = Callable[[], None]

TRACER = trace.get_tracer("otelbridge")
"""Does nothing until `start` was called."""


def start(endpoint: str, headers: Mapping[str, str], resource: Mapping[str, str]) -> Stop:
    """Send own spans to an OTLP/HTTP endpoint from now on; returns what stops it and flushes."""
    provider = TracerProvider(resource=Resource.create(dict(resource)), shutdown_on_exit=False)
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(endpoint=endpoint, headers=dict(headers))))
    trace.set_tracer_provider(provider)
    return provider.shutdown
