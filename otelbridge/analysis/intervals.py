"""How much time groups of intervals cover, and how long they pause.

Works on arrays of many groups at once; times are integers in nanoseconds.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from otelbridge.analysis.grouping import Integers

LONGEST_NS = 1 << 45
"""Times are clipped to this distance (9.8 h) from the first start of their group: 2^18 groups fit into 63 bits."""

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Coverage:
    """One entry a group.

    Attributes:
        union_ns: time in which at least one interval runs.
        elapsed_ns: from the first start to the last end.
        median_pause_ns: median time between an interval's start and the end of all before it (0 when they overlap).
        regularity: standard deviation of the time from start to start, divided by its mean; 0 is a clock.
    """

    union_ns: Integers
    elapsed_ns: Integers
    median_pause_ns: Integers
    regularity: Floats


def cover(group_starts: Integers, start_ns: Integers, end_ns: Integers) -> Coverage:
    """Measure each group.

    Args:
        group_starts: index of the first interval of each group; a group ends where the next begins.
        start_ns: starts, ascending within each group.
        end_ns: ends, never before their start.
    """
    counts = np.diff(group_starts, append=len(start_ns))
    group = np.repeat(np.arange(len(counts)), counts)
    origin = start_ns[group_starts][group]
    base = group * LONGEST_NS
    start = base + np.minimum(start_ns - origin, LONGEST_NS - 1)
    end = base + np.minimum(end_ns - origin, LONGEST_NS - 1)
    latest = np.maximum.accumulate(end)
    before = np.roll(latest, 1)
    before[group_starts] = base[group_starts]
    union = np.add.reduceat(np.maximum(end - np.maximum(start, before), 0), group_starts)
    return Coverage(
        union_ns=union,
        elapsed_ns=np.maximum.reduceat(end, group_starts) - base[group_starts],
        median_pause_ns=_median_pause(np.maximum(start - before, 0), group, group_starts, counts),
        regularity=_regularity(start, group_starts, counts),
    )


def _median_pause(pause: Integers, group: Integers, group_starts: Integers, counts: Integers) -> Integers:
    ordered = pause[np.lexsort((pause, group))]
    # the first interval of a group has no pause before it; its 0 comes first
    return np.asarray(ordered[group_starts + np.where(counts > 1, 1 + (counts - 2) // 2, 0)])


def _regularity(start: Integers, group_starts: Integers, counts: Integers) -> Floats:
    step = np.diff(start, prepend=start[:1]).astype(np.float64)
    step[group_starts] = 0.0
    steps = np.maximum(counts - 1, 1)
    mean = np.add.reduceat(step, group_starts) / steps
    mean_square = np.add.reduceat(step * step, group_starts) / steps
    deviation = np.sqrt(np.maximum(mean_square - mean * mean, 0.0))
    return np.asarray(np.divide(deviation, mean, out=np.zeros_like(mean), where=mean > 0))
