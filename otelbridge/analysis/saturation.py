"""A resource on its way to full: one finding an approach, before it is there.

Two ways lead to an alert: growth that fills the resource within two hours (`growth`), and a level above 0.85 that
lasts. Both lead to one and the same alarm, so an approach that was predicted is not reported again when it
arrives; it ends when the level has clearly fallen, or has stood still for long.

Samples become one-minute medians, so spikes within a minute and the spacing of samples do not matter. Time comes from
the timestamps alone; a late sample belongs to the minute of its arrival.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable, MutableSequence
from itertools import accumulate
from typing import Any

import msgspec
import numpy as np

from otelbridge.analysis.growth import WINDOWS_MINUTES, Growth, judge
from otelbridge.analysis.theil_sen import median
from otelbridge.analysis.time_buckets import Floats, arrivals, is_measured

Event = dict[str, Any]

MINUTE_SECONDS = 60.0
MAX_SAMPLES = 64
"""Of a minute; beyond, every second one is kept, then every fourth: a median of 64 is as good."""
RING = 300
"""Minutes with samples that are kept: the longest window (90) and the three hours before it."""
WARM_UP_MINUTES = 60
"""What a series does first may be its start."""
HIGH_MINUTES, HIGHS = 30, 48  # the highest level of each half hour of a day
HOLD_MINUTES = 15
"""For this long must a growth fill the resource in time, or the level be high ..."""
URGENT = 8.0
"""... or an eighth of the time that is left, if that is shorter."""
CANDIDATE = 1.15  # the hold begins at 1.15 times the horizon: the estimate scatters by some 10 %
MISSES = 3  # minutes in which a growth may not be seen, without being over
SMOOTH_POINTS, SMOOTH_MINUTES = 5, 9  # the level is the median of the last 5 points, if they are that young
FALL, FALL_SHARE = 0.08, 0.2
"""The alarm ends this much, or this share of it, below its peak; measured over HOLD_MINUTES."""
STILL_MINUTES, STILL, STILL_BELOW = 120, 0.04, 0.05
"""Or when the level has stayed within 0.04 for two hours, 0.05 below the high level: growth has stopped."""
LATE_MINUTES, LATE_IN_A_ROW = 60, 30
"""Later than that is ignored, unless it goes on: then an earlier timestamp was wrong, and time starts again."""


def _integers(values: Iterable[int] = ()) -> MutableSequence[int]:
    """Arrays, not lists: 8 bytes an entry and not 36."""
    return array("q", values)


def _floats(values: Iterable[float] = ()) -> MutableSequence[float]:
    return array("d", values)


class _State(msgspec.Struct, array_like=True):
    minute: int = -1
    samples: MutableSequence[float] = msgspec.field(default_factory=_floats)
    sample_step: int = 1
    sample_number: int = 0
    late: int = 0
    born: int = -1
    ring_minute: MutableSequence[int] = msgspec.field(default_factory=_integers)
    ring_level: MutableSequence[float] = msgspec.field(default_factory=_floats)
    high_half_hour: MutableSequence[int] = msgspec.field(default_factory=_integers)
    high_level: MutableSequence[float] = msgspec.field(default_factory=_floats)
    high_since: int = -1
    growth_since: int = -1
    misses: int = 0
    alarm_since: int = -1
    peak: float = 0.0


class SaturationDetector:
    """One series of utilisation, 0 to 1.

    State: at most 8 KiB, 300 minutes and a day of half hours.
    """

    def __init__(self, horizon_seconds: float = 7200.0, high_level: float = 0.85) -> None:
        """Alert when full within `horizon_seconds`, or above `high_level` for a quarter of an hour."""
        self._horizon = horizon_seconds / MINUTE_SECONDS
        self._high_level = high_level
        self._state = _State()

    def update(self, timestamp: float, value: float) -> Event | None:
        """Take one sample. What became known by it: at most one event.

        Args:
            timestamp: seconds. Not finite, negative: ignored.
            value: utilisation, 1 is full. Not finite, negative: ignored.
        """
        if not is_measured(timestamp, value):
            return None
        return self._take(int(timestamp // MINUTE_SECONDS), [float(value)])

    def update_many(self, timestamps: Floats, values: Floats) -> list[Event]:
        """What `update` would give, one after the other; the cost is that of the minutes that are touched."""
        state = self._state
        late = -1 if state.late else LATE_MINUTES
        minute, values, runs = arrivals(timestamps, values, MINUTE_SECONDS, state.minute, late)
        level = values.tolist()
        stops = [*runs[1:], len(level)]
        taken = (self._take(int(minute[begin]), level[begin:end]) for begin, end in zip(runs, stops, strict=True))
        return [event for event in taken if event is not None]

    def snapshot(self) -> bytes:
        """Everything known, mid-minute too."""
        state = self._state
        steps = [now - before for before, now in zip([0, *state.ring_minute], state.ring_minute, strict=False)]
        lists = {
            "samples": list(state.samples),
            "ring_minute": steps,
            "ring_level": list(state.ring_level),
            "high_half_hour": list(state.high_half_hour),
            "high_level": list(state.high_level),
        }
        return msgspec.msgpack.encode(msgspec.structs.replace(state, **lists))

    def restore(self, state: bytes) -> None:
        """Take over what `snapshot` wrote."""
        saved = msgspec.msgpack.decode(state, type=_State)
        saved.samples = _floats(saved.samples)
        saved.ring_minute = _integers(accumulate(saved.ring_minute))
        saved.ring_level = _floats(saved.ring_level)
        saved.high_half_hour = _integers(saved.high_half_hour)
        saved.high_level = _floats(saved.high_level)
        self._state = saved

    def _take(self, minute: int, samples: list[float]) -> Event | None:
        state = self._state
        event = None
        if minute > state.minute:
            event = self._close()
            state.minute = minute
        elif state.minute - minute > LATE_MINUTES:
            state.late += 1
            if state.late < LATE_IN_A_ROW:
                return None
            event = self._close()
            self._state = state = _State(minute=minute)
        state.late = 0
        for sample in samples:
            if state.sample_number % state.sample_step == 0:
                state.samples.append(sample)
                if len(state.samples) > MAX_SAMPLES:
                    del state.samples[1::2]
                    state.sample_step *= 2
            state.sample_number += 1
        return event

    def _close(self) -> Event | None:
        """The current minute is over."""
        state = self._state
        if not state.samples:
            return None
        state.ring_minute.append(state.minute)
        state.ring_level.append(median(np.array(state.samples)))
        state.samples, state.sample_step, state.sample_number = _floats(), 1, 0
        if len(state.ring_minute) > RING:
            del state.ring_minute[0], state.ring_level[0]
        if state.born < 0:
            state.born = state.minute
        level = self._level(SMOOTH_MINUTES, SMOOTH_POINTS)
        self._note_high(level)
        if state.alarm_since >= 0:
            return self._watch_alarm(level)
        return self._watch(level)

    def _level(self, minutes: int, points: int = RING) -> float:
        """The median of the last points within so many minutes, of two points at least."""
        state = self._state
        young = [
            level
            for at, level in zip(state.ring_minute[-points:], state.ring_level[-points:], strict=True)
            if state.minute - at < minutes
        ]
        return median(np.asarray(young if len(young) > 1 else state.ring_level[-2:]))

    def _note_high(self, level: float) -> None:
        state = self._state
        half_hour = state.minute // HIGH_MINUTES
        if state.high_half_hour and state.high_half_hour[-1] == half_hour:
            state.high_level[-1] = max(level, state.high_level[-1])
        else:
            state.high_half_hour.append(half_hour)
            state.high_level.append(level)
            while half_hour - state.high_half_hour[0] > HIGHS:
                del state.high_half_hour[0], state.high_level[0]

    def _watch(self, level: float) -> Event | None:
        state = self._state
        if level <= self._high_level:
            state.high_since = -1
        elif state.high_since < 0:
            state.high_since = state.minute
        growth = self._growth()
        if growth is None:
            state.misses += 1
            if state.misses > MISSES:
                state.growth_since = -1
        else:
            state.misses = 0
            if state.growth_since < 0:
                state.growth_since = state.minute
        if state.high_since >= 0 and state.minute - state.high_since >= HOLD_MINUTES:
            return self._alert(level, growth, "high")
        if growth is None or growth.minutes_left > self._horizon:
            return None
        if state.minute - state.growth_since < min(HOLD_MINUTES, growth.minutes_left / URGENT):
            return None
        return self._alert(level, growth, "growth")

    def _growth(self) -> Growth | None:
        state = self._state
        if state.minute - state.born < WARM_UP_MINUTES:
            return None
        before = (state.minute - WINDOWS_MINUTES[2]) // HIGH_MINUTES
        highs = zip(state.high_half_hour, state.high_level, strict=True)
        day_high = max((high for half_hour, high in highs if half_hour < before), default=0.0)
        minutes = np.array(state.ring_minute, dtype=np.float64)
        return judge(minutes, np.array(state.ring_level), day_high, CANDIDATE * self._horizon)

    def _alert(self, level: float, growth: Growth | None, reason: str) -> Event:
        state = self._state
        state.alarm_since, state.peak = state.minute, level
        return {
            "kind": "alert",
            "reason": reason,
            "time": (state.minute + 1) * MINUTE_SECONDS,
            "utilization": level,
            "growth_per_hour": growth.per_minute * 60.0 if growth else 0.0,
            "seconds_to_saturation": growth.minutes_left * MINUTE_SECONDS if growth else None,
        }

    def _watch_alarm(self, level: float) -> Event | None:
        state = self._state
        lasting = self._level(HOLD_MINUTES)
        state.peak = max(state.peak, lasting)
        if state.minute - state.alarm_since < HOLD_MINUTES:
            return None
        fallen = lasting < state.peak - max(FALL, FALL_SHARE * state.peak) and level < self._high_level
        if not fallen and not self._stands_still(lasting):
            return None
        event = {
            "kind": "recovery",
            "reason": "fell" if fallen else "levelled off",
            "time": (state.minute + 1) * MINUTE_SECONDS,
            "start": state.alarm_since * MINUTE_SECONDS,
            "utilization": lasting,
            "peak": state.peak,
        }
        # What led up to the alarm is no measure for the next approach.
        since = state.minute - (HOLD_MINUTES if fallen else STILL_MINUTES)
        gone = sum(minute < since for minute in state.ring_minute)
        del state.ring_minute[:gone], state.ring_level[:gone]
        state.high_half_hour, state.high_level = _integers(), _floats()
        state.alarm_since = state.high_since = state.growth_since = -1
        return event

    def _stands_still(self, lasting: float) -> bool:
        state = self._state
        if lasting >= self._high_level - STILL_BELOW or state.minute - state.alarm_since < STILL_MINUTES:
            return False
        minutes, levels = np.array(state.ring_minute), np.array(state.ring_level)
        levels = levels[minutes > state.minute - STILL_MINUTES]
        parts = [median(part) for part in np.array_split(levels, 4) if len(part)]
        return max(parts) - min(parts) < STILL
