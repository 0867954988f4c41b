"""Reads records from segments that the tail in memory does not reach back to: after a restart, or far behind."""

from __future__ import annotations

import sqlite3
from collections.abc import Generator, Sequence
from contextlib import closing
from dataclasses import dataclass

from otelbridge.core.errors import RetryLater
from otelbridge.log.contract import Record, RecordsLost
from otelbridge.log.segment import Segment, connect_to_read, is_damage, read_records


@dataclass(frozen=True, slots=True)
class Stretch:
    """What a segment must hold: every record from its first one to `until`."""

    segment: Segment
    until: int


class SegmentReader:
    """Used by one thread; keeps a connection to the segment that it read last."""

    def __init__(self) -> None:
        self._segment: Segment | None = None
        self._connection: sqlite3.Connection | None = None

    def read(self, stretches: Sequence[Stretch], after: int, max_bytes: int) -> list[Record]:
        """See `Log.read`.

        Raises:
            RecordsLost: the very next record is damaged or missing; the records before it have been returned.
            RetryLater: reading failed for a reason that may pass.
        """
        taken: list[Record] = []
        size_bytes = 0
        with closing(self._records(stretches, after)) as records:
            try:
                for record in records:
                    size_bytes += len(record.payload)
                    if taken and size_bytes > max_bytes:
                        break
                    taken.append(record)
            except (RecordsLost, RetryLater):
                if not taken:
                    raise
        return taken

    def let_go(self, segment: Segment) -> None:
        """Close the connection to a segment that is about to be deleted."""
        if self._segment is segment:
            self.close()

    def close(self) -> None:
        """Close the connection; the next read opens another."""
        if self._connection is not None:
            self._connection.close()
        self._segment = self._connection = None

    def _records(self, stretches: Sequence[Stretch], after: int) -> Generator[Record]:
        for stretch in stretches:
            segment, position = stretch.segment, max(after, stretch.segment.first - 1)
            try:
                with closing(read_records(self._connect(segment), position, stretch.until)) as records:
                    for record in records:
                        if record.sequence != position + 1:
                            break
                        position = record.sequence
                        yield record
            except (sqlite3.Error, OSError, ValueError) as error:
                self.close()
                if not is_damage(error):
                    raise RetryLater(f"cannot read {segment.path}: {error}") from error
                raise _unreadable(stretch, position, str(error)) from error
            if position < stretch.until:
                raise _unreadable(stretch, position, "they are not there")

    def _connect(self, segment: Segment) -> sqlite3.Connection:
        if self._connection is None or self._segment is not segment:
            self.close()
            self._connection = connect_to_read(segment.path)
            self._segment = segment
        return self._connection


def _unreadable(stretch: Stretch, position: int, why: str) -> RecordsLost:
    segment = stretch.segment
    segment.is_damaged = True
    return RecordsLost(f"{segment.path}: cannot read records {position + 1} to {stretch.until}: {why}", stretch.until)
