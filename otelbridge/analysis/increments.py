"""From running totals to what came on top since the last report: what cumulative counters and histograms mean.

A series that was never seen tells its total only: nobody knows how much of that was reported before, so it is where
counting starts. A total that starts anew, or falls, is that of a process that was started again: all of it is new.
"""

from __future__ import annotations

from collections import OrderedDict

import msgspec


class _Total(msgspec.Struct, array_like=True):
    """The last report of one series."""

    start: float
    time: float
    value: float
    count: int


class Increments:
    """The last total of every series.

    State: at most `max_series` entries of about 150 bytes; those reported least recently leave first.

    Attributes:
        forgotten: series that left so since the start.
    """

    def __init__(self, max_series: int) -> None:
        self.forgotten = 0
        self._max_series = max_series
        self._totals: OrderedDict[bytes, _Total] = OrderedDict()

    def __len__(self) -> int:
        return len(self._totals)

    def take(self, series: bytes, start: float, time: float, value: float, count: int) -> tuple[float, int] | None:
        """What a total adds to the one before: value and count. None where that cannot be said.

        Args:
            series: identity of the series.
            start: since when it counts, seconds; 0 where unknown.
            time: of the report, seconds. One that is not later than the last is ignored.
            value: the total.
            count: total number of observations; 0 for plain counters.
        """
        before = self._totals.get(series)
        if before is None:
            self._totals[series] = _Total(start, time, value, count)
            if len(self._totals) > self._max_series:
                self._totals.popitem(last=False)
                self.forgotten += 1
            return None
        if time <= before.time:
            return None
        is_anew = start > before.time or value < before.value or count < before.count
        added = (value, count) if is_anew else (value - before.value, count - before.count)
        before.start, before.time, before.value, before.count = start, time, value, count
        self._totals.move_to_end(series)
        return added

    def snapshot(self) -> bytes:
        """All of it, in the order of last use."""
        return msgspec.msgpack.encode(list(self._totals.items()))

    def restore(self, state: bytes) -> None:
        """Take over what `snapshot` gave; raises msgspec.MsgspecError."""
        self._totals = OrderedDict(msgspec.msgpack.decode(state, type=list[tuple[bytes, _Total]]))
