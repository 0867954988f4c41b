"""Parcels that their destination has not taken yet, in the state file of a task.

The task inserts them in the transaction of its checkpoint; the sender reads and deletes them over a connection of its
own. Totals are kept in a table of lanes (exporter, destination, category), because counting a backlog of gigabytes
would take longer than sending some of it.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Container, Iterable, Mapping, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from otelbridge.core.component import Parcel
from otelbridge.core.errors import CannotStart, RetryLater
from otelbridge.core.outcomes import DropReason

OVERHEAD_BYTES = 200  # a row's other columns and its index entries, counted against the capacity
EXPIRED_AT_ONCE = 1000  # rows of one transaction: it must not hold the write lock for long
VACUUM_BYTES = 2 * 2**20  # given back to the file system at a time
WAL_BYTES = 16 * 2**20  # as in engine/checkpoint.py: whoever of the two commits last copies them
SPARE_BYTES = 16 * 2**20  # kept for the next parcels: giving back and growing again costs more than both

OUTBOX_SCHEMA = """
CREATE TABLE IF NOT EXISTS outbox (number INTEGER PRIMARY KEY AUTOINCREMENT, exporter TEXT NOT NULL,
    destination TEXT NOT NULL, category TEXT NOT NULL, id TEXT NOT NULL, spans INTEGER NOT NULL,
    created REAL NOT NULL, body BLOB NOT NULL);
