"""The newest records of a log, in memory and within a bound, so that the usual reader does not go to the disk."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Sequence

from otelbridge.log.contract import Record


class Tail:
    """Consecutive records up to the newest. Not thread-safe: a log calls it under its own lock.

    Attributes:
        capacity_bytes: bound of the payloads; the oldest records leave first.
        used_bytes: payload bytes held.
        last_sequence: the newest record, whether or not it is held.
    """

    def __init__(self, capacity_bytes: int, last_sequence: int) -> None:
        self.capacity_bytes = capacity_bytes
        self.used_bytes = 0
        self.last_sequence = last_sequence
        self._records: deque[Record] = deque()

    @property
    def first_sequence(self) -> int:
        """The oldest record held; last_sequence + 1 when there is none."""
        return self.last_sequence + 1 - len(self._records)

    def extend(self, records: Sequence[Record]) -> None:
        """Take the records that follow `last_sequence`."""
        for record in records:
            self._records.append(record)
            self.used_bytes += len(record.payload)
            self.last_sequence = record.sequence
        while self.used_bytes > self.capacity_bytes:
            self._forget_first()

    def holds_after(self, after: int) -> bool:
        """Whether everything that follows `after` is here (also when nothing follows it)."""
        return after + 1 >= self.first_sequence

    def take(self, after: int, max_bytes: int) -> list[Record]:
        """The records that follow `after`, which must not lie before those held; see `Log.read`."""
        start = after + 1 - self.first_sequence
        # a deque finds the n-th item 64 at a time; islice would step over each
        return within((self._records[i] for i in range(start, len(self._records))), max_bytes)

    def forget_before(self, sequence: int) -> None:
        """Let records go that nobody will ask for again."""
        while self._records and self._records[0].sequence < sequence:
            self._forget_first()

    def _forget_first(self) -> None:
        self.used_bytes -= len(self._records.popleft().payload)


def within(records: Iterable[Record], max_bytes: int) -> list[Record]:
    """The first records whose payloads fit into `max_bytes` together, at least one if there is any."""
    taken: list[Record] = []
    size_bytes = 0
    for record in records:
        size_bytes += len(record.payload)
        if taken and size_bytes > max_bytes:
            break
        taken.append(record)
    return taken
