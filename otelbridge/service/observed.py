"""Where the values of `/metrics` come from."""

from __future__ import annotations

import resource
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import partial

from otelbridge.core.component import Receiver, ReceiverCounts, Signal
from otelbridge.core.outcomes import DropReason
from otelbridge.delivery.outbox import EXPORTED
from otelbridge.engine.ledger import Balance
from otelbridge.engine.metrics_task import MetricsTask, PointLedger
from otelbridge.engine.traces_task import TracesTask
from otelbridge.service.unit import Unit
from otelbridge.telemetry.metrics import Metrics, Reading

Readings = Iterable[Reading]


@dataclass(frozen=True, slots=True)
class Observed:
    """What is looked at: the units and receivers that run, and since when."""

    units: list[Unit]
    receivers: Mapping[str, Receiver]
    uptime_seconds: Callable[[], float]


def observe(metrics: Metrics, observed: Observed) -> None:
    """Connect every declared metric. What is read in one scrape is of one moment."""

    def freeze() -> None:
        for unit in observed.units:
            unit.freeze_balance()

    metrics.before_reading(freeze)
    for name, of_unit in OF_UNITS.items():
        metrics.observe(name, partial(_over_units, observed.units, of_unit))
    for name, of_spans in OF_SPANS.items():
        metrics.observe(name, partial(_over_units, observed.units, partial(_spans, of_spans)))
    for name, of_points in OF_POINTS.items():
        metrics.observe(name, partial(_over_units, observed.units, partial(_points, of_points)))
    for name, of_receivers in OF_RECEIVERS.items():
        metrics.observe(name, partial(of_receivers, observed.receivers))
    metrics.observe("otelcol_process_uptime", lambda: [(observed.uptime_seconds(), {})])
    metrics.observe("otelcol_process_cpu_seconds", lambda: [(time.process_time(), {})])
    metrics.observe("otelcol_process_memory_rss", lambda: [(_resident_bytes(), {})])


def _over_units(units: Iterable[Unit], read: Callable[[Unit], Readings]) -> Readings:
    return [(value, {"pipeline": unit.id, **attributes}) for unit in units for value, attributes in read(unit)]


def _spans(read: Callable[[TracesTask, Balance], Readings], unit: Unit) -> Readings:
    if isinstance(unit.task, TracesTask) and isinstance(unit.balance, Balance):
        return read(unit.task, unit.balance)
    return ()


def _points(read: Callable[[MetricsTask, PointLedger], Readings], unit: Unit) -> Readings:
    if isinstance(unit.task, MetricsTask) and isinstance(unit.balance, PointLedger):
        return read(unit.task, unit.balance)
    return ()


def _by(attribute: str, counts: Mapping[str, int]) -> Readings:
    return [
        (float(count), {attribute: str(name)})
        for name, count in list(counts.items())  # the task's thread may add one meanwhile
    ]


def _one(value: float) -> Readings:
    return [(float(value), {})]


# pipelines


def _sent_spans(unit: Unit) -> Readings:
    outcomes = unit.outbox.outcomes.items()
    return [(spans, {"exporter": name}) for (name, outcome), (spans, _) in outcomes if outcome == EXPORTED]


def _send_failed_spans(unit: Unit) -> Readings:
    failed: list[Reading] = [
        (float(spans), {"exporter": name, "reason": str(outcome)})
        for (name, outcome), (spans, _) in unit.outbox.outcomes.items()
        if outcome != EXPORTED
    ]
    if isinstance(unit.task, TracesTask):
        for exporter_id, counts in unit.task.ledger.export_dropped.items():
            failed += [(float(spans), {"exporter": exporter_id, "reason": reason}) for reason, spans in counts.items()]
    for exporter_id, exporter in unit.pipeline.exporters.items():
        evicted = exporter.evicted_spans
        if evicted:
            failed.append((float(evicted), {"exporter": exporter_id, "reason": str(DropReason.EVICTED)}))
    return failed


def _sampled_traces(task: TracesTask, _balance: Balance) -> Readings:
    readings: list[Reading] = []
    for step in task.pipeline.trace_steps:
        for rule, counts in getattr(step.processor, "rule_counts", {}).items():
            readings += [(counts.kept_traces, {"rule": rule, "outcome": "kept"})]
            readings += [(counts.matched_traces - counts.kept_traces, {"rule": rule, "outcome": "dropped"})]
    return readings


def _component_events(unit: Unit) -> Readings:
    counters = [(step.id, step.processor.counters) for step in unit.pipeline.steps()]
    counters += [(watched.id, watched.tracker.counters) for watched in unit.pipeline.trackers]
    return [
        (float(count), {"component": component, "event": event})
        for component, events in counters
        for event, count in list(events.items())  # the task's thread may add one meanwhile
    ]


def _tracked_series(unit: Unit) -> Readings:
    return [(float(watched.tracker.series), {"component": watched.id}) for watched in unit.pipeline.trackers]


