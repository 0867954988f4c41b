"""Whether a service is failing right now: clearly more than it normally does, within half a minute.

Quicker and coarser than `error_spike`, because what is asked here is only who fails at the same time as others.
"""

from __future__ import annotations

import math

import msgspec

BUCKET_SECONDS = 5
WINDOW_BUCKETS = 6  # half a minute
LAG_BUCKETS = 24  # what is younger than two minutes is not normal yet, but under suspicion
HALF_LIFE_BUCKETS = 360  # half an hour: a new normal is believed within an incident's length, not within seconds
PRIOR_TOTAL, PRIOR_FAILED = 50.0, 0.25  # half a percent, as if 50 operations had been seen
MIN_FAILED = 3
MIN_RISE = 0.05  # the share that failed must be so much above normal, and twice normal
SIGNIFICANT = 5.0  # standard deviations: some ten thousand half minutes a service a day must not make a chance of it
QUIET_BUCKETS = 12  # a minute without failing ends it
KNOWN_BUCKETS = 24  # who was not seen for two minutes has no normal

_DECAY = 0.5 ** (1 / HALF_LIFE_BUCKETS)

Bucket = tuple[int, int, int]
"""Number, operations, failures."""


class Failing(msgspec.Struct, array_like=True):
    """One service. At most LAG_BUCKETS buckets of three numbers, and eight numbers more.

    Attributes:
        since: when the first failure of the present failing began, in seconds; -1 while it does not fail.
        peak: the largest share that failed within a window, of the present failing.
        speaks: it tells of its operations itself, in spans of its own.
    """

    recent: list[Bucket] = msgspec.field(default_factory=list)
    total: float = 0.0
    failed: float = 0.0
    first_bucket: int = -1
    last_bad: int = -1
    since: float = -1.0
    peak: float = 0.0
    speaks: bool = False

    @property
    def is_failing(self) -> bool:
        """Whether it fails now."""
        return self.since >= 0

    def is_bad_at(self, now: float) -> bool:
        """Whether it failed too much in the half minute before `now`, when it was judged last."""
        return self.last_bad == now // BUCKET_SECONDS

    def add(self, second: float, total: int, failed: int) -> None:
        """Operations of one second; a little out of order is all right, older than the window counts no more."""
        number = int(second // BUCKET_SECONDS)
        if self.first_bucket < 0:
            self.first_bucket = number
        recent = self.recent
        for place in range(len(recent) - 1, -1, -1):
            known, operations, failures = recent[place]
            if known == number:
                recent[place] = (number, operations + total, failures + failed)
                return
            if known < number:
                recent.insert(place + 1, (number, total, failed))
                if len(recent) > LAG_BUCKETS:  # nobody may judge for long: where a database is all that is told of
                    self._learn(recent[-1][0])
                return
        if not recent:
            recent.append((number, total, failed))

    def judge(self, now: float) -> None:
        """Decide about the half minute before `now`, in seconds of the same clock."""
        number = int(now // BUCKET_SECONDS)
        self._learn(number)
        total = failed = 0
        for bucket, operations, failures in reversed(self.recent):  # in the order of time
            if bucket <= number - WINDOW_BUCKETS:
                break
            if bucket <= number:
                total, failed = total + operations, failed + failures
        if self._is_bad(number, total, failed):
            self.last_bad = number
            self.peak = max(self.peak, failed / total)
            if not self.is_failing:
                self.since = self._began(number, failed / total)
        elif self.is_failing and number - self.last_bad >= QUIET_BUCKETS:
            self.since, self.peak = -1.0, 0.0

    def _is_bad(self, number: int, total: int, failed: int) -> bool:
        if failed < MIN_FAILED or number - self.first_bucket < KNOWN_BUCKETS:
            return False
        normal = self._normal()
        expected = total * normal
        rise = failed / total - normal
        return rise >= max(MIN_RISE, normal) and failed - expected >= SIGNIFICANT * math.sqrt(
            expected * (1 - normal) + 1
        )

    def _normal(self) -> float:
        return (self.failed + PRIOR_FAILED) / (self.total + PRIOR_TOTAL)

    def _began(self, number: int, share: float) -> float:
        """When the first bucket began that is nearer to the failing than to the normal; one stray failure is not."""
        between = (self._normal() + share) / 2
        window = [bucket for bucket in self.recent if number - WINDOW_BUCKETS < bucket[0] <= number]
        bad = next(bucket[0] for bucket in window if bucket[2] >= between * bucket[1])
        return float(bad * BUCKET_SECONDS)

    def _learn(self, number: int) -> None:
        """What is old enough becomes normal, unless the service is failing."""
        while self.recent and number - self.recent[0][0] >= LAG_BUCKETS:
            bucket = self.recent.pop(0)
            if not self.is_failing:
                self.total = self.total * _DECAY + bucket[1]
                self.failed = self.failed * _DECAY + bucket[2]
