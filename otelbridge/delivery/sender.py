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
from otelbridge.delivery.rate_limits import RateLimits
from otelbridge.delivery.reports import DropReports

WORKERS = 4  # a destination that answers in 50 ms then takes 80 parcels a second
BATCH_PARCELS = 16  # given to a worker at a time: waking threads for each parcel costs as much as sending it
FETCHED_PARCELS = 200  # of one lane in memory
FETCHED_BYTES = 8 * 2**20
SETTLE_PARCELS = 100  # outcomes written in one transaction, or
SETTLE_SECONDS = 0.2  # those of this time
LONGEST_SLEEP_SECONDS = 30.0  # what is too old must be dropped now and then
URGENT = frozenset({"error", "default"})  # categories that do not wait behind a backlog of transactions


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
        outbox: what to send.
        exporters: by component id.
        clock: seconds since the epoch.
        jitter: for the spread of pauses.
        on_trouble: told of failed attempts and rejected parcels: exporter and reason.
    """

    def __init__(
        self,
        outbox: Outbox,
        exporters: Mapping[str, Exporter],
        clock: Callable[[], float],
        jitter: random.Random,
        on_trouble: Callable[[str, str], None] = lambda _exporter, _reason: None,
    ) -> None:
        self.counts = DeliveryCounts()
        self._outbox = outbox
        self._exporters = exporters
        self._clock = clock
        self._random = jitter.random
        self._on_trouble = on_trouble
        self._lanes: dict[LaneKey, Lane] = {}
        self._limits = RateLimits()
        self._reports = DropReports(exporters)
        self._changed = threading.Condition()
        self._work: deque[tuple[Lane, list[Waiting]]] = deque()
        self._answers: deque[_Answer] = deque()
        self._active = 0  # batches with workers, or on their way to one
        self._outcomes: dict[str, list[Entry]] = {}
        self._settle_at = 0.0
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
            self._changed.notify_all()

    def drain(self, deadline: float) -> None:
        """Send what can be sent by the deadline, each lane until it fails; the rest stays for the next start."""
        with self._changed:
            self._deadline = deadline
            self._is_woken = True
            self._changed.notify_all()
        if self._threads:
            self._threads[0].join()

    # the coordinator

    def _coordinate(self) -> None:
        forgiven = False
        while True:
            self._take_answers()
            self._settle_when_due()
            self._outbox_upkeep()
            if self._deadline is not None:
                if not forgiven:
                    forgiven = True
                    for lane in self._lanes.values():
                        lane.forgive()
                if self._clock() >= self._deadline:
                    break
            self._hand_out()
            if self._deadline is not None and not self._active and not self._answers:
                break
            self._sleep()
        self._settle()
        with self._changed:
            self._is_stopped = True
            self._changed.notify_all()

    def _take_answers(self) -> None:
        while self._answers:
            answer = self._answers.popleft()
            self._active -= 1
            now = self._clock()
            exporter, destination, _category = answer.lane.key
            self._limits.update(destination, answer.limits, now)
            for item, outcome in answer.outcomes:
                answer.lane.settled(item)
                self._note(outcome, item.entry, now)
            for item in reversed(answer.untried):
                answer.lane.returned(item)
            if answer.rejection:
                self._on_trouble(exporter, answer.rejection)
            if answer.failed is not None:
                self._take_failure(answer.lane, answer.failed, answer.failure, now)

    def _take_failure(self, lane: Lane, item: Waiting, failure: Exception | None, now: float) -> None:
        exporter = lane.key[0]
        if isinstance(failure, RateLimited):
            lane.returned(item)
            return
        seconds = failure.seconds if isinstance(failure, RetryLater) else None
        reason = str(failure) if isinstance(failure, RetryLater) else repr(failure)
        lane.failed(item, now, seconds)
        self.counts.failed_attempts[exporter] += 1
        self.counts.last_errors[exporter] = reason
        self._on_trouble(exporter, reason)

    def _note(self, outcome: str, entry: Entry, now: float) -> None:
        if not entry.number:
            return  # a report: it was never in the outbox
        if not self._outcomes:
            self._settle_at = now + SETTLE_SECONDS
        self._outcomes.setdefault(outcome, []).append(entry)
        if outcome != EXPORTED:
            self._reports.add(outcome, entry)

    def _settle_when_due(self) -> None:
        waiting = sum(len(entries) for entries in self._outcomes.values())
        if waiting >= SETTLE_PARCELS or (waiting and self._clock() >= self._settle_at):
            self._settle()

    def _settle(self) -> None:
        if not self._outcomes:
            return
        try:
            self._outbox.settle(self._outcomes)
        except RetryLater as error:  # tried again soon; a crash before that sends these parcels twice
            self._on_trouble("outbox", str(error))
            self._settle_at = self._clock() + 1.0
        else:
            self._outcomes = {}

    def _outbox_upkeep(self) -> None:
        if not self._is_woken:
            return
        self._is_woken = False
        self._outbox.refresh()
        known = {item.number for lane in self._lanes.values() for item in (*lane.fetched, *lane.in_flight.values())}
        known.update(entry.number for entries in self._outcomes.values() for entry in entries)
        for entry in self._outbox.expire(self._clock(), known):
            self._reports.add(DropReason.EXPIRED, entry)

    def _hand_out(self) -> None:
        """Give workers what may be sent: errors and findings first."""
        now = self._clock()
        for exporter, parcel in self._reports.due(now, at_once=self._deadline is not None):
            lane = Lane((exporter, parcel.destination, parcel.category), self._random)
            self._give(lane, [Waiting(0, exporter, parcel)])
        for key in sorted(self._outbox.lanes, key=lambda key: (key[2] not in URGENT, key)):
            lane = self._lanes.setdefault(key, Lane(key, self._random))
            while self._active < WORKERS:
                self._refill(lane)
                batch = lane.take(now, self._limits.until(key[1], key[2]), BATCH_PARCELS)
                if not batch:
                    break
                self._give(lane, batch)

    def _give(self, lane: Lane, batch: list[Waiting]) -> None:
        self._active += 1
        with self._changed:
            self._work.append((lane, batch))
            self._changed.notify_all()

    def _refill(self, lane: Lane) -> None:
        if not lane.fetched:
            lane.fetched.extend(self._outbox.fetch(lane.key, lane.last_fetched, FETCHED_PARCELS, FETCHED_BYTES))
            if lane.fetched:
                lane.last_fetched = lane.fetched[-1].number

    def _sleep(self) -> None:
        now = self._clock()
        moments = [now + LONGEST_SLEEP_SECONDS]
        moments += [
            max(lane.paused_until, self._limits.until(*lane.key[1:])) for lane in self._lanes.values() if lane.fetched
        ]
        if self._outcomes:
            moments.append(self._settle_at)
        if self._deadline is not None:
            moments.append(self._deadline)
        moments += self._reports.next_due()
        wake_at = min((moment for moment in moments if moment > now), default=now)
        with self._changed:
            slept = self._changed.wait_for(lambda: self._is_woken or self._answers, wake_at - now)
            self._is_woken = self._is_woken or not slept

    # the workers

    def _deliver_batches(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._work or self._is_stopped)
                if not self._work:
                    return
                lane, batch = self._work.popleft()
            answer = self._deliver(lane, batch)
            with self._changed:
                self._answers.append(answer)
                self._changed.notify_all()

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
