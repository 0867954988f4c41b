"""`group_by_trace`: holds spans until their trace is complete, so that a decision can be made on the whole of it.

Spans lie in chunks of columns exactly as they came; a trace knows in which chunks its rows are. Nothing loops over
spans, and a tick costs in proportion to what is due, never to what is held: due traces are found in a wheel of ticks,
and their rows are copied once, when they leave.

Time is the log's, counted in ticks of half a second. Decisions fall on tick boundaries only, so that they do not
depend on how the input was cut into batches, and a replay after a crash decides as the first run did.
"""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

import numpy as np
import polars as pl
from pydantic import Field

from otelbridge.core.arrays import Booleans
from otelbridge.core.batch import Batch, Origin
from otelbridge.core.component import ComponentConfig, ComponentSpec, Kind
from otelbridge.engine.chunk import Arrival, Chunk, Integers
from otelbridge.engine.decisions import Decision, Decisions
from otelbridge.engine.ticks import TICKS_PER_SECOND
from otelbridge.engine.undecided import NOWHERE, Undecided

SPAN_OVERHEAD_BYTES = 416  # columns of one span beside its raw bytes, measured with bench/trace_buffer.py
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
        self._undecided = Undecided()
        self._chunks: dict[int, Chunk] = {}
        self._next_chunk = 0
        self._wheel: dict[int, list[Integers]] = {}
        self._due_ticks: list[int] = []  # heap of the wheel's keys
        self._late = _Late()
        self.held_spans = 0
        self.held_bytes = 0
        self.decided: Counter[str] = Counter()
        """Traces decided, by what made them due: root, wait, spans, memory, drain."""

    @property
    def held_traces(self) -> int:
        """Undecided traces."""
        return len(self._undecided)

    @property
    def rows_in_memory(self) -> int:
        """Rows that take memory: those held, and those that have left but share a chunk with one that is held."""
        return sum(chunk.height for chunk in self._chunks.values())

    def holds(self, trace_id: int) -> bool:
        """Whether the trace is undecided."""
        return trace_id in self._undecided

    def low_record(self, position: int) -> int:
        """The oldest record that still holds an undecided span; `position` + 1 when there is none."""
        return int(self._undecided["first_record"].min(initial=position + 1))

    def add(self, batch: Batch, tick: int) -> None:
        """Take the spans of one tick (columns as carried); spans of decided traces are kept apart as late."""
        if batch.spans.height == 0:
            return
        arrival = Arrival(batch.spans)
        slots = self._undecided.find(arrival.ids)
        unknown = np.flatnonzero(slots == NOWHERE)
        decided = self.decisions.find_all([arrival.ids[i] for i in unknown.tolist()])
        if decided:
            is_late = np.array([trace_id in decided for trace_id in arrival.ids]) & (slots == NOWHERE)
            unknown = unknown[~is_late[unknown]]
            self._add_late(batch, arrival, is_late, decided)
        slots[unknown] = self._undecided.begin(arrival, unknown, tick)
        self._hold(batch, arrival, slots, tick)

    def _hold(self, batch: Batch, arrival: Arrival, slots: Integers, tick: int) -> None:
        """Keep the rows of traces that have a slot."""
        slot_of_rows = slots[arrival.of_rows]
        rows = batch.spans
        here = slots != NOWHERE
        if not here.all():
            is_held = slot_of_rows != NOWHERE
            rows, slot_of_rows = rows.filter(pl.Series(is_held)), slot_of_rows[is_held]
        if rows.height == 0:
            return
        slots, undecided = slots[here], self._undecided
        self._chunks[self._next_chunk] = Chunk(rows, batch.origins, slot_of_rows)
        undecided.scatter(slots, self._next_chunk)
        self._next_chunk += 1
        added_bytes = arrival.bytes[here] + SPAN_OVERHEAD_BYTES * arrival.spans[here]
        undecided["spans"][slots] += arrival.spans[here]
        undecided["bytes"][slots] += added_bytes
        self.held_spans += rows.height
        self.held_bytes += int(added_bytes.sum())
        self._schedule(slots, arrival.has_root[here], tick)

    def _schedule(self, slots: Integers, has_root: Booleans, tick: int) -> None:
        """Traces that have just got spans are due earlier than before, if there is a reason."""
        undecided = self._undecided
        due = undecided["first_tick"][slots] + self._wait
        due = np.where(has_root, np.minimum(due, tick + 1 + self._root_wait), due)
        due = np.where(undecided["spans"][slots] >= self._max_spans, tick + 1, due)
        sooner = due < undecided["due"][slots]
        slots, due = slots[sooner], due[sooner]
        undecided["due"][slots] = due
        for tick_due in np.unique(due).tolist():
            if tick_due not in self._wheel:
                self._wheel[tick_due] = []
                heapq.heappush(self._due_ticks, tick_due)
            self._wheel[tick_due].append(slots[due == tick_due])

    def _add_late(self, batch: Batch, arrival: Arrival, is_late: Booleans, decided: Mapping[int, Decision]) -> None:
        late = np.flatnonzero(is_late)
        decisions = [decided[arrival.ids[i]] for i in late.tolist()]
        rows = batch.spans.filter(pl.Series(is_late[arrival.of_rows]))
        place = np.zeros(len(is_late), np.uint32)
        place[late] = np.arange(len(late))
        marks = pl.DataFrame(
            {
                "kept": pl.Series([decision.kept for decision in decisions], dtype=pl.Boolean),
                "sampling.rule": pl.Series([decision.rule for decision in decisions], dtype=pl.String),
                "sampling.rate": pl.Series([decision.rate for decision in decisions], dtype=pl.Float64),
            }
        )[pl.Series(place[arrival.of_rows[is_late[arrival.of_rows]]])]
        self._late.frames.append(rows.hstack(marks.get_columns()))
        self._late.origins.update(batch.origins)
        self.held_spans += rows.height

    def due(self, tick: int) -> Iterator[Batch]:
        """Whole traces that are due at the end of `tick`, in batches; gone from the buffer when yielded.

        Each batch's `now` is the tick boundary at which its traces were due, however late this is called.
        """
        while self._due_ticks and self._due_ticks[0] <= tick + 1:
            due = heapq.heappop(self._due_ticks)
            waiting = np.concatenate(self._wheel.pop(due))
            ripe = self._undecided.in_order(waiting[self._undecided["due"][waiting] == due])
            self._count_triggers(ripe)
            yield from self._leave(ripe, due)

    def _count_triggers(self, slots: Integers) -> None:
        undecided = self._undecided
        too_long = undecided["spans"][slots] >= self._max_spans
        waited = undecided["due"][slots] == undecided["first_tick"][slots] + self._wait
        triggers = {"spans": too_long, "wait": waited & ~too_long, "root": ~waited & ~too_long}
        self.decided.update({name: int(count) for name, of in triggers.items() if (count := np.count_nonzero(of))})

    def relieve(self, tick: int) -> Iterator[Batch]:
        """If over the bound: the largest and oldest traces, until the buffer is well below it."""
        excess = self.held_bytes - self._capacity_bytes
        if excess <= 0:
            return
        excess += round(self._capacity_bytes * (1 - RELIEF))
        slots, undecided = self._undecided.all(), self._undecided
        sizes = undecided["bytes"][slots]
        impact = (tick + 1 - undecided["first_tick"][slots]) * sizes
        by_impact = np.argsort(-impact, kind="stable")
        enough = int(np.searchsorted(np.cumsum(sizes[by_impact]), excess)) + 1
        chosen = slots[by_impact[:enough]]
        self.decided["memory"] += len(chosen)
        yield from self._leave(chosen, tick + 1)

    def drain(self, tick: int) -> Iterator[Batch]:
        """Everything that is held, decided now."""
        self.decided["drain"] += len(self._undecided)
        yield from self._leave(self._undecided.all(), tick + 1)

    def take_late(self, tick: int) -> Batch | None:
        """Late spans of this tick, with columns kept: Boolean, sampling.rule: String, sampling.rate: Float64."""
        if not self._late.frames:
            return None
        spans = pl.concat(self._late.frames)
        self.held_spans -= spans.height
        batch = Batch(spans, (tick + 1) / TICKS_PER_SECOND, self._late.origins)
        self._late = _Late()
        return batch

    def _leave(self, slots: Integers, tick: int) -> Iterator[Batch]:
        """The traces in these slots, in groups that reach SPANS_PER_DECISION_BATCH."""
        spans = np.cumsum(self._undecided["spans"][slots])
        start = before = 0
        while start < len(slots):
            end = min(int(np.searchsorted(spans, before + SPANS_PER_DECISION_BATCH)) + 1, len(slots))
            before = spans[end - 1]
            yield self._gather(slots[start:end], tick)
            start = end

    def _gather(self, slots: Integers, tick: int) -> Batch:
        undecided = self._undecided
        leaving = undecided.marked(slots)
        frames = []
        origins: dict[int, Origin] = {}
        for number in undecided.chunks_of(slots):
            chunk = self._chunks[number]
            frames.append(chunk.take(leaving))
            origins.update(chunk.origins)
            if not chunk.held:
                del self._chunks[number]
        self.held_spans -= int(undecided["spans"][slots].sum())
        self.held_bytes -= int(undecided["bytes"][slots].sum())
        undecided.forget(slots)
        return Batch(pl.concat(frames, rechunk=True), tick / TICKS_PER_SECOND, origins)


SPEC = ComponentSpec(
    kind=Kind.PROCESSOR,
    name="group_by_trace",
    config=GroupByTraceConfig,
    build=lambda config, _context: GroupByTrace(config),
    summary="Holds spans until their trace is complete, so that what follows sees whole traces",
)
