"""Requests and failures of one series, as its detector wants to see them: in buckets, blocks and a normal rate.

Buckets of a thirtieth of the hold are what is judged when they close; blocks as long as the hold are what becomes
normal, late and never while something is suspected. Counts depend on the order of arrival at most
by a bucket, and never on how arrivals are cut into batches.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from array import array
from collections.abc import Iterable, MutableSequence
from itertools import accumulate
from typing import Any

import msgspec
import numpy as np

from otelbridge.analysis.error_baseline import (
    MAX_BLOCKS,
    MIN_BLOCKS,
    MOMENT_BUCKETS,
    MOMENTS_PER_BLOCK,
    Normal,
    estimate,
)
from otelbridge.analysis.excursion import Integers
from otelbridge.analysis.time_buckets import Floats, count, is_measured

Event = dict[str, Any]

BUCKETS_PER_HOLD = 30
"""A bucket is 10 s at the default hold of 300 s; a block of the baseline is as long as the hold."""
RING = 360
"""Buckets with traffic that are kept: an hour, or 10 h at one request in 100 s."""
LAG_BLOCKS = 2
"""A block becomes part of normal two blocks late: significance may take that long at low traffic."""
BLOCKS_PER_HOUR, MAX_OLDER = 12, 36
"""Three times as far back as by block."""
READY_BLOCKS, READY_REQUESTS = 4, 50
"""Before that nothing is called normal, so a service that starts with failures is silent."""
LONGEST_SUSPICION_BLOCKS = 24
"""After 2 h a suspicion that never became an alert is a new normal below the multiplier."""
SETTLED_BLOCKS = 72
"""After 6 h the spike's rate is the new normal."""
LATE_BUCKETS, LATE_IN_A_ROW = 360, 30
"""Later than that is ignored, unless it goes on: then an earlier timestamp was wrong, and time starts again."""
MOST = (1 << 32) - 1  # requests in a bucket: five bytes in a snapshot


def counts(values: Iterable[int] = ()) -> MutableSequence[int]:
    """Numbers up to MOST, as are those of buckets, in an array: 4 bytes each and not 36, as in a list."""
    return array("I", values)


class State(msgspec.Struct, array_like=True):
    """What is kept between arrivals. Blocks that are not normal yet: (block, requests, failures, moments).

    `older` is what came before the blocks of the baseline: requests, failures and moments of an hour, one after the
    other, of use where failures are rare.
    """

    bucket: int = -1
    requests: int = 0
    failures: int = 0
    late: int = 0
    ring_bucket: MutableSequence[int] = msgspec.field(default_factory=counts)
    ring_requests: MutableSequence[int] = msgspec.field(default_factory=counts)
    ring_failures: MutableSequence[int] = msgspec.field(default_factory=counts)
    block: int = -1
    block_requests: int = 0
    block_failures: int = 0
    pending: list[tuple[int, ...]] = msgspec.field(default_factory=list)
    base_requests: MutableSequence[int] = msgspec.field(default_factory=counts)
    base_failures: MutableSequence[int] = msgspec.field(default_factory=counts)
    suspicion: float = 0.0
    suspected_block: int = -1
    better: float = 0.0
    better_block: int = -1
    alarm_start: float = -1.0
    relief: float = 0.0
    low_bucket: int = -1
    ratio: float = 1.0
    peak: float = 0.0
    peak_bucket: int = -1
    peak_requests: int = 0
    peak_failures: int = 0
    moment: int = -MOMENT_BUCKETS
    block_moments: int = 0
    base_moments: bytes = b""
    older: MutableSequence[int] = msgspec.field(default_factory=counts)


def _moments(failures: Iterable[int]) -> bytes:
    """What moments a block of this many failures holds at most, where an older version did not count them."""
    return bytes(min(failed, MOMENTS_PER_BLOCK) for failed in failures)


_COUNTS = ("ring_requests", "ring_failures", "base_requests", "base_failures", "older")


