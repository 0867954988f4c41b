"""Values of many series, handed on in blocks of equal size: what is done a block costs a fraction a value.

Everything is done for all series of a call together; nothing loops over values or series.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from otelbridge.analysis.grouping import Integers
from otelbridge.analysis.intervals import Floats

SHARD = 256  # slots whose waiting values are saved together

WaitingShard = tuple[bytes, bytes, bytes]
"""What waits in one shard: how many values a slot (u16), their latest time (f64), the values (f64), slot after slot."""


@dataclass(frozen=True, slots=True)
class Completed:
    """Blocks that became full, in the order of their last values.

    Attributes:
        slots: whose block it is.
        values: one row a block, its values in the order in which they came.
        ends: latest time of the block's values.
        last_rows: row of the call that held the block's last value.
    """

    slots: Integers
    values: Floats
    ends: Floats
    last_rows: Integers


class BlockTable:
    """The values of each series that wait for their block to be full, at most `size` - 1 of 8 bytes, and a time."""

    def __init__(self, max_series: int, size: int) -> None:
        self._size = size
        self._counts = np.zeros(max_series, np.int64)
        self._waiting = np.zeros((max_series, size))
        self._latest = np.full(max_series, -np.inf)
        self._touched: set[int] = set()

    def clear(self, slots: list[int]) -> None:
        """Forget what waits in these slots: they belong to another series now."""
        self._counts[slots] = 0
        self._latest[slots] = -np.inf
        self._touched.update(slot // SHARD for slot in slots)

    def add(self, slots: Integers, times: Floats, values: Floats) -> Completed:
        """Values with the slots of their series and their times, in order; rows of a negative slot are left out."""
        order = np.argsort(slots, kind="stable")
        order = order[np.searchsorted(slots[order], 0) :]
        ordered = slots[order]
        begins = np.flatnonzero(np.diff(ordered, prepend=-1))
        series = ordered[begins]
        new = np.diff(begins, append=len(ordered))
        waiting = self._counts[series]
        self._touched.update(np.unique(series // SHARD).tolist())

        # One series after another: first what waited, then what is new.
        total = waiting + new
        start = np.cumsum(total) - total
        line = np.empty((2, int(total.sum())))
        row_of = np.empty(line.shape[1], np.int64)
        places = _ranges(start, waiting)
        line[0, places] = np.repeat(self._latest[series], waiting)
        line[1, places] = self._waiting[np.repeat(series, waiting), _ranges(waiting * 0, waiting)]
        places = _ranges(start + waiting, new)
        line[:, places], row_of[places] = (times[order], values[order]), order

        full = total // self._size
        left = total - full * self._size
        rest = _ranges(start + full * self._size, left)
        self._waiting[np.repeat(series, left), _ranges(left * 0, left)] = line[1, rest]
        self._counts[series] = left
        self._latest[series] = -np.inf
        np.maximum.at(self._latest, np.repeat(series, left), line[0, rest])
        ends, blocks = line[:, _ranges(start, full * self._size)].reshape(2, -1, self._size)
        last = row_of[np.repeat(start, full) + (_ranges(full * 0, full) + 1) * self._size - 1]
        by_last = np.argsort(last)
        return Completed(np.repeat(series, full)[by_last], blocks[by_last], ends.max(axis=1)[by_last], last[by_last])

    def changes(self) -> dict[int, WaitingShard]:
        """What waits in the shards that were touched since the last call."""
        changed = {}
        for shard in sorted(self._touched):
            slots = slice(shard * SHARD, (shard + 1) * SHARD)
            counts = self._counts[slots]
            values = self._waiting[slots][np.repeat(np.arange(len(counts)), counts), _ranges(counts * 0, counts)]
            changed[shard] = (counts.astype(np.uint16).tobytes(), self._latest[slots].tobytes(), values.tobytes())
        self._touched.clear()
        return changed

    def take(self, shard: int, state: WaitingShard) -> None:
        """Become what `changes` said of a shard, as far as there is room."""
        counts = np.frombuffer(state[0], np.uint16).astype(np.int64)
        slots = np.arange(shard * SHARD, shard * SHARD + len(counts))
        room = int(np.count_nonzero(slots < len(self._counts)))
        fitting = counts[:room]
        self._counts[slots[:room]] = fitting
        self._latest[slots[:room]] = np.frombuffer(state[1])[:room]
        places = np.repeat(slots[:room], fitting), _ranges(fitting * 0, fitting)
        self._waiting[places] = np.frombuffer(state[2])[: int(fitting.sum())]


def _ranges(starts: Integers, lengths: Integers) -> Integers:
    """start, start + 1 ... of every range, one after another."""
    ends = np.cumsum(lengths)
    whole = int(ends[-1]) if len(ends) else 0
    return np.repeat(starts - (ends - lengths), lengths) + np.arange(whole)