OF_UNITS: Mapping[str, Callable[[Unit], Readings]] = {
    "otelcol_exporter_sent_spans": _sent_spans,
    "otelcol_exporter_send_failed_spans": _send_failed_spans,
    "otelcol_exporter_send_attempts_failed": lambda unit: _by("exporter", unit.sender.counts.failed_attempts),
    "otelcol_exporter_queue_size": lambda unit: _one(unit.outbox.parcels),
    "otelcol_exporter_queue_size_bytes": lambda unit: _one(unit.outbox.used_bytes),
    "otelcol_exporter_queue_capacity_bytes": lambda unit: _one(unit.outbox.capacity_bytes),
    "otelbridge_spans_outbox": lambda unit: [
        (float(unit.outbox.spans(exporter)), {"exporter": exporter}) for exporter in unit.pipeline.exporters
    ],
    "otelbridge_component_events": _component_events,
    "otelbridge_component_errors": lambda unit: _by("component", unit.component_errors),
    "otelbridge_findings": lambda unit: _by("kind", unit.balance.findings),
    "otelbridge_open_findings": lambda unit: _one(len(unit.task.tracking.open_findings)),
    "otelbridge_tracked_series": _tracked_series,
    "otelbridge_log_bytes": lambda unit: _one(unit.log.used_bytes),
    "otelbridge_log_capacity_bytes": lambda unit: _one(unit.log.capacity_bytes),
    "otelbridge_log_records": lambda unit: _one(max(0, unit.log.last_sequence - unit.runner.health.position)),
    "otelbridge_checkpoints": lambda unit: _one(unit.runner.health.checkpoints),
    "otelbridge_stalled": lambda unit: [(float(bool(unit.runner.health.stalled)), {})],
}

OF_SPANS: Mapping[str, Callable[[TracesTask, Balance], Readings]] = {
    "otelbridge_spans_received": lambda _task, balance: _one(balance.received),
    "otelbridge_spans_kept": lambda _task, balance: _one(balance.kept),
    "otelbridge_spans_dropped": lambda _task, balance: _by("reason", balance.dropped),
    "otelbridge_spans_held": lambda _task, balance: _one(balance.held),
    "otelbridge_spans_unaccounted": lambda _task, balance: _one(balance.unaccounted),
    "otelbridge_buffer_traces": lambda task, _balance: _one(task.pipeline.grouping.held_traces),
    "otelbridge_buffer_bytes": lambda task, _balance: _one(task.pipeline.grouping.held_bytes),
    "otelbridge_traces_decided": lambda task, _balance: _by("trigger", task.pipeline.grouping.decided),
    "otelbridge_traces": lambda _task, balance: _by("outcome", balance.traces),
    "otelbridge_late_spans": lambda _task, balance: _by("outcome", balance.late),
    "otelbridge_sampling_traces": _sampled_traces,
}

OF_POINTS: Mapping[str, Callable[[MetricsTask, PointLedger], Readings]] = {
    "otelbridge_metric_points_received": lambda _task, balance: _one(balance.received),
    "otelbridge_metric_points_measured": lambda _task, balance: _one(balance.measured),
    "otelbridge_metric_points_dropped": lambda _task, balance: _by("reason", balance.dropped),
    "otelbridge_metric_points_unaccounted": lambda _task, balance: _one(balance.unaccounted),
    "otelbridge_metric_totals_forgotten": lambda task, _balance: _one(task.forgotten_totals),
}


# receivers


def _over_transports(receivers: Mapping[str, Receiver], read: Callable[[ReceiverCounts], int]) -> Readings:
    return [
        (float(read(counts)), {"receiver": receiver_id, "transport": transport})
        for receiver_id, receiver in receivers.items()
        for transport, counts in receiver.counts.items()
    ]


def _requests(receivers: Mapping[str, Receiver]) -> Readings:
    return [
        (float(count), {"receiver": receiver_id, "transport": transport, "outcome": str(outcome)})
        for receiver_id, receiver in receivers.items()
        for transport, counts in receiver.counts.items()
        for outcome, count in counts.requests.items()
    ]


OF_RECEIVERS: Mapping[str, Callable[[Mapping[str, Receiver]], Readings]] = {
    "otelcol_receiver_accepted_spans": partial(_over_transports, read=lambda counts: counts.accepted[Signal.TRACES]),
    "otelcol_receiver_refused_spans": partial(_over_transports, read=lambda counts: counts.rejected[Signal.TRACES]),
    "otelcol_receiver_accepted_metric_points": partial(
        _over_transports, read=lambda counts: counts.accepted[Signal.METRICS]
    ),
    "otelcol_receiver_refused_metric_points": partial(
        _over_transports, read=lambda counts: counts.rejected[Signal.METRICS]
    ),
    "otelcol_receiver_received_bytes": partial(_over_transports, read=lambda counts: counts.bytes),
    "otelcol_receiver_requests": _requests,
}


def _resident_bytes() -> float:
    try:
        with open("/proc/self/statm") as file:
            return float(file.read().split()[1]) * resource.getpagesize()
    except OSError:
        return float(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss) * 1024
