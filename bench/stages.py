"""What each stage costs a span, next to the budget: `python -m bench.stages`.

The stages are those of the daemon, called in one thread, in the order and the sizes in which the daemon calls them, so
that the CPU of each can be told apart. Ids are fresh, time is simulated, a tenth is kept and delivered to a local sink.
Receiving is measured in a process of its own, because gRPC has threads of its own.
"""

from __future__ import annotations

import argparse
import cProfile
import os
import pstats
import random
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from bench.collectors import load_configuration
from bench.payloads import SPANS_PER_REQUEST, Payload, batches
from bench.peers import LoadGenerator, ReceiverAlone, Sink
from bench.stopwatch import Stopwatch
from otelbridge.config.model import Configuration
from otelbridge.core.component import Parcel
from otelbridge.delivery.outbox import OUTBOX_SCHEMA, insert
from otelbridge.engine import task as engine_task
from otelbridge.engine.checkpoint import CheckpointStore
from otelbridge.engine.pipeline import Pipeline, build
from otelbridge.engine.progress import Progress, Stamp
from otelbridge.engine.runner import CHECKPOINT_SECONDS
from otelbridge.engine.traces_task import TracesTask
from otelbridge.log.sqlite import SqliteLog
from otelbridge.otlp.decode import decode
from otelbridge.semconv.derived import with_derived
from otelbridge.service.memory import collect_garbage_rarely, keep_memory

BUDGET_US = {
    "receive": 0.6,
    "log": 0.3,
    "decode and columns": 0.9,
    "span processors": 0.6,
    "trace buffer": 0.1,
    "trace processors": 0.5,
}
BUDGET_SURVIVOR_US = 8.0
REQUESTS_PER_GROUP = 32  # what comes together under load: 16,384 spans
DIFFERENT_REQUESTS = 64  # the more, the more an export costs a span: it remembers what it has written before
SPANS_PER_SECOND = 100_000  # simulated
CAPACITY_BYTES = 2**31
START = 1_790_000_000.0
WARM_UP_SECONDS = 5.0  # until traces leave as fast as they come


class Line:
    """The daemon's stages in a row, each under the stopwatch."""

    def __init__(self, configuration: Configuration, folder: Path) -> None:
        self.watch = Stopwatch()
        (plan,) = configuration.pipelines
        self._log = SqliteLog(folder / "log", CAPACITY_BYTES)
        self._store = CheckpointStore(folder / "state.sqlite", OUTBOX_SCHEMA, insert)
        self.pipeline = build(plan.id, plan.processors, plan.exporters, str(folder), plan.trackers)
        _watch_pipeline(self.pipeline, self.watch)
        self._derive = self.watch.watched(with_derived, "decode and columns/columns")
        self.task = TracesTask(self.pipeline, _raise)
        self.now = START
        self.spans = self.delivered_spans = self.parcels = 0
        self._saved_at = START

    def take(self, bodies: list[bytes], spans: int) -> bool:
        """One group of requests through everything; returns whether all that was kept so far is delivered."""
        engine_task.with_derived = self._derive  # another line may have put its own there
        self.now += spans / SPANS_PER_SECOND
        self.spans += spans
        with self.watch.stage("log"):
            records = self._log.append(bodies, self.now)
        with self.watch.stage("decode and columns/decode"):
            decoded = decode(bodies)
        stamps = [Stamp(record.sequence, record.time) for record in records]
        saved = False
        with self.watch.stage("engine, the rest"):
            for _boundary in self.task.feed(decoded, stamps):
                saved = self._checkpoint_when_due()
        return saved

    def _checkpoint_when_due(self) -> bool:
        if self.now - self._saved_at < CHECKPOINT_SECONDS:
            return False
        self._saved_at = self.now
        with self.watch.stage("survivors/checkpoint and outbox"):
            progress = self.task.progress()
            self._save(progress)
        with self.watch.stage("log"):
            self._log.trim(progress.low_record)
        for exporter_id, parcels in progress.parcels.items():
            self._deliver(exporter_id, parcels)
        return True

    def _save(self, progress: Progress) -> None:
        self._store.save(progress, self.now)

    def _deliver(self, exporter_id: str, parcels: Sequence[Parcel]) -> None:
        exporter = self.pipeline.exporters[exporter_id]
        with self.watch.stage("survivors/deliver"):
            for parcel in parcels:
                exporter.deliver(parcel, self.now)
        self.parcels += len(parcels)
        self.delivered_spans += sum(parcel.spans for parcel in parcels)

    def close(self) -> None:
        """Close files and connections."""
        self._store.close()
        self._log.close()
        for exporter in self.pipeline.exporters.values():
            exporter.close()


def _raise(_component: str, error: BaseException) -> None:
    raise error


