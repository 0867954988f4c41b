"""What measurements and trackers cost at 10,000 series, as one number: `python -m bench.layer`.

The stages of `bench.stages` take the same requests twice in turn, in one process: with all that measures and watches,
and without. The number is what the layer's own parts cost a span; what they ask of others, more columns that are made
and lie in the trace buffer, is what the two differ in beside that.

The requests are those of all benchmarks, of a fleet of services whose routes and tables have names of their own, so
that there are as many series; a hundredth of the operations fails. Times go on from lap to lap. Before anything is
measured `degradation` is shown what a lap measures again and again, until it judges every series: a new series costs
half as much as one that has a baseline.
"""

from __future__ import annotations

import argparse
import os
import random
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import polars as pl

from bench.collectors import load_configuration
from bench.payloads import Fleet, Payload, batches
from bench.peers import Sink
from bench.stages import REQUESTS_PER_GROUP, SPANS_PER_SECOND, START, WARM_UP_SECONDS, Line
from bench.traces import SERIES_PER_MODULE
from otelbridge.config.model import Configuration
from otelbridge.core.measurements import TIME
from otelbridge.core.tracker import Tracker
from otelbridge.delivery.outbox import OUTBOX_SCHEMA, insert
from otelbridge.engine.checkpoint import CheckpointStore
from otelbridge.engine.progress import Progress
from otelbridge.processors import db_queries
from otelbridge.processors.llm_cost import processor as llm_cost
from otelbridge.service.memory import collect_garbage_rarely, keep_memory

BOUND_US = 1.0
MODULES = 25  # of each service
REQUESTS = 256  # a lap: some five of each service
CONCURRENT_TRACES = 100  # of each service: what it takes to send its share of SPANS_PER_SECOND
BLOCKS = 144  # that `degradation` sees of a series beforehand: after 128 its baseline is as large as any matters
SETTINGS = (
    "trackers.degradation.max_series=12000",  # a few more than there are: none has to leave
    'trackers.capacity.limits=[{measurement: llm.tokens, limit: 1e12, per: day, by: ["gen_ai.provider.name"]}]',
    "service.pipelines.traces.trackers=[degradation, error_spike, cascade, capacity]",
)
MEASURING = ("span_metrics", "ttft", "provider_health")
OTHERS = ("decode and columns", "span processors", "trace buffer", "trace processors", "engine, the rest")


class Layer(Line):
    """The line with everything; trackers' state is saved in a transaction of its own, so that its cost is known."""

    def __init__(self, configuration: Configuration, folder: Path) -> None:
        super().__init__(configuration, folder)
        self._parts = CheckpointStore(folder / "trackers.sqlite", OUTBOX_SCHEMA, insert)
        for module in (db_queries, llm_cost):
            name = module.__name__.split(".")[2]
            self.watch.watch(module, "measured", f"measured/{name}, measuring")
        for name in ("take", "close", "marks", "told", "changes"):
            self.watch.watch(self.task.tracking, name, "measured/to the trackers")
        self.saved_bytes = 0

    def _save(self, progress: Progress) -> None:
        with self.watch.stage("trackers/saving, in SQLite"):
            self._parts.save(replace(progress, states={}, parcels={}, decisions=b""), self.now)
        self.saved_bytes += sum(len(state or b"") for parts in progress.parts.values() for state in parts.values())
        super()._save(replace(progress, parts={}))

    def close(self) -> None:
        """Close files and connections."""
        self._parts.close()
        super().close()

    def tracker(self, name: str) -> Tracker:
        """One of the trackers."""
        return next(watched.tracker for watched in self.task.tracking.trackers if watched.id == name)


def main() -> None:
    """Print the number, and what it is made of."""
    parser = argparse.ArgumentParser(prog="python -m bench.layer", description=__doc__)
    parser.add_argument("--series", type=int, default=10_000)
    parser.add_argument("--spans", type=int, default=400_000)
    arguments = parser.parse_args()
    keep_memory()
    collect_garbage_rarely()
    with tempfile.TemporaryDirectory() as one, tempfile.TemporaryDirectory() as other, Sink() as sink:
        layer = Layer(load_configuration(sink.address, Path(one), *SETTINGS, everything=True), Path(one))
        without = Line(load_configuration(sink.address, Path(other)), Path(other))
        run(layer, without, arguments.series, arguments.spans)
        for text in table(layer, without):
            print(text)
        layer.close()
        without.close()


