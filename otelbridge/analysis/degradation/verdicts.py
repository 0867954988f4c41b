"""From blocks to events: what is suspicious, what is confirmed, and what is over."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from otelbridge.analysis.degradation import evidence
from otelbridge.analysis.degradation.baseline import median, middle
from otelbridge.analysis.degradation.cusum import Cusum, CusumState
from otelbridge.analysis.degradation.events import Event, Kind, event
from otelbridge.analysis.degradation.evidence import Effect
from otelbridge.analysis.degradation.normal import Normal, NormalState
from otelbridge.analysis.degradation.settings import (
    ABSORPTION_BLOCKS,
    ADOPTED_BLOCKS,
    ADOPTION_BLOCKS,
    ADOPTION_LIMIT,
    BRIEF_SECONDS,
    DECISION,
    FIRST_BLOCKS,
    FIRST_DAY_ADOPTION_BLOCKS,
    RECOVERY_CONFIDENCE,
    RECOVERY_SHARE,
    STANDSTILL_SHARE,
    WEEKEND_SECONDS,
    Settings,
)

Floats = NDArray[np.float64]

UP, DOWN = 1.0, -1.0
NO_ALARM = -1
SUSPICIOUS = DECISION / 2
"""Sum from which on blocks are kept out of the baseline."""

VerdictsState = tuple[NormalState, tuple[CusumState, CusumState], int, int, float, bool, float, float, float, float]


class Verdicts:
    """Judges every block of a series."""

    __slots__ = (
        "_alarm",
        "_alarm_block",
        "_alarm_since",
        "_before_alert",
        "_cusums",
        "_end",
        "_improved",
        "_is_told",
        "_normal",
        "_settings",
        "_slower_before",
    )

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._normal = Normal()
        self._cusums = (Cusum(), Cusum())
        self._end = -math.inf
        self._alarm = NO_ALARM
        """Channel that raised the alert which is not over."""
        self._alarm_block = 0
        self._alarm_since = 0.0
        self._is_told = True
        """Whether the alert has lasted for long enough to be one."""
        self._before_alert = math.nan
        """Level before the last alert whose level became the new normal."""
        self._improved = -math.inf
        """When the series last became faster."""
        self._slower_before = 0.0
        """Its level before."""

    def add(self, median: float, tail: float, end: float) -> Event | None:
        """Judge one block: its median and 90th percentile in the unit of the values, and when it ended."""
        if end > self._end:
            self._end = end
        end = self._end
        normal = self._normal
        blocks = normal.blocks
        number = blocks.count
        levels = blocks.append(median, tail, end)
        if normal.bases[0].blocks == 0:
            normal.learn_day(levels[0], end)
            if number + 1 >= 2 * FIRST_BLOCKS:
                normal.refresh(number, number + 1)
            return None
        self._count(number, levels, end)
        found = self._judge(number) if self._alarm == NO_ALARM else self._watch(number)
        settled = self._alarm == NO_ALARM
        ordinary = normal.season.offsets is None or (settled and self._cusums[0].up < SUSPICIOUS)
        normal.learn_day(levels[0], end, ordinary=ordinary, settled=settled)
        if settled and normal.is_due(number):
            first, second = self._cusums
            normal.refresh(number, first.suspect_since(SUSPICIOUS, second.suspect_since(SUSPICIOUS, number + 1)))
        return found

    def _count(self, number: int, levels: tuple[float, float], end: float) -> None:
        normal = self._normal
        offset = normal.season.offset(end)
        allowances = self._settings.allowances
        for cusum, base, level, allowance in zip(self._cusums, normal.bases, levels, allowances, strict=True):
            known, raw, spread, _, _ = base  # at once: this is done for every block of every series
            expected = known + offset
            highest, lowest = (expected, raw) if expected > raw else (raw, expected)
            cusum.add(number, level - highest, lowest - level, allowance, spread)

    def _judge(self, number: int) -> Event | None:
        first, second = self._cusums
        if first.up > DECISION or second.up > DECISION:
            for index in (0, 1):
                cusum = self._cusums[index]
                effect = self._confirmed(index, cusum.up, cusum.up_start, number, UP)
                if effect is not None:
                    return self._slower(index, cusum.up_start, number, effect)
        if first.down > DECISION or second.down > DECISION:
            for index in (0, 1):
                cusum = self._cusums[index]
                effect = self._confirmed(index, cusum.down, cusum.down_start, number, DOWN)
                if effect is not None:
                    return self._faster(index, cusum.down_start, number, effect)
        return self._absorb(number) if number % 16 == 0 else None

    def _confirmed(self, index: int, total: float, start: int, number: int, sign: float) -> Effect | None:
        """The effect of a candidate that is beyond doubt."""
        if total <= DECISION or not evidence.is_due(number + 1 - start, number):
            return None
        normal, channel = self._normal, self._settings.channels[index]
        first = max(start, number + 1 - evidence.LONGEST_WINDOW)
        distances = normal.distances(index, first, number + 1, sign)
        effect = evidence.effect_of(distances, normal.reference(index, sign), normal.bases[index], channel)
        if effect is None:
            return None
        change = math.exp(self._expected(index)) * abs(math.expm1(sign * effect.size))
        if change < self._settings.min_change or normal.may_be_the_day(index, channel, start, effect.size, sign):
            return None
        return effect

    def _expected(self, index: int) -> float:
        return self._normal.bases[index].level + self._normal.season.offset(self._end)

    def _event(self, kind: Kind, index: int, start: int, size: float, error: float) -> Event:
        since = self._normal.blocks.end_of(start - 1)
        return event(kind, self._settings.channels[index].name, self._end, since, self._expected(index), size, error)

    def _slower(self, index: int, start: int, number: int, effect: Effect) -> Event | None:
        found = self._event("alert", index, start, effect.size, effect.error)
        away = found["since"] - self._improved
        level = self._normal.bases[0].level + effect.size
        if level <= self._slower_before + self._settings.channels[0].threshold:
            if WEEKEND_SECONDS[0] <= away <= WEEKEND_SECONDS[1]:
                found["kind"], found["reason"] = "info", "weekend"
            elif away <= BRIEF_SECONDS:
                found["kind"], found["reason"] = "info", "brief"
            if found["kind"] == "info":
                self._move(number, effect.blocks, found["since"])
                return found
        self._alarm, self._alarm_block = index, number
        self._clear()
        self._alarm_since = found["since"]
        self._is_told = self._has_lasted()
        return found if self._is_told else None

    def _has_lasted(self) -> bool:
        return self._end - self._alarm_since >= self._settings.hold_seconds

    def _faster(self, index: int, start: int, number: int, effect: Effect) -> Event:
        found = self._event("improvement", index, start, -effect.size, effect.error)
        before = self._normal.bases[0].level
        if abs(before - effect.size - self._before_alert) < self._settings.channels[0].threshold:
            found["kind"] = "recovery"
            self._before_alert = math.nan
        else:
            self._improved, self._slower_before = found["since"], before
        self._move(number, effect.blocks, found["since"])
        return found

    def _absorb(self, number: int) -> Event | None:
        """A suspicion that lasts and is not confirmed is no reason to stand still for ever."""
        if self._normal.season.undecided(self._end):
            return None
        for index in (0, 1):
            since = self._cusums[index].suspect_since(SUSPICIOUS, number)
            if number - since > ABSORPTION_BLOCKS:
                found = self._adopt(index, number, self._normal.blocks.end_of(since - 1))
                found["reason"] = "absorbed"
                return found
        return None

    def _watch(self, number: int) -> Event | None:
        """What becomes of an alert: it is over, or is told at last, or is the new normal."""
        index, age = self._alarm, number - self._alarm_block
        base, channel = self._normal.bases[index], self._settings.channels[index]
        for blocks in channel.recovery_blocks:
            if blocks > channel.recovery_blocks[0] and (number % 4 or age < blocks):
                break
            levels = self._normal.flat(index, number + 1 - blocks, number + 1) - base.level
            bounded = np.minimum(np.maximum(levels, -channel.threshold), 4 * channel.threshold)
            left = max(median(levels), float(bounded.sum()) / blocks)
            error = base.error(blocks)
            if left < RECOVERY_SHARE * channel.threshold and left + RECOVERY_CONFIDENCE * error < channel.threshold:
                start = number + 1 - blocks
                self._alarm = NO_ALARM
                self._normal.hold(start)
                self._clear()
                return self._event("recovery", index, start, left, error) if self._is_told else None
        if not self._is_told:
            if not self._has_lasted():
                return None
            if (found := self._tell(index, number)) is not None:
                return found
        wait = FIRST_DAY_ADOPTION_BLOCKS if self._normal.season.undecided(self._end) else ADOPTION_BLOCKS
        if age < wait or number % 4:
            return None
        levels = self._normal.flat(index, number + 1 - ADOPTED_BLOCKS, number + 1)
        half = ADOPTED_BLOCKS // 2
        drift = abs(median(levels[half:]) - median(levels[:half]))
        if drift > STANDSTILL_SHARE * channel.threshold and age < ADOPTION_LIMIT:
            return None
        self._before_alert = self._normal.bases[0].level
        self._alarm = NO_ALARM
        found = self._adopt(index, number, self._alarm_since)
        found["reason"] = "new_normal"
        return found

    def _tell(self, index: int, number: int) -> Event | None:
        """The alert, if what was seen when it began is still there."""
        base, channel = self._normal.bases[index], self._settings.channels[index]
        blocks = channel.recovery_blocks[0]
        above = self._normal.flat(index, number + 1 - blocks, number + 1) - base.level
        size = median(above)
        if min(size, median(above[-channel.min_blocks :])) < channel.threshold:
            return None
        self._is_told, self._alarm_block = True, number
        found = self._event("alert", index, number, size, base.error(blocks))
        found["since"] = self._alarm_since
        return found

    def _adopt(self, index: int, number: int, since: float) -> Event:
        base = self._normal.bases[index]
        start = number + 1 - ADOPTED_BLOCKS
        size = middle(self._normal.flat(index, start, number + 1), base.spread) - base.level
        found = self._event("info", index, start, size, base.error(ADOPTED_BLOCKS))
        self._move(number, ADOPTED_BLOCKS, since)
        return found

    def _move(self, number: int, blocks: int, since: float) -> None:
        self._normal.move(number, blocks, since)
        self._clear()

    def _clear(self) -> None:
        for cusum in self._cusums:
            cusum.clear()

    def state(self) -> VerdictsState:
        """Everything, exactly."""
        first, second = self._cusums
        return (
            self._normal.state(),
            (first.state(), second.state()),
            self._alarm,
            self._alarm_block,
            self._alarm_since,
            self._is_told,
            self._end,
            self._before_alert,
            self._improved,
            self._slower_before,
        )

    def take(self, state: VerdictsState) -> None:
        """Become what `state` described."""
        normal, cusums, self._alarm, self._alarm_block, self._alarm_since, self._is_told = state[:6]
        self._end, self._before_alert, self._improved, self._slower_before = state[6:]
        self._normal.take(normal)
        for cusum, its_state in zip(self._cusums, cusums, strict=True):
            cusum.take(its_state)
