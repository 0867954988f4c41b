"""`group_by_trace`: holds spans until their trace is complete, so that a decision can be made on the whole of it.

Spans lie in chunks of columns exactly as they came; a trace is a short list of places in them. Nothing loops over
spans, and a tick costs in proportion to what is due, never to what is held: due traces are found in a wheel of ticks,
and their rows are gathered once, when they leave.

Time is the log's, counted in ticks of half a second. Decisions fall on tick boundaries only, so that they do not
depend on how the input was cut into batches, and a replay after a crash decides as the first run did.
"""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
import polars as pl
from pydantic import Field

from otelbridge.core.batch import Batch, Origin
from otelbridge.core.component import ComponentConfig, ComponentSpec, Kind
from otelbridge.engine.chunk import Chunk, Run
from otelbridge.engine.decisions import Decision, Decisions

TICKS_PER_SECOND = 2  # a decision may come half a second late; shorter ticks cost a trace stage each
SPAN_OVERHEAD_BYTES = 256  # columns of one span beside its raw bytes, measured with bench/trace_buffer.py
NEVER = 2**62
RELIEF = 0.9  # how far below the bound early decisions bring the buffer: a scan of all traces must not recur every tick
SPANS_PER_DECISION_BATCH = 32_768  # bounds the memory of one pass of the trace processors; each pass has a fixed cost


class GroupByTraceConfig(ComponentConfig):
    """Settings of group_by_trace."""

    decision_wait_seconds: float = Field(default=30.0, gt=0, le=3600)
    """A trace is decided this long after its first span came, whatever has come by then. Raise it for traces that take
    longer; the log must hold everything that came in that time."""

    decision_wait_after_root_seconds: float = Field(default=2.0, ge=0, le=3600)
    """A trace is decided this long after its root span (the one without a parent) came, if that is earlier. Children
    usually end and arrive before their root; the wait is for other processes to flush theirs."""

    max_spans_per_trace: int = Field(default=10_000, ge=1)
    """A trace with this many spans is decided at the next tick (half a second); what follows counts as late."""

    buffer_mib: int = Field(default=512, ge=1)
    """Bound on the spans held, in MiB. Over it the largest and oldest traces are decided early: a real decision, on
    what has come."""

    remembered_traces: int = Field(default=200_000, ge=1000)
    """How many decisions are remembered for spans that come late: about 150 bytes each. A late span of a trace that is
    no longer remembered starts a new trace."""


class _Trace:
    """An undecided trace: when it is due, and which runs of which chunks are its rows."""

    __slots__ = ("bytes", "due", "first_record", "first_tick", "parts", "spans")

    def __init__(self, tick: int, first_record: int) -> None:
        self.first_tick = tick
        self.due = NEVER
        self.first_record = first_record
        self.spans = 0
        self.bytes = 0
        self.parts: list[tuple[Chunk, Run]] = []


@dataclass(slots=True)
class _Late:
    """Spans of traces that were decided before they came, until the tick closes."""

    frames: list[pl.DataFrame] = field(default_factory=list)
    origins: dict[int, Origin] = field(default_factory=dict)


