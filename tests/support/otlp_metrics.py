"""Small builders of metrics requests: `request(gauge("pool.busy", point(5, pool="orders")), service="shop")`."""

from __future__ import annotations

from typing import Any

from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.metrics.v1 import metrics_pb2

from tests.support.otlp import key_value

SECOND_NS = 1_000_000_000
CUMULATIVE = metrics_pb2.AGGREGATION_TEMPORALITY_CUMULATIVE
DELTA = metrics_pb2.AGGREGATION_TEMPORALITY_DELTA
NO_VALUE = metrics_pb2.DATA_POINT_FLAGS_NO_RECORDED_VALUE_MASK


def point(value: float | None, at: float = 0.0, start: float = 0.0, **attributes: Any) -> metrics_pb2.NumberDataPoint:
    """A number; attributes are written with `__` for dots. None: no recorded value."""
    return metrics_pb2.NumberDataPoint(
        as_double=value or 0.0,
        flags=NO_VALUE if value is None else 0,
        time_unix_nano=round(at * SECOND_NS),
        start_time_unix_nano=round(start * SECOND_NS),
        attributes=[key_value(key.replace("__", "."), text) for key, text in attributes.items()],
    )


def gauge(name: str, *points: metrics_pb2.NumberDataPoint) -> metrics_pb2.Metric:
    return metrics_pb2.Metric(name=name, gauge=metrics_pb2.Gauge(data_points=points))


def counter(
    name: str, *points: metrics_pb2.NumberDataPoint, monotonic: bool = True, temporality: Any = CUMULATIVE
) -> metrics_pb2.Metric:
    total = metrics_pb2.Sum(data_points=points, is_monotonic=monotonic, aggregation_temporality=temporality)
    return metrics_pb2.Metric(name=name, sum=total)


def histogram(name: str, total: float, count: int, at: float, temporality: Any = CUMULATIVE) -> metrics_pb2.Metric:
    observed = metrics_pb2.HistogramDataPoint(
        sum=total, count=count, bucket_counts=[count], time_unix_nano=round(at * SECOND_NS)
    )
    data = metrics_pb2.Histogram(data_points=[observed], aggregation_temporality=temporality)
    return metrics_pb2.Metric(name=name, histogram=data)


def request(*metrics: metrics_pb2.Metric, **resource: Any) -> bytes:
    """One resource's metrics; its attributes are written with `__` for dots."""
    body = ExportMetricsServiceRequest()
    of_resource = body.resource_metrics.add()
    named = {"service.name": "shop", **{key.replace("__", "."): value for key, value in resource.items()}}
    of_resource.resource.attributes.extend(key_value(key, value) for key, value in named.items())
    of_resource.scope_metrics.add().metrics.extend(metrics)
    return body.SerializeToString()
