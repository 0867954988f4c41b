"""Which parcels to send next, over all lanes. Pure: told the time, told what came of what was sent.

Errors and findings go first; other lanes take turns, so that neither a backlog nor a destination that hangs keeps
the others waiting: no destination gets all workers.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence

from otelbridge.core.component import RateLimit
from otelbridge.core.errors import RateLimited, RetryLater
from otelbridge.delivery.lane import Lane
from otelbridge.delivery.outbox import Entry, LaneKey, Waiting
from otelbridge.delivery.rate_limits import RateLimits

BATCH_PARCELS = 16  # given to a worker at a time: waking threads for each parcel costs as much as sending it
FETCHED_PARCELS = 200  # of one lane in memory
FETCHED_BYTES = 8 * 2**20
URGENT = frozenset({"error", "default"})  # categories that do not wait behind a backlog of transactions

Fetch = Callable[[LaneKey, int, int, int], list[Waiting]]
"""Of a lane, after a number, so many parcels, so many bytes: see `Outbox.fetch`."""


class Schedule:
    """All lanes, their backoffs and their rate limits.

    Args:
        fetch: reads a lane from the outbox.
        random: uniform in [0, 1), for the spread of pauses.
        busy_limit: how many batches may be under way to one destination.
    """

    def __init__(self, fetch: Fetch, random: Callable[[], float], busy_limit: int) -> None:
        self._fetch = fetch
        self._random = random
        self._busy_limit = busy_limit
        self._lanes: dict[LaneKey, Lane] = {}
        self._limits = RateLimits()
        self._turns = 0

    def lane(self, key: LaneKey) -> Lane:
        """The lane of that name."""
        return self._lanes.setdefault(key, Lane(key, self._random))

    def next_batch(self, waiting: Iterable[LaneKey], now: float) -> tuple[Lane, list[Waiting]] | None:
        """The parcels to send now, of the lane whose turn it is; None when there is nothing to send now."""
        busy: Counter[tuple[str, str]] = Counter()
        for lane in self._lanes.values():
            busy[lane.key[:2]] += lane.batches
        for lane in sorted(map(self.lane, waiting), key=lambda lane: (lane.key[2] not in URGENT, lane.turn)):
            if busy[lane.key[:2]] >= self._busy_limit or now < self._pause_end(lane) or not lane.is_open(now):
                continue
            self._refill(lane)
            batch = lane.take(now, BATCH_PARCELS)
            if batch:
                self._turns += 1
                lane.turn = self._turns
                lane.batches += 1
                return lane, batch
        return None

    def _refill(self, lane: Lane) -> None:
        if len(lane.fetched) < BATCH_PARCELS:
            lane.fetched += self._fetch(lane.key, lane.last_fetched, FETCHED_PARCELS, FETCHED_BYTES)
            lane.last_fetched = max(lane.last_fetched, *(item.number for item in lane.fetched), 0)

    # what came of it

    def finish(self, lane: Lane) -> None:
        """A batch came back from its worker."""
        lane.batches -= 1

    def limit(self, lane: Lane, limits: Sequence[RateLimit], now: float) -> None:
        """A destination asks for pauses."""
        self._limits.update(lane.key[1], limits, now)

    def fail(self, lane: Lane, item: Waiting, failure: Exception, now: float) -> bool:
        """An attempt failed. False: only a rate limit stands in the way, and it says until when."""
        limited = isinstance(failure, RateLimited) and self._limit_end(lane) > now
        if limited:
            lane.returned(item)
        else:  # also when the limits that came with a refusal concern other categories
            lane.failed(item, now, failure.seconds if isinstance(failure, RetryLater) else None)
        return not limited

    def forget(self, expired: Iterable[Entry]) -> None:
        """These parcels were dropped for their age."""
        numbers: dict[LaneKey, set[int]] = {}
        for entry in expired:
            numbers.setdefault(entry.lane, set()).add(entry.number)
        for key, of_lane in numbers.items():
            self.lane(key).forget(of_lane)

    def forgive(self) -> None:
        """Try every destination once more."""
        for lane in self._lanes.values():
            lane.forgive()

    def in_flight(self) -> set[int]:
        """Numbers of the parcels being sent."""
        return {number for lane in self._lanes.values() for number in lane.in_flight}

    def pauses(self, waiting: Iterable[LaneKey]) -> list[float]:
        """When each lane may go on, or might have gone on already."""
        return [self._pause_end(self.lane(key)) for key in waiting]

    def _pause_end(self, lane: Lane) -> float:
        return max(lane.paused_until, self._limit_end(lane))

    def _limit_end(self, lane: Lane) -> float:
        _exporter, destination, category = lane.key
        return self._limits.until(destination, category)
