"""Which time bucket an arrival belongs to, many at once.

The clock is the highest bucket seen so far, so what comes late belongs to the bucket of its arrival.
"""

from __future__ import annotations

import math
from collections.abc import Iterable

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]
Group = tuple[int, int, int]
"""Bucket, requests, failures."""

LATEST_SECONDS = 2.0**32  # the year 2106; beyond it a timestamp is noise, and a bucket of a second needs 33 bits


def is_measured(timestamp: float, value: float) -> bool:
    """Whether both are numbers that a clock and a meter can give."""
    return 0.0 <= timestamp < LATEST_SECONDS and 0.0 <= value < math.inf


def arrivals(
    timestamps: Floats, values: Floats, width: float, now: int, late: int
) -> tuple[Integers, Floats, list[int]]:
    """The bucket and the value of what is measured, and where runs of one bucket begin.

    Args:
        timestamps: seconds.
        values: not finite or negative ones are left out.
        width: of a bucket, seconds.
        now: the bucket reached before.
        late: when anything comes more buckets late than this, buckets are as stamped and each arrival is a run of its
            own, for the caller to judge.
    """
    with np.errstate(invalid="ignore"):
        measured = (timestamps >= 0.0) & (timestamps < LATEST_SECONDS) & (values >= 0.0) & (values < math.inf)
    if not measured.all():
        timestamps, values = timestamps[measured], values[measured]
    bucket = np.floor_divide(timestamps, width).astype(np.int64)
    if not len(bucket):
        return bucket, values, []
    reached = np.maximum(np.maximum.accumulate(bucket), now)
    if int((reached - bucket).max()) > late:
        return bucket, values, list(range(len(bucket)))
    return reached, values, [0, *(np.flatnonzero(np.diff(reached)) + 1).tolist()]


def count(timestamps: Floats, values: Floats, width: float, now: int, late: int) -> Iterable[Group]:
    """Requests by bucket, in order of arrival; a value other than 0 is a failure. For the rest see `arrivals`."""
    bucket, values, runs = arrivals(timestamps, values, width, now, late)
    if not runs:
        return ()
    requests = np.diff(runs, append=len(bucket)).tolist()
    failures = np.add.reduceat((values != 0.0).astype(np.int64), runs).tolist()
    return zip(bucket[runs].tolist(), requests, failures, strict=True)
