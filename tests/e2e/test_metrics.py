"""Metrics of a pool that fills up, sent to a daemon: one issue, whatever happens to the daemon meanwhile."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
from opentelemetry.metrics import CallbackOptions, Observation
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader
from opentelemetry.sdk.resources import Resource

from tests.e2e.today import now_ms
from tests.support import daemon, sentry
from tests.support.daemon import Daemon, wait_until
from tests.support.metrics import gauge, metrics_request, number_point, sum_metric
from tests.support.sentry import Sentry

MINUTES = 150
POOL = {"db.client.connection.pool.name": "orders"}

pytestmark = pytest.mark.slow


@pytest.fixture
def server() -> Iterator[Sentry]:
    with sentry.running() as started:
        yield started


def pool(minute: int) -> bytes:
    """What a client reported in a minute of the last two and a half hours: three points, one of nobody's interest."""
    at = now_ms() / 1000 - 60 * (MINUTES - minute)
    used = number_point(min(60.0, minute * 0.5), at, attributes=POOL | {"db.client.connection.state": "used"})
    return metrics_request(
        sum_metric("db.client.connection.count", used, monotonic=False),
        sum_metric("db.client.connection.max", number_point(60, at, attributes=POOL), monotonic=False),
        gauge("v8js.memory.heap.used", number_point(1e6, at)),
    )


def send(running: Daemon, minutes: range) -> None:
    for minute in minutes:
        assert running.post(pool(minute), path="/v1/metrics") == (200, b"")


def capacity_issues(server: Sentry) -> list[dict[str, Any]]:
    return [taken.payload for taken in server.events() if "capacity" in taken.payload.get("contexts", {})]


def settled(running: Daemon, points: int) -> None:
    metrics = running.metrics
    wait_until(lambda: metrics().value("otelbridge_metric_points_received") >= points, "all points are read")
    wait_until(lambda: not metrics().value("otelcol_exporter_queue_size"), "everything is delivered")


def test_a_pool_that_fills_up_is_one_issue_even_if_the_daemon_is_killed(server: Sentry, tmp_path: Path) -> None:
    with daemon.running(tmp_path, server.dsn) as running:
        send(running, range(1, 100))
        running.kill()
        running.start()
        send(running, range(100, MINUTES + 1))
        settled(running, 3 * MINUTES)
        metrics = running.metrics()
        running.stop()

    (issue,) = capacity_issues(server)
    assert issue["contexts"]["capacity"]["limit"] == 60
    assert issue["tags"]["db.client.connection.pool.name"] == "orders"
    assert issue["environment"] == "production"
    assert metrics.value("otelbridge_metric_points_received") == 3 * MINUTES
    assert metrics.value("otelbridge_metric_points_dropped", reason="unwatched") == MINUTES
    assert metrics.value("otelbridge_metric_points_unaccounted") == 0


def test_the_sdk_of_an_application_can_send_its_metrics(server: Sentry, tmp_path: Path) -> None:
    with daemon.running(tmp_path, server.dsn) as running:
        exporter = OTLPMetricExporter(f"http://127.0.0.1:{running.http_port}/v1/metrics")
        reader = PeriodicExportingMetricReader(exporter, export_interval_millis=3_600_000)
        provider = MeterProvider([reader], Resource({"service.name": "shop"}))
        meter = provider.get_meter("tests")
        meter.create_counter("orders").add(3)

        def utilization(_options: CallbackOptions) -> list[Observation]:
            return [Observation(0.4)]

        meter.create_observable_gauge("nodejs.eventloop.utilization", [utilization])

        assert provider.force_flush()
        settled(running, 2)
        provider.shutdown()
        assert running.metric("otelbridge_metric_points_measured") >= 1
        wait_until(lambda: running.metric("otelbridge_tracked_series", pipeline="metrics") == 1, "its series is known")
        running.stop()