def _watch_pipeline(pipeline: Pipeline, watch: Stopwatch) -> None:
    """Every call of the task into a stage is charged to that stage."""
    columns = "decode and columns/columns"
    watch.watch(pipeline.extractor, "extract", columns)
    for step in pipeline.span_steps:
        watch.watch(step.processor, "process", f"span processors/{step.id}")
        watch.watch(step.processor, "process_traces", f"trace processors/{step.id}, second look")
    for step in pipeline.trace_steps:
        watch.watch(step.processor, "process", f"trace processors/{step.id}")
    for step in pipeline.steps():
        watch.watch(step.processor, "breadcrumbs", "survivors/breadcrumbs")
    for name in ("add", "take_late"):
        watch.watch(pipeline.grouping, name, f"trace buffer/{name}")
    for name in ("due", "relieve"):
        watch.watch_iterator(pipeline.grouping, name, f"trace buffer/{name}")
    watch.watch(pipeline.grouping.decisions, "remember", "trace buffer/remember")
    for watched in pipeline.trackers:
        watch.watch(watched.tracker, "observe", f"trackers/{watched.id}")
        watch.watch(watched.tracker, "changes", f"trackers/{watched.id}, saving")
    for exporter in pipeline.exporters.values():
        watch.watch(exporter, "encode", "survivors/encode")
        watch.watch(exporter, "pack", "survivors/compress")


def groups(payloads: list[Payload], rng: random.Random) -> Iterator[tuple[list[bytes], int]]:
    """Groups of requests, without end, and how many spans each holds."""
    while True:
        mask = rng.randbytes(24)
        for start in range(0, len(payloads) - REQUESTS_PER_GROUP + 1, REQUESTS_PER_GROUP):
            group = payloads[start : start + REQUESTS_PER_GROUP]
            yield [payload.fresh(mask) for payload in group], sum(payload.spans for payload in group)


def receive_us(spans: int) -> float:
    """CPU a span of the gRPC receiver alone, which hands each request to nobody."""
    with ReceiverAlone() as receiver, LoadGenerator(SPANS_PER_REQUEST) as load:
        load.send(receiver.target, spans // 4)
        before = receiver.cpu_seconds()
        sent = load.send(receiver.target, spans)
        return (receiver.cpu_seconds() - before) / sent.spans * 1e6


def run(configuration: Configuration, spans: int, folder: Path, profile: cProfile.Profile | None = None) -> Line:
    """Warm up, then take that many spans; what the stopwatch shows is of the latter."""
    source = groups(batches(DIFFERENT_REQUESTS, now_ns=int(START * 1e9)), random.Random(2))
    line = Line(configuration, folder)
    while not line.take(*next(source)) or line.now < START + WARM_UP_SECONDS:
        pass
    line.watch.seconds.clear()
    line.spans = line.delivered_spans = line.parcels = 0
    if profile:
        profile.enable()
    while not line.take(*next(source)) or line.spans < spans:
        pass
    if profile:
        profile.disable()
    return line


def table(line: Line, receive: float) -> Iterator[str]:
    """The speed budget, as lines of text."""
    of_stage: dict[str, list[tuple[str, float]]] = {"receive": [("", receive)]}
    for name, seconds in line.watch.seconds.items():
        stage, _, part = name.partition("/")
        if stage:
            of_stage.setdefault(stage, []).append((part, seconds / line.spans * 1e6))
    yield f"{'stage':48} {'us a span':>9} {'budget':>7}"
    for stage in (*BUDGET_US, *(["trackers"] if "trackers" in of_stage else []), "engine, the rest"):
        parts = of_stage.get(stage, [])
        budget = f"{BUDGET_US[stage]:7.2f}" if stage in BUDGET_US else f"{'':7}"
        yield f"{stage:48} {sum(us for _, us in parts):9.2f} {budget}"
        if len(parts) > 1:
            yield from (f"    {part:44} {us:9.2f}" for part, us in parts)
    survivors = of_stage.get("survivors", [])
    yield f"{'survivors':48} {sum(us for _, us in survivors):9.2f}"
    yield f"{'together':48} {sum(us for parts in of_stage.values() for _, us in parts):9.2f}"
    kept = line.delivered_spans / line.spans
    yield f"a survivor ({kept:.1%} of the spans, {line.delivered_spans / max(1, line.parcels):.1f} spans a parcel):"
    for part, us in survivors:
        yield f"    {part:44} {us / kept:9.2f}"
    yield f"    {'together':44} {sum(us for _, us in survivors) / kept:9.2f} {BUDGET_SURVIVOR_US:7.2f}"


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--spans", type=int, default=400_000)
    parser.add_argument(
        "--profile", metavar="SORT", help="print what Python functions cost, sorted by tottime or cumtime"
    )
    parser.add_argument("--everything", action="store_true", help="with all that measures, and all trackers")
    arguments = parser.parse_args()
    keep_memory()
    collect_garbage_rarely()
    receive = receive_us(arguments.spans)
    with tempfile.TemporaryDirectory() as folder, Sink() as sink:
        profile = cProfile.Profile(time.process_time) if arguments.profile else None
        configuration = load_configuration(sink.address, Path(folder), everything=arguments.everything)
        line = run(configuration, arguments.spans, Path(folder), profile)
        print("with all trackers" if arguments.everything else "without trackers")
        for text in table(line, receive):
            print(text)
        line.close()
    if profile:
        pstats.Stats(profile).sort_stats(arguments.profile).print_stats(45)


if __name__ == "__main__":
    if os.environ.get("POLARS_MAX_THREADS") != "1":  # as in the daemon; polars reads it when it is imported
        os.execve(
            sys.executable,
            [sys.executable, "-m", "bench.stages", *sys.argv[1:]],
            os.environ | {"POLARS_MAX_THREADS": "1"},
        )
    main()
