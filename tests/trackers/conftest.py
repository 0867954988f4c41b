"""Runs trackers over hours of incidents, through a task, in any cut, with or without kills."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from otelbridge.catalogue import BUILT_IN
from otelbridge.config.model import Configured
from otelbridge.core.component import ComponentConfig, ComponentSpec, Encoded, Exporter, Kept, Kind, Parcel
from otelbridge.core.findings import Finding
from otelbridge.engine.pipeline import Pipeline, build
from otelbridge.engine.progress import Stamp
from otelbridge.engine.traces_task import TracesTask
from otelbridge.otlp.decode import decode
from tests.engine.test_traces_task import store_at
from tests.support.incidents import incidents

MINUTES = 300
SECONDS_PER_REQUEST = 0.25  # of log time: two requests a tick
START = 1_790_000_000.0 + 60 * MINUTES  # all of it was sent afterwards, at once
TRACKERS: dict[str, dict[str, Any]] = {
    "degradation": {"watch": [{"measurement": "db.query.duration"}, {"measurement": "http.route.duration"}]},
    "error_spike": {},
    "capacity": {"limits": [{"measurement": "queue.utilization"}]},
    "cascade": {},
}
"""Settings of each tracker with which the incidents are seen."""
CUSTOM = {"custom": [{"name": "queue.utilization", "attribute": "queue.utilization"}]}


@dataclass
class Noting(Exporter):
    """Notes findings."""

    findings: list[Finding] = field(default_factory=list)
    traces: set[int] = field(default_factory=set)

    def encode(self, kept: Kept) -> Encoded:
        self.findings += kept.findings
        if not kept.spans.is_empty():
            self.traces |= set(kept.spans["trace_id"].to_list())
        return Encoded([])

    def deliver(self, parcel: Parcel, now: float) -> tuple[()]:
        return ()


def configured(name: str, **settings: Any) -> Configured:
    (spec,) = [spec for spec in BUILT_IN if spec.name == name]
    return Configured(name, spec, spec.config.model_validate(settings))


def pipeline_of(trackers: Sequence[str], keep: float = 1.0) -> Pipeline:
    sink: ComponentSpec[Noting] = ComponentSpec(
        Kind.EXPORTER, "noting", ComponentConfig, lambda _config, _context: Noting(), "notes findings"
    )
    processors = [
        configured("db_queries"),
        configured("span_metrics", **CUSTOM),
        configured("group_by_trace"),
        configured("dynamic_sampling", rules=[{"name": "f", "has_finding": "any", "keep": 100}], default_keep=keep),
    ]
    return build(
        "traces",
        processors,
        [Configured("noting", sink, ComponentConfig())],
        "",
        [configured(name, **TRACKERS[name]) for name in trackers],
    )


Requests = Sequence[tuple[bytes, float]]
"""Bodies, and when each was appended."""


@cache
def stream() -> Requests:
    return [(body, START + number * SECONDS_PER_REQUEST) for number, body in enumerate(incidents(MINUTES))]


def raise_error(component: str, error: BaseException) -> None:
    raise AssertionError(f"{component} raised") from error


def findings_of(
    trackers: Sequence[str], cuts: set[int] | None = None, keep: float = 1.0, requests: Requests | None = None
) -> Noting:
    """Feed the requests (default: the stream) in groups that end at `cuts`; default: one request a group."""
    requests = requests or stream()
    task = TracesTask(pipeline_of(trackers, keep), raise_error)
    group: list[int] = []
    for number in range(1, len(requests) + 1):
        group.append(number)
        if cuts is None or number in cuts or number == len(requests):
            _feed(task, requests, group)
            group = []
    return _noted(task)


def findings_with_kills(
    trackers: Sequence[str], kills: set[int], path: Path, requests: Requests | None = None
) -> list[Finding]:
    """As after kill -9 at `kills`; a checkpoint is taken at every third tick, and only what it holds counts."""
    found: list[Finding] = []
    requests = requests or stream()
    task, store = _start(trackers, path, requests)
    position, ticks = task.position, 0
    while position < len(requests):
        position += 1
        body, at = requests[position - 1]
        for _boundary in task.feed(decode([body]), [Stamp(position, at)]):
            ticks += 1
            if ticks % 3 == 0:
                store.save(task.progress(), 0.0)
                noting = task.pipeline.exporters["noting"]
                assert isinstance(noting, Noting)
                found += noting.findings
                noting.findings = []
        if position in kills:
            kills.remove(position)
            store.close()
            task, store = _start(trackers, path, requests)
            position = task.position
    store.close()
    return found + _noted(task).findings


def _start(trackers: Sequence[str], path: Path, requests: Requests) -> tuple[TracesTask, Any]:
    store = store_at(path)
    task = TracesTask(pipeline_of(trackers), raise_error)
    saved = store.load()
    task.resume(saved)
    again = range(saved.low_record, saved.position + 1)
    if again:
        task.refill(decode([requests[n - 1][0] for n in again]), [Stamp(n, requests[n - 1][1]) for n in again])
    task.restore(saved)
    return task, store


def _feed(task: TracesTask, requests: Requests, numbers: list[int]) -> None:
    decoded = decode([requests[number - 1][0] for number in numbers])
    for _boundary in task.feed(decoded, [Stamp(number, requests[number - 1][1]) for number in numbers]):
        pass


def _noted(task: TracesTask) -> Noting:
    task.advance(START + 1000)
    noting = task.pipeline.exporters["noting"]
    assert isinstance(noting, Noting)
    return noting
