"""The clock of a log: when appends are stamped, and how far a reader may let time pass while nothing comes in.

Stamping and promising must agree even when one thread appends while another advances the clock: a record whose stamp
is taken but which cannot be read yet must not end up before a time that was promised in between.
"""

from __future__ import annotations


class LogClock:
    """Not thread-safe: a log calls it under its own lock.

    Attributes:
        time: no record will be stamped earlier than this, seconds since the epoch.
        last_sequence: the newest record that can be read.
    """

    def __init__(self, time: float, last_sequence: int) -> None:
        self.time = time
        self.last_sequence = last_sequence
        self._append_in_flight = False

    def begin_append(self, now: float) -> float:
        """The stamp of an append that starts."""
        self.time = max(self.time, now)
        self._append_in_flight = True
        return self.time

    def end_append(self, last_sequence: int) -> None:
        """The append is over; `last_sequence` is what it was before when the append failed."""
        self.last_sequence = last_sequence
        self._append_in_flight = False

    def advance(self, now: float, position: int) -> float | None:
        """See `Log.advance`."""
        if self._append_in_flight or position < self.last_sequence:
            return None
        self.time = max(self.time, now)
        return self.time
