"""A task of a `metrics` pipeline: data points of a log, to measurements, to trackers, to findings.

Only points of metrics that a tracker watches are looked at; the others are acknowledged, counted and forgotten. Nothing
waits behind the log, so a restart goes on with the next record.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import msgspec
import polars as pl

from otelbridge.core.component import Kept
from otelbridge.core.outcomes import DropReason
from otelbridge.engine.metering import Metering
from otelbridge.engine.outlet import OnError, Outlet
from otelbridge.engine.pipeline import MetricsPipeline
from otelbridge.engine.progress import Progress, Resumption, Stamp
from otelbridge.engine.task import Task
from otelbridge.engine.ticks import TICKS_PER_SECOND, runs_of_ticks
from otelbridge.engine.tracking import OnFinding, Tracking
from otelbridge.engine.wires import POINTS
from otelbridge.otlp.decode_metrics import DecodedMetrics
from otelbridge.otlp.point_columns import RESOURCE, points_of
from otelbridge.otlp.resource_columns import ResourceColumns
from otelbridge.semconv.concepts import CONCEPTS

OWNER = "points of metrics"  # in the place of a tracker's id, which can have no blank in it


class PointLedger(msgspec.Struct):
    """The balance of a metrics pipeline since the data folder was created: received = measured + dropped.

    Attributes:
        since: log time of the first record, seconds; 0 before it.
        received: data points read from the log.
        measured: made measurements of, for trackers to judge or not.
        dropped: by reason.
        findings: by kind.
    """

    since: float = 0.0
    received: int = 0
    measured: int = 0
    dropped: dict[str, int] = msgspec.field(default_factory=dict)
    findings: dict[str, int] = msgspec.field(default_factory=dict)

    @property
    def unaccounted(self) -> int:
        """What is missing for the balance to hold: 0, or there is a defect."""
        return self.received - self.measured - sum(self.dropped.values())


@dataclass(frozen=True, slots=True)
class Points:
    """What the records of one tick, or a part of it, hold.

    Attributes:
        received: data points, watched or not.
        watched: those of watched metrics, by name.
        now: log time at the end of the tick.
    """

    received: int
    watched: Mapping[str, pl.DataFrame]
    now: float


class MetricsTask(Task[DecodedMetrics]):
    """Reads the data points of a log."""

    wire = POINTS

    def __init__(
        self, pipeline: MetricsPipeline, on_error: OnError, on_finding: OnFinding = lambda _finding: None
    ) -> None:
        super().__init__(Outlet(pipeline.exporters, on_error))
        self.pipeline = pipeline
        self.ledger = PointLedger()
        self.tracking = Tracking(pipeline.trackers, on_error, on_finding)
        self.balance = PointLedger()
        """The ledger as of the last moment when no batch was on its way; for readers in other threads."""
        self._watched = frozenset[str]().union(*(one.watches for one in pipeline.trackers))
        self._resources = ResourceColumns([CONCEPTS[name] for name in RESOURCE])
        self._metering = Metering()
        self._on_error = on_error

    @property
    def forgotten_totals(self) -> int:
        """Running totals that had to be forgotten, since the start."""
        return self._metering.forgotten_totals

    def drain(self) -> None:
        """Nothing is held but the open tick."""
        self.settle()

    def progress(self) -> Progress:
        """What must become durable together; resets what is only handed over once."""
        self.has_news = False
        parts = dict(self.tracking.changes())
        if totals := self._metering.changes():
            parts[OWNER] = totals
        return Progress(
            position=self.position,
            tick=self._tick,
            low_record=self.position + 1,
            states={},
            parts=parts,
            ledger=msgspec.msgpack.encode(self.ledger),
            parcels=self.outlet.take(),
        )

    def resume(self, saved: Resumption) -> None:
        """Where reading goes on."""
        super().resume(saved)
        if saved.ledger:
            self.ledger = msgspec.msgpack.decode(saved.ledger, type=PointLedger)

    def refill(self, decoded: DecodedMetrics, stamps: Sequence[Stamp]) -> None:
        """Nothing: the state holds what was read."""

    def restore(self, saved: Resumption) -> None:
        """Trackers, and the totals that the next ones are compared with."""
        self.tracking.restore(saved.parts)
        try:
            self._metering.restore(saved.parts.get(OWNER, {}))
        except msgspec.MsgspecError as error:  # counting begins anew, which costs one report of each series
            self._on_error(OWNER, error)

    def admit_losses(self) -> None:
        """Nothing is held that could be lost."""
        self._publish()

    def _publish(self) -> None:
        ledger = self.ledger
        self.balance = msgspec.structs.replace(ledger, dropped=dict(ledger.dropped), findings=dict(ledger.findings))

    def _ticks(self, decoded: DecodedMetrics, stamps: Sequence[Stamp]) -> Iterator[tuple[int, Points, int]]:
        watched = points_of(decoded, self._watched, self.pipeline.keys, self._resources)
        for tick, start, stop in runs_of_ticks(stamps):
            here = pl.col("_request").is_between(start, stop, closed="left")
            frames = {name: frame.filter(here) for name, frame in watched.items()}
            received = sum(decoded.points_per_request[start:stop])
            yield tick, Points(received, frames, (tick + 1) / TICKS_PER_SECOND), stamps[stop - 1].sequence

    def _take(self, points: Points) -> None:
        ledger = self.ledger
        ledger.since = ledger.since or points.now - 1 / TICKS_PER_SECOND
        measured, dropped = self._metering.measure(points.watched, points.now, ledger.since)
        watched = sum(frame.height for frame in points.watched.values())
        ledger.received += points.received
        ledger.measured += watched - dropped.total()
        dropped[DropReason.UNWATCHED] = points.received - watched
        for reason, count in (+dropped).items():
            ledger.dropped[reason] = ledger.dropped.get(reason, 0) + count
        self.tracking.take(measured)

    def _close(self, tick: int) -> None:
        if self._open_tick > self._tick:
            self._tick = self._open_tick
            self._track((self._tick + 1) / TICKS_PER_SECOND)
        self._tick = self._open_tick = max(tick, self._tick)

    def _track(self, now: float) -> None:
        findings = self.tracking.close(now, lambda _trace: False)
        if not findings:
            return
        counts = Counter(finding.kind for finding in findings if finding.state == "raised")
        for kind, count in counts.items():
            self.ledger.findings[kind] = self.ledger.findings.get(kind, 0) + count
        self.outlet.export(Kept(pl.DataFrame(), {}, (), tuple(findings), (), now))
