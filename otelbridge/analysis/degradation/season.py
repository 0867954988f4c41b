"""The course of a day.

A day is 24 slots of an hour. Each holds the mean level of its hour, moved a little by every further day; what the time
of day adds to a level is the slot's distance from the day's mean, shrunk by how much of it is noise.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

DAY_SECONDS = 86_400.0
SLOTS = 24
SLOT_SECONDS = DAY_SECONDS / SLOTS

ADAPTATION = 0.3
"""Weight of a new day: two days forget half of an old course, one odd day moves it little."""

SHORT_SECONDS = 5_400.0
"""A day with a factor of two between night and noon moves a level by less than 15 % in so long."""

MAX_CHANGES = 3
"""Changes of the level in the first day that are kept in mind."""

REFRESH_SLOTS = 6
"""Hours after which the offsets are worked out anew; what an hour adds to them is not needed before the next day."""

SMOOTHED_NOISE = 0.375
"""Share of the variance that noise keeps when each slot is averaged with its neighbours, 1:2:1."""

_BEFORE = np.roll(np.arange(SLOTS), 1)
_AFTER = np.roll(np.arange(SLOTS), -1)

SeasonState = tuple[bytes, bytes, int, float, int, int, float, list[tuple[float, float]]]


def slot_of(time: float) -> int:
    """The hour of the day."""
    return int(time // SLOT_SECONDS) % SLOTS


def between(offsets: Floats, ends: Floats) -> Floats:
    """Offsets at times, between the middles of two hours in proportion."""
    position = ends / SLOT_SECONDS - 0.5
    whole = np.floor(position)
    share = position - whole
    before = np.mod(whole, SLOTS).astype(np.intp)
    return offsets[before] * (1 - share) + offsets[_AFTER[before]] * share


class Season:
    """What is known of the course of a day: 48 floats."""

    __slots__ = ("_blocks", "_changes", "_levels", "_open", "_open_blocks", "_open_sum", "_since", "offsets")

    def __init__(self) -> None:
        self._levels = np.full(SLOTS, np.nan)
        self.offsets: Floats | None = None
        """What each hour adds to the level, or None while no whole day was seen."""
        self._open = -1
        self._open_sum = 0.0
        self._open_blocks = 0
        self._blocks = 0
        self._since = math.nan
        self._changes: list[tuple[float, float]] = []
        """When the level changed in the first day, and by how much."""

    def undecided(self, end: float) -> bool:
        """Whether the day may have moved the level, and it is not known how a day goes."""
        return self.offsets is None and end - self._since > SHORT_SECONDS

    def add(self, level: float, end: float, noise: float, *, ordinary: bool, settled: bool) -> Floats | None:
        """One more block, from which something is to be learned if it is ordinary. `noise`: spread of single blocks.

        The day is not worked out for the first time unless `settled`: before, a change is still being judged.

        The offsets so far, if that has changed them.
        """
        before = None
        if self._blocks == 0:
            self._since = end
        slot = slot_of(end)
        if slot != self._open:
            closed = self._close()
            due = settled if self.offsets is None else slot // REFRESH_SLOTS != self._open // REFRESH_SLOTS
            self._open = slot
            if closed and due and end - self._since >= DAY_SECONDS:
                before = np.zeros(SLOTS) if self.offsets is None else self.offsets
                self._work_out(end, noise)
        self._blocks += 1
        if ordinary:
            self._open_sum += level
            self._open_blocks += 1
        return before

    def _close(self) -> bool:
        if self._open_blocks == 0:
            return False
        level = self._open_sum / self._open_blocks
        known = float(self._levels[self._open])
        if self._changes and not math.isnan(known):
            self._reconsider(level - known)
        self._levels[self._open] = level if math.isnan(known) else known + ADAPTATION * (level - known)
        self._open_sum, self._open_blocks = 0.0, 0
        return True

    def _work_out(self, end: float, noise: float) -> None:
        known = np.flatnonzero(self._levels == self._levels)
        if len(known) == SLOTS:
            full = self._levels
        elif len(known) > 1:
            full = np.interp(np.arange(SLOTS), known, self._levels[known], period=SLOTS)
        else:
            return
        smooth = 0.25 * full[_BEFORE] + 0.5 * full + 0.25 * full[_AFTER]
        smooth -= float(smooth.sum()) / SLOTS
        variance = float(smooth @ smooth) / SLOTS
        blocks_per_slot = max(self._blocks * SLOT_SECONDS / (end - self._since), 1.0)
        by_chance = SMOOTHED_NOISE * noise * noise / blocks_per_slot
        self.offsets = smooth * max(0.0, 1.0 - by_chance / variance) if variance > 0 else smooth

    def shift(self, change: float, since: float) -> None:
        """The level has changed for good, or so it seems while the first day is not over."""
        if self.offsets is not None:
            self._levels += change
            self._open_sum += change * self._open_blocks
        elif len(self._changes) < MAX_CHANGES:
            self._changes.append((since, change))

    def _reconsider(self, difference: float) -> None:
        """The first hour has come again, so different: were the changes of the first day for good, or its course?"""
        total = sum(change for _, change in self._changes)
        if abs(difference - total) < abs(difference):
            first = int(self._since // SLOT_SECONDS)
            order = (np.arange(SLOTS) - first) % SLOTS
            for since, change in self._changes:
                self._levels[order < int(since // SLOT_SECONDS) - first] += change
        self._changes.clear()

    def offset(self, end: float) -> float:
        """What the time of day adds to a level, between the middles of two hours in proportion."""
        if self.offsets is None:
            return 0.0
        position = end / SLOT_SECONDS - 0.5
        whole = math.floor(position)
        share = position - whole
        offsets = self.offsets
        return float(offsets[whole % SLOTS]) * (1 - share) + float(offsets[(whole + 1) % SLOTS]) * share

    def offsets_at(self, ends: Floats) -> Floats | float:
        """The same for many times."""
        return 0.0 if self.offsets is None else between(self.offsets, ends)

    def state(self) -> SeasonState:
        """Everything, exactly."""
        offsets = b"" if self.offsets is None else self.offsets.tobytes()
        opened = (self._open, self._open_sum, self._open_blocks)
        return self._levels.tobytes(), offsets, *opened, self._blocks, self._since, list(self._changes)

    def take(self, state: SeasonState) -> None:
        """Become what `state` described."""
        levels, offsets, self._open, self._open_sum, self._open_blocks, self._blocks, self._since = state[:7]
        self._changes = list(state[7])
        self._levels = np.frombuffer(levels).copy()
        self.offsets = np.frombuffer(offsets).copy() if offsets else None
