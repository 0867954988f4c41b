"""Ticks: the steps in which the clock of a task moves, half a second of log time each."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

from otelbridge.engine.progress import Stamp

TICKS_PER_SECOND = 2
"""A decision may come half a second late; shorter ticks cost a trace stage each."""


def tick_of(time: float) -> int:
    """The tick in which a moment of log time (seconds since the epoch) lies."""
    return math.floor(time * TICKS_PER_SECOND)


def runs_of_ticks(stamps: Sequence[Stamp]) -> Iterator[tuple[int, int, int]]:
    """Consecutive records of one tick: the tick, and their range as [start, stop)."""
    start = 0
    for stop in range(1, len(stamps) + 1):
        tick = tick_of(stamps[stop - 1].time)
        if stop == len(stamps) or tick_of(stamps[stop].time) != tick:
            yield tick, start, stop
            start = stop
