"""Every metric of the daemon, declared once: name, kind, unit, meaning.

Names are the Collector's where it has the metric, so that its dashboards and alerts work. Values are not pushed: each
metric is observed when it is asked for, from the component that knows, which costs nothing between scrapes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

from opentelemetry.exporter.prometheus import PrometheusMetricReader
from opentelemetry.metrics import CallbackOptions, Observation
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.resources import Resource
from prometheus_client import CollectorRegistry, generate_latest

Reading = tuple[float, Mapping[str, str]]
"""A value and its attributes."""


@dataclass(frozen=True, slots=True)
class Metric:
    """One metric: a `counter` only grows (over restarts too where it says so), a `gauge` is a level."""

    name: str
    kind: Literal["counter", "gauge"]
    unit: str
    meaning: str


METRICS: tuple[Metric, ...] = (
    Metric("otelcol_receiver_accepted_spans", "counter", "{spans}", "spans made durable {receiver, transport}"),
    Metric("otelcol_receiver_refused_spans", "counter", "{spans}", "unusable spans in accepted requests {receiver}"),
    Metric(
        "otelcol_receiver_accepted_metric_points",
        "counter",
        "{points}",
        "data points made durable {receiver, transport}",
    ),
    Metric(
        "otelcol_receiver_refused_metric_points",
        "counter",
        "{points}",
        "unusable data points in accepted requests {receiver}",
    ),
    Metric("otelcol_receiver_requests", "counter", "{requests}", "requests by outcome {receiver, transport, outcome}"),
    Metric("otelcol_receiver_received_bytes", "counter", "By", "bytes of requests, decompressed {receiver, transport}"),
    Metric("otelcol_exporter_sent_spans", "counter", "{spans}", "spans the destination took {exporter}"),
    Metric("otelcol_exporter_send_failed_spans", "counter", "{spans}", "spans given up {exporter, reason}"),
    Metric("otelcol_exporter_send_attempts_failed", "counter", "{attempts}", "attempts to be repeated {exporter}"),
    Metric("otelcol_exporter_queue_size", "gauge", "{parcels}", "parcels in the outbox {pipeline}"),
    Metric("otelcol_exporter_queue_size_bytes", "gauge", "By", "bytes in the outbox {pipeline}"),
    Metric("otelcol_exporter_queue_capacity_bytes", "gauge", "By", "bound on the outbox {pipeline}"),
    Metric("otelcol_process_uptime", "counter", "s", "since the daemon started"),
    Metric("otelcol_process_cpu_seconds", "counter", "s", "CPU used by the daemon"),
    Metric("otelcol_process_memory_rss", "gauge", "By", "resident memory of the daemon"),
    Metric("otelbridge_spans_received", "counter", "{spans}", "spans read from the log, over restarts {pipeline}"),
    Metric("otelbridge_spans_kept", "counter", "{spans}", "spans handed to every exporter, over restarts {pipeline}"),
    Metric("otelbridge_spans_dropped", "counter", "{spans}", "spans dropped, over restarts {pipeline, reason}"),
    Metric("otelbridge_spans_held", "gauge", "{spans}", "undecided spans in the trace buffer {pipeline}"),
    Metric("otelbridge_spans_outbox", "gauge", "{spans}", "kept spans waiting for their destination {pipeline}"),
    Metric("otelbridge_spans_unaccounted", "gauge", "{spans}", "received - kept - dropped - held; always 0 {pipeline}"),
    Metric("otelbridge_buffer_traces", "gauge", "{traces}", "undecided traces {pipeline}"),
    Metric("otelbridge_buffer_bytes", "gauge", "By", "bytes held for undecided traces {pipeline}"),
    Metric(
        "otelbridge_traces_decided", "counter", "{traces}", "by what made them due, since start {pipeline, trigger}"
    ),
    Metric("otelbridge_traces", "counter", "{traces}", "decisions, over restarts {pipeline, outcome}"),
    Metric(
        "otelbridge_late_spans", "counter", "{spans}", "spans after the decision, over restarts {pipeline, outcome}"
    ),
    Metric("otelbridge_sampling_traces", "counter", "{traces}", "traces by sampling rule {pipeline, rule, outcome}"),
    Metric("otelbridge_metric_points_received", "counter", "{points}", "data points read, over restarts {pipeline}"),
    Metric(
        "otelbridge_metric_points_measured", "counter", "{points}", "made measurements of, over restarts {pipeline}"
    ),
    Metric("otelbridge_metric_points_dropped", "counter", "{points}", "not measured, over restarts {pipeline, reason}"),
    Metric(
        "otelbridge_metric_totals_forgotten",
        "counter",
        "{totals}",
        "running totals that had to leave since start: too many series {pipeline}",
    ),
    Metric(
        "otelbridge_metric_points_unaccounted",
        "gauge",
        "{points}",
        "received - measured - dropped; always 0 {pipeline}",
    ),
    Metric("otelbridge_component_events", "counter", "{events}", "what components count {pipeline, component, event}"),
    Metric("otelbridge_component_errors", "counter", "{errors}", "batches a component failed on {pipeline, component}"),
    Metric("otelbridge_findings", "counter", "{findings}", "by kind, over restarts {pipeline, kind}"),
    Metric("otelbridge_open_findings", "gauge", "{findings}", "findings that are raised and not resolved {pipeline}"),
    Metric("otelbridge_tracked_series", "gauge", "{series}", "series that trackers remember {pipeline, component}"),
    Metric("otelbridge_log_bytes", "gauge", "By", "bytes the log holds {pipeline}"),
    Metric("otelbridge_log_capacity_bytes", "gauge", "By", "bound on the log {pipeline}"),
    Metric("otelbridge_log_records", "gauge", "{records}", "records not read yet {pipeline}"),
    Metric("otelbridge_checkpoints", "counter", "{checkpoints}", "checkpoints since start {pipeline}"),
    Metric("otelbridge_stalled", "gauge", "", "1 while the task cannot go on {pipeline, reason}"),
)


class Metrics:
    """The metrics of one daemon; `exposition` reads them all."""

    def __init__(self, resource: Mapping[str, str]) -> None:
        self._declared = {metric.name: metric for metric in METRICS}
        self._registry = CollectorRegistry()
        self._reader = PrometheusMetricReader(scope_info_enabled=False, registry=self._registry)
        self._provider = MeterProvider([self._reader], Resource.create(dict(resource)), shutdown_on_exit=False)
        self._meter = self._provider.get_meter("otelbridge")
        self._prepare: Callable[[], object] = lambda: None

    def observe(self, name: str, read: Callable[[], Iterable[Reading]]) -> None:
        """Say where a declared metric's values come from."""
        metric = self._declared[name]

        def callback(_options: CallbackOptions) -> Iterable[Observation]:
            return [Observation(value, dict(attributes)) for value, attributes in read()]

        create = (
            self._meter.create_observable_counter if metric.kind == "counter" else self._meter.create_observable_gauge
        )
        create(name, [callback], unit=metric.unit, description=metric.meaning)

    def before_reading(self, prepare: Callable[[], object]) -> None:
        """Call this before each exposition."""
        self._prepare = prepare

    def exposition(self) -> bytes:
        """All values, in the Prometheus text format."""
        self._prepare()
        return generate_latest(self._registry)

    def close(self) -> None:
        """Forget the callbacks."""
        self._provider.shutdown()
