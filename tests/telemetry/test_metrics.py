"""The daemon's metrics are declared once, and read when asked for."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

import pytest

from otelbridge.core.component import Receiver, ReceiverCounts, Signal, Submit
from otelbridge.service.observed import OF_POINTS, OF_RECEIVERS, OF_SPANS, OF_UNITS
from otelbridge.telemetry.metrics import METRICS, Metrics

OF_PROCESS = {"otelcol_process_uptime", "otelcol_process_cpu_seconds", "otelcol_process_memory_rss"}


def test_every_declared_metric_is_observed_and_no_other() -> None:
    assert {metric.name for metric in METRICS} == {*OF_UNITS, *OF_SPANS, *OF_POINTS, *OF_RECEIVERS, *OF_PROCESS}


def test_values_are_those_of_the_moment_of_reading() -> None:
    metrics = Metrics({"service.name": "otelbridge"})
    held = [3.0]
    metrics.observe("otelbridge_spans_held", lambda: [(held[0], {"pipeline": "traces"})])

    held[0] = 5.0
    text = metrics.exposition().decode()
    metrics.close()

    assert 'otelbridge_spans_held{pipeline="traces"} 5.0' in text


def test_counters_end_in_total_as_prometheus_wants() -> None:
    metrics = Metrics({})
    metrics.observe("otelbridge_spans_received", lambda: [(7.0, {})])

    text = metrics.exposition().decode()
    metrics.close()

    assert "otelbridge_spans_received_total 7.0" in text


class CountingReceiver(Receiver):
    """Counted before anybody looked."""

    endpoint = ""

    async def start(self, submit: Mapping[Signal, Submit]) -> None:
        """Never."""

    async def stop(self, grace_seconds: float) -> None:
        """Never."""

    @property
    def counts(self) -> dict[str, ReceiverCounts]:
        accepted, rejected = {Signal.TRACES: 5, Signal.METRICS: 7}, {Signal.TRACES: 1, Signal.METRICS: 2}
        return {"grpc": ReceiverCounts(accepted, rejected, 400)}


def test_spans_and_data_points_are_counted_by_the_collectors_names() -> None:
    receivers = {"otlp": CountingReceiver()}

    values = {name: [value for value, _ in read(receivers)] for name, read in OF_RECEIVERS.items()}

    assert values | {"otelcol_receiver_requests": []} == {
        "otelcol_receiver_accepted_spans": [5],
        "otelcol_receiver_refused_spans": [1],
        "otelcol_receiver_accepted_metric_points": [7],
        "otelcol_receiver_refused_metric_points": [2],
        "otelcol_receiver_received_bytes": [400],
        "otelcol_receiver_requests": [],
    }


def test_an_undeclared_metric_is_refused() -> None:
    metrics = Metrics({})

    with pytest.raises(KeyError):
        metrics.observe("otelbridge_surprise", list)
    metrics.close()


def test_metrics_in_the_documentation_exist() -> None:
    text = (Path(__file__).parents[2] / "docs" / "operations.md").read_text()
    named = set(re.findall(r"\b(?:otelbridge|otelcol)_[a-z_]+[a-z]", text))

    assert named <= {metric.name for metric in METRICS}