class RequestLedger(ABC):
    """One series of requests.

    State: at most 8 KiB: an hour of buckets, 12 hours of blocks and 36 hours before them, two or three counters each.
    """

    def __init__(self, hold_seconds: float) -> None:
        if hold_seconds < BUCKETS_PER_HOLD:
            raise ValueError(f"hold_seconds must be at least {BUCKETS_PER_HOLD}: a bucket is a second or longer")
        self._width = hold_seconds / BUCKETS_PER_HOLD
        self._state = State()
        self._normal: Normal | None = None

    @abstractmethod
    def _judge(self, normal: Normal, requests: int, failures: int) -> Event | None:
        """A bucket is over, the last in the ring."""

    def update(self, timestamp: float, value: float) -> Event | None:
        """Count one request: `value` is 0 when it went well. What became known by it: at most one event.

        Args:
            timestamp: seconds. Not finite, negative: ignored.
            value: not finite, negative: ignored.
        """
        if not is_measured(timestamp, value):
            return None
        return self._count(int(timestamp // self._width), 1, 1 if value else 0)

    def update_counts(self, timestamp: float, total: float, failed: float) -> Event | None:
        """Count `total` requests of one moment, `failed` of them failures; whole numbers."""
        if not (is_measured(timestamp, total) and 0 <= failed <= total and total > 0):
            return None
        return self._count(int(timestamp // self._width), int(total), int(failed))

    def update_many(self, timestamps: Floats, values: Floats) -> list[Event]:
        """What `update` would give, one after the other; the cost is that of the buckets that are touched."""
        state = self._state
        late = -1 if state.late else LATE_BUCKETS
        groups = count(timestamps, values, self._width, state.bucket, late)
        return [event for group in groups if (event := self._count(*group)) is not None]

    def snapshot(self) -> bytes:
        """Everything known, mid-bucket too."""
        state = self._state
        steps = [now - before for before, now in zip([0, *state.ring_bucket], state.ring_bucket, strict=False)]
        lists = {name: list(getattr(state, name)) for name in _COUNTS}
        return msgspec.msgpack.encode(msgspec.structs.replace(state, ring_bucket=steps, **lists))

    def restore(self, state: bytes) -> None:
        """Take over what `snapshot` wrote."""
        self._state = saved = msgspec.msgpack.decode(state, type=State)
        saved.ring_bucket = counts(accumulate(saved.ring_bucket))
        for name in _COUNTS:
            setattr(saved, name, counts(getattr(saved, name)))
        saved.pending = [(*entry, *_moments(entry[2:3])[len(entry) - 3 :]) for entry in saved.pending]
        if not saved.base_moments:
            saved.base_moments = _moments(saved.base_failures)
        self._learn()

    def _count(self, bucket: int, requests: int, failures: int) -> Event | None:
        state = self._state
        event = None
        if bucket > state.bucket:
            event = self._close()
            state.bucket = bucket
        elif state.bucket - bucket > LATE_BUCKETS:
            state.late += 1
            if state.late < LATE_IN_A_ROW:
                return None
            event = self._close()
            self._state = state = State(
                bucket=bucket,
                base_requests=state.base_requests,
                base_failures=state.base_failures,
                base_moments=state.base_moments,
                older=state.older,
            )
        state.late = 0
        state.requests = min(MOST, state.requests + requests)
        state.failures = min(MOST, state.failures + failures)
        return event

    def _close(self) -> Event | None:
        """The current bucket is over."""
        state = self._state
        if not state.requests:
            return None
        requests, failures = state.requests, min(state.failures, state.requests)
        state.requests = state.failures = 0
        for ring, value in (
            (state.ring_bucket, state.bucket),
            (state.ring_requests, requests),
            (state.ring_failures, failures),
        ):
            ring.append(value)
            if len(ring) > RING:
                del ring[0]
        self._count_block(state.bucket // BUCKETS_PER_HOLD, requests, failures)
        return self._judge(self._normal, requests, failures) if self._normal else None

    def _count_block(self, block: int, requests: int, failures: int) -> None:
        state = self._state
        if block != state.block:
            if state.block_requests:
                requests_seen, failures_seen = min(MOST, state.block_requests), min(MOST, state.block_failures)
                state.pending.append((state.block, requests_seen, failures_seen, state.block_moments))
            state.block, state.block_requests, state.block_failures, state.block_moments = block, 0, 0, 0
            self._admit()
        state.block_requests += requests
        state.block_failures += failures
        if failures and state.bucket - state.moment >= MOMENT_BUCKETS:
            state.moment = state.bucket
            state.block_moments += 1

    def _blocks_before_ring(self) -> list[tuple[int, ...]]:
        """Blocks that are not normal yet and have left the ring."""
        state = self._state
        gone = state.ring_bucket[0] // BUCKETS_PER_HOLD
        return [entry for entry in state.pending if entry[0] < gone]

    def _recent(self) -> tuple[Integers, Floats, Floats]:
        """Bucket, requests and failures of what is not normal yet; the oldest by block."""
        state = self._state
        bucket = np.array(state.ring_bucket, dtype=np.int64)
        requests = np.array(state.ring_requests, dtype=np.float64)
        failures = np.array(state.ring_failures, dtype=np.float64)
        if blocks := self._blocks_before_ring():
            before = np.array([entry[:3] for entry in blocks])
            bucket = np.concatenate((before[:, 0] * BUCKETS_PER_HOLD, bucket))
            requests = np.concatenate((before[:, 1], requests))
            failures = np.concatenate((before[:, 2], failures))
        return bucket, requests, failures

    def _admit(self) -> None:
        """Blocks that are old enough become part of normal, unless something is suspected."""
        state = self._state
        if state.alarm_start >= 0.0:
            del state.pending[:-SETTLED_BLOCKS]
            return
        if state.suspected_block >= 0 and state.block - state.suspected_block <= LONGEST_SUSPICION_BLOCKS:
            return
        ready = [entry for entry in state.pending if state.block - entry[0] > LAG_BLOCKS]
        if not ready:
            return
        del state.pending[: len(ready)]
        for base, place in ((state.base_requests, 1), (state.base_failures, 2)):
            base.extend(entry[place] for entry in ready)
        state.base_moments += bytes(entry[3] for entry in ready)
        self._shorten()
        self._learn()

    def _shorten(self) -> None:
        """An hour at a time becomes one number."""
        state = self._state
        while len(state.base_requests) >= MAX_BLOCKS + BLOCKS_PER_HOUR:
            columns = (state.base_requests, state.base_failures, state.base_moments)
            requests, failures, seen = (min(MOST, sum(column[:BLOCKS_PER_HOUR])) for column in columns)
            state.older.extend((requests, failures, seen))
            del state.older[: -3 * MAX_OLDER]
            del state.base_requests[:BLOCKS_PER_HOUR], state.base_failures[:BLOCKS_PER_HOUR]
            state.base_moments = state.base_moments[BLOCKS_PER_HOUR:]

    def _learn(self) -> None:
        state = self._state
        if len(state.base_requests) < READY_BLOCKS or sum(state.base_requests) < READY_REQUESTS:
            self._normal = None
            return
        older = list(zip(state.older[::3], state.older[1::3], state.older[2::3], strict=True))
        self._normal = estimate(state.base_requests, state.base_failures, state.base_moments, older)

    def _adopt(self) -> None:
        """The last two hours are the new normal, whatever was suspected."""
        state = self._state
        state.base_requests = counts(entry[1] for entry in state.pending[-MIN_BLOCKS:])
        state.base_failures = counts(entry[2] for entry in state.pending[-MIN_BLOCKS:])
        state.base_moments = bytes(entry[3] for entry in state.pending[-MIN_BLOCKS:])
        state.pending, state.older = [], counts()
        self._learn()

    def _forget_before(self, bucket: int) -> None:
        """What lies before is no part of the next stretch above normal, nor of normal."""
        state = self._state
        gone = sum(number < bucket for number in state.ring_bucket)
        for ring in (state.ring_bucket, state.ring_requests, state.ring_failures):
            del ring[:gone]
        state.pending = [entry for entry in state.pending if entry[0] * BUCKETS_PER_HOLD >= bucket]
