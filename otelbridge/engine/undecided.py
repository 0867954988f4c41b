"""Undecided traces: a table with one row a trace, called its slot.

Ids are looked up in a dict, one C call for all of a batch; everything else about traces is in arrays, so that whatever
is computed of them is computed for all traces of a batch at once. A slot is used again when its trace has left.
"""

from __future__ import annotations

from collections import deque
from itertools import chain, repeat
from typing import Any

import numpy as np
import numpy.typing as npt

from otelbridge.core.arrays import Booleans
from otelbridge.engine.chunk import Arrival, Integers

NOWHERE = -1
NEVER = 2**62
SMALLEST = 1024  # slots

_TRACE = np.dtype(
    [
        ("id", object),
        ("first_tick", np.int64),
        ("due", np.int64),
        ("first_record", np.uint64),
        ("first_position", np.uint32),
        ("spans", np.int64),
        ("bytes", np.int64),
        ("chunk", np.int64),  # the number of the first that holds rows of the trace
        ("is_scattered", np.bool_),  # others do, too
    ]
)
_FREE = np.array((None, NEVER, NEVER, 2**64 - 1, 0, 0, 0, NOWHERE, False), _TRACE)


class Undecided:
    """Traces by slot; columns are named as in `_TRACE`."""

    def __init__(self) -> None:
        self._slots: dict[int, int] = {}
        self._free: list[int] = []
        self._table = np.empty(0, _TRACE)
        self._further_chunks: dict[int, list[int]] = {}

    def __len__(self) -> int:
        return len(self._slots)

    def __contains__(self, trace_id: int) -> bool:
        return trace_id in self._slots

    def __getitem__(self, column: str) -> npt.NDArray[Any]:
        """One item a slot; may be written to."""
        return self._table[column]

    def find(self, ids: list[int]) -> Integers:
        """The slots of traces, NOWHERE for those that are not here."""
        return np.fromiter(map(self._slots.get, ids, repeat(NOWHERE)), np.int64, len(ids))

    def begin(self, arrival: Arrival, traces: Integers, tick: int) -> Integers:
        """Slots for new traces, given as indices into the arrival; they have no span and no chunk yet."""
        count = len(traces)
        if len(self._free) < count:
            self._grow(max(count, len(self._table) // 4, SMALLEST))
        left = len(self._free) - count
        taken = self._free[left:]
        del self._free[left:]
        slots = np.array(taken, np.int64)
        ids = self["id"]
        ids[slots] = [arrival.ids[i] for i in traces.tolist()]
        self._slots.update(zip(ids[slots], taken, strict=True))
        self["first_tick"][slots] = tick
        self["first_record"][slots] = arrival.records[traces]
        self["first_position"][slots] = arrival.positions[traces]
        return slots

    def scatter(self, slots: Integers, chunk: int) -> None:
        """A further chunk, the newest, holds rows of these traces."""
        chunks = self["chunk"][slots]
        self["chunk"][slots[chunks == NOWHERE]] = chunk
        scattered = slots[chunks != NOWHERE]
        self["is_scattered"][scattered] = True
        for slot in scattered.tolist():
            self._further_chunks.setdefault(slot, []).append(chunk)

    def chunks_of(self, slots: Integers) -> list[int]:
        """The numbers of the chunks that hold rows of these traces, ascending."""
        scattered = slots[self["is_scattered"][slots]].tolist()
        further = chain.from_iterable(map(self._further_chunks.__getitem__, scattered))
        return sorted({*self["chunk"][slots].tolist(), *further})

    def forget(self, slots: Integers) -> None:
        """Traces that have left."""
        deque(map(self._slots.__delitem__, self["id"][slots].tolist()), maxlen=0)  # runs in C
        for slot in slots[self["is_scattered"][slots]].tolist():
            del self._further_chunks[slot]
        self._table[slots] = _FREE
        self._free += slots.tolist()

    def all(self) -> Integers:
        """The slots in use, in order."""
        return self.in_order(np.fromiter(self._slots.values(), np.int64, len(self._slots)))

    def in_order(self, slots: Integers) -> Integers:
        """The same slots, once each, in the order in which their traces began, so that neighbours share chunks."""
        slots = np.unique(slots)
        return slots[np.lexsort((self["first_position"][slots], self["first_record"][slots]))]

    def marked(self, slots: Integers) -> Booleans:
        """One item a slot, True for these, and one more for rows that are in none."""
        marks = np.zeros(len(self._table) + 1, np.bool_)
        marks[slots] = True
        return marks

    def _grow(self, count: int) -> None:
        start = len(self._table)
        self._table = np.concatenate([self._table, np.full(count, _FREE)])
        self._free += range(start, start + count)