def run(layer: Layer, without: Line, series: int, spans: int) -> None:
    """Warm up, then take that many spans; what the stopwatches show is of the latter."""
    fleet = Fleet(round(series / MODULES / SERIES_PER_MODULE), MODULES, CONCURRENT_TRACES)
    payloads = batches(REQUESTS, now_ns=int(START * 1e9), fleet=fleet)
    source = groups(payloads)
    learned = False
    while not _take(layer, without, next(source)) or layer.now < START + WARM_UP_SECONDS:
        if not learned and layer.now > START + sum(payload.spans for payload in payloads) / SPANS_PER_SECOND:
            learned = True
            learn(layer.tracker("degradation"), layer, without, source)
    for line in (layer, without):
        line.watch.seconds.clear()
        line.spans = 0
    layer.saved_bytes = 0
    while not _take(layer, without, next(source)) or layer.spans < spans:
        pass


def _take(layer: Layer, without: Line, group: tuple[list[bytes], int]) -> bool:
    without.take(*group)
    return layer.take(*group)


def learn(tracker: Tracker, layer: Layer, without: Line, source: Iterator[tuple[list[bytes], int]]) -> None:
    """Show the tracker what is measured in a lap again, in the past, until it knows every series."""
    seen: list[dict[str, pl.DataFrame]] = []
    observe = tracker.observe

    def noted(measurements: Any, now: float) -> Any:
        seen.append(dict(measurements))
        return observe(measurements, now)

    tracker.observe = noted  # type: ignore[method-assign]
    begin = layer.now
    while layer.now < begin + REQUESTS * 512 / SPANS_PER_SECOND:
        _take(layer, without, next(source))
    tracker.observe = observe  # type: ignore[method-assign]
    values = sum(frame.height for tick in seen for frame in tick.values())
    laps = BLOCKS * 32 * tracker.series // values
    for lap in range(-laps, 0):
        for tick in seen:
            now = layer.now + lap
            tracker.observe({name: _at(now, frame) for name, frame in tick.items()}, now)
    tracker.changes()


def _at(now: float, frame: pl.DataFrame) -> pl.DataFrame:
    return frame.with_columns(pl.lit(now).alias(TIME))


def groups(payloads: list[Payload]) -> Iterator[tuple[list[bytes], int]]:
    """Groups of requests, without end, and how many spans each holds; each lap is later than the one before."""
    rng = random.Random(2)
    later_ns = 0
    while True:
        mask = rng.randbytes(24)
        for start in range(0, len(payloads) - REQUESTS_PER_GROUP + 1, REQUESTS_PER_GROUP):
            group = payloads[start : start + REQUESTS_PER_GROUP]
            yield [payload.fresh(mask, later_ns) for payload in group], sum(payload.spans for payload in group)
        later_ns += round(sum(payload.spans for payload in payloads) / SPANS_PER_SECOND * 1e9)


def table(layer: Layer, without: Line) -> Iterator[str]:
    """The number, its parts, and what else differs."""
    costs = {stage: seconds / layer.spans * 1e6 for stage, seconds in layer.watch.seconds.items()}
    parts = {stage: us for stage, us in costs.items() if _is_own(stage)}
    series, together = layer.tracker("degradation").series, sum(parts.values())
    yield f"measurements and trackers at {series:,} series: {together:.2f} us a span (bound {BOUND_US}), of which"
    for stage, us in parts.items():
        yield f"    {stage.partition('/')[2]:44} {us:9.3f}"
    yield "what they ask of others, as the difference to the same spans without them:"
    for name in OTHERS:
        of_layer, of_other = (
            sum(s for stage, s in line.watch.seconds.items() if stage.partition("/")[0] == name and not _is_own(stage))
            for line in (layer, without)
        )
        yield f"    {name:44} {(of_layer - of_other) / layer.spans * 1e6:9.3f}"
    yield f"{layer.saved_bytes / layer.spans * SPANS_PER_SECOND / 1e6:.1f} MB of trackers' state a second"


def _is_own(stage: str) -> bool:
    kind, _, part = stage.partition("/")
    return kind in ("measured", "trackers") or part.partition(",")[0] in MEASURING


if __name__ == "__main__":
    if os.environ.get("POLARS_MAX_THREADS") != "1":  # as in the daemon; polars reads it when it is imported
        os.execve(
            sys.executable,
            [sys.executable, "-m", "bench.layer", *sys.argv[1:]],
            os.environ | {"POLARS_MAX_THREADS": "1"},
        )
    main()
