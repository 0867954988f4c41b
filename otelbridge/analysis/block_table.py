"""Values of many series, handed on in blocks of equal size: what is done a block costs a fraction a value.

Everything is done for all series of a call together; nothing loops over values or series.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

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
        rows = np.flatnonzero(slots >= 0)
        rows = rows[np.argsort(_narrow(slots[rows]), kind="stable")]
        ordered, times, values = slots[rows], times[rows], values[rows]
        begins = np.flatnonzero(np.diff(ordered, prepend=-1))
        series = ordered[begins]
        self._touched.update(np.unique(series // SHARD).tolist())
        new = np.diff(begins, append=len(ordered))
        waited = self._counts[series]
        completes = waited + new >= self._size
        if not completes.any():
            self._wait(series, ordered, begins, new, times, values)
            return _NOTHING
        # Most series only wait; only for the others is it worth laying out what waited and what is new in one line.
        in_completing = np.repeat(completes, new)
        self._wait(
            series[~completes],
            ordered[~in_completing],
            _starts(new[~completes]),
            new[~completes],
            times[~in_completing],
            values[~in_completing],
        )
        return self._complete(
            series[completes], new[completes], rows[in_completing], times[in_completing], values[in_completing]
        )

    def _wait(
        self, series: Integers, slots: Integers, begins: Integers, new: Integers, times: Floats, values: Floats
    ) -> None:
        """Values that fill no block; one slot after another."""
        if not len(slots):
            return
        self._waiting[slots, self._counts[slots] + _ranges(new)] = values
        self._counts[series] += new
        self._latest[series] = np.maximum(self._latest[series], np.maximum.reduceat(times, begins))

    def _complete(self, series: Integers, new: Integers, rows: Integers, times: Floats, values: Floats) -> Completed:
        """Series of which at least one block is full now."""
        waited = self._counts[series]
        total = waited + new
        full = total // self._size
        left = total - full * self._size
        start = _starts(total)
        line = np.empty((2, int(total.sum())))
        row_of = np.empty(line.shape[1], np.int64)
        within = _ranges(waited)
        places = np.repeat(start, waited) + within
        line[0, places] = np.repeat(self._latest[series], waited)
        line[1, places] = self._waiting[np.repeat(series, waited), within]
        places = np.repeat(start + waited, new) + _ranges(new)
        line[0, places], line[1, places], row_of[places] = times, values, rows

        self._latest[series] = -np.inf
        within = _ranges(left)
        rest = np.repeat(start + full * self._size, left) + within
        self._waiting[np.repeat(series, left), within] = line[1, rest]
        self._counts[series] = left
        np.maximum.at(self._latest, np.repeat(series, left), line[0, rest])

        block_starts = np.repeat(start, full) + _ranges(full) * self._size
        places = block_starts[:, None] + np.arange(self._size)
        last = row_of[places[:, -1]]
        by_last = np.argsort(last)
        places = places[by_last]
        return Completed(np.repeat(series, full)[by_last], line[1, places], line[0, places].max(axis=1), last[by_last])

    def changes(self) -> dict[int, WaitingShard]:
        """What waits in the shards that were touched since the last call."""
        changed = {}
        for shard in sorted(self._touched):
            slots = slice(shard * SHARD, (shard + 1) * SHARD)
            counts = self._counts[slots]
            values = self._waiting[slots][np.repeat(np.arange(len(counts)), counts), _ranges(counts)]
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
        places = np.repeat(slots[:room], fitting), _ranges(fitting)
        self._waiting[places] = np.frombuffer(state[2])[: int(fitting.sum())]


def _ranges(lengths: Integers) -> Integers:
    """0, 1 ... for every length, one after another."""
    return np.arange(int(lengths.sum())) - np.repeat(_starts(lengths), lengths)


def _starts(lengths: Integers) -> Integers:
    """Where each begins when they stand one after another."""
    return np.cumsum(lengths) - lengths


def _narrow(slots: Integers) -> npt.NDArray[np.integer]:
    """As 16 bits where they fit: numpy then sorts by radix, eight times as fast."""
    return slots.astype(np.uint16) if len(slots) and slots.max() < 2**16 else slots


_NOTHING = Completed(
    np.empty(0, np.int64), np.empty((0, 0)), np.empty(0), np.empty(0, np.int64)
)  # what most calls with few values complete