class GroupByTrace:
    """The trace buffer of one task."""

    def __init__(self, config: GroupByTraceConfig) -> None:
        self._wait = max(1, round(config.decision_wait_seconds * TICKS_PER_SECOND))
        self._root_wait = round(config.decision_wait_after_root_seconds * TICKS_PER_SECOND)
        self._max_spans = config.max_spans_per_trace
        self._capacity_bytes = config.buffer_mib * 2**20
        self.decisions = Decisions(config.remembered_traces)
        self._traces: dict[int, _Trace] = {}
        self._wheel: dict[int, list[int]] = {}
        self._due_ticks: list[int] = []  # heap of the wheel's keys
        self._undecided_by_record: dict[int, int] = {}
        self._late = _Late()
        self.held_spans = 0
        self.held_bytes = 0
        self.decided: Counter[str] = Counter()
        """Traces decided, by what made them due: root, wait, spans, memory, drain."""

    @property
    def held_traces(self) -> int:
        """Undecided traces."""
        return len(self._traces)

    def holds(self, trace_id: int) -> bool:
        """Whether the trace is undecided."""
        return trace_id in self._traces

    def low_record(self, position: int) -> int:
        """The oldest record that still holds an undecided span; `position` + 1 when there is none."""
        return min(self._undecided_by_record, default=position + 1)

    def add(self, batch: Batch, tick: int) -> None:
        """Take the spans of one tick (columns as carried); spans of decided traces are kept apart as late."""
        if batch.spans.height == 0:
            return
        chunk = Chunk(batch.spans, batch.origins)
        late: list[tuple[Run, Decision]] = []
        held = zip(chunk.ids, chunk.starts, chunk.lengths, chunk.sizes, chunk.has_root, chunk.records, strict=True)
        for trace_id, start, length, size, has_root, record in held:
            trace = self._traces.get(trace_id)
            if trace is None:
                decision = self.decisions.find(trace_id)
                if decision is not None:
                    late.append(((start, length), decision))
                    continue
                trace = self._traces[trace_id] = _Trace(tick, record)
                self._undecided_by_record[record] = self._undecided_by_record.get(record, 0) + 1
            trace.parts.append((chunk, (start, length)))
            trace.spans += length
            trace.bytes += size + length * SPAN_OVERHEAD_BYTES
            chunk.held += length
            self.held_bytes += size + length * SPAN_OVERHEAD_BYTES
            due = self._due(trace, tick, has_root)
            if due < trace.due:
                self._schedule(trace_id, trace, due)
        self.held_spans += chunk.held
        if late:
            self._add_late(chunk, late)

    def _due(self, trace: _Trace, tick: int, has_root: bool) -> int:
        if trace.spans >= self._max_spans:
            return tick + 1
        waited = trace.first_tick + self._wait
        return min(waited, tick + 1 + self._root_wait) if has_root else waited

    def _schedule(self, trace_id: int, trace: _Trace, due: int) -> None:
        trace.due = due
        waiting = self._wheel.get(due)
        if waiting is None:
            self._wheel[due] = [trace_id]
            heapq.heappush(self._due_ticks, due)
        else:
            waiting.append(trace_id)

    def _add_late(self, chunk: Chunk, late: list[tuple[Run, Decision]]) -> None:
        rows = chunk.rows([run for run, _ in late])
        lengths = [length for (_, length), _ in late]
        marks = pl.DataFrame(
            {
                "kept": pl.Series([decision.kept for _, decision in late], dtype=pl.Boolean),
                "sampling.rule": pl.Series([decision.rule for _, decision in late], dtype=pl.String),
                "sampling.rate": pl.Series([decision.rate for _, decision in late], dtype=pl.Float64),
            }
        )[pl.Series(np.repeat(np.arange(len(late), dtype=np.uint32), lengths))]
        self._late.frames.append(rows.hstack(marks.get_columns()))
        self._late.origins.update(chunk.origins)
        self.held_spans += rows.height

    def due(self, tick: int) -> Iterator[Batch]:
        """Whole traces that are due at the end of `tick`, in batches; gone from the buffer when yielded.

        Each batch's `now` is the tick boundary at which its traces were due, however late this is called.
        """
        while self._due_ticks and self._due_ticks[0] <= tick + 1:
            due = heapq.heappop(self._due_ticks)
            waiting = [(trace_id, self._traces.get(trace_id)) for trace_id in sorted(set(self._wheel.pop(due)))]
            ripe = [(trace_id, trace) for trace_id, trace in waiting if trace is not None and trace.due == due]
            for _trace_id, trace in ripe:
                self.decided[self._trigger(trace)] += 1
            yield from self._leave(ripe, due)

    def relieve(self, tick: int) -> Iterator[Batch]:
        """If over the bound: the largest and oldest traces, until the buffer is well below it."""
        excess = self.held_bytes - self._capacity_bytes
        if excess <= 0:
            return
        excess += round(self._capacity_bytes * (1 - RELIEF))
        by_impact = sorted(
            self._traces.items(), key=lambda item: ((item[1].first_tick - tick - 1) * item[1].bytes, item[0])
        )
        chosen = []
        for trace_id, trace in by_impact:
            if excess <= 0:
                break
            excess -= trace.bytes
            chosen.append((trace_id, trace))
        self.decided["memory"] += len(chosen)
        yield from self._leave(chosen, tick + 1)

    def drain(self, tick: int) -> Iterator[Batch]:
        """Everything that is held, decided now."""
        self.decided["drain"] += len(self._traces)
        yield from self._leave(sorted(self._traces.items()), tick + 1)

    def take_late(self, tick: int) -> Batch | None:
        """Late spans of this tick, with columns kept: Boolean, sampling.rule: String, sampling.rate: Float64."""
        if not self._late.frames:
            return None
        spans = pl.concat(self._late.frames)
        self.held_spans -= spans.height
        batch = Batch(spans, (tick + 1) / TICKS_PER_SECOND, self._late.origins)
        self._late = _Late()
        return batch

    def _trigger(self, trace: _Trace) -> str:
        if trace.spans >= self._max_spans:
            return "spans"
        return "wait" if trace.due == trace.first_tick + self._wait else "root"

    def _leave(self, traces: list[tuple[int, _Trace]], tick: int) -> Iterator[Batch]:
        group: list[tuple[int, _Trace]] = []
        spans = 0
        for trace_id, trace in traces:
            group.append((trace_id, trace))
            spans += trace.spans
            if spans >= SPANS_PER_DECISION_BATCH:
                yield self._gather(group, tick)
                group, spans = [], 0
        if group:
            yield self._gather(group, tick)

    def _gather(self, traces: list[tuple[int, _Trace]], tick: int) -> Batch:
        runs_of_chunk: dict[Chunk, list[Run]] = {}
        for trace_id, trace in traces:
            del self._traces[trace_id]
            self.held_spans -= trace.spans
            self.held_bytes -= trace.bytes
            self._forget_record(trace.first_record)
            for chunk, run in trace.parts:
                runs_of_chunk.setdefault(chunk, []).append(run)
        frames = []
        origins: dict[int, Origin] = {}
        for chunk, runs in runs_of_chunk.items():
            rows = chunk.rows(runs)
            frames.append(rows)
            origins.update(chunk.origins)
            chunk.held -= rows.height
            if chunk.is_sparse:
                self._rewrite(chunk)
        return Batch(pl.concat(frames, rechunk=True), tick / TICKS_PER_SECOND, origins)

    def _forget_record(self, record: int) -> None:
        left = self._undecided_by_record[record] - 1
        if left:
            self._undecided_by_record[record] = left
        else:
            del self._undecided_by_record[record]

    def _rewrite(self, chunk: Chunk) -> None:
        owners = []
        for trace_id in chunk.ids:
            trace = self._traces.get(trace_id)
            if trace is not None:
                owners += [(trace_id, trace, i) for i, part in enumerate(trace.parts) if part[0] is chunk]
        runs = chunk.rewrite([trace_id for trace_id, _, _ in owners], [trace.parts[i][1] for _, trace, i in owners])
        for (_, trace, i), run in zip(owners, runs, strict=True):
            trace.parts[i] = (chunk, run)


SPEC = ComponentSpec(
    kind=Kind.PROCESSOR,
    name="group_by_trace",
    config=GroupByTraceConfig,
    build=lambda config, _context: GroupByTrace(config),
    summary="Holds spans until their trace is complete, so that what follows sees whole traces",
)
