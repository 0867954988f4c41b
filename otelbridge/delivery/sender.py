"""Empties the outbox: one coordinator that knows what may be sent, and workers that send.

Only the coordinator touches the outbox. A parcel is deleted after its destination has taken it, many in one
transaction: a crash in between sends it again, under the same id. Nothing polls: the coordinator sleeps until the task
has committed new parcels, a worker has an answer, or a pause is over.
"""

from __future__ import annotations

import random
import threading
from collections import Counter, deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from otelbridge.core.component import Exporter, RateLimit
from otelbridge.core.errors import RateLimited, Rejected, RetryLater
from otelbridge.core.outcomes import DropReason
from otelbridge.delivery.lane import Lane
from otelbridge.delivery.outbox import EXPORTED, Entry, LaneKey, Outbox, Waiting
from otelbridge.delivery.reports import DropReports
from otelbridge.delivery.schedule import Schedule
from otelbridge.delivery.settlement import Settlement

WORKERS = 8  # a destination that answers in 50 ms then takes 120 parcels a second
WORKERS_PER_DESTINATION = 6  # one that hangs leaves two for the others
LONGEST_SLEEP_SECONDS = 30.0  # what is too old must be dropped now and then
RETRY_SECONDS = 1.0  # when the outbox cannot be read or written


@dataclass(slots=True)
class _Answer:
    """What a worker did with its batch."""

    lane: Lane
    outcomes: list[tuple[Waiting, str]] = field(default_factory=list)
    failed: Waiting | None = None
    failure: Exception | None = None
    untried: Sequence[Waiting] = ()
    limits: list[RateLimit] = field(default_factory=list)
    rejection: str = ""


@dataclass(slots=True)
class DeliveryCounts:
    """What happened since the start, by exporter.

    Attributes:
        failed_attempts: attempts that will be repeated.
        last_errors: what the last failed attempt said.
    """

    failed_attempts: Counter[str] = field(default_factory=Counter)
    last_errors: dict[str, str] = field(default_factory=dict)


