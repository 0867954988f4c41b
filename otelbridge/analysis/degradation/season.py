"""The course of a day.

A day is 24 slots of an hour. Each holds the mean level of its hour, moved a little by every further day; what the time of
day adds to a level is the slot's distance from the day's mean, shrunk by how much of it is noise.
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

SMOOTHED_NOISE = 0.375
"""Share of the variance that noise keeps when each slot is averaged with its neighbours, 1:2:1."""

_BEFORE = np.roll(np.arange(SLOTS), 1)
_AFTER = np.roll(np.arange(SLOTS), -1)

SeasonState = tuple[bytes, bytes, int, float, int, int, float]


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

    __slots__ = ("_blocks", "_levels", "_open", "_open_blocks", "_open_sum", "_since", "offsets")

    def __init__(self) -> None:
        self._levels = np.full(SLOTS, np.nan)
        self.offsets: Floats | None = None
        """What each hour adds to the level, or None while no whole day was seen."""
        self._open = -1
        self._open_sum = 0.0
        self._open_blocks = 0
        self._blocks = 0
        self._since = math.nan

    def undecided(self, end: float) -> bool:
        """Whether the day may have moved the level, and it is not known how a day goes."""
        return self.offsets is None and end - self._since > SHORT_SECONDS

    def add(self, level: float, end: float, noise: float, *, ordinary: bool) -> Floats | None:
        """One more block, from which something is to be learned if it is ordinary. `noise`: spread of single blocks.

        The offsets so far, if that has changed them.
        """
        before = None
        if self._blocks == 0:
            self._since = end
        slot = slot_of(end)
        if slot != self._open:
            closed = self._close()
            self._open = slot
            if closed and end - self._since >= DAY_SECONDS:
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

    def shift(self, change: float, since: float, end: float) -> None:
        """The level has changed. Of a first day the hours since then show the new one already."""
        if self.offsets is not None:
            self._levels += change
            self._open_sum += change * self._open_blocks
            return
        hours = min(int(end // SLOT_SECONDS - since // SLOT_SECONDS) + 1, SLOTS)
        before = np.ones(SLOTS, np.bool_)
        first = slot_of(since)
        before[[(first + hour) % SLOTS for hour in range(hours)]] = False
        self._levels[before] += change

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
        levels = self._levels.tobytes()
        return levels, offsets, self._open, self._open_sum, self._open_blocks, self._blocks, self._since

    def take(self, state: SeasonState) -> None:
        """Become what `state` described."""
        levels, offsets, self._open, self._open_sum, self._open_blocks, self._blocks, self._since = state
        self._levels = np.frombuffer(levels).copy()
        self.offsets = np.frombuffer(offsets).copy() if offsets else None
