"""Failures against their own normal rate: one alert a spike, one recovery.

A spike is a rate above `multiplier` times normal for the whole of `hold_seconds`. Three questions are asked when a time
bucket closes, and all three must be answered yes: did the rate stay above without a break for that long (`excursion`),
is it that high, and could it be chance, given how much this series' failures scatter anyway (`error_baseline`)? What is
normal lags behind and stands still while anything is suspected, so that a slow rise is not learnt while it happens.

Time comes from the timestamps alone. A request that comes late counts in the current bucket: the outcome depends on the
order of arrival at most by a bucket, and never on how arrivals are cut into batches.
"""

from __future__ import annotations

import math
from typing import Any

import msgspec
import numpy as np

from otelbridge.analysis.error_baseline import MAX_BLOCKS, MIN_BLOCKS, Normal, estimate
from otelbridge.analysis.excursion import DOUBLED, Excursion, deviance, evidence, excursions, without_densest
from otelbridge.analysis.time_buckets import Floats, count, is_measured

Event = dict[str, Any]

BUCKETS_PER_HOLD = 30
"""A bucket is 10 s at the default hold of 300 s; a block of the baseline is as long as the hold."""
RING = 360
"""Buckets with traffic that are kept: an hour, or 10 h at one request in 100 s."""
LAG_BLOCKS = 2
"""A block becomes part of normal two blocks late: significance may take that long at low traffic."""
READY_BLOCKS, READY_REQUESTS = 4, 50
"""Before that nothing is called normal, so a service that starts with failures is silent."""
FLOOR_RATE = 5e-4
"""Normal is at least this: at 100 requests/s a failure every 20 s. Twice nothing is nothing."""
MIN_FAILURES = 5.0
SIGNIFICANT = 5.0
"""In standard deviations: 3e-7 one-sided. Some 3000 overlapping stretches a day are looked at."""
BLIP_BUCKETS = 27
"""Nine tenths of the hold: without so long a part, the densest, a spike must still be one ..."""
EVEN, LASTING = 2.5, 3.0
"""... because it is more likely (e^2.5 = 12 to 1) one rate all along than a blip on a normal rate, or because the rest is
above normal by itself, by this many standard deviations. Two stray failures beside a blip pass neither."""
NEAR_ENOUGH = 0.9
"""The measured rate must reach this share of `multiplier`: well between 1.5 and 2 times normal, so
that a true doubling is found and a rise by half is not, though both are measured with an error."""
SUSPECTED, MOST_SUSPECTED = 2.5, 12.0
"""Of the running sum of evidence: above the first stretches are measured, the second lets an old incident fade."""
LONGEST_SUSPICION_BLOCKS = 24
"""After 2 h a suspicion that never became an alert is a new normal below the multiplier."""
RECOVERED = 6.0  # evidence, e^6 = 400 to 1, for the normal rate over one between it and the spike's
LEAST_BETWEEN = 1.5
SETTLED_BLOCKS = 72
"""After 6 h the spike's rate is the new normal."""
IMPROVED, IMPROVED_BLOCKS = 10.0, 6
"""Evidence, and half an hour, for at most half the normal rate: then what came before is forgotten at once."""
PEAK_REQUESTS, PEAK_BUCKETS = 10, 6  # a peak is measured over a minute and ten requests, or it is an accident
LATE_BUCKETS, LATE_IN_A_ROW = 360, 30
"""Later than that is ignored, unless it goes on: then an earlier timestamp was wrong, and time starts again."""
MOST = (1 << 32) - 1  # requests in a bucket: five bytes in a snapshot


class _State(msgspec.Struct, array_like=True):
    bucket: int = -1
    requests: int = 0
    failures: int = 0
    late: int = 0
    ring_bucket: list[int] = msgspec.field(default_factory=list)
    ring_requests: list[int] = msgspec.field(default_factory=list)
    ring_failures: list[int] = msgspec.field(default_factory=list)
    block: int = -1
    block_requests: int = 0
    block_failures: int = 0
    pending: list[tuple[int, int, int]] = msgspec.field(default_factory=list)
    base_requests: list[int] = msgspec.field(default_factory=list)
    base_failures: list[int] = msgspec.field(default_factory=list)
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


