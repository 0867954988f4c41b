"""Failures against their own normal rate: one alert a spike, one recovery.

A spike is a rate above `multiplier` times normal for the whole of `hold_seconds`. Three questions are asked when a time
bucket closes, and all three must be answered yes: did the rate stay above without a break for that long (`excursion`),
is it that high, and could it be `chance`, given how much this series' failures scatter anyway (`error_baseline`)? What
is normal lags behind and stands still while anything is suspected, so that a slow rise is not learnt while it happens.

Time comes from the timestamps alone. A request that comes late counts in the current bucket: the outcome depends on the
order of arrival at most by a bucket, and never on how arrivals are cut into batches.
"""

from __future__ import annotations

import math

import numpy as np

from otelbridge.analysis.chance import failures_of, moments, moments_of, most_significance
from otelbridge.analysis.error_baseline import FLOOR_RATE, Normal
from otelbridge.analysis.excursion import (
    DOUBLED,
    Excursion,
    Floats,
    Integers,
    Rest,
    evidence,
    excursions,
    without_densest,
)
from otelbridge.analysis.request_ledger import (
    BUCKETS_PER_HOLD,
    LAG_BLOCKS,
    READY_BLOCKS,
    SETTLED_BLOCKS,
    Event,
    RequestLedger,
    counts,
)

MIN_FAILURES = 5.0
SIGNIFICANT = 4.25
"""In standard deviations: 1e-5 one-sided. A day has some hundred stretches that do not overlap."""
BLIP_BUCKETS = 27
"""Nine tenths of the hold: without so long a part, the densest, a spike must still be one ..."""
LASTING_IF_EVEN, LASTING = 3.0, 3.5
"""... above normal by itself, by this many standard deviations: the first where one rate all along is at least as
likely as a blip on a normal rate. Two stray failures beside a blip pass neither."""
NEAR_ENOUGH = 0.87
"""The measured rate must reach this share of `multiplier`: well between 1.5 and 2 times normal, so that a true doubling
is found and a rise by half is not, though both are measured with an error."""
SUSPECTED, MOST_SUSPECTED = 2.5, 12.0
"""Of the running sum of evidence: above the first stretches are measured, the second lets an old incident fade."""
RECOVERED = 6.0
"""Evidence, e^6 = 400 to 1, for the normal rate over one between it and the spike's ..."""
BETWEEN, LEAST_BETWEEN = 1.25, 1.5
"""... which is the root of 1.25 times the spike's ratio: 1.6 for a doubling, 3.2 for eight times normal."""
IMPROVED, IMPROVED_BLOCKS = 15.0, 36
"""Evidence, and three hours, for at most half the normal rate: then what came before is forgotten at once. Sooner, and
what is forgotten for a quiet hour makes the next ordinary one a spike."""
PEAK_REQUESTS, PEAK_BUCKETS = 10, 6  # a peak is measured over a minute and ten requests, or it is an accident


