"""Whether a level grows towards full, and how long that leaves.

A growth is believed for three times as long as it has been seen: an hour left takes twenty minutes of growth, two hours
take forty. Several windows are tried for that, each must grow in both halves and clearly more than its noise. And it
must lead above what was there before: what a sawtooth or a wave has reached and left again is no news.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from otelbridge.analysis.theil_sen import line, median, slope

Floats = npt.NDArray[np.float64]

WINDOWS_MINUTES = (90, 60, 40, 27, 20)
FAR_SIGHT = 3.0
"""A growth seen for w minutes is extrapolated over 3 w at most."""
MIN_POINTS, MAX_POINTS = 8, 45
"""With 8, both halves have a slope (of 6 pairs); 45 are 990 pairs, and more do not make a straight line straighter."""
HISTORY_MINUTES = 180
SHORT_HISTORY_MINUTES = 30
"""Less history than this, and nothing is known of waves and teeth: then only the longer windows count."""
BLIND_WINDOW_MINUTES = 40
LONG_WINDOW_MINUTES = 60
"""A growth this long need only lead above the last three hours; a shorter one above the last day."""
CLEAR = 4.0
"""Rise over a window in standard errors: with 5 windows tried each minute, chance alone would take years."""
LATE_SHARE, EARLY_SHARE = 0.75, 0.3
"""Slope of the second and the first half at least, in that of the whole: what slows down is settling."""
SLOWING = 0.8  # below, the second half's slope is extrapolated
SETBACK = 0.35
"""A growth may be set back by this share of its rise: more, and it is a sawtooth. Teeth on a leak are smaller."""
ON_THE_LINE = 3.0  # standard deviations that the last points may lie below the line: else it has just been left
HISTORY_NOISE = 2.5  # the rise in standard deviations of the history around its line
LEAST_SIGMA = 0.002  # a meter that shows percents


@dataclass(frozen=True, slots=True)
class Growth:
    """A growth that lasts.

    Attributes:
        level: now, on the line.
        per_minute: growth.
        minutes_left: until 1.
        window_minutes: that it was seen in.
    """

    level: float
    per_minute: float
    minutes_left: float
    window_minutes: int


def judge(minute: Floats, level: Floats, day_high: float, most_minutes_left: float) -> Growth | None:
    """The growth in the longest window that shows one.

    Args:
        minute: of each point, ascending, the last is now.
        level: 1 is full.
        day_high: the highest level within a day, before the longest of the short windows.
        most_minutes_left: a growth that leaves more is none.
    """
    for window in WINDOWS_MINUTES:
        begin = int(np.searchsorted(minute, minute[-1] - window - 0.5))
        if len(minute) - begin < MIN_POINTS or minute[-1] - minute[begin] < 0.9 * window:
            continue
        growth = _grows(minute[begin:], level[begin:], window, most_minutes_left)
        if growth and _leads_up(growth, minute, level, begin, day_high):
            return growth
    return None


def _grows(minute: Floats, level: Floats, window: int, most: float) -> Growth | None:
    third = max(1, len(level) // 3)
    now = median(level[-third:])
    rough = (now - median(level[:third])) / (minute[-1] - minute[0]) * 1.5
    if rough <= 0.0 or 1.0 - now > 1.5 * most * rough:
        return None
    smooth = _smooth(level)
    step = -(-len(level) // MAX_POINTS)
    minute, level = minute[(len(level) - 1) % step :: step], level[(len(level) - 1) % step :: step]
    per_minute, end, sigma = line(minute, level)
    half = len(minute) // 2
    early, late = slope(minute[:half], level[:half]), slope(minute[half:], level[half:])
    if per_minute <= 0.0 or late < LATE_SHARE * per_minute or early < EARLY_SHARE * per_minute:
        return None
    span = float(minute[-1] - minute[0])
    error = max(sigma, LEAST_SIGMA) * (12.0 / len(minute)) ** 0.5
    rise = per_minute * span
    setback = float((np.maximum.accumulate(smooth) - smooth).max())
    if rise < CLEAR * error or setback > SETBACK * rise or smooth[-1] < end - ON_THE_LINE * max(sigma, LEAST_SIGMA):
        return None
    pace = (late if late < SLOWING * per_minute else per_minute) - error / span
    left = max(0.0, 1.0 - end) / pace
    if not 0.0 <= left <= min(most, FAR_SIGHT * window):
        return None
    return Growth(end, per_minute, left, window)


def _leads_up(growth: Growth, minute: Floats, level: Floats, begin: int, day_high: float) -> bool:
    """Whether it rises above what was there before its window, by more than that scattered."""
    first = int(np.searchsorted(minute, minute[-1] - growth.window_minutes - HISTORY_MINUTES))
    minute, level = minute[first:begin], level[first:begin]
    if len(minute) < MIN_POINTS or minute[-1] - minute[0] < SHORT_HISTORY_MINUTES:
        return growth.window_minutes >= BLIND_WINDOW_MINUTES
    if growth.window_minutes < LONG_WINDOW_MINUTES and growth.level <= day_high:
        return False
    step = -(-len(level) // MAX_POINTS)
    _, _, sigma = line(minute[::step], level[::step])
    rise = growth.per_minute * growth.window_minutes
    return growth.level > float(_smooth(level).max()) + sigma and rise >= HISTORY_NOISE * sigma


def _smooth(level: Floats) -> Floats:
    """The median of each three points in a row, of at least three."""
    return np.asarray(np.sort(np.stack([level[:-2], level[1:-1], level[2:]]), axis=0)[1])
