"""Requests of metrics: what the OpenTelemetry SDK makes of measuring, and small builders for what it never sends."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from opentelemetry.exporter.otlp.proto.common.metrics_encoder import encode_metrics
from opentelemetry.metrics import CallbackOptions, Meter, Observation
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.metrics.v1 import metrics_pb2 as pb
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader, MetricsData
from opentelemetry.sdk.metrics.view import ExponentialBucketHistogramAggregation, View
from opentelemetry.sdk.resources import Resource

from tests.support.otlp import START_NS, key_value

RESOURCE = {
    "service.name": "shop",
    "service.version": "1.2.3",
    "service.instance.id": "shop-1",
    "deployment.environment.name": "production",
}


def measured(record: Callable[[Meter], object] | None = None) -> MetricsData:
    """What the SDK reads after `record`; by default of one instrument of each kind."""
    reader = InMemoryMetricReader()
    views = [View(instrument_name="db.rows", aggregation=ExponentialBucketHistogramAggregation())]
    provider = MeterProvider([reader], Resource(RESOURCE), shutdown_on_exit=False, views=views)
    (record or one_of_each)(provider.get_meter("shop.metrics", "0.1"))
    data = reader.get_metrics_data()
    provider.shutdown()
    assert data is not None
    return data


def sdk_request(record: Callable[[Meter], object] | None = None) -> bytes:
    """The same as the SDK's exporters send it."""
    return encode_metrics(measured(record)).SerializeToString()


def one_of_each(meter: Meter) -> None:
    pool = {"pool.name": "main"}
    connections = meter.create_up_down_counter("db.client.connection.count", "{connection}")
    connections.add(7, pool | {"state": "used"})
    connections.add(3, pool | {"state": "idle"})
    meter.create_observable_gauge("memory.utilization", [lambda _: [Observation(0.625, {"space": "old"})]], "1")
    requests = meter.create_counter("http.requests", "{request}")
    for status in (200, 200, 500):
        requests.add(1, {"status": status, "cached": status == 200})
    durations = meter.create_histogram("http.server.request.duration", "s")
    for seconds in (0.25, 0.5, 4.0):
        durations.record(seconds, {"http.route": "/cart"})
    rows = meter.create_histogram("db.rows", "{row}")
    for number in (1, 10, 100):
        rows.record(number)
    meter.create_observable_counter("cpu.time", [_cpu_time], "s")


def _cpu_time(_options: CallbackOptions) -> list[Observation]:
    return [Observation(12.5, {"mode": mode}) for mode in ("user", "system")]


def number_point(value: float | None = 1, at: float = 0.0, **fields: Any) -> pb.NumberDataPoint:
    """A point `at` so many seconds after START_NS; attributes as a dict."""
    point = pb.NumberDataPoint(time_unix_nano=START_NS + int(at * 1e9), **_attributes(fields))
    if isinstance(value, int):
        point.as_int = value
    elif value is not None:
        point.as_double = value
    return point


def gauge(name: str, *points: pb.NumberDataPoint) -> pb.Metric:
    return pb.Metric(name=name, gauge=pb.Gauge(data_points=points))


def sum_metric(name: str, *points: pb.NumberDataPoint, temporality: int = 2, monotonic: bool = True) -> pb.Metric:
    total = pb.Sum(data_points=points, aggregation_temporality=temporality, is_monotonic=monotonic)  # type: ignore[arg-type]
    return pb.Metric(name=name, sum=total)


def histogram(name: str, temporality: int = 2, **fields: Any) -> pb.Metric:
    point = pb.HistogramDataPoint(**_attributes(fields))
    return pb.Metric(name=name, histogram=pb.Histogram(data_points=[point], aggregation_temporality=temporality))  # type: ignore[arg-type]


def exponential_histogram(name: str, temporality: int = 2, **fields: Any) -> pb.Metric:
    point = pb.ExponentialHistogramDataPoint(**_attributes(fields))
    data = pb.ExponentialHistogram(data_points=[point], aggregation_temporality=temporality)  # type: ignore[arg-type]
    return pb.Metric(name=name, exponential_histogram=data)


def summary(name: str, **fields: Any) -> pb.Metric:
    return pb.Metric(name=name, summary=pb.Summary(data_points=[pb.SummaryDataPoint(**_attributes(fields))]))


def metrics_request(*metrics: pb.Metric, resource: dict[str, Any] | None = None, scope: str = "test") -> bytes:
    """One request with these metrics in one scope."""
    message = ExportMetricsServiceRequest()
    resource_metrics = message.resource_metrics.add()
    resource_metrics.resource.attributes.extend(
        key_value(k, v) for k, v in (RESOURCE if resource is None else resource).items()
    )
    scope_metrics = resource_metrics.scope_metrics.add()
    scope_metrics.scope.name = scope
    scope_metrics.metrics.extend(metrics)
    return message.SerializeToString()


def _attributes(fields: dict[str, Any]) -> dict[str, Any]:
    attributes = fields.pop("attributes", {})
    return fields | {"attributes": [key_value(key, value) for key, value in attributes.items()]}
