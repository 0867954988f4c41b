"""Counts requests into time buckets, many at once.

The clock is the highest bucket seen so far, so what comes late counts in the bucket of its arrival.
"""

from __future__ import annotations

import math
from collections.abc import Iterable

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Group = tuple[int, int, int]
"""Bucket, requests, failures."""

LATEST_SECONDS = 1e11  # the year 5138; beyond it a timestamp is noise


def is_measured(timestamp: float, value: float) -> bool:
    """Whether both are numbers that a clock and a counter can give."""
    return 0.0 <= timestamp < LATEST_SECONDS and 0.0 <= value < math.inf


def count(timestamps: Floats, values: Floats, width: float, now: int, late: int) -> Iterable[Group]:
    """Count requests by bucket, in order of arrival, those that are not measured left out.

    Args:
        timestamps: seconds.
        values: not 0 is a failure.
        width: of a bucket, seconds.
        now: the bucket reached before.
        late: when anything comes this many buckets late, every request is a group, for the caller to judge.
    """
    with np.errstate(invalid="ignore"):
        measured = (timestamps >= 0.0) & (timestamps < LATEST_SECONDS) & (values >= 0.0) & (values < math.inf)
    if not measured.all():
        timestamps, values = timestamps[measured], values[measured]
    if not len(timestamps):
        return ()
    bucket = np.floor_divide(timestamps, width).astype(np.int64)
    failed = (values != 0.0).astype(np.int64)
    reached = np.maximum(np.maximum.accumulate(bucket), now)
    if int((reached - bucket).max()) > late:
        return zip(bucket.tolist(), [1] * len(bucket), failed.tolist(), strict=True)
    starts = np.concatenate(([0], np.flatnonzero(np.diff(reached)) + 1))
    requests = np.diff(starts, append=len(reached))
    return zip(reached[starts].tolist(), requests.tolist(), np.add.reduceat(failed, starts).tolist(), strict=True)
