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

import numpy as np

from otelbridge.analysis.error_baseline import Normal
from otelbridge.analysis.excursion import DOUBLED, Excursion, deviance, evidence, excursions, without_densest
from otelbridge.analysis.request_ledger import (
    BUCKETS_PER_HOLD,
    LAG_BLOCKS,
    READY_BLOCKS,
    SETTLED_BLOCKS,
    Event,
    RequestLedger,
)

FLOOR_RATE = 5e-4
"""Normal is at least this: at 100 requests/s a failure every 20 s. Twice nothing is nothing."""
MIN_FAILURES = 5.0
SIGNIFICANT = 5.0
"""In standard deviations: 3e-7 one-sided. Some 3000 overlapping stretches a day are looked at."""
BLIP_BUCKETS = 27
"""Nine tenths of the hold: without so long a part, the densest, a spike must still be one ..."""
EVEN, LASTING = 2.5, 3.0
"""... because it is more likely (e^2.5 = 12 to 1) one rate all along than a blip on a normal rate, or because the rest
is above normal by itself, by this many standard deviations. Two stray failures beside a blip pass neither."""
NEAR_ENOUGH = 0.9
"""The measured rate must reach this share of `multiplier`: well between 1.5 and 2 times normal, so that a true doubling
is found and a rise by half is not, though both are measured with an error."""
SUSPECTED, MOST_SUSPECTED = 2.5, 12.0
"""Of the running sum of evidence: above the first stretches are measured, the second lets an old incident fade."""
RECOVERED = 6.0
"""Evidence, e^6 = 400 to 1, for the normal rate over one between it and the spike's ..."""
BETWEEN, LEAST_BETWEEN = 1.25, 1.5
"""... which is the root of 1.25 times the spike's ratio: 1.6 for a doubling, 3.2 for eight times normal."""
IMPROVED, IMPROVED_BLOCKS = 10.0, 6
"""Evidence, and half an hour, for at most half the normal rate: then what came before is forgotten at once."""
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
        state = self._state
        rate = max(normal.rate, FLOOR_RATE)
        needed = min(NEAR_ENOUGH * self._multiplier * rate, (1.0 + rate) / 2.0)
        bucket = np.array(state.ring_bucket)
        requests = np.array(state.ring_requests, dtype=np.float64)
        failures = np.array(state.ring_failures, dtype=np.float64)
        for found in excursions(bucket, requests, failures, rate, normal.dispersion):
            blocks = (state.ring_bucket[found.last] - state.ring_bucket[found.first]) / BUCKETS_PER_HOLD
            if blocks < 1.0 or found.failures < self._min_failures:
                continue
            scatter = normal.dispersion * (1.0 + (normal.persistence - 1.0) * (1.0 - 1.0 / blocks))
            if not _is_above(normal, found.requests, found.failures, needed, SIGNIFICANT**2 * scatter):
                continue
            rest = without_densest(found, bucket, requests, failures, rate, BLIP_BUCKETS)
            beyond = 0.0 if rest.evenness >= EVEN * normal.dispersion else LASTING**2 * normal.dispersion
            if _is_above(normal, rest.requests, rest.failures, needed, beyond):
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
        state.better, state.better_block = 0.0, state.block
        self._learn()
        return {
            "kind": "improvement",
            "time": (state.bucket + 1) * self._width,
            "start": (state.block - blocks) * BUCKETS_PER_HOLD * self._width,
            "baseline": (self._normal or normal).rate,
        }


def _is_above(normal: Normal, requests: float, failures: float, needed_rate: float, deviance_least: float) -> bool:
    if requests <= 0.0 or failures < needed_rate * requests:
        return False
    known = max(normal.failures, normal.requests * FLOOR_RATE)
    return deviance(requests, failures, normal.requests, known) >= deviance_least
