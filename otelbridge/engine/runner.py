"""Runs a task: feeds it from the log, takes checkpoints, and lets go of what the log need not hold any longer."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from otelbridge.core.errors import RetryLater
from otelbridge.engine.checkpoint import CheckpointStore
from otelbridge.engine.handover import Handover
from otelbridge.engine.progress import Progress, Resumption, Stamp
from otelbridge.engine.task import Task
from otelbridge.log.contract import Log, Record, RecordsLost

READ_BYTES = 8 * 2**20  # 20,000 spans of 400 bytes: as large a batch as comes together under load
CHECKPOINT_SECONDS = 1.0
PENDING_BYTES = 8 * 2**20  # parcels in memory; more makes a checkpoint due at once
RETRY_SECONDS = 1.0


@dataclass(slots=True)
class RunnerHealth:
    """What `/readyz` and `/metrics` say about a runner.

    Attributes:
        resumed: the buffer is refilled, the task works on new records.
        stalled: why the task does not go on ("" when it does): disk full, outbox full.
        position: the last record fed.
        checkpoints: taken since the start.
    """

    resumed: bool = False
    stalled: str = ""
    position: int = 0
    checkpoints: int = 0


@dataclass(slots=True)
class Runner:
    """The loop of one task, in a thread of its own.

    Attributes:
        on_checkpoint: called after each checkpoint that holds parcels; wakes the sender.
        outbox_is_full: asked before reading on; while it is full the log fills, and then clients are asked to wait.
        on_lost: told of records that the log cannot give back.
        batch_spans, batch_seconds: how many spans make a batch, and how long to wait for them.
        decide_on_stop: what is undecided at a stop is decided then, because the log will not hold it.
        on_forgotten: told of a tracker, and how many of its saved series it did not take over.
    """

    task: Task[Any]
    log: Log
    store: CheckpointStore
    handover: Handover[Any]
    clock: Callable[[], float]
    on_checkpoint: Callable[[], None]
    outbox_is_full: Callable[[], bool]
    on_lost: Callable[[str], None]
    batch_spans: int = 16_384
    batch_seconds: float = 0.2
    decide_on_stop: bool = False
    on_forgotten: Callable[[str, int], None] = lambda _tracker, _series: None
    health: RunnerHealth = field(default_factory=RunnerHealth)
    _stop: threading.Event = field(default_factory=threading.Event)
    _last_checkpoint: float = 0.0
    _unsaved: Progress | None = None
    _reads_log: bool = False  # the last step was fed from the log: there may be more, and nothing to wait for

    def run(self, saved: Resumption) -> None:
        """Resume, then work until stopped; a last checkpoint is taken at the end."""
        self.resume(saved)
        while not self._stop.is_set():
            self.step()
            if not self._reads_log:
                self.handover.wait(self.batch_spans // 2, self._patience_seconds())
        while self.step():  # what was acknowledged before the end
            pass
        if self.decide_on_stop:
            self.task.drain()
        else:
            self.task.settle()
        self._checkpoint()

    def stop(self) -> None:
        """Ask `run` to end, soon."""
        self._stop.set()
        self.handover.wake()

    def resume(self, saved: Resumption) -> None:
        """Restore the last checkpoint and refill the buffer from the log."""
        self.task.resume(saved)
        after = saved.low_record - 1
        while after < saved.position and not self._stop.is_set():
            before = after
            records, after = self._read(after)
            records = [record for record in records if record.sequence <= saved.position]
            if not records and after == before:
                break  # a log in memory does not hold them any more
            if records:
                stamps = [Stamp(record.sequence, record.time) for record in records]
                self.task.refill(self.task.wire.decode([record.payload for record in records]), stamps)
        self.task.restore(saved)
        for tracker, series in self.task.tracking.forgotten().items():
            self.on_forgotten(tracker, series)
        self.task.admit_losses()
        self.health.position = self.task.position
        self.health.resumed = True

    def step(self) -> bool:
        """Feed what there is, or let the clock advance the task; true if there was something to feed."""
        self._reads_log = False
        if self._is_stalled():
            return False
        groups = self.handover.take(self.health.position, self.batch_spans)
        if groups:
            decoded = self.task.wire.concatenate([group.decoded for group in groups])
            stamps = [stamp for group in groups for stamp in group.stamps]
        else:
            records = self._read_log()
            if not records:
                self._idle()
                return False
            self._reads_log = True
            decoded = self.task.wire.decode([record.payload for record in records])
            stamps = [Stamp(record.sequence, record.time) for record in records]
        for _boundary in self.task.feed(decoded, stamps):
            self._checkpoint_when_due()
        self.health.position = stamps[-1].sequence
        return True

    def _read_log(self) -> list[Record]:
        upcoming = self.handover.next_sequence()
        records, after = self._read(self.health.position)
        if not records:
            self.health.position = after
        return [record for record in records if upcoming is None or record.sequence < upcoming]

    def _read(self, after: int) -> tuple[list[Record], int]:
        """The records after `after`, and after which one to go on."""
        try:
            records = self.log.read(after, READ_BYTES)
        except RecordsLost as error:
            self.on_lost(str(error))
            return [], error.resume_after
        except RetryLater as error:
            self.health.stalled = str(error)
            self._stop.wait(RETRY_SECONDS)
            return [], after
        return records, records[-1].sequence if records else after

    def _idle(self) -> None:
        horizon = self.log.advance(self.clock(), self.health.position)
        if horizon is not None and self.task.advance(horizon):
            self._checkpoint_when_due()

    def _is_stalled(self) -> bool:
        if self._unsaved is not None and not self._save(self._unsaved):
            return True
        if self.outbox_is_full():
            self.health.stalled = "the outbox is full: its destination has been away for too long"
            return True
        self.health.stalled = ""
        return False

    def _checkpoint_when_due(self) -> None:
        overdue = self.task.has_news and self.clock() - self._last_checkpoint >= CHECKPOINT_SECONDS
        if self._unsaved is None and (overdue or self.task.pending_bytes >= PENDING_BYTES):
            self._checkpoint()

    def _checkpoint(self) -> None:
        if self._unsaved is not None and not self._save(self._unsaved):
            return
        self._save(self.task.progress())

    def _save(self, progress: Progress) -> bool:
        """Save; on failure the progress is kept and nothing else is read until it could be saved."""
        now = self.clock()
        try:
            self.store.save(progress, now)
        except RetryLater as error:
            self._unsaved = progress
            self.health.stalled = str(error)
            return False
        self._unsaved = None
        self._last_checkpoint = now
        self.health.checkpoints += 1
        self.log.trim(progress.low_record)
        if any(progress.parcels.values()):
            self.on_checkpoint()
        return True

    def _patience_seconds(self) -> float:
        """How long to wait for a batch to fill."""
        if self._unsaved is not None or self.health.stalled:
            return RETRY_SECONDS
        return self.batch_seconds
