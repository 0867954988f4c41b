"""One segment of the log as files: a SQLite database of consecutive records, written once and deleted whole.

Why whole: deleting rows costs more than appending them. Why the write-ahead log is not folded into the database when a
segment is finished: that would write everything a second time, and usually the segment is deleted a minute later. So it
stays a small database file with a large `-wal` beside it, which SQLite reads as one.
"""

from __future__ import annotations

import os
import re
import sqlite3
from collections.abc import Generator
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path

from otelbridge.log.contract import Record
from otelbridge.log.folder import FILE_MODE
from otelbridge.log.packing import unpack

FORMAT = 1  # raise it when the version before cannot read what is written
PAGE_BYTES = 8192  # large payloads take few pages, small commits rewrite little; see bench/log_append.py
BUSY_SECONDS = 5.0  # a connection holds a segment for milliseconds
BLANK_BYTES = 16 * PAGE_BYTES  # a segment that was being created when the process died is smaller than this
NAME = re.compile(r"(?P<first>\d{20})\.sqlite(?P<aside>\.unreadable)?")
BESIDE = ("-wal", "-shm", "-journal")  # what SQLite puts beside a database file
# SQLITE_ERROR: a table is not there
DAMAGE = frozenset({sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_ERROR})
DAMAGED_DISK = frozenset({sqlite3.SQLITE_IOERR_READ, sqlite3.SQLITE_IOERR_SHORT_READ, sqlite3.SQLITE_IOERR_CORRUPTFS})

_SCHEMA = """
BEGIN IMMEDIATE;
CREATE TABLE segment (earliest_time REAL NOT NULL);
CREATE TABLE record (sequence INTEGER PRIMARY KEY, time REAL NOT NULL, is_packed INTEGER NOT NULL, body BLOB NOT NULL);
INSERT INTO segment VALUES ({time!r});
PRAGMA user_version = {format};
COMMIT;
"""


@dataclass(slots=True, eq=False)
class Segment:
    """A segment as the log's chain knows it.

    Attributes:
        first: sequence of its first record; the file is named after it.
        path: the database file; SQLite's `-wal` and `-shm` may lie beside it.
        size_bytes: of all its files, when last measured.
        is_damaged: a reader could not read all of it.
        is_set_aside: it was found damaged and renamed; the log never deletes it.
    """

    first: int
    path: Path
    size_bytes: int = 0
    is_damaged: bool = False
    is_set_aside: bool = False

    @property
    def files(self) -> list[Path]:
        """The database file first, then what SQLite may put beside it."""
        return [self.path, *(self.path.with_name(self.path.name + suffix) for suffix in BESIDE)]

    def measure(self) -> None:
        """Look up `size_bytes`. Raises FileNotFoundError when the database file is gone."""
        size_bytes = os.stat(self.path).st_size
        for suffix in BESIDE:
            with suppress(FileNotFoundError):
                size_bytes += os.stat(f"{self.path}{suffix}").st_size
        self.size_bytes = size_bytes

    def delete(self) -> None:
        """Delete the files; the database last, so that a leftover is always a segment and never a stray `-wal`."""
        for path in reversed(self.files):
            path.unlink(missing_ok=True)

    def set_aside(self) -> None:
        """Keep the files for a human, under names that the log does not write to."""
        if self.is_set_aside:
            return
        target = Segment(self.first, self.path.with_name(self.path.name + ".unreadable"))
        for source, destination in reversed(list(zip(self.files, target.files, strict=True))):
            if source.exists():
                source.rename(destination)
        self.path = target.path
        self.is_set_aside = True


def find_segments(folder: Path) -> list[Segment]:
    """The segments in a folder, oldest first; files with other names are left alone."""
    found = [(match, path) for path in folder.iterdir() if (match := NAME.fullmatch(path.name))]
    segments = [Segment(int(match["first"]), path, is_set_aside=match["aside"] is not None) for match, path in found]
    for segment in segments:
        segment.measure()
    return sorted(segments, key=lambda segment: segment.first)


def create_segment(folder: Path, first: int, earliest_time: float) -> Segment:
    """An empty segment that outlives a power failure. Raises sqlite3.Error or OSError, and leaves nothing then."""
    segment = Segment(first, folder / f"{first:020}.sqlite")
    os.close(os.open(segment.path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, FILE_MODE))
    try:
        with closing(sqlite3.connect(segment.path, isolation_level=None)) as connection:
            connection.execute(f"PRAGMA page_size = {PAGE_BYTES}")
            connection.execute("PRAGMA journal_mode = WAL")
            connection.executescript(_SCHEMA.format(time=earliest_time, format=FORMAT))
        segment.measure()
    except (sqlite3.Error, OSError):
        segment.delete()
        raise
    return segment


def is_blank(segment: Segment) -> bool:
    """Whether the process died while it created the segment, so that it cannot hold anything acknowledged.

    Raises sqlite3.DatabaseError when it is not a database.
    """
    if segment.size_bytes > BLANK_BYTES:
        return False
    *_, journal = segment.files
    if journal.exists() or segment.path.stat().st_size == 0:  # SQLite has not even switched to a write-ahead log
        return True
    with closing(connect_to_read(segment.path)) as connection:
        return not connection.execute("SELECT 1 FROM sqlite_master").fetchall()


def connect_to_read(path: Path) -> sqlite3.Connection:
    """A connection that changes nothing, not even when it is the last one and closes."""
    refuse_empty(path)
    return sqlite3.connect(
        f"{path.absolute().as_uri()}?mode=ro",
        uri=True,
        isolation_level=None,
        timeout=BUSY_SECONDS,
        check_same_thread=False,
    )


def refuse_empty(path: Path) -> None:
    """SQLite would delete the write-ahead log of an empty database file, and with it perhaps records.

    Raises sqlite3.DatabaseError; FileNotFoundError when there is no file.
    """
    if path.stat().st_size == 0:
        raise sqlite3.DatabaseError("the database file is empty")


def is_damage(error: Exception) -> bool:
    """Whether an error says that a file is damaged, rather than that something else is wrong at the moment."""
    if isinstance(error, sqlite3.DatabaseError):
        code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_CORRUPT)
        return code in DAMAGED_DISK or code & 0xFF in DAMAGE
    return isinstance(error, ValueError | FileNotFoundError)


def read_records(connection: sqlite3.Connection, after: int, until: int) -> Generator[Record]:
    """The records in (after, until], in order. Raises sqlite3.DatabaseError; ValueError for a damaged payload."""
    rows = connection.execute(
        "SELECT sequence, time, is_packed, body FROM record WHERE sequence > ? AND sequence <= ? ORDER BY sequence",
        (after, until),
    )
    try:
        for sequence, time, is_packed, body in rows:
            if not isinstance(time, float) or not isinstance(body, bytes):
                raise ValueError(f"damaged record {sequence}")
            yield Record(sequence, time, unpack(body) if is_packed else body)
    finally:
        rows.close()  # an open cursor would keep the write-ahead log from being folded
