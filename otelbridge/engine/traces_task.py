"""A task of a `traces` pipeline: spans of a log, through processors and the trace buffer, to decisions and parcels.

Spans wait in the trace buffer for the rest of their trace, so a restart reads the log again from the oldest record that
holds an undecided one; see `engine.group_by_trace`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import groupby

import numpy as np
import polars as pl

from otelbridge.core import schema
from otelbridge.core.batch import Batch
from otelbridge.core.component import Kept
from otelbridge.core.outcomes import DropReason
from otelbridge.engine.decisions import Decision, decisions_of_kept
from otelbridge.engine.ledger import Balance, Ledger
from otelbridge.engine.outlet import OnError, Outlet
from otelbridge.engine.pipeline import Pipeline
from otelbridge.engine.processor_state import restore, save
from otelbridge.engine.progress import Progress, Resumption, Stamp
from otelbridge.engine.task import Task
from otelbridge.engine.ticks import TICKS_PER_SECOND, runs_of_ticks
from otelbridge.engine.tracking import OnFinding, Tracking
from otelbridge.engine.wires import SPANS
from otelbridge.otlp.decode import DecodedSpans
from otelbridge.semconv.derived import with_derived


class TracesTask(Task[DecodedSpans]):
    """Reads the spans of a log."""

    wire = SPANS

    def __init__(self, pipeline: Pipeline, on_error: OnError, on_finding: OnFinding = lambda _finding: None) -> None:
        super().__init__(Outlet(pipeline.exporters, on_error))
        self.pipeline = pipeline
        self.ledger = Ledger()
        self._on_error = on_error
        self.tracking = Tracking(pipeline.trackers, on_error, on_finding)
        self.balance = Balance()
        """The ledger as of the last moment when no batch was on its way; for readers in other threads."""

    def drain(self) -> None:
        """Decide everything that is held, now."""
        self._close(self._open_tick)
        for batch in self.pipeline.grouping.drain(self._tick):
            self._decide(batch)
        self._track((self._tick + 1) / TICKS_PER_SECOND)
        self._publish()

    def progress(self) -> Progress:
        """What must become durable together; resets what is only handed over once (decisions, parcels)."""
        grouping = self.pipeline.grouping
        low = grouping.low_record(self.position)
        generation, decisions, oldest = grouping.decisions.save(self.position, low)
        self.has_news = False
        states, parts = save(self.pipeline.steps())
        return Progress(
            position=self.position,
            tick=self._tick,
            low_record=low,
            states=states,
            parts={**self.tracking.changes(), **parts},
            ledger=self.ledger.snapshot(),
            generation=generation,
            decisions=decisions,
            oldest_generation=oldest,
            parcels=self.outlet.take(),
        )

    # after a restart

    def resume(self, saved: Resumption) -> None:
        """Before `refill`: what is known about traces."""
        super().resume(saved)
        self.pipeline.grouping.decisions.load(saved.decisions)
        if saved.ledger:
            self.ledger = Ledger.restore(saved.ledger)

    def refill(self, decoded: DecodedSpans, stamps: Sequence[Stamp]) -> None:
        """Put spans of records up to `position` back into the buffer, but for those already decided."""
        decisions = self.pipeline.grouping.decisions
        for tick, batch, _last in self._ticks(decoded, stamps):
            batch = self._span_stage(self._without_unusable(batch))
            ids = batch.spans[schema.TRACE_ID].unique()
            decided = pl.Series(list(decisions.find_all(ids.to_list())), dtype=pl.UInt128)
            is_decided = batch.spans[schema.TRACE_ID].is_in(decided.implode())
            carried = self.pipeline.without_unread(batch.spans.filter(~is_decided))
            self.pipeline.grouping.add(batch.with_spans(carried), tick)

    def restore(self, saved: Resumption) -> None:
        """After `refill`: the components' state, which the refilled spans are already part of."""
        restore(self.pipeline.steps(), saved)
        self.tracking.restore(saved.parts)

    def admit_losses(self) -> None:
        """After `restore`: count spans that were held before the restart and that the log did not give back."""
        lost = self.ledger.held() - self.pipeline.grouping.held_spans
        if lost > 0:
            self.ledger.drop({DropReason.LOST: lost})
        self._publish()

    def _publish(self) -> None:
        self.balance = self.ledger.balance(self.pipeline.grouping.held_spans)

    # the stages

    def _ticks(self, decoded: DecodedSpans, stamps: Sequence[Stamp]) -> Iterator[tuple[int, Batch, int]]:
        """The spans of one tick after another, with the sequence of the tick's last record."""
        extracted = self.pipeline.extractor.extract(decoded)
        counts = decoded.spans_per_request
        spans = extracted.spans.with_columns(_places(stamps, counts))
        ends = np.cumsum(counts)
        for tick, first, stop in runs_of_ticks(stamps):
            start, end = int(ends[first] - counts[first]), int(ends[stop - 1])
            now = (tick + 1) / TICKS_PER_SECOND
            part = spans.slice(start, end - start)
            yield tick, Batch(with_derived(part), now, extracted.origins), stamps[stop - 1].sequence

    def _take(self, batch: Batch) -> None:
        self.ledger.received += batch.spans.height
        batch = self._span_stage(self._without_unusable(batch))
        self.tracking.take(batch.measurements)
        self.ledger.drop(batch.dropped)
        self.pipeline.grouping.add(batch.with_spans(self.pipeline.without_unread(batch.spans)), self._open_tick)

    @staticmethod
    def _without_unusable(batch: Batch) -> Batch:
        trace_ids, span_ids = batch.spans[schema.TRACE_ID], batch.spans[schema.SPAN_ID]
        if not (trace_ids.has_nulls() or span_ids.has_nulls()):
            return batch
        return batch.drop(DropReason.INVALID_ID, trace_ids.is_null() | span_ids.is_null())

    def _span_stage(self, batch: Batch) -> Batch:
        for step in self.pipeline.span_steps:
            batch = self._run(step.id, step.processor.process, batch)
        return batch

    def _close(self, tick: int) -> None:
        grouping = self.pipeline.grouping
        if self._open_tick > self._tick:
            self._tick = self._open_tick
            late = grouping.take_late(self._tick)
            if late is not None:
                self._follow(late)
            for batch in grouping.due(self._tick):
                self._decide(batch)
            for batch in grouping.relieve(self._tick):
                self._decide(batch)
            self._track((self._tick + 1) / TICKS_PER_SECOND)
        if tick > self._tick:
            self._tick = self._open_tick = tick
            for now, batches in groupby(grouping.due(tick), key=lambda batch: batch.now):
                for batch in batches:
                    self._decide(batch)
                self._track(now)

    def _track(self, now: float) -> None:
        """Show the trackers what was measured in the tick that ends at `now`; send what they found."""
        findings = self.tracking.close(now, self.pipeline.grouping.holds)
        if findings:
            self.has_news = True
            self._export(Batch(pl.DataFrame(), now, findings=tuple(findings)))

    def _decide(self, batch: Batch) -> None:
        """Whole traces through the trace processors: what remains is kept."""
        self.has_news = True
        ids = batch.spans[schema.TRACE_ID].unique().to_list()
        batch = self._second_look(self.pipeline.with_resource(batch))
        marks = self.tracking.marks(ids, batch.now)
        batch = batch.add_findings(marks)
        for step in self.pipeline.trace_steps:
            batch = self._run(step.id, step.processor.process, batch)
        self.tracking.take(batch.measurements)
        kept = decisions_of_kept(batch.spans)
        self.pipeline.grouping.decisions.remember(dict.fromkeys(ids, Decision(kept=False)) | kept)
        self.ledger.traces["kept"] += len(kept)
        self.ledger.traces["dropped"] += len(ids) - len(kept)
        self.ledger.drop(batch.dropped)
        self._export(self.tracking.told(batch, marks).with_columns(pl.lit(value=False).alias("late")))

    def _follow(self, batch: Batch) -> None:
        """Late spans: looked at by those who count everything, then kept or dropped as their trace was."""
        batch = self._second_look(self.pipeline.with_resource(batch))
        self.tracking.take(batch.measurements)
        batch = batch.drop(DropReason.LATE_SAMPLED_OUT, ~batch.spans["kept"])
        self.ledger.late["dropped"] += batch.dropped.get(DropReason.LATE_SAMPLED_OUT, 0)
        self.ledger.late["kept"] += batch.spans.height
        self.ledger.drop(batch.dropped)
        self._export(self.tracking.told(batch).with_columns(pl.lit(value=True).alias("late")))

    def _second_look(self, batch: Batch) -> Batch:
        for step in self.pipeline.span_steps:
            batch = self._run(step.id, step.processor.process_traces, batch)
        return batch

    def _export(self, batch: Batch) -> None:
        for finding in batch.findings:
            if finding.state in ("once", "raised"):
                self.ledger.findings[finding.kind] += 1
        self.ledger.kept += batch.spans.height
        if batch.spans.height == 0 and not batch.findings:
            return
        kept = Kept(
            spans=batch.spans,
            origins=dict(batch.origins),
            added=tuple(column for column in self.pipeline.added if column.name in batch.spans.columns),
            findings=batch.findings,
            breadcrumbs=tuple(
                crumb
                for step in (self.pipeline.steps() if batch.spans.height else ())
                for crumb in step.processor.breadcrumbs(batch.spans)
            ),
            now=batch.now,
        )
        for exporter_id, dropped in self.outlet.export(kept).items():
            self.ledger.drop_at_export(exporter_id, dropped)

    # containment: a component that raises loses what it would have added, never spans

    def _run(self, component: str, step: Callable[[Batch], Batch], batch: Batch) -> Batch:
        try:
            return step(batch)
        except Exception as error:  # noqa: BLE001 # the step boundary: a component must not stop the pipeline
            self._on_error(component, error)
            return batch


def _places(stamps: Sequence[Stamp], counts: Sequence[int]) -> list[pl.Series]:
    """The record of each span, and its position within it."""
    lengths = np.array(counts, dtype=np.int64)
    starts = np.cumsum(lengths) - lengths
    records = np.array([stamp.sequence for stamp in stamps], dtype=np.uint64)
    positions = np.arange(lengths.sum()) - np.repeat(starts, lengths)
    return [
        pl.Series(schema.RECORD, np.repeat(records, lengths)),
        pl.Series(schema.POSITION, positions.astype(np.uint32)),
    ]
