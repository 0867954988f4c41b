"""The processor: from a batch of whole traces to marks and findings."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

import numpy as np
import polars as pl

from otelbridge.analysis.frames import with_series
from otelbridge.analysis.grouping import as_index, flags, group_rows
from otelbridge.analysis.throttle import Throttle
from otelbridge.core import schema
from otelbridge.core.batch import Batch
from otelbridge.core.component import ComponentSpec, Kind, Processor
from otelbridge.core.measurements import measured
from otelbridge.core.schema import Column
from otelbridge.processors.n_plus_one.candidates import COLUMNS, find_repeats, read_signals, without_doubles
from otelbridge.processors.n_plus_one.loops import Loop, loops_below_anchors, loops_by_count
from otelbridge.processors.n_plus_one.naming import name_loops
from otelbridge.processors.n_plus_one.report import findings_of
from otelbridge.processors.n_plus_one.settings import Config
from otelbridge.processors.n_plus_one.sources import Sources, needs_a_source
from otelbridge.processors.n_plus_one.tree import NOWHERE, SpanTree
from otelbridge.semconv.measurements import DB_N_PLUS_ONE_COUNT

MARK = "n_plus_one"
_MARKS = pl.Series([None, "source", "repeat"], dtype=pl.String)
_SOURCE, _REPEAT = 1, 2

ALWAYS_READ = frozenset({"op", "is_segment", "service", "environment", "release", "http.route", "http.request.method"})

LoopWithSource = tuple[Loop, int]
"""A loop and the row of its source, NOWHERE when it has none."""


class NPlusOne(Processor):
    """Finds loops in whole traces.

    State: when each loop was reported last (`Config.max_remembered` entries of 40 bytes).
    """

    def __init__(self, config: Config, watched: frozenset[str] = frozenset()) -> None:
        self._config = config
        self._is_watched = DB_N_PLUS_ONE_COUNT.name in watched
        self._throttle = Throttle(config.min_interval_seconds, config.max_remembered)
        self._events = Counter(loops=0, findings=0)

    def process(self, batch: Batch) -> Batch:
        """Adds the column `n_plus_one` and findings of the kind `n_plus_one`."""
        spans = batch.spans
        trace_of_row = spans[schema.TRACE_ID].hash().to_numpy()
        signals = read_signals(spans, trace_of_row, self._config)
        repeats = find_repeats(spans, signals, self._config)
        if not len(repeats):
            return batch.with_spans(_marked(spans, []))
        tree = SpanTree(spans, trace_of_row, repeats.trace)
        repeats = without_doubles(repeats, tree)
        sources = Sources(spans, signals, repeats)
        found: list[LoopWithSource] = []
        if self._config.mode != "count":
            loops = loops_below_anchors(repeats, tree, spans["name"], self._config)
            found += self._sourced(loops, sources)
        if self._config.mode != "sentry":
            taken = np.concatenate([np.empty(0, np.int64), *(loop.rows for loop, _ in found)])
            loops = loops_by_count(repeats.only(~np.isin(repeats.rows, taken)), self._config)
            found += self._sourced(loops, sources)
        batch = batch.with_spans(_marked(spans, found))
        findings = findings_of(name_loops(found, spans, tree), batch, self._throttle)
        self._events.update(loops=len(found), findings=len(findings))
        if self._is_watched:
            batch = batch.add_measurements(DB_N_PLUS_ONE_COUNT.name, _turns(batch.spans))
        return batch.add_findings(findings)

    @property
    def counters(self) -> Mapping[str, int]:
        """`loops` that were found, and `findings` that told of them."""
        return self._events

    def snapshot(self) -> bytes:
        """Which loops were reported when."""
        return self._throttle.snapshot()

    def restore(self, state: bytes) -> None:
        """Take over a snapshot."""
        self._throttle.restore(state)

    def _sourced(self, loops: list[Loop], sources: Sources) -> list[LoopWithSource]:
        pairs = list(zip(loops, sources.of(loops), strict=True))
        if not self._config.require_source:
            return pairs
        return [(loop, source) for loop, source in pairs if source != NOWHERE or not needs_a_source(loop)]


def _marked(spans: pl.DataFrame, found: list[LoopWithSource]) -> pl.DataFrame:
    marks = np.zeros(spans.height, np.uint32)
    marks[[source for _, source in found if source != NOWHERE]] = _SOURCE
    for loop, _ in found:
        marks[loop.rows] = _REPEAT
    return with_series(spans, [_MARKS[pl.Series(marks)].alias(MARK)])


def _turns(marked: pl.DataFrame) -> pl.DataFrame | None:
    """`db.n_plus_one.count`: one row a trace with a loop of queries, at the last turn of it."""
    turns = np.flatnonzero(flags((marked[MARK] == "repeat") & (marked["op"] == "db")))
    traces = group_rows(marked[schema.TRACE_ID][as_index(turns)])
    last = np.zeros(len(traces), np.int64)
    last[traces.of_row] = turns  # what is written last stays
    return measured(DB_N_PLUS_ONE_COUNT, marked, last, np.bincount(traces.of_row).astype(np.float64))


def _reads(config: Config) -> frozenset[str]:
    return ALWAYS_READ.union(*(COLUMNS[detected] for detected in config.detect))


SPEC = ComponentSpec(
    kind=Kind.PROCESSOR,
    name="n_plus_one",
    config=Config,
    build=lambda config, context: NPlusOne(config, context.measurements),
    summary="Finds queries, requests and tool calls that are done once for each item",
    reads=_reads,
    carries=_reads,
    adds=(Column(MARK, pl.String, "", "`repeat`: a turn of a loop; `source`: what gave the loop its items"),),
    needs_complete_traces=True,
    measures=lambda _config: frozenset({DB_N_PLUS_ONE_COUNT.name}),
)
