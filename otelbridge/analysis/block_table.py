"""Values of many series, handed on in blocks of equal size: what is done a block costs a fraction a value.

Everything is done for all series of a call together; nothing loops over values or series.
"""

from __future__ import annotations

from collections.abc import Sequence
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
        self._touched = np.zeros(max_series, np.bool_)  # slots that are not saved as they are

    def clear(self, slots: Sequence[int] | Integers) -> None:
        """Forget what waits in these slots: they belong to another series now."""
        self._counts[slots] = 0
        self._latest[slots] = -np.inf
        self._touched[slots] = True

    def add(self, slots: Integers, times: Floats, values: Floats) -> Completed:
        """Values with the slots of their series and their times, in order; rows of a negative slot are left out."""
        rows = _by_slot(slots)
        ordered = slots[rows]
        begins = _changes(ordered)
        series, new = ordered[begins], np.diff(begins, append=len(ordered))
        self._touched[series] = True
        fitting = np.minimum(new, self._size - self._counts[series])
        taken = rows[_places(begins, fitting)]
        self._wait(series, fitting, times[taken], values[taken])
        full = np.flatnonzero(self._counts[series] == self._size)
        if not len(full):
            return _NOTHING
        series, begins, left = series[full], (begins + fitting)[full], (new - fitting)[full]
        first = Completed(series, self._waiting[series], self._latest[series], rows[begins - 1])
        self.clear(series)

        more = left // self._size  # few series have so many values in a call
        taken = rows[_places(begins, more * self._size)].reshape(-1, self._size)
        further = Completed(np.repeat(series, more), values[taken], times[taken].max(axis=1), taken[:, -1])

        begins, left = begins + more * self._size, left % self._size
        rest = left > 0
        taken = rows[_places(begins[rest], left[rest])]
        self._wait(series[rest], left[rest], times[taken], values[taken])
        return _in_order(first, further)

    def _wait(self, series: Integers, new: Integers, times: Floats, values: Floats) -> None:
        """Values for which there is room: of each of the series its new ones, one or more, one after another."""
        if not len(series):
            return
        waited = self._counts[series]
        self._waiting.reshape(-1)[_places(series * self._size + waited, new)] = values
        self._counts[series] = waited + new
        self._latest[series] = np.maximum(self._latest[series], np.maximum.reduceat(times, _starts(new)))

    def changes(self) -> dict[int, WaitingShard]:
        """What waits in the shards that were touched since the last call."""
        changed = {}
        for shard in np.unique(np.flatnonzero(self._touched) // SHARD).tolist():
            slots = np.arange(shard * SHARD, min((shard + 1) * SHARD, len(self._counts)))
            counts = self._counts[slots]
            values = self._waiting.reshape(-1)[_places(slots * self._size, counts)]
            changed[shard] = (counts.astype(np.uint16).tobytes(), self._latest[slots].tobytes(), values.tobytes())
        self._touched[:] = False
        return changed

    def take(self, shard: int, state: WaitingShard) -> None:
        """Become what `changes` said of a shard, as far as there is room."""
        counts = np.frombuffer(state[0], np.uint16).astype(np.int64)
        slots = np.arange(shard * SHARD, shard * SHARD + len(counts))
        room = int(np.count_nonzero(slots < len(self._counts)))
        fitting = counts[:room]
        self._counts[slots[:room]] = fitting
        self._latest[slots[:room]] = np.frombuffer(state[1])[:room]
        places = _places(slots[:room] * self._size, fitting)
        self._waiting.reshape(-1)[places] = np.frombuffer(state[2])[: len(places)]


def _in_order(some: Completed, others: Completed) -> Completed:
    """All blocks, by their last rows."""
    if not len(others.slots):
        slots, values, ends, last_rows = some.slots, some.values, some.ends, some.last_rows
    else:
        slots = np.concatenate((some.slots, others.slots))
        values = np.concatenate((some.values, others.values))
        ends = np.concatenate((some.ends, others.ends))
        last_rows = np.concatenate((some.last_rows, others.last_rows))
    by_last = np.argsort(last_rows)
    return Completed(slots[by_last], values[by_last], ends[by_last], last_rows[by_last])


def _by_slot(slots: Integers) -> Integers:
    """Rows by slot, each slot's in order, without those of a negative slot."""
    return np.argsort(_narrow(slots), kind="stable")[np.count_nonzero(slots < 0) :]


def _changes(ordered: Integers) -> Integers:
    """Where another slot begins."""
    begins = np.ones(len(ordered), np.bool_)
    np.not_equal(ordered[1:], ordered[:-1], out=begins[1:])
    return np.flatnonzero(begins)


def _places(begins: Integers, lengths: Integers) -> Integers:
    """So many places from each beginning on, one after another."""
    places = np.repeat(begins - _starts(lengths), lengths)
    places += np.arange(len(places))
    return places


def _starts(lengths: Integers) -> Integers:
    """Where each begins when they stand one after another."""
    return np.cumsum(lengths) - lengths


def _narrow(slots: Integers) -> npt.NDArray[np.integer]:
    """As 16 bits where they fit: numpy then sorts by radix, eight times as fast."""
    fit = len(slots) and slots.min() >= 0 and slots.max() < 2**16
    return slots.astype(np.uint16) if fit else slots


_NOTHING = Completed(
    np.empty(0, np.int64), np.empty((0, 0)), np.empty(0), np.empty(0, np.int64)
)  # what most calls with few values complete
