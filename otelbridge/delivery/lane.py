"""One lane of delivery: parcels of one exporter, destination and category, in order, with a backoff of its own.

Pure: what may be sent now, and what follows from the answer. A lane whose destination fails sends one parcel as a
probe when its pause is over, not all that wait; the others are not affected.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Container
from dataclasses import dataclass, field

from otelbridge.delivery.outbox import LaneKey, Waiting

FIRST_PAUSE_SECONDS = 5.0
PAUSE_GROWTH = 1.5
LONGEST_PAUSE_SECONDS = 300.0
JITTER = 0.5  # pauses are spread by +-50 %, so that many daemons do not come back together


@dataclass(slots=True)
class Lane:
    """The sending side of a lane.

    Attributes:
        key: exporter, destination, category.
        random: uniform in [0, 1), for the jitter.
        fetched: parcels in memory that wait to be sent.
        last_fetched: number of the last parcel that was fetched.
        in_flight: parcels being sent, by number.
        batches: groups of parcels being sent.
        turn: when it was last given to a worker, as a count.
        failures: pauses since the last success.
        paused_until: seconds since the epoch.
    """

    key: LaneKey
    random: Callable[[], float]
    fetched: deque[Waiting] = field(default_factory=deque)
    last_fetched: int = 0
    in_flight: dict[int, Waiting] = field(default_factory=dict)
    batches: int = 0
    turn: int = 0
    failures: int = 0
    paused_until: float = 0.0

    def is_open(self, now: float) -> bool:
        """Whether it may send: it is not paused, and no probe is under way."""
        return now >= self.paused_until and not (self.failures and self.in_flight)

    def take(self, now: float, limit: int) -> list[Waiting]:
        """The parcels to send now, a single one as a probe; none when the lane is closed or empty."""
        if not self.is_open(now):
            return []
        items = [self.fetched.popleft() for _ in range(min(1 if self.failures else limit, len(self.fetched)))]
        self.in_flight.update((item.number, item) for item in items)
        return items

    def settled(self, item: Waiting) -> None:
        """The parcel has an outcome."""
        self.in_flight.pop(item.number, None)
        self.failures = 0
        self.paused_until = 0.0

    def failed(self, item: Waiting, now: float, seconds: float | None) -> None:
        """The lane pauses, at least for what the destination asked; its next probe is another parcel.

        So one parcel that the destination cannot digest delays the others, and does not stop them. What fails during
        a pause was sent before it: the same trouble, which does not make the next pause longer.
        """
        self.in_flight.pop(item.number, None)
        self.fetched.append(item)
        pause = seconds or 0.0
        if now >= self.paused_until:
            backoff = min(LONGEST_PAUSE_SECONDS, FIRST_PAUSE_SECONDS * PAUSE_GROWTH**self.failures)
            pause = max(pause, backoff * (1 - JITTER + 2 * JITTER * self.random()))
            self.failures += 1
        self.paused_until = max(self.paused_until, now + pause)

    def returned(self, item: Waiting) -> None:
        """The parcel was not tried, or a rate limit says when to try again: it goes back to where it was."""
        self.in_flight.pop(item.number, None)
        self.fetched.appendleft(item)

    def forget(self, numbers: Container[int]) -> None:
        """These parcels are not in the outbox any more."""
        self.fetched = deque(item for item in self.fetched if item.number not in numbers)

    def forgive(self) -> None:
        """Try at once, whatever failed before."""
        self.failures = 0
        self.paused_until = 0.0
