"""The newest segment, open for appending.

Measured (bench/log_append.py): payloads packed with Snappy cost less to append than as they came, because the kernel's
share, allocating and copying pages of the file, exceeds that of the compression; and a sixth of the disk is used.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Sequence
from contextlib import closing, suppress
from typing import Literal

from otelbridge.core.errors import StateUnreadable
from otelbridge.log.contract import Record
from otelbridge.log.packing import pack
from otelbridge.log.segment import BUSY_SECONDS, FORMAT, PAGE_BYTES, Segment, connect_to_read

CACHE_PAGES = 64  # records are written once and in order: more cache is only more memory to fault in

Synchronous = Literal["normal", "full"]
"""When appends reach the disk: `normal` leaves that to the system and survives kill -9, `full` survives power cuts."""
COMMIT_BYTES = 16 * PAGE_BYTES  # pages of the tree that a commit may rewrite beside those of its records


def appended_bytes(records: Sequence[Record]) -> int:
    """The most that files can grow by appending the records: as if none could be packed.

    A record shares its last page with others, or wastes the rest of it.
    """
    sizes = [len(record.payload) for record in records]
    return COMMIT_BYTES + sum(size + min(size + 64, 2 * PAGE_BYTES) for size in sizes)


class SegmentWriter:
    """Appends to one segment; used by one thread.

    Attributes:
        last_sequence: the newest record; one less than the segment's first while it is empty.
        last_time: of that record; while the segment is empty, what the one before it ended with.
        body_bytes: stored in records; much less than the files' size when small commits rewrote the same pages.

    Raises:
        sqlite3.DatabaseError: the file is damaged, or the disk is full.
        StateUnreadable: a later version wrote it.
    """

    def __init__(self, segment: Segment, synchronous: Synchronous) -> None:
        self.segment = segment
        self._write_ahead_log = f"{segment.path}-wal"
        # A connection that could write would fold what is readable of a damaged write-ahead log and delete the rest.
        with closing(connect_to_read(segment.path)) as connection:
            self._inspect(connection)
            self._connection = sqlite3.connect(
                segment.path, isolation_level=None, timeout=BUSY_SECONDS, check_same_thread=False
            )
            try:
                self._connection.execute(f"PRAGMA synchronous = {synchronous}")
                self._connection.execute("PRAGMA wal_autocheckpoint = 0")
                self._connection.execute(f"PRAGMA cache_size = {CACHE_PAGES}")
            except sqlite3.Error:
                self._connection.close()
                raise
        self._measure()

    def _inspect(self, connection: sqlite3.Connection) -> None:
        (found,) = connection.execute("PRAGMA user_version").fetchone()
        if found > FORMAT:
            raise StateUnreadable(f"{self.segment.path} has format {found}, this version reads {FORMAT}")
        (earliest_time,) = connection.execute("SELECT earliest_time FROM segment").fetchone()
        newest = connection.execute("SELECT sequence, time FROM record ORDER BY sequence DESC LIMIT 1").fetchone()
        self.last_sequence: int = newest[0] if newest else self.segment.first - 1
        self.last_time: float = newest[1] if newest else earliest_time
        (self.body_bytes,) = connection.execute("SELECT coalesce(sum(length(body)), 0) FROM record").fetchone()

    def append(self, records: Sequence[Record]) -> None:
        """Write the records in one transaction and measure the segment.

        Raises:
            sqlite3.DatabaseError: nothing is kept.
            FileNotFoundError: somebody deleted the file, and the records with it.
        """
        rows = [(record.sequence, record.time, *pack(record.payload)) for record in records]
        try:
            self._connection.execute("BEGIN IMMEDIATE")
            self._connection.executemany("INSERT INTO record VALUES (?, ?, ?, ?)", rows)
            self._connection.execute("COMMIT")
        except BaseException:
            if self._connection.in_transaction:
                self._connection.execute("ROLLBACK")
            raise
        self.last_sequence, self.last_time = records[-1].sequence, records[-1].time
        self.body_bytes += sum(len(row[3]) for row in rows)
        self.segment.size_bytes = self._folded_bytes + os.stat(self._write_ahead_log).st_size

    def fold(self) -> None:
        """Move the write-ahead log into the database file, as far as readers allow."""
        self._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
        self._measure()

    def _measure(self) -> None:
        self.segment.measure()
        self._folded_bytes = self.segment.size_bytes
        with suppress(FileNotFoundError):  # nothing has been appended since SQLite deleted it
            self._folded_bytes -= os.stat(self._write_ahead_log).st_size

    def close(self) -> None:
        """Close without folding, which SQLite does when the last connection closes: a read-only one goes last."""
        try:
            with closing(connect_to_read(self.segment.path)) as last:
                last.execute("SELECT 1 FROM sqlite_master").fetchall()
                self._connection.close()
        except (sqlite3.DatabaseError, OSError):  # not readable: then there is nothing to fold
            self._connection.close()
