"""A bounded set of series under small numbers, so that their state can lie in arrays.

Series are told apart by a 64-bit hash of what they are; with 10,000 of them two are mistaken for each other once in
10^11 sets. When there is no room the least recently seen leave first.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from otelbridge.analysis.grouping import Hashes, Integers, number

NO_SLOT = -1


@dataclass(frozen=True, slots=True)
class Assigned:
    """Where the rows of one call belong.

    Attributes:
        slot_of_row: the series' slot, `NO_SLOT` where there was no room.
        fresh: slots that belong to a new series from now on, and the first row of each.
    """

    slot_of_row: Integers
    fresh: list[tuple[int, int]]


class SeriesTable:
    """Series by slot. 24 bytes a series beside a dict entry.

    Attributes:
        forgotten: series that had to leave since the start.
        refused: rows of series for which there was no room, because all others were seen in the same call.
    """

    def __init__(self, max_series: int) -> None:
        self._slot_of: dict[int, int] = {}
        self._hash_of = np.zeros(max_series, np.uint64)
        self._seen = np.full(max_series, -1, np.int64)  # number of the call in which the slot was seen last; -1: free
        self._calls = 0
        self.forgotten = 0
        self.refused = 0

    def __len__(self) -> int:
        return len(self._slot_of)

    def assign(self, hashes: Hashes) -> Assigned:
        """The slot of each row, by the hash of its series."""
        self._calls += 1
        series = number(hashes)
        keys: list[int] = hashes[series.first].tolist()
        slots = [self._slot_of.get(key, NO_SLOT) for key in keys]
        fresh: list[tuple[int, int]] = []
        missing = [place for place, slot in enumerate(slots) if slot == NO_SLOT]
        if missing:
            known = np.array([slot for slot in slots if slot != NO_SLOT], np.int64)
            self._seen[known] = self._calls
            for place, slot in zip(missing, self._room(len(missing)), strict=False):
                slots[place] = slot
                self._take(slot, keys[place])
                fresh.append((slot, int(series.first[place])))
        slot_of_series = np.array(slots, np.int64)
        self._seen[slot_of_series[slot_of_series >= 0]] = self._calls
        slot_of_row = slot_of_series[series.of_row]
        self.refused += int(np.count_nonzero(slot_of_row == NO_SLOT))
        return Assigned(slot_of_row, fresh)

    def last_seen(self, slots: Iterable[int]) -> list[int]:
        """The number of the call in which each slot was seen last."""
        seen: list[int] = self._seen[list(slots)].tolist()
        return seen

    def release(self, slots: Iterable[int]) -> None:
        """These slots are free again."""
        for slot in slots:
            del self._slot_of[int(self._hash_of[slot])]
            self._seen[slot] = -1

    def state(self) -> tuple[int, bytes]:
        """In which order the slots were seen."""
        used = np.flatnonzero(self._seen >= 0)
        return self._calls, self._seen[: used[-1] + 1 if len(used) else 0].tobytes()

    def take_state(self, state: tuple[int, bytes], series: Iterable[tuple[int, int]]) -> None:
        """Become the table that had this state, with these pairs of slot and hash."""
        self._calls, seen_bytes = state
        seen: npt.NDArray[np.int64] = np.frombuffer(seen_bytes, np.int64)
        for slot, key in series:
            if slot < len(self._seen):
                self._slot_of[key] = slot
                self._hash_of[slot] = key
                self._seen[slot] = seen[slot] if slot < len(seen) else 0

    def _room(self, wanted: int) -> list[int]:
        """Free slots, then those seen least recently, but none that this call has seen."""
        by_age = np.argsort(self._seen, kind="stable")[:wanted]
        return [int(slot) for slot in by_age if self._seen[slot] < self._calls]

    def _take(self, slot: int, key: int) -> None:
        if self._seen[slot] >= 0:
            del self._slot_of[int(self._hash_of[slot])]
            self.forgotten += 1
        self._slot_of[key] = slot
        self._hash_of[slot] = key
        self._seen[slot] = self._calls
