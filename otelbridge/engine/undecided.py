"""Undecided traces: a table with one row a trace, called its slot.

Ids are looked up in a dict, one C call for all of a batch; everything else about traces is in arrays, so that whatever
is computed of them is computed for all traces of a batch at once. A slot is used again when its trace has left.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from itertools import chain, repeat
from typing import Any

import numpy as np
import numpy.typing as npt

from otelbridge.engine.chunk import Arrival, Booleans, Chunk, Integers

NOWHERE = -1
NEVER = 2**62
SMALLEST = 1024  # slots

_TRACE = np.dtype(
    [
        ("first_tick", np.int64),
        ("due", np.int64),
        ("first_record", np.uint64),
        ("spans", np.int64),
        ("bytes", np.int64),
    ]
)
_FREE = np.array((NEVER, NEVER, 2**64 - 1, 0, 0), _TRACE)
_NO_CHUNKS: list[Chunk] = []


class Undecided:
    """Traces by slot; columns are named as in `_TRACE`.

    Attributes:
        chunks: which chunks hold rows of the trace in a slot.
    """

    def __init__(self) -> None:
        self._slots: dict[int, int] = {}
        self._ids: list[int] = []
        self._free: list[int] = []
        self._table = np.empty(0, _TRACE)
        self.chunks: list[list[Chunk]] = []

    def __len__(self) -> int:
        return len(self._slots)

    def __getitem__(self, column: str) -> npt.NDArray[Any]:
        """One item a slot; may be written to."""
        return self._table[column]

    def find(self, ids: list[int]) -> Integers:
        """The slots of traces, NOWHERE for those that are not here."""
        return np.fromiter(map(self._slots.get, ids, repeat(NOWHERE)), np.int64, len(ids))

    def begin(self, arrival: Arrival, traces: Integers, tick: int) -> Integers:
        """Slots for new traces, given as indices into the arrival; no span is counted yet."""
        count = len(traces)
        if len(self._free) < count:
            self._grow(max(count, len(self._ids), SMALLEST))
        left = len(self._free) - count
        taken = self._free[left:]
        del self._free[left:]
        for slot, trace in zip(taken, traces.tolist(), strict=True):
            trace_id = arrival.ids[trace]
            self._ids[slot] = trace_id
            self._slots[trace_id] = slot
            self.chunks[slot] = []
        slots = np.array(taken, np.int64)
        self["first_tick"][slots] = tick
        self["first_record"][slots] = arrival.records[traces]
        return slots

    def forget(self, slots: Integers) -> None:
        """Traces that have left."""
        leaving = slots.tolist()
        deque(map(self._slots.__delitem__, map(self._ids.__getitem__, leaving)), maxlen=0)  # runs in C
        for slot in leaving:
            self.chunks[slot] = _NO_CHUNKS
        self._table[slots] = _FREE
        self._free += leaving

    def all(self) -> Integers:
        """The slots in use, by trace id."""
        return self.by_id(np.fromiter(self._slots.values(), np.int64, len(self._slots)))

    def by_id(self, slots: Integers) -> Integers:
        """The same slots, once each, in an order that does not depend on how the traces came."""
        return np.array(sorted(set(slots.tolist()), key=self._ids.__getitem__), np.int64)

    def chunks_of(self, slots: Iterable[int]) -> list[Chunk]:
        """The chunks that hold rows of these traces, in the order in which they came."""
        touched = set(chain.from_iterable(map(self.chunks.__getitem__, slots)))
        return sorted(touched, key=lambda chunk: chunk.number)

    def marked(self, slots: Integers) -> Booleans:
        """One item a slot, True for these, and one more for rows that are in none."""
        marks = np.zeros(len(self._ids) + 1, np.bool_)
        marks[slots] = True
        return marks

    def _grow(self, count: int) -> None:
        start = len(self._ids)
        self._ids += [0] * count
        self.chunks += [_NO_CHUNKS] * count
        self._table = np.concatenate([self._table, np.full(count, _FREE)])
        self._free += range(start, start + count)