class Sender:
    """Sends what is in one outbox. Constructing it starts nothing.

    Args:
        outbox: what to send; parcels of exporters that are not configured any more wait there until they are too old.
        exporters: by component id.
        clock: seconds since the epoch.
        jitter: for the spread of pauses.
        on_trouble: told of failed attempts and rejected parcels: exporter (or "outbox") and reason.
        on_recovery: told of an exporter that takes parcels again after its attempts failed.
        on_death: told, from its thread, what ended the coordinator although it should never end.
    """

    def __init__(
        self,
        outbox: Outbox,
        exporters: Mapping[str, Exporter],
        clock: Callable[[], float],
        jitter: random.Random,
        on_trouble: Callable[[str, str], None] = lambda _exporter, _reason: None,
        on_recovery: Callable[[str], None] = lambda _exporter: None,
        on_death: Callable[[BaseException], None] = lambda _error: None,
    ) -> None:
        self.counts = DeliveryCounts()
        self._outbox = outbox
        self._exporters = exporters
        self._clock = clock
        self._on_trouble = on_trouble
        self._on_recovery = on_recovery
        self._on_death = on_death
        self._jitter = jitter.random
        self._schedule = Schedule(outbox.fetch, jitter.random, WORKERS_PER_DESTINATION)
        self._settlement = Settlement(outbox.settle)
        self._reports = DropReports(exporters)
        self._unknown_exporters: set[str] = set()
        lock = threading.Lock()
        self._changed = threading.Condition(lock)  # for the coordinator
        self._work_changed = threading.Condition(lock)  # for the workers
        self._work: deque[tuple[Lane, list[Waiting]]] = deque()
        self._answers: deque[_Answer] = deque()
        self._active = 0  # batches with workers, or on their way to one
        self._is_woken = True
        self._deadline: float | None = None
        self._is_stopped = False
        self._threads: list[threading.Thread] = []

    # from other threads

    def start(self) -> None:
        """Start the coordinator and the workers."""
        work = [self._coordinate, *[self._deliver_batches] * WORKERS]
        self._threads = [threading.Thread(target=target, name="sender", daemon=True) for target in work]
        for thread in self._threads:
            thread.start()

    def wake(self) -> None:
        """There are new parcels."""
        with self._changed:
            self._is_woken = True
            self._changed.notify()

    def drain(self, deadline: float) -> None:
        """Send what can be sent by the deadline, each lane until it fails; the rest stays for the next start."""
        with self._changed:
            self._deadline = deadline
            self._is_woken = True
            self._changed.notify()
        if self._threads:
            self._threads[0].join()

    # the coordinator

    def _coordinate(self) -> None:
        try:
            self._work_until_stopped()
        except BaseException as error:
            self._on_death(error)
            raise
        finally:
            with self._work_changed:
                self._is_stopped = True
                self._work_changed.notify_all()

    def _work_until_stopped(self) -> None:
        is_draining = False
        while True:
            if self._deadline is not None and not is_draining:
                is_draining = True
                self._schedule.forgive()
            now, rest_seconds = self._clock(), LONGEST_SLEEP_SECONDS
            try:
                self._step(now)
            except RetryLater as error:
                self._on_trouble("outbox", str(error))
                rest_seconds = RETRY_SECONDS
            if is_draining and self._is_drained():
                break
            self._sleep(now, rest_seconds)
        self._settle(self._settlement.settle)

    def _step(self, now: float) -> None:
        self._take_answers(now)
        self._settle(lambda: self._settlement.settle_when_due(now))
        if self._is_woken:
            self._is_woken = False
            self._look_into_outbox(now)
        if self._deadline is None or now < self._deadline:
            self._hand_out(now)

    def _is_drained(self) -> bool:
        """Nothing more can be sent, or the time is over."""
        assert self._deadline is not None
        return self._clock() >= self._deadline or not (self._active or self._answers)

    def _take_answers(self, now: float) -> None:
        while self._answers:
            answer = self._answers.popleft()
            lane = answer.lane
            self._active -= 1
            self._schedule.finish(lane)
            self._schedule.limit(lane, answer.limits, now)
            if lane.failures and any(outcome == EXPORTED for _, outcome in answer.outcomes):
                self._on_recovery(lane.key[0])
            for item, outcome in answer.outcomes:
                lane.settled(item)
                self._note(outcome, item.entry, now)
            for item in reversed(answer.untried):
                lane.returned(item)
            if answer.rejection:
                self._on_trouble(lane.key[0], answer.rejection)
            if answer.failed is not None and answer.failure is not None:
                self._take_failure(lane, answer.failed, answer.failure, now)

    def _take_failure(self, lane: Lane, item: Waiting, failure: Exception, now: float) -> None:
        if not self._schedule.fail(lane, item, failure, now):
            return
        exporter = lane.key[0]
        reason = str(failure) if isinstance(failure, RetryLater) else repr(failure)
        self.counts.failed_attempts[exporter] += 1
        self.counts.last_errors[exporter] = reason
        self._on_trouble(exporter, reason)

    def _note(self, outcome: str, entry: Entry, now: float) -> None:
        if not entry.number:
            return  # a report: it was never in the outbox
        self._settlement.add(outcome, entry, now)
        if outcome != EXPORTED:
            self._reports.add(outcome, entry)

    def _settle(self, settle: Callable[[], None]) -> None:
        try:
            settle()
        except RetryLater as error:  # tried again soon; what was not settled at the end is delivered again
            self._on_trouble("outbox", str(error))

    def _look_into_outbox(self, now: float) -> None:
        self._outbox.refresh()
        exempt = self._schedule.in_flight() | self._settlement.numbers()
        while expired := self._outbox.expire(now, exempt):
            self._schedule.forget(expired)
            for entry in expired:
                self._reports.add(DropReason.EXPIRED, entry)
        self._outbox.tidy()

    def _hand_out(self, now: float) -> None:
        for exporter, parcel in self._reports.due(now, at_once=self._deadline is not None):
            lane = Lane((exporter, parcel.destination, parcel.category), self._jitter)
            self._give(lane, [Waiting(0, exporter, parcel)])
        waiting = self._waiting()
        while self._active < WORKERS and not self._settlement.is_behind:
            found = self._schedule.next_batch(waiting, now)
            if found is None:
                break
            self._give(*found)

    def _waiting(self) -> list[LaneKey]:
        known = []
        for key in self._outbox.lanes:
            if key[0] in self._exporters:
                known.append(key)
            elif key[0] not in self._unknown_exporters:
                self._unknown_exporters.add(key[0])
                self._on_trouble(key[0], "parcels wait for this exporter, but it is not configured any more")
        return known

    def _give(self, lane: Lane, batch: list[Waiting]) -> None:
        self._active += 1
        with self._work_changed:
            self._work.append((lane, batch))
            self._work_changed.notify()

    def _sleep(self, now: float, longest_seconds: float) -> None:
        """Sleep until something happens; `now` is when the step began: what fell due during it is not missed."""
        moments = [now + longest_seconds, *self._schedule.pauses(self._waiting())]
        moments += self._settlement.due() + self._reports.next_due()
        if self._deadline is not None:
            moments.append(self._deadline)
        timeout_seconds = min(moment for moment in moments if moment > now) - self._clock()
        with self._changed:
            happened = self._changed.wait_for(lambda: self._is_woken or self._answers, timeout_seconds)
            self._is_woken = self._is_woken or not happened

    # the workers

    def _deliver_batches(self) -> None:
        while True:
            with self._work_changed:
                self._work_changed.wait_for(lambda: self._work or self._is_stopped)
                if not self._work:
                    return
                lane, batch = self._work.popleft()
            answer = self._deliver(lane, batch)
            with self._changed:
                self._answers.append(answer)
                self._changed.notify()

    def _deliver(self, lane: Lane, batch: list[Waiting]) -> _Answer:
        answer = _Answer(lane)
        exporter = self._exporters[lane.key[0]]
        for i, item in enumerate(batch):
            try:
                answer.limits += exporter.deliver(item.parcel, self._clock())
                answer.outcomes.append((item, EXPORTED))
            except Rejected as error:
                answer.outcomes.append((item, DropReason.REJECTED))
                answer.rejection = str(error)
            except Exception as error:  # noqa: BLE001 # a worker's step boundary: the parcel waits, whatever went wrong
                answer.failed, answer.failure, answer.untried = item, error, batch[i + 1 :]
                answer.limits += error.limits if isinstance(error, RateLimited) else ()
                break
            if answer.limits or self._is_stopped:
                answer.untried = batch[i + 1 :]
                break
        return answer
