"""From running totals to what came on top since the last report: what cumulative counters and histograms mean.

A total says since when it counts. Reports with another beginning are another total, of a process that was started again
or of a second one that goes by the same name, so each is compared with its own. Of a total that was never seen, all is
new if it began since anybody has been listening; else nobody knows how much of it was told before, and it is where
counting begins.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping
from enum import Enum

import msgspec

PARTS = 16  # in which the state is saved: a report changes one of them
_NEWEST_FORGOTTEN = "newest forgotten"


class Nothing(Enum):
    """Why a report adds nothing."""

    FIRST = "first"
    REPEATED = "repeated"


class _Total(msgspec.Struct, array_like=True):
    """The last report of one total, and the number of the report by which it was used last."""

    time: float
    value: float
    count: int
    used: int


_Key = tuple[int, float]
"""Identity of the series, and since when it counts."""


class Increments:
    """The last report of every total.

    State: at most `max_totals` entries of about 300 bytes, 40 when saved; those reported least recently leave first.

    Attributes:
        forgotten: totals that left so since the start.
    """

    def __init__(self, max_totals: int) -> None:
        self.forgotten = 0
        self._max_totals = max_totals
        self._totals: OrderedDict[_Key, _Total] = OrderedDict()
        self._reports = 0
        self._newest_forgotten = 0.0  # time of the last report of a total that was forgotten
        self._changed: set[int] = set()

    def __len__(self) -> int:
        return len(self._totals)

    def take(
        self, series: int, start: float, time: float, value: float, count: int, since: float
    ) -> tuple[float, int] | Nothing:
        """What a total adds to the one before: value and count.

        Args:
            series: identity of the series.
            start: since when it counts, seconds; 0 where unknown.
            time: of the report, seconds. One that is not later than the last adds nothing.
            value: the total.
            count: total number of observations.
            since: since when somebody listens, seconds.
        """
        self._reports += 1
        key = (series, start)
        before = self._totals.get(key)
        if before is None:
            self._totals[key] = _Total(time, value, count, self._reports)
            self._changed.add(series % PARTS)
            self._make_room()
            return (value, count) if start >= max(since, self._newest_forgotten) and start > 0.0 else Nothing.FIRST
        if time <= before.time:
            return Nothing.REPEATED
        is_anew = value < before.value or count < before.count
        added = (value, count) if is_anew else (value - before.value, count - before.count)
        before.time, before.value, before.count, before.used = time, value, count, self._reports
        self._totals.move_to_end(key)
        self._changed.add(series % PARTS)
        return added

    def changes(self) -> Mapping[str, bytes]:
        """Parts of the state that changed since the last call, by name."""
        parts: dict[str, list[tuple[_Key, _Total]]] = {str(part): [] for part in self._changed}
        for key, total in self._totals.items():
            if key[0] % PARTS in self._changed:
                parts[str(key[0] % PARTS)].append((key, total))
        saved = {part: msgspec.msgpack.encode(totals) for part, totals in parts.items()}
        if saved:
            saved[_NEWEST_FORGOTTEN] = msgspec.msgpack.encode(self._newest_forgotten)
        self._changed.clear()
        return saved

    def restore(self, parts: Mapping[str, bytes]) -> None:
        """Take over all parts that `changes` gave so far; raises msgspec.MsgspecError."""
        found: list[tuple[_Key, _Total]] = []
        newest = 0.0
        for part, state in parts.items():
            if part == _NEWEST_FORGOTTEN:
                newest = msgspec.msgpack.decode(state, type=float)
            else:
                found += msgspec.msgpack.decode(state, type=list[tuple[_Key, _Total]])
        self._newest_forgotten = newest
        self._totals = OrderedDict(sorted(found, key=lambda item: item[1].used))
        self._reports = max((total.used for _, total in found), default=0)

    def _make_room(self) -> None:
        if len(self._totals) > self._max_totals:
            (series, _), oldest = self._totals.popitem(last=False)
            self._changed.add(series % PARTS)
            self._newest_forgotten = max(self._newest_forgotten, oldest.time)
            self.forgotten += 1