class ErrorSpikeDetector:
    """One series of requests.

    State: at most 8 KiB as a snapshot: an hour of buckets and 12 hours of blocks, two counters each.
    """

    def __init__(
        self, hold_seconds: float = 300.0, multiplier: float = 2.0, min_failures: float = MIN_FAILURES
    ) -> None:
        """`hold_seconds` and `multiplier` define a spike; fewer than `min_failures` never are one."""
        self._width = hold_seconds / BUCKETS_PER_HOLD
        self._multiplier = multiplier
        self._min_failures = min_failures
        self._state = _State()
        self._normal: Normal | None = None

    def update(self, timestamp: float, value: float) -> Event | None:
        """Count one request: `value` is 0 when it went well. What became known by it: at most one event.

        Args:
            timestamp: seconds. Not finite, negative: ignored.
            value: not finite, negative: ignored.
        """
        if not is_measured(timestamp, value):
            return None
        return self._count(int(timestamp // self._width), 1, 1 if value else 0)

    def update_counts(self, timestamp: float, total: int, failed: int) -> Event | None:
        """Count `total` requests of one moment, `failed` of them failures."""
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
        return msgspec.msgpack.encode(msgspec.structs.replace(state, ring_bucket=steps))

    def restore(self, state: bytes) -> None:
        """Take over what `snapshot` wrote."""
        self._state = msgspec.msgpack.decode(state, type=_State)
        self._state.ring_bucket = np.cumsum(self._state.ring_bucket, dtype=np.int64).tolist()
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
            self._state = state = _State(
                bucket=bucket, base_requests=state.base_requests, base_failures=state.base_failures
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
        normal = self._normal
        if normal is None:
            return None
        if state.alarm_start >= 0.0:
            return self._watch_alarm(normal, requests, failures)
        return self._watch_improvement(normal, requests, failures) or self._watch(normal, requests, failures)

    def _count_block(self, block: int, requests: int, failures: int) -> None:
        state = self._state
        if block != state.block:
            if state.block_requests:
                state.pending.append((state.block, min(MOST, state.block_requests), min(MOST, state.block_failures)))
            state.block, state.block_requests, state.block_failures = block, 0, 0
            self._admit()
        state.block_requests += requests
        state.block_failures += failures

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
        state.base_requests = [*state.base_requests, *(entry[1] for entry in ready)][-MAX_BLOCKS:]
        state.base_failures = [*state.base_failures, *(entry[2] for entry in ready)][-MAX_BLOCKS:]
        self._learn()

    def _learn(self) -> None:
        state = self._state
        known = len(state.base_requests) >= READY_BLOCKS and sum(state.base_requests) >= READY_REQUESTS
        self._normal = estimate(state.base_requests, state.base_failures) if known else None

    def _watch(self, normal: Normal, requests: int, failures: int) -> Event | None:
        state = self._state
        score = evidence(requests, failures, max(normal.rate, FLOOR_RATE), normal.dispersion, DOUBLED)
        state.suspicion = min(MOST_SUSPECTED, max(0.0, state.suspicion + score))
        if state.suspicion < SUSPECTED:
            state.suspected_block = -1
            return None
        if state.suspected_block < 0:
            state.suspected_block = state.block
        spike = self._spike(normal)
        return self._alert(normal, spike) if spike else None

    def _spike(self, normal: Normal) -> Excursion | None:
        state = self._state
        rate = max(normal.rate, FLOOR_RATE)
        needed_rate = min(NEAR_ENOUGH * self._multiplier * rate, (1.0 + rate) / 2.0)
        bucket = np.asarray(state.ring_bucket)
        requests = np.asarray(state.ring_requests, dtype=np.float64)
        failures = np.asarray(state.ring_failures, dtype=np.float64)
        known = max(normal.failures, normal.requests * FLOOR_RATE)
        for found in excursions(bucket, requests, failures, rate, normal.dispersion):
            blocks = (state.ring_bucket[found.last] - state.ring_bucket[found.first]) / BUCKETS_PER_HOLD
            if blocks < 1.0 or found.failures < self._min_failures or found.failures < needed_rate * found.requests:
                continue
            scatter = normal.dispersion * (1.0 + (normal.persistence - 1.0) * (1.0 - 1.0 / blocks))
            if deviance(found.requests, found.failures, normal.requests, known) < SIGNIFICANT**2 * scatter:
                continue
            rest = without_densest(found, bucket, requests, failures, rate, BLIP_BUCKETS)
            if rest.failures < needed_rate * rest.requests or rest.requests <= 0.0:
                continue
            if (
                rest.evenness >= EVEN * normal.dispersion
                or deviance(rest.requests, rest.failures, normal.requests, known) >= LASTING**2 * normal.dispersion
            ):
                return found
        return None

    def _alert(self, normal: Normal, spike: Excursion) -> Event:
        state = self._state
        baseline = max(normal.rate, FLOOR_RATE)
        rate = spike.failures / spike.requests
        state.alarm_start = state.ring_bucket[spike.first] * self._width
        state.ratio = rate / baseline
        state.relief, state.low_bucket, state.peak = 0.0, -1, 0.0
        state.better, state.pending = 0.0, []
        state.peak_bucket, state.peak_requests, state.peak_failures = -1, 0, 0
        for at in range(spike.first, len(state.ring_bucket)):
            self._measure_peak(state.ring_bucket[at], state.ring_requests[at], state.ring_failures[at])
        return {
            "kind": "alert",
            "time": (state.bucket + 1) * self._width,
            "start": state.alarm_start,
            "rate": rate,
            "peak": max(state.peak, rate),
            "baseline": baseline,
            "multiplier": state.ratio,
            "requests": int(spike.requests),
            "failures": int(spike.failures),
        }

    def _measure_peak(self, bucket: int, requests: int, failures: int) -> None:
        state = self._state
        if state.peak_bucket < 0:
            state.peak_bucket = bucket
        state.peak_requests += requests
        state.peak_failures += failures
        if bucket - state.peak_bucket + 1 >= PEAK_BUCKETS and state.peak_requests >= PEAK_REQUESTS:
            state.peak = max(state.peak, state.peak_failures / state.peak_requests)
            state.peak_bucket, state.peak_requests, state.peak_failures = -1, 0, 0

    def _watch_alarm(self, normal: Normal, requests: int, failures: int) -> Event | None:
        state = self._state
        self._measure_peak(state.bucket, requests, failures)
        between = max(LEAST_BETWEEN, math.sqrt(1.25 * state.ratio))
        score = evidence(requests, failures, max(normal.rate, FLOOR_RATE), normal.dispersion, between)
        state.relief = max(0.0, state.relief - score)
        if state.relief <= 0.0:
            state.low_bucket = -1
        elif state.low_bucket < 0:
            state.low_bucket = state.bucket
        if state.relief >= RECOVERED and state.bucket - state.low_bucket >= BUCKETS_PER_HOLD:
            return self._end("recovery", state.low_bucket * self._width, normal)
        if len(state.pending) >= SETTLED_BLOCKS:
            state.base_requests = [entry[1] for entry in state.pending[-MIN_BLOCKS:]]
            state.base_failures = [entry[2] for entry in state.pending[-MIN_BLOCKS:]]
            state.pending, state.low_bucket = [], state.bucket + 1
            self._learn()
            return self._end("info", (state.bucket + 1) * self._width, normal)
        return None

    def _end(self, kind: str, end: float, normal: Normal) -> Event:
        """The alarm is over; what it was made of is forgotten."""
        state = self._state
        event = {
            "kind": kind,
            "time": (state.bucket + 1) * self._width,
            "start": state.alarm_start,
            "end": end,
            "peak": state.peak,
            "baseline": max(normal.rate, FLOOR_RATE),
        }
        gone = sum(bucket < state.low_bucket for bucket in state.ring_bucket)
        for ring in (state.ring_bucket, state.ring_requests, state.ring_failures):
            del ring[:gone]
        state.pending = [entry for entry in state.pending if entry[0] * BUCKETS_PER_HOLD >= state.low_bucket]
        state.alarm_start, state.suspicion, state.suspected_block = -1.0, 0.0, -1
        state.better, state.better_block = 0.0, -1
        return event

    def _watch_improvement(self, normal: Normal, requests: int, failures: int) -> Event | None:
        state = self._state
        if normal.rate <= FLOOR_RATE:
            return None
        score = evidence(requests, failures, normal.rate, normal.dispersion, 1.0 / DOUBLED)
        state.better = max(0.0, state.better + score)
        if state.better <= 0.0 or state.better_block < 0:
            state.better_block = state.block
        blocks = state.block - state.better_block
        if state.better < IMPROVED or blocks < IMPROVED_BLOCKS:
            return None
        keep = max(READY_BLOCKS, blocks - LAG_BLOCKS - 1)
        state.base_requests, state.base_failures = state.base_requests[-keep:], state.base_failures[-keep:]
        state.better, state.better_block = 0.0, state.block
        self._learn()
        return {
            "kind": "improvement",
            "time": (state.bucket + 1) * self._width,
            "start": (state.block - blocks) * BUCKETS_PER_HOLD * self._width,
            "baseline": normal.rate,
        }
