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
_FREE = -1
BUCKETS_PER_SERIES = 8  # one series in sixteen shares its bucket with another


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
    """Series by slot. Some 130 bytes a series.

    Attributes:
        forgotten: series that had to leave since the start.
        refused: rows of series for which there was no room, because all others were seen in the same call.
    """

    def __init__(self, max_series: int) -> None:
        self._hash_of = np.zeros(max_series, np.uint64)
        self._seen = np.full(max_series, _FREE, np.int64)  # number of the call in which the slot was seen last
        self._calls = 0
        bits = (BUCKETS_PER_SERIES * max_series - 1).bit_length()
        self._by_bucket = np.zeros(1 << bits, np.int64)  # some slot that is in use, one whose hash begins so if any is
        self._shift = np.uint64(64 - bits)
        self._sort()
        self.forgotten = 0
        self.refused = 0

    def __len__(self) -> int:
        return len(self._slots)

    def assign(self, hashes: Hashes) -> Assigned:
        """The slot of each row, by the hash of its series."""
        self._calls += 1
        slot_of_row = self._find(hashes)
        unknown = np.flatnonzero(slot_of_row == NO_SLOT)
        self._seen[slot_of_row if not len(unknown) else slot_of_row[slot_of_row >= 0]] = self._calls
        if not len(unknown):
            return Assigned(slot_of_row, [])
        new = number(hashes[unknown])
        first_rows = unknown[new.first]
        slots = self._room(len(new))
        known, self._hash_of[slots] = self._seen[slots] >= 0, hashes[first_rows[: len(slots)]]
        self.forgotten += int(np.count_nonzero(known))
        self._seen[slots] = self._calls
        self._sort()
        slot_of_new = np.full(len(new), NO_SLOT, np.int64)
        slot_of_new[: len(slots)] = slots
        slot_of_row[unknown] = slot_of_new[new.of_row]
        self.refused += int(np.count_nonzero(slot_of_row == NO_SLOT))
        return Assigned(slot_of_row, list(zip(slots.tolist(), first_rows.tolist(), strict=False)))

    def last_seen(self, slots: Iterable[int]) -> list[int]:
        """The number of the call in which each slot was seen last."""
        seen: list[int] = self._seen[list(slots)].tolist()
        return seen

    def hashes(self, slots: Integers) -> Hashes:
        """What the series in these slots are found by; anything where a slot is free."""
        return self._hash_of[slots]

    def release(self, slots: Iterable[int]) -> None:
        """These slots are free again."""
        self._seen[list(slots)] = _FREE
        self._sort()

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
                self._hash_of[slot] = key
                self._seen[slot] = seen[slot] if slot < len(seen) else 0
        self._sort()

    def _find(self, hashes: Hashes) -> Integers:
        if not len(self._slots):
            return np.full(len(hashes), NO_SLOT, np.int64)
        slots: Integers = self._by_bucket[hashes >> self._shift]
        others = np.flatnonzero(self._hash_of[slots] != hashes)  # unknown, or not alone in their bucket
        if len(others):
            wanted = hashes[others]
            place = np.minimum(np.searchsorted(self._sorted, wanted), len(self._sorted) - 1)
            slots[others] = np.where(self._sorted[place] == wanted, self._slots[place], NO_SLOT)
        return slots

    def _room(self, wanted: int) -> Integers:
        """Free slots, then those seen least recently, but none that this call has seen."""
        by_age = np.argsort(self._seen, kind="stable")[:wanted]
        return by_age[self._seen[by_age] < self._calls]

    def _sort(self) -> None:
        """Make the indexes that `_find` looks into.

        One series of each bucket is found at once, all others by a search among all, which takes ten times as long.
        """
        used = np.flatnonzero(self._seen >= 0)
        order = np.argsort(self._hash_of[used])
        self._slots: Integers = used[order]
        self._sorted: Hashes = self._hash_of[self._slots]
        if len(used):
            self._by_bucket[:] = used[0]
            self._by_bucket[self._sorted >> self._shift] = self._slots
