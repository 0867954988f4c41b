"""The task of a pipeline, whatever it is a pipeline of."""

from __future__ import annotations

from otelbridge.config.model import PipelinePlan
from otelbridge.core.component import Signal
from otelbridge.engine.metrics_task import MetricsTask
from otelbridge.engine.outlet import OnError
from otelbridge.engine.pipeline import build, build_metrics
from otelbridge.engine.traces_task import TracesTask
from otelbridge.engine.tracking import OnFinding


def build_task(
    plan: PipelinePlan, folder: str, on_error: OnError, on_finding: OnFinding = lambda _finding: None
) -> TracesTask | MetricsTask:
    """Construct the components of one checked pipeline, and what runs them; starts nothing."""
    if plan.signal is Signal.METRICS:
        return MetricsTask(build_metrics(plan.id, plan.trackers, plan.exporters, folder), on_error, on_finding)
    return TracesTask(build(plan.id, plan.processors, plan.exporters, folder, plan.trackers), on_error, on_finding)
