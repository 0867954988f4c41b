"""Whether a series of durations has become slower, said once."""

from __future__ import annotations

import math
from array import array
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from otelbridge.analysis.degradation import settings as known
from otelbridge.analysis.degradation.baseline import Baseline, evidence, highest_run, measure, middle
from otelbridge.analysis.degradation.blocks import Blocks, block_material, tail_rank
from otelbridge.analysis.degradation.cusum import Cusum
from otelbridge.analysis.degradation.first_day import explained_by_day
from otelbridge.analysis.degradation.season import SHORT_SECONDS, Season, slot_of
from otelbridge.analysis.degradation.settings import Settings

Floats = NDArray[np.float64]
Event = dict[str, Any]

SEASON_LIMIT = math.log(2.2)
WEEKEND = (36 * 3600.0, 66 * 3600.0)


class DegradationDetector:
    def __init__(self, **options: Any) -> None:
        self.settings = Settings(**options)
        self._channels = self.settings.channels()
        self._size = self.settings.block_size
        self._pending = array("d")
        self._pending_end = -math.inf
        self._last_end = -math.inf
        self._blocks = Blocks()
        self._cusums = (Cusum(), Cusum())
        self._bases = [Baseline(), Baseline()]
        self._season = Season()
        self._start = 0
        self._mode = 0  # 0 measured, 1 provisional, 2 hold
        self._window = (0, 0)
        self._alarm = -1
        self._alarm_at = 0
        self._grain = math.inf
        self._zero = known.VALUE_FLOOR
        self._before = math.nan
        self._improved = (-math.inf, 0.0)

    # values -> blocks
    def update(self, timestamp: float, value: float) -> Event | None:
        if not (0.0 <= value <= known.VALUE_CEILING and -known.VALUE_CEILING <= timestamp <= known.VALUE_CEILING):
            return None
        pending = self._pending
        pending.append(value)
        if timestamp > self._pending_end:
            self._pending_end = timestamp
        if len(pending) < self._size:
            return None
        size = self._size
        ordered = sorted(pending)
        lower, upper = ordered[(size - 1) // 2], ordered[size // 2]
        end = self._pending_end
        del pending[:]
        self._pending_end = -math.inf
        return self.update_block(lower + (upper - lower) * 0.5, ordered[tail_rank(size)], end)

    def update_many(self, timestamps: Floats, values: Floats) -> list[Event]:
        valid = (values >= 0.0) & (values <= known.VALUE_CEILING) & (np.abs(timestamps) <= known.VALUE_CEILING)
        if not valid.all():
            timestamps, values = timestamps[valid], values[valid]
        events: list[Event] = []
        size = self._size
        missing = (size - len(self._pending)) % size if len(self._pending) else 0
        for time, value in zip(timestamps[:missing].tolist(), values[:missing].tolist()):
            event = self.update(time, value)
            if event is not None:
                events.append(event)
        if len(values) <= missing:
            return events
        rows = (len(values) - missing) // size
        stop = missing + rows * size
        if rows:
            medians, tails = block_material(values[missing:stop].reshape(rows, size))
            ends = timestamps[missing:stop].reshape(rows, size).max(axis=1)
            for median, tail, end in zip(medians.tolist(), tails.tolist(), ends.tolist()):
                event = self.update_block(median, tail, end)
                if event is not None:
                    events.append(event)
        if stop < len(values):
            self._pending.extend(values[stop:].tolist())
            self._pending_end = float(timestamps[stop:].max())
        return events

    # the block step
    def update_block(self, median: float, p90: float, end: float) -> Event | None:
        if end < self._last_end:
            end = self._last_end
        self._last_end = end
        blocks = self._blocks
        number = blocks.count
        if median < self._grain or p90 < self._grain:
            self._find_grain(median, p90)
        x = (math.log(median or self._zero), math.log(p90 or self._zero))
        blocks.append(x[0], x[1], end)
        bases = self._bases
        if bases[0].blocks == 0:
            self._season.add(x[0], end, slot_of(end))
            if number + 1 >= 2 * known.FIRST_BLOCKS:
                self._refresh(number)
            return None
        offset = self._season.offset(end)
        for c in (0, 1):
            base = bases[c]
            seasonal = base.level + offset
            high = seasonal if seasonal > base.raw else base.raw
            low = seasonal if seasonal < base.raw else base.raw
            self._cusums[c].add(
                number, x[c] - high, low - x[c], known.ALLOWANCE * self._channels[c].threshold, base.spread
            )
        event = self._in_alarm(number, end) if self._alarm >= 0 else self._judge(number, end, offset)
        self._learn(number, x[0], end)
        if number % known.REFRESH_BLOCKS == 0 or (bases[0].blocks < 32 and number % 4 == 0):
            self._refresh(number)
        return event

    def _find_grain(self, median: float, p90: float) -> None:
        """Zero stands for half of the smallest value that is not zero."""
        first = self._grain == math.inf
        for value in (median, p90):
            if 0.0 < value < self._grain:
                self._grain = value
                self._zero = max(value / 2, known.VALUE_FLOOR)
        if first and self._grain < math.inf:
            lowest = math.log(self._zero)
            np.maximum(self._blocks.levels, lowest, out=self._blocks.levels)
            for base in self._bases:
                base.level, base.raw = max(base.level, lowest), max(base.raw, lowest)

    def _learn(self, number: int, x: float, end: float) -> None:
        season = self._season
        slot = slot_of(end)
        if self._alarm < 0 and (season.offsets is None or self._cusums[0].up < known.DECISION / 2):
            closed = season.add(x, end, slot)
        else:
            closed = season.skip(slot)
        if closed and season.complete(end):
            levels = self._blocks.levels[0, : self._blocks.size].astype(np.float64)
            steps = np.abs(np.diff(levels))
            noise = 1.4826 * float(np.median(steps)) / math.sqrt(2)
            season.learn(end, noise)

    def _refresh(self, number: int) -> None:
        if self._alarm >= 0 or (self._mode == 2 and number - self._start < 48):
            return
        limit = number + 1
        half = known.DECISION / 2
        for cusum in self._cusums:
            if cusum.up > half:
                limit = min(limit, cusum.up_start)
            if cusum.down > half:
                limit = min(limit, cusum.down_start)
        span = number + 1 - self._start
        if self._mode == 1 and span < 48:
            stop = limit
            begin = self._start
            if stop - begin < 3:
                return
            for c in (0, 1):
                base = self._bases[c]
                base.level = middle(self._flat(c, begin, stop), base.spread)
                raw = self._raw(c, begin, stop)
                base.raw = base.level if raw is None else raw
                base.blocks = stop - begin
            self._window = (begin, stop)
            return
        stop = min(limit, number + 1 - min(known.LAG_BLOCKS, span // 2))
        begin = max(self._start, stop - known.BASELINE_BLOCKS, self._blocks.first)
        if stop - begin < known.FIRST_BLOCKS:
            return
        self._mode = 0
        self._window = (begin, stop)
        for c in (0, 1):
            self._bases[c] = measure(self._flat(c, begin, stop), self._raw(c, begin, stop))

    def _raw(self, channel: int, start: int, stop: int) -> float | None:
        if self._season.offsets is None:
            return None
        where = self._blocks.within(start, stop)
        return middle(self._blocks.levels[channel, where].astype(np.float64), self._bases[channel].spread)

    def _distances(self, channel: int, start: int, stop: int, sign: float) -> Floats:
        """How far blocks lie beyond the baseline in the direction of `sign`, the nearer of the two expectations."""
        where = self._blocks.within(start, stop)
        base = self._bases[channel]
        levels = self._blocks.levels[channel, where].astype(np.float64)
        if self._season.offsets is None:
            return sign * (levels - base.level)
        seasonal = base.level + self._season.offsets_at(self._blocks.ends[where])
        return np.minimum(sign * (levels - seasonal), sign * (levels - base.raw))

    def _flat(self, channel: int, start: int, stop: int) -> Floats:
        """Levels of blocks without the season."""
        where = self._blocks.within(start, stop)
        return self._blocks.levels[channel, where] - self._season.offsets_at(self._blocks.ends[where])

    def _judge(self, number: int, end: float, offset: float) -> Event | None:
        for c in (0, 1):
            cusum = self._cusums[c]
            if cusum.up > known.DECISION:
                found = self._confirm(c, 1.0, cusum.up_start, number, offset)
                if found is not None:
                    return self._rise(c, cusum.up_start, number, end, offset, *found)
        for c in (0, 1):
            cusum = self._cusums[c]
            if cusum.down > known.DECISION:
                found = self._confirm(c, -1.0, cusum.down_start, number, offset)
                if found is not None:
                    return self._fall(c, cusum.down_start, number, end, offset, *found)
        self._absorb(number, end)
        return None

    def _undecided_day(self, end: float) -> bool:
        return self._season.offsets is None and self._season.elapsed(end) > SHORT_SECONDS

    def _absorb(self, number: int, end: float) -> None:
        if self._undecided_day(end):
            return
        half = known.DECISION / 2
        for cusum in self._cusums:
            if (cusum.up > half and number - cusum.up_start > known.ABSORPTION_BLOCKS) or (
                cusum.down > half and number - cusum.down_start > known.ABSORPTION_BLOCKS
            ):
                self._rebase(number, 32)
                return

    def _confirm(self, c: int, sign: float, start: int, number: int, offset: float) -> tuple[float, float, int] | None:
        channel, base = self._channels[c], self._bases[c]
        n = min(number - start + 1, known.LONGEST_WINDOW)
        if n < channel.min_blocks or (number - start > 16 and number % 4):
            return None
        distances = self._distances(c, number + 1 - n, number + 1, sign)
        reference = self._distances(c, *self._window, sign)
        limit = 3 * base.spread
        usual = float(np.clip(reference, -limit, limit).mean()) if len(reference) else 0.0
        thr = channel.threshold
        for m in (n, n // 2, n // 4):
            if m < channel.min_blocks:
                break
            window = distances[n - m :]
            effect = middle(window, base.spread) if m >= 8 else float(np.median(window))
            error = base.error(m)
            if effect < thr or effect - known.CONFIDENCE * error < known.CERTAIN_SHARE * thr:
                continue
            if m <= 4 and window.min() < 0.8 * thr:
                continue
            if float(np.minimum(window, 3 * limit).mean()) - usual < 0.7 * effect:
                continue
            normal = math.exp(base.level + offset)
            if abs(math.exp(sign * effect) - 1) * normal < self.settings.min_change:
                continue
            if np.count_nonzero(window > effect / 2) < 0.6 * m:
                continue
            if evidence(window, reference, effect / 2, base.correlation) < 8.0:
                continue
            if effect <= highest_run(reference, m, base.spread):
                continue
            if self._undecided_day(number and self._last_end) and effect < SEASON_LIMIT:
                where = self._blocks.within(0, number + 1)
                if explained_by_day(
                    sign * self._blocks.levels[c, where].astype(np.float64),
                    self._blocks.ends[where],
                    start - self._blocks.first,
                    0.6 * thr,
                    base.spread,
                ):
                    return None
            return effect, error, m
        return None

    def _event(self, kind: str, c: int, start: int, end: float, offset: float, effect: float, error: float) -> Event:
        base = self._bases[c]
        normal = math.exp(base.level + offset)
        recent = normal * math.exp(effect)
        return {
            "kind": kind,
            "time": end,
            "channel": self._channels[c].name,
            "since": self._blocks.end_of(start - 1),
            "baseline": normal,
            "recent": recent,
            "increase": math.expm1(effect),
            "change": recent - normal,
            "errors": effect / error,
        }

    def _rise(self, c, start, number, end, offset, effect, error, m):
        time, before = self._improved
        since = self._blocks.end_of(start - 1)
        if (
            WEEKEND[0] <= since - time <= WEEKEND[1]
            and self._bases[0].level + effect <= before + self._channels[0].threshold
        ):
            event = self._event("info", c, start, end, offset, effect, error)
            self._rebase(number, m)
            return event
        event = self._event("alert", c, start, end, offset, effect, error)
        self._alarm, self._alarm_at = c, number
        if self._season.offsets is None:
            self._season.forget(since, end)
        for cusum in self._cusums:
            cusum.clear()
        return event

    def _fall(self, c, start, number, end, offset, effect, error, m):
        base = self._bases[0].level
        event = self._event("improvement", c, start, end, offset, -effect, error)
        if not math.isnan(self._before) and abs(base - effect - self._before) < self._channels[0].threshold:
            event["kind"] = "recovery"
            self._before = math.nan
        else:
            self._improved = (event["since"], base)
        self._rebase(number, m)
        return event

    def _rebase(self, number: int, m: int) -> None:
        begin = number + 1 - m
        old = self._bases[0].level
        for c in (0, 1):
            self._bases[c] = self._moved(c, begin, number + 1)
            self._cusums[c].clear()
        self._season.shift(self._bases[0].level - old)
        self._start = begin
        self._window = (begin, number + 1)
        self._mode = 1

    def _moved(self, c: int, begin: int, stop: int) -> Baseline:
        base, raw = self._bases[c], self._raw(c, begin, stop)
        level = middle(self._flat(c, begin, stop), base.spread)
        return Baseline(level, base.spread, level if raw is None else raw, stop - begin, base.correlation)

    def _in_alarm(self, number: int, end: float) -> Event | None:
        c = self._alarm
        base, thr = self._bases[c], self._channels[c].threshold
        age = number - self._alarm_at
        for m in (8, 16, 32) if c == 0 else (16, 32):
            if m > 8 and (number % 4 or age < m):
                break
            levels = self._flat(c, number + 1 - m, number + 1) - base.level
            effect = max(float(np.median(levels)), float(np.clip(levels, -thr, 4 * thr).mean()))
            error = base.error(m)
            if effect < known.RECOVERY_SHARE * thr and effect + 1.5 * error < thr:
                event = self._event("recovery", c, number + 1 - m, end, self._season.offset(end), effect, error)
                self._alarm = -1
                self._start, self._mode = number + 1 - m, 2
                for cusum in self._cusums:
                    cusum.clear()
                return event
        if age < known.ADOPTION_BLOCKS or number % 4:
            return None
        levels = self._flat(c, number - 31, number + 1)
        drift = abs(float(np.median(levels[16:]) - np.median(levels[:16])))
        if drift > 0.35 * thr and age < known.ADOPTION_LIMIT:
            return None
        effect = float(np.median(levels)) - base.level
        event = self._event("info", c, number - 31, end, self._season.offset(end), effect, base.error(32))
        self._before = self._bases[0].level
        self._alarm = -1
        self._rebase(number, 32)
        return event
