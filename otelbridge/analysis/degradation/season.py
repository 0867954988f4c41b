"""The course of a day, and how to tell it from a change before a whole day was seen.

A day is 24 slots of an hour. Each holds the mean level of its hour, moved a little by every further day; what is taken
away from a block is the slot's distance from the day's middle, shrunk by how much of it is noise. Before the first day is
over nobody can tell a slow rise from a morning. Then only a jump counts (`is_jump`), and the rest waits for the next day.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from otelbridge.analysis.degradation.settings import DAY_SECONDS

Floats = NDArray[np.float64]

SLOTS = 24
SLOT_SECONDS = DAY_SECONDS / SLOTS

ADAPTATION = 0.3
"""Weight of a new day: three days forget half of an old season, one odd day moves it little."""

SHORT_SECONDS = 5_400.0
"""A course of a day with a factor of two between night and noon moves by less than 15 % in so long."""


def slot_of(time: float) -> int:
    """The hour of the day."""
    return int(time // SLOT_SECONDS) % SLOTS


class Season:
    """What is known of the course of a day. 3 x 24 floats."""

    __slots__ = ("_blocks", "_open", "_open_blocks", "_open_sum", "_since", "levels", "offsets")

    def __init__(self) -> None:
        self.levels = np.full(SLOTS, np.nan)
        self.offsets: NDArray[np.float64] | None = None
        """Distance of each slot from the day's middle, or None while the day is not known."""
        self._open = -1
        self._open_sum = 0.0
        self._open_blocks = 0
        self._blocks = 0
        self._since = math.nan

    def elapsed(self, end: float) -> float:
        """Seconds since the first block."""
        return 0.0 if math.isnan(self._since) else end - self._since

    def complete(self, end: float) -> bool:
        """Whether a whole day was seen."""
        return self.elapsed(end) >= DAY_SECONDS

    def add(self, level: float, end: float, slot: int) -> bool:
        """Learn from a block; True when an hour was closed."""
        closed = False
        if self._open_blocks == 0 and math.isnan(self._since):
            self._since = end
        if slot != self._open:
            closed = self._close()
            self._open = slot
        self._open_sum += level
        self._open_blocks += 1
        self._blocks += 1
        return closed

    def skip(self, slot: int) -> bool:
        """A block that nothing is to be learned from."""
        if slot == self._open:
            return False
        closed = self._close()
        self._open = slot
        return closed

    def _close(self) -> bool:
        if self._open_blocks == 0:
            return False
        level = self._open_sum / self._open_blocks
        known = float(self.levels[self._open])
        self.levels[self._open] = level if math.isnan(known) else known + ADAPTATION * (level - known)
        self._open_sum, self._open_blocks = 0.0, 0
        return True

    def forget(self, start: float, end: float) -> None:
        """What was learned in the hours between is not to be kept: they were no ordinary ones."""
        hours = min(int(end // SLOT_SECONDS - start // SLOT_SECONDS) + 1, SLOTS)
        first = slot_of(start)
        self.levels[[(first + hour) % SLOTS for hour in range(hours)]] = np.nan
        self._open_sum, self._open_blocks = 0.0, 0

    def shift(self, change: float) -> None:
        """All of the day has become slower or faster."""
        self.levels += change
        self._open_sum += change * self._open_blocks

    def learn(self, end: float, noise: float) -> None:
        """Work out the offsets; `noise` is the spread of single blocks."""
        if not self.complete(end):
            return
        known = np.flatnonzero(~np.isnan(self.levels))
        if len(known) < 2:
            return
        full = np.interp(np.arange(SLOTS), known, self.levels[known], period=SLOTS)
        smooth = 0.25 * np.roll(full, 1) + 0.5 * full + 0.25 * np.roll(full, -1)
        centered = smooth - smooth.mean()
        variance = float(centered @ centered) / SLOTS
        blocks_per_slot = max(self._blocks * SLOT_SECONDS / max(self.elapsed(end), DAY_SECONDS), 1.0)
        by_chance = 0.375 * noise * noise / blocks_per_slot
        share = max(0.0, 1.0 - by_chance / variance) if variance > 0 else 0.0
        self.offsets = centered * share

    def offset(self, end: float) -> float:
        """What the time of day adds to the level, between the middles of two hours in proportion."""
        if self.offsets is None:
            return 0.0
        position = end / SLOT_SECONDS - 0.5
        whole = math.floor(position)
        share = position - whole
        return float(self.offsets[whole % SLOTS] * (1 - share) + self.offsets[(whole + 1) % SLOTS] * share)

    def offsets_at(self, ends: Floats) -> Floats | float:
        """The same for many times."""
        if self.offsets is None:
            return 0.0
        position = ends / SLOT_SECONDS - 0.5
        whole = np.floor(position)
        share = position - whole
        before = np.mod(whole, SLOTS).astype(np.intp)
        return self.offsets[before] * (1 - share) + self.offsets[(before + 1) % SLOTS] * share
