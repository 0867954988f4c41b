"""Since when has a rate of failures been above normal, without a break?

The answer is the stretch of time buckets that fits an elevated rate best, found with running sums of log-likelihood
ratios (a failure speaks for the elevated rate, a request for the normal one), then cut wherever a pause inside it fits
the normal rate clearly better than the stretch's own. So a spike's length is measured and not assumed, in whatever
traffic there is: at 100 requests/s a minute without failures is a pause, at 0.1 requests/s it says nothing.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
import numpy.typing as npt

Integers = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]

DOUBLED = 2.0
"""Elevated, to begin with: with this alternative the sums rise where the rate is above 1.44 times normal."""
PAUSE_SCORE = 4.0
"""A pause is believed when it is e^4 = 55 times likelier at the normal rate."""
PAUSE_BUCKETS = 6
"""Shorter pauses are no end of a spike: failures come in bursts. A minute of 10 s buckets."""
CUTS = 8  # pauses cut out at most; each cut shortens the stretch


@dataclass(frozen=True, slots=True)
class Excursion:
    """A stretch above normal.

    Attributes:
        first: its first bucket, index into the arrays.
        last: its last bucket.
        requests: in it.
        failures: in it.
    """

    first: int
    last: int
    requests: float
    failures: float


Counts = TypeVar("Counts", float, Floats)


def evidence(requests: Counts, failures: Counts, normal: float, dispersion: float, ratio: float) -> Counts:
    """Log-likelihood of `ratio` times the normal rate over that of the normal rate, Poisson, by bucket."""
    return (failures * math.log(ratio) - requests * (normal * (ratio - 1.0))) / dispersion


def excursions(
    bucket: Integers, requests: Floats, failures: Floats, normal: float, dispersion: float
) -> Iterator[Excursion]:
    """The stretches above normal, oldest first; the strongest may swallow weaker ones before it.

    Args:
        bucket: number of each time bucket, ascending, not all of them there.
        requests: in each bucket, at least one.
        failures: in each bucket.
        normal: rate of failures, above 0.
        dispersion: variance of the failures in a bucket, divided by their expectation.
    """
    scores = evidence(requests, failures, normal, dispersion, DOUBLED)
    begin = 0
    while begin < len(bucket):
        first, stop = _best(scores, begin, len(bucket))
        if first >= stop:
            return
        begin = stop
        for _ in range(CUTS):
            total, failed = float(requests[first:stop].sum()), float(failures[first:stop].sum())
            ratio = max(failed / total / normal, DOUBLED)
            against = -evidence(requests[first:stop], failures[first:stop], normal, dispersion, ratio)
            pause = _pause(bucket[first:stop], against)
            if pause is None:
                yield Excursion(first, stop - 1, total, failed)
                break
            if first + pause[1] < stop:
                first += pause[1]
            else:
                stop = begin = first + pause[0]
            first, stop = _best(scores, first, stop)
            if first >= stop:
                break


def _best(scores: Floats, first: int, stop: int) -> tuple[int, int]:
    """The part of [first, stop) with the highest sum among those that begin where the sum was lowest."""
    sums = np.concatenate(([0.0], np.cumsum(scores[first:stop])))
    begin = len(sums) - 1 - int(np.argmin(sums[::-1]))
    end = begin + int(np.argmax(sums[begin:]))
    return first + begin, first + end


def _pause(bucket: Integers, against: Floats) -> tuple[int, int] | None:
    """The best sum of `against` as [begin, end), if that is a pause."""
    sums = np.concatenate(([0.0], np.cumsum(against)))
    rise = sums - np.minimum.accumulate(sums)
    end = int(np.argmax(rise))
    if rise[end] < PAUSE_SCORE:
        return None
    begin = int(np.argmin(sums[: end + 1]))
    if bucket[end - 1] - bucket[begin] + 1 < PAUSE_BUCKETS:
        return None
    return begin, end


@dataclass(frozen=True, slots=True)
class Rest:
    """A stretch without its densest part.

    Attributes:
        requests: in the rest.
        failures: in it.
        evenness: log-likelihood of one rate all along over that of an own rate in the dense part and the normal rate
            in the rest.
        begin: of the dense part.
        end: of it.
    """

    requests: float
    failures: float
    evenness: float
    begin: int
    end: int


def without_densest(at: Integers, total: Floats, failed: Floats, normal: float, buckets: int) -> Rest:
    """What is left of a stretch without the part of at most this many buckets that has most failures beyond normal."""
    requests, failures = float(total.sum()), float(failed.sum())
    sums = np.concatenate(([0.0], np.cumsum(failed - total * normal)))
    ends = np.searchsorted(at, at + buckets)
    begin = int(np.argmax(sums[ends] - sums[:-1]))
    end = int(ends[begin])
    dense_total, dense_failed = float(total[begin:end].sum()), float(failed[begin:end].sum())
    rest_total, rest_failed = requests - dense_total, failures - dense_failed
    evenness = (
        _fit(failures, failures / requests) - _fit(dense_failed, dense_failed / dense_total) - _fit(rest_failed, normal)
    ) - (failures - dense_failed - rest_total * normal)
    return Rest(rest_total, rest_failed, evenness, begin, end)


def _fit(failures: float, rate: float) -> float:
    return failures * math.log(rate) if failures > 0.0 else 0.0