class ErrorSpikeDetector(RequestLedger):
    """One series of requests.

    `update`, `update_counts` and `update_many` give events, dictionaries with `kind` and `time` (seconds):

    - `alert`: start, rate, peak (over a minute), baseline, multiplier (rate / baseline), requests, failures
    - `recovery`: start, end, peak, baseline
    - `info`: the same, when the spike has lasted so long that it is normal now
    - `improvement`: start, baseline (the new one)
    """

    def __init__(
        self, hold_seconds: float = 300.0, multiplier: float = 2.0, min_failures: float = MIN_FAILURES
    ) -> None:
        """`hold_seconds` and `multiplier` define a spike; fewer than `min_failures` never are one."""
        super().__init__(hold_seconds)
        self._multiplier = multiplier
        self._min_failures = min_failures

    def _judge(self, normal: Normal, requests: int, failures: int) -> Event | None:
        if self._state.alarm_start >= 0.0:
            return self._watch_alarm(normal, requests, failures)
        return self._watch_improvement(normal, requests, failures) or self._watch(normal, requests, failures)

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
        """A stretch that goes on, is long enough, high enough, no chance and no blip."""
        state = self._state
        rate = max(normal.rate, FLOOR_RATE)
        needed = min(NEAR_ENOUGH * self._multiplier * rate, (1.0 + rate) / 2.0)
        bucket, requests, failures = self._recent()
        by_bucket = len(bucket) - len(state.ring_bucket)
        for found in excursions(bucket, requests, failures, rate, normal.dispersion):
            begin, end = int(bucket[found.first]), int(bucket[found.last])
            if end - begin < BUCKETS_PER_HOLD or state.bucket - end > BUCKETS_PER_HOLD:
                continue
            if found.failures < max(self._min_failures, needed * found.requests):
                continue
            if (
                most_significance(normal, found.requests, found.failures, (end - begin) / BUCKETS_PER_HOLD)
                < SIGNIFICANT**2
            ):
                continue
            part = slice(found.first, found.last + 1)
            stretch = bucket[part], requests[part], failures[part]
            blip = BLIP_BUCKETS if found.first >= by_bucket else BLIP_BUCKETS + BUCKETS_PER_HOLD
            rest = without_densest(*stretch, rate, blip)
            if rest.failures >= needed * rest.requests and self._is_certain(normal, found, *stretch, rest):
                return found
        return None

    def _is_certain(
        self, normal: Normal, found: Excursion, bucket: Integers, requests: Floats, failures: Floats, rest: Rest
    ) -> bool:
        holds = float(bucket[-1] - bucket[0]) / BUCKETS_PER_HOLD
        counting = failures_of(normal, bucket, requests, failures)
        lasting = (LASTING_IF_EVEN if rest.evenness >= 0.0 else LASTING) ** 2
        by_failures = (
            counting.significance(found.requests, found.failures, holds) >= SIGNIFICANT**2
            and counting.significance(rest.requests, rest.failures) >= lasting
        )
        if normal.moments < 0.0:
            return by_failures
        seen = moments(bucket, failures)
        if seen < self._min_failures:
            return False
        if by_failures:
            return True
        counting = moments_of(normal)
        if counting.significance(found.requests, seen, holds) < SIGNIFICANT**2:
            return False
        outside = np.r_[0 : rest.begin, rest.end : len(bucket)]
        return counting.significance(rest.requests, moments(bucket[outside], failures[outside])) >= lasting

    def _alert(self, normal: Normal, spike: Excursion) -> Event:
        state = self._state
        baseline = max(normal.rate, FLOOR_RATE)
        rate = spike.failures / spike.requests
        blocks = self._blocks_before_ring()
        first = spike.first - len(blocks)
        begin = state.ring_bucket[first] if first >= 0 else blocks[first][0] * BUCKETS_PER_HOLD
        state.alarm_start = begin * self._width
        state.ratio = rate / baseline
        state.relief, state.low_bucket, state.peak = 0.0, -1, 0.0
        state.better, state.pending = 0.0, []
        state.peak_bucket, state.peak_requests, state.peak_failures = -1, 0, 0
        for at in range(max(0, first), len(state.ring_bucket)):
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
        between = max(LEAST_BETWEEN, math.sqrt(BETWEEN * state.ratio))
        score = evidence(requests, failures, max(normal.rate, FLOOR_RATE), normal.dispersion, between)
        state.relief = max(0.0, state.relief - score)
        if state.relief <= 0.0:
            state.low_bucket = -1
        elif state.low_bucket < 0:
            state.low_bucket = state.bucket
        if state.relief >= RECOVERED and state.bucket - state.low_bucket >= BUCKETS_PER_HOLD:
            return self._end("recovery", state.low_bucket * self._width, normal)
        if len(state.pending) >= SETTLED_BLOCKS:
            self._adopt()
            state.low_bucket = state.bucket + 1
            return self._end("info", (state.bucket + 1) * self._width, self._normal or normal)
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
        self._forget_before(state.low_bucket)
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
        state.base_moments, state.older = state.base_moments[-keep:], counts()
        state.better, state.better_block = 0.0, state.block
        self._learn()
        return {
            "kind": "improvement",
            "time": (state.bucket + 1) * self._width,
            "start": (state.block - blocks) * BUCKETS_PER_HOLD * self._width,
            "baseline": (self._normal or normal).rate,
        }
