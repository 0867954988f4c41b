"""The pool of connections of the other service over its hours, as its client would have reported it every minute.

The points carry the time they would have had, so they are made by hand and sent by the SDK's exporter.
"""

from __future__ import annotations

import random

from opentelemetry.sdk.metrics.export import (
    AggregationTemporality,
    Metric,
    MetricExporter,
    MetricExportResult,
    MetricsData,
    NumberDataPoint,
    ResourceMetrics,
    ScopeMetrics,
    Sum,
)
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.util.instrumentation import InstrumentationScope

from otelbridge.cli.demo import orders

NAME = "orders-db"
SIZE = 40
BUSY = 6.0  # connections in use, on average, until
LEAKS_FROM = 130  # of the minutes of `orders`; capacity wants an hour of history
LEAK_PER_MINUTE = 0.25  # a connection lost every four minutes; at the end the pool is about full
NOISE = 1.0
SEED = 3

USED, LARGEST = "db.client.connection.count", "db.client.connection.max"
POINTS = 3 * orders.MINUTES
SECOND_NS = 1_000_000_000


def replay(exporter: MetricExporter, resource: Resource, now_ns: int) -> bool:
    """Send the reports of the hours that end at `now_ns`, all at once; False if that did not work."""
    rng = random.Random(SEED)  # noqa: S311 # nothing is secret about it
    used, largest = [], []
    begin = now_ns - orders.MINUTES * 60 * SECOND_NS
    for minute in range(1, orders.MINUTES + 1):
        busy = BUSY + max(0, minute - LEAKS_FROM) * LEAK_PER_MINUTE + rng.gauss(0, NOISE)
        in_use = min(SIZE, max(0, round(busy)))
        time = begin + minute * 60 * SECOND_NS
        used += [_point(in_use, begin, time, "used"), _point(SIZE - in_use, begin, time, "idle")]
        largest.append(_point(SIZE, begin, time))
    metrics = [_level(USED, used), _level(LARGEST, largest)]
    scope = ScopeMetrics(InstrumentationScope("orders.pool"), metrics, "")
    data = MetricsData([ResourceMetrics(resource, [scope], "")])
    return exporter.export(data) is MetricExportResult.SUCCESS


def _point(value: int, begin: int, time: int, state: str = "") -> NumberDataPoint:
    attributes = {"db.client.connection.pool.name": NAME}
    if state:
        attributes["db.client.connection.state"] = state
    return NumberDataPoint(attributes, begin, time, value)


def _level(name: str, points: list[NumberDataPoint]) -> Metric:
    data = Sum(points, AggregationTemporality.CUMULATIVE, is_monotonic=False)
    return Metric(name, "", "{connection}", data)
