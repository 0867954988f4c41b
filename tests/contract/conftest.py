"""Runs one component, or all of them, over real traffic, in any cut, with or without kills."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import polars as pl
import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from otelbridge.catalogue import BUILT_IN
from otelbridge.config.model import Configured
from otelbridge.core.component import ComponentConfig, ComponentSpec, Encoded, Exporter, Kept, Kind, Parcel
from otelbridge.core.findings import Finding
from otelbridge.engine.pipeline import Pipeline, build
from otelbridge.engine.progress import Stamp
from otelbridge.engine.traces_task import TracesTask
from otelbridge.otlp.decode import decode
from tests.engine.test_traces_task import store_at
from tests.support import recordings

PROCESSORS = [spec for spec in BUILT_IN if spec.kind is Kind.PROCESSOR and spec.name != "group_by_trace"]
Stream = list[tuple[bytes, float]]
NOTHING = pl.DataFrame(schema={"trace_id": pl.UInt128, "span_id": pl.UInt64, "name": pl.String})


@dataclass
class Collector(Exporter):
    """Notes everything that was kept."""

    frames: list[pl.DataFrame] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)

    def encode(self, kept: Kept) -> Encoded:
        added = [column.name for column in kept.added]
        self.frames.append(kept.spans.select("trace_id", "span_id", "name", "late", *sorted(set(added) - {"name"})))
        self.findings += kept.findings
        return Encoded([])

    def deliver(self, parcel: Parcel, now: float) -> tuple[()]:
        return ()


def configured(spec: ComponentSpec[object]) -> Configured:
    return Configured(spec.name, spec, spec.config())


def pipeline_of(names: Sequence[str]) -> Pipeline:
    """The named processors in catalogue order, around group_by_trace, and a collector."""
    chosen = [spec for spec in BUILT_IN if spec.name in {*names, "group_by_trace"}]
    sink: ComponentSpec[Collector] = ComponentSpec(
        Kind.EXPORTER, "collector", ComponentConfig, lambda _config, _context: Collector(), "notes everything"
    )
    return build("traces", [configured(spec) for spec in chosen], [configured(sink)], "")


def real_traffic(seed: int, spans_per_request: int = 9) -> Stream:
    """All recordings, cut into small requests that are mixed with each other, a tenth of a second apart."""
    rng = random.Random(seed)
    per_recording: list[list[bytes]] = []
    for name in recordings.names():
        whole = ExportTraceServiceRequest.FromString(recordings.load(name))
        requests: list[bytes] = []
        for resource_spans in whole.resource_spans:
            for scope_spans in resource_spans.scope_spans:
                for start in range(0, len(scope_spans.spans), spans_per_request):
                    request = ExportTraceServiceRequest()
                    part = request.resource_spans.add(resource=resource_spans.resource)
                    scope = part.scope_spans.add(scope=scope_spans.scope)
                    scope.spans.extend(scope_spans.spans[start : start + spans_per_request])
                    requests.append(request.SerializeToString())
        per_recording.append(requests)
    stream = []
    at = 1_790_000_000.0
    while any(per_recording):
        requests = rng.choice([item for item in per_recording if item])
        stream.append((requests.pop(0), at))
        at += 0.1
    return stream


@dataclass
class Run:
    """What a run made of a stream."""

    spans: pl.DataFrame
    findings: list[str]
    ledger: str
    unaccounted: int


def raise_error(component: str, error: BaseException) -> None:
    raise AssertionError(f"{component} raised") from error


def run(names: Sequence[str], stream: Stream, cuts: set[int]) -> Run:
    """Feed the stream in groups that end at `cuts`."""
    task = TracesTask(pipeline_of(names), raise_error)
    group: list[int] = []
    for number in range(1, len(stream) + 1):
        group.append(number)
        if number in cuts or number == len(stream):
            for _boundary in _feed(task, stream, group):
                pass
            group = []
    return _result(task, stream, [task.pipeline.exporters["collector"]])


def run_with_kills(names: Sequence[str], stream: Stream, kills: set[int], path: Path) -> Run:
    """Feed one by one; after each kill go on from the last checkpoint, which is taken every few ticks.

    What was kept is taken at checkpoints, as the outbox takes it: what a kill interrupts is made again.
    """
    collectors: list[Collector] = []
    task, store = _start(names, stream, path)
    position = task.position
    ticks = 0
    while position < len(stream):
        position += 1
        for _boundary in _feed(task, stream, [position]):
            ticks += 1
            if ticks % 3 == 0:
                store.save(task.progress(), 0.0)
                collectors.append(_take(task))
        if position in kills:
            kills.remove(position)
            store.close()
            task, store = _start(names, stream, path)
            position = task.position
    store.close()
    return _result(task, stream, [*collectors, task.pipeline.exporters["collector"]])


def _start(names: Sequence[str], stream: Stream, path: Path) -> tuple[TracesTask, object]:
    store = store_at(path)
    task = TracesTask(pipeline_of(names), raise_error)
    saved = store.load()
    task.resume(saved)
    again = list(range(saved.low_record, saved.position + 1))
    if again:
        task.refill(decode([stream[n - 1][0] for n in again]), [Stamp(n, stream[n - 1][1]) for n in again])
    task.restore(saved)
    return task, store


def _feed(task: TracesTask, stream: Stream, numbers: list[int]) -> Iterator[None]:
    decoded = decode([stream[number - 1][0] for number in numbers])
    yield from task.feed(decoded, [Stamp(number, stream[number - 1][1]) for number in numbers])


def _take(task: TracesTask) -> Collector:
    """What was collected so far, out of the task's reach."""
    collector = task.pipeline.exporters["collector"]
    assert isinstance(collector, Collector)
    taken = Collector(collector.frames, collector.findings)
    collector.frames, collector.findings = [], []
    return taken


def _result(task: TracesTask, stream: Stream, collectors: Sequence[Exporter]) -> Run:
    task.advance(stream[-1][1] + 1000)
    frames = [frame for item in collectors if isinstance(item, Collector) for frame in item.frames]
    findings = [str(one) for item in collectors if isinstance(item, Collector) for one in item.findings]
    unaccounted = task.ledger.held() - task.pipeline.grouping.held_spans
    return Run(
        pl.concat([NOTHING, *frames], how="diagonal").sort("trace_id", "span_id", "name"),
        sorted(findings),
        str(task.ledger),
        unaccounted,
    )


@pytest.fixture(params=[*[spec.name for spec in PROCESSORS], "all of them"])
def names(request: pytest.FixtureRequest) -> list[str]:
    """Each component with what it reads from, and all of them together."""
    if request.param == "all of them":
        return [spec.name for spec in PROCESSORS]
    needed = {
        "n_plus_one": ["db_queries"],
        "dynamic_sampling": ["db_queries", "llm_cost"],
        "ttft": ["llm_cost"],
        "provider_health": ["llm_cost"],
    }
    return [*needed.get(request.param, []), request.param]