CREATE INDEX IF NOT EXISTS outbox_by_lane ON outbox (exporter, destination, category, number);
CREATE TABLE IF NOT EXISTS outbox_lanes (exporter TEXT NOT NULL, destination TEXT NOT NULL, category TEXT NOT NULL,
    parcels INTEGER NOT NULL, bytes INTEGER NOT NULL, spans INTEGER NOT NULL,
    PRIMARY KEY (exporter, destination, category)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS outbox_outcomes (exporter TEXT NOT NULL, outcome TEXT NOT NULL, spans INTEGER NOT NULL,
    parcels INTEGER NOT NULL, PRIMARY KEY (exporter, outcome)) WITHOUT ROWID;
"""

EXPORTED = "exported"

_FETCH = (
    "SELECT number, id, spans, body FROM outbox WHERE exporter = ? AND destination = ? AND category = ?"
    " AND number > ? ORDER BY number LIMIT ?"
)
_OLDEST = (
    "SELECT number, exporter, destination, category, length(body), spans, created FROM outbox ORDER BY number LIMIT ?"
)

LaneKey = tuple[str, str, str]
"""Exporter, destination, category: what can be paused on its own."""


@dataclass(frozen=True, slots=True)
class Waiting:
    """A parcel in the outbox."""

    number: int
    exporter: str
    parcel: Parcel

    @property
    def entry(self) -> Entry:
        """Its part of the totals."""
        parcel = self.parcel
        lane = (self.exporter, parcel.destination, parcel.category)
        return Entry(self.number, lane, len(parcel.body) + OVERHEAD_BYTES, parcel.spans)


class Entry(NamedTuple):
    """What the totals need to know of a parcel: its number, its lane, its size in bytes and spans."""

    number: int
    lane: LaneKey
    size: int
    spans: int


@dataclass(frozen=True, slots=True)
class LaneTotals:
    """What waits in one lane."""

    parcels: int
    bytes: int
    spans: int


def insert(connection: sqlite3.Connection, parcels: Sequence[Parcel], exporter: str, now: float) -> None:
    """Put parcels into the outbox, inside the transaction that is open on the connection."""
    connection.executemany(
        "INSERT INTO outbox (exporter, destination, category, id, spans, created, body) VALUES (?, ?, ?, ?, ?, ?, ?)",
        [
            (exporter, parcel.destination, parcel.category, parcel.id, parcel.spans, now, parcel.body)
            for parcel in parcels
        ],
    )
    lanes = _totals(
        Entry(0, (exporter, parcel.destination, parcel.category), len(parcel.body) + OVERHEAD_BYTES, parcel.spans)
        for parcel in parcels
    )
    connection.executemany(
        "INSERT INTO outbox_lanes VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT DO UPDATE SET"
        " parcels = parcels + excluded.parcels, bytes = bytes + excluded.bytes, spans = spans + excluded.spans",
        [(*lane, totals.parcels, totals.bytes, totals.spans) for lane, totals in lanes.items()],
    )


def _totals(entries: Iterable[Entry]) -> dict[LaneKey, LaneTotals]:
    sums: dict[LaneKey, list[int]] = {}
    for _number, lane, size, spans in entries:
        of_lane = sums.setdefault(lane, [0, 0, 0])
        of_lane[0] += 1
        of_lane[1] += size
        of_lane[2] += spans
    return {lane: LaneTotals(parcels, size, spans) for lane, (parcels, size, spans) in sums.items()}


class Outbox:
    """The sender's view. Used by one thread, but for the properties, which any thread may read.

    Every method raises RetryLater when the file cannot be read or written at the moment.

    Attributes:
        lanes: what waits, by lane.
        outcomes: spans and parcels that left, by exporter and `exported` or drop reason, since the file was created.
        oldest_time: when the oldest parcel came, seconds since the epoch; None when nothing waits.
    """

    def __init__(self, path: Path, capacity_bytes: int, max_age_seconds: float) -> None:
        self._capacity_bytes = capacity_bytes
        self._max_age_seconds = max_age_seconds
        try:
            self._connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False, timeout=30.0)
            self._connection.execute("PRAGMA synchronous = normal")
            ((self._page_bytes,),) = self._connection.execute("PRAGMA page_size")
            self._connection.execute(f"PRAGMA wal_autocheckpoint = {WAL_BYTES // self._page_bytes}")
            # Some builds of SQLite overwrite what is deleted with zeros, which makes settling three times as expensive
            # (27 us a parcel against 9; bench/outbox.py). The file is as private as its content.
            self._connection.execute("PRAGMA secure_delete = off")
            self.lanes: Mapping[LaneKey, LaneTotals] = {}
            self.refresh()
        except (sqlite3.Error, RetryLater) as error:
            raise CannotStart(f"cannot open the outbox in {path}: {error}") from None

    # how much there is

    def refresh(self) -> None:
        """Read the totals again; the task has added to them, or may have."""
        rows = self._read("SELECT * FROM outbox_lanes WHERE parcels > 0")
        self.lanes = {
            (exporter, destination, category): LaneTotals(parcels, size, spans)
            for exporter, destination, category, parcels, size, spans in rows
        }
        outcomes = self._read("SELECT exporter, outcome, spans, parcels FROM outbox_outcomes")
        self.outcomes: Mapping[tuple[str, str], tuple[int, int]] = {
            (exporter, outcome): (spans, parcels) for exporter, outcome, spans, parcels in outcomes
        }
        oldest = self._read("SELECT created FROM outbox ORDER BY number LIMIT 1")
        self.oldest_time: float | None = oldest[0][0] if oldest else None

    def _read(self, query: str, arguments: Sequence[object] = ()) -> list[tuple[Any, ...]]:
        try:
            return self._connection.execute(query, arguments).fetchall()
        except sqlite3.Error as error:
            raise RetryLater(f"outbox: {error}") from error

    @property
    def parcels(self) -> int:
        """Parcels that wait."""
        return sum(lane.parcels for lane in self.lanes.values())

    @property
    def used_bytes(self) -> int:
        """Bytes that wait, as counted against the capacity."""
        return sum(lane.bytes for lane in self.lanes.values())

    @property
    def capacity_bytes(self) -> int:
        """The bound."""
        return self._capacity_bytes

    @property
    def is_full(self) -> bool:
        """Whether the task must wait before it makes more parcels."""
        return self.used_bytes >= self._capacity_bytes

    def spans(self, exporter: str) -> int:
        """Spans that wait for one exporter's destinations."""
        return sum(totals.spans for lane, totals in self.lanes.items() if lane[0] == exporter)

    # sending

    def fetch(self, lane: LaneKey, after: int, limit: int, max_bytes: int) -> list[Waiting]:
        """The next parcels of a lane, oldest first, at least one if there is any."""
        exporter, destination, category = lane
        fetched: list[Waiting] = []
        size = 0
        try:
            with closing(self._connection.execute(_FETCH, (*lane, after, limit))) as rows:
                for number, parcel_id, spans, body in rows:
                    size += len(body)
                    if fetched and size > max_bytes:
                        break
                    fetched.append(Waiting(number, exporter, Parcel(parcel_id, destination, category, body, spans)))
        except sqlite3.Error as error:
            raise RetryLater(f"outbox: {error}") from error
        return fetched

    def settle(self, done: Mapping[str, Sequence[Entry]]) -> None:
        """Delete parcels that have an outcome, and count it: `exported` or a drop reason. One transaction."""
        connection = self._connection
        try:
            connection.execute("BEGIN IMMEDIATE")
            for outcome, entries in done.items():
                self._settle(outcome, entries)
            connection.execute("COMMIT")
        except sqlite3.Error as error:
            with suppress(sqlite3.Error):
                connection.execute("ROLLBACK")
            raise RetryLater(f"outbox: {error}") from error
        with suppress(RetryLater):  # it is settled: raising now would have it counted twice
            self.refresh()

    def _settle(self, outcome: str, entries: Sequence[Entry]) -> None:
        connection = self._connection
        connection.executemany("DELETE FROM outbox WHERE number = ?", [(entry.number,) for entry in entries])
        lanes = _totals(entries)
        connection.executemany(
            "UPDATE outbox_lanes SET parcels = parcels - ?, bytes = bytes - ?, spans = spans - ?"
            " WHERE exporter = ? AND destination = ? AND category = ?",
            [(totals.parcels, totals.bytes, totals.spans, *lane) for lane, totals in lanes.items()],
        )
        connection.executemany(
            "INSERT INTO outbox_outcomes VALUES (?, ?, ?, ?) ON CONFLICT DO UPDATE SET"
            " spans = spans + excluded.spans, parcels = parcels + excluded.parcels",
            [(lane[0], outcome, totals.spans, totals.parcels) for lane, totals in lanes.items()],
        )

    def expire(self, now: float, exempt: Container[int]) -> list[Entry]:
        """Drop what has waited for too long, oldest first, but for the exempt numbers; call again for the rest.

        What came later is never older, so it stops at the first that is young enough: a backlog is not read.
        """
        expired: list[Entry] = []
        try:
            with closing(self._connection.execute(_OLDEST, (EXPIRED_AT_ONCE,))) as rows:
                for number, exporter, destination, category, size, spans, created in rows:
                    if created >= now - self._max_age_seconds:
                        break
                    if number not in exempt:
                        expired.append(Entry(number, (exporter, destination, category), size + OVERHEAD_BYTES, spans))
        except sqlite3.Error as error:
            raise RetryLater(f"outbox: {error}") from error
        if expired:
            self.settle({DropReason.EXPIRED: expired})
        return expired

    def tidy(self) -> None:
        """Give some of the pages that are free back to the file system."""
        ((free,),) = self._read("PRAGMA freelist_count")
        if free * self._page_bytes > SPARE_BYTES:
            try:  # not `execute`, which ends after the first page
                self._connection.executescript(f"PRAGMA incremental_vacuum({VACUUM_BYTES // self._page_bytes})")
            except sqlite3.Error as error:
                raise RetryLater(f"outbox: {error}") from error

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()
