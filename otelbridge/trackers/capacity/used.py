"""How much of what may be used up in a day is used: sums by series and day."""

from __future__ import annotations

import msgspec

SECONDS_PER_DAY = 86_400


class Used(msgspec.Struct, array_like=True):
    """What one series has used on its latest day (UTC, in days since the epoch)."""

    day: int = -1
    amount: float = 0.0

    def add(self, time: float, amount: float) -> float:
        """Use more; returns what is used on that day. What comes late from the day before counts no more."""
        day = int(time // SECONDS_PER_DAY)
        if day > self.day:
            self.day, self.amount = day, 0.0
        if day == self.day:
            self.amount += amount
        return self.amount
