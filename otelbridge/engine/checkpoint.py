"""The checkpoint: processors' state, read position, decisions and outbox in one SQLite transaction.

Either everything that was learnt up to a tick boundary is durable, together with the parcels that came of it, or
nothing is and the log is read again. That is what makes the outbox get every parcel exactly once.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path

from otelbridge.core.component import Parcel
from otelbridge.core.errors import CannotStart, RetryLater, StateUnreadable
from otelbridge.engine.progress import Progress, Resumption

# Parcels and parts of state have kilobytes: with pages of 4 KiB a survivor costs 3.3 us to save and trackers 0.11 us a
# span, with these 2.0 and 0.08. Larger ones gain little more, and a checkpoint of a few changes writes whole pages too.
PAGE_BYTES = 16_384
# Some seconds of full load. Most parcels are gone a second after they came: what is copied from the write-ahead log to
# the database later is copied once, or never.
WAL_BYTES = 16 * 2**20
FORMAT = 1  # raise it when what is saved cannot be read by the version before

PROCESSOR = "processor "
"""Before a processor's id where its state is saved in parts: a blank, so that no tracker has the same name."""

InsertParcels = Callable[[sqlite3.Connection, Sequence[Parcel], str, float], None]
"""Puts parcels of one exporter into the outbox, inside the transaction that is open on the connection."""

_SCHEMA = """
CREATE TABLE IF NOT EXISTS checkpoint (id INTEGER PRIMARY KEY CHECK (id = 1), format INTEGER NOT NULL,
    position INTEGER NOT NULL, tick INTEGER NOT NULL, low_record INTEGER NOT NULL, ledger BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS component_state (component TEXT PRIMARY KEY, state BLOB NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS tracker_state (tracker TEXT, part TEXT, state BLOB NOT NULL, PRIMARY KEY (tracker, part));
CREATE TABLE IF NOT EXISTS decisions (number INTEGER PRIMARY KEY, generation INTEGER NOT NULL,
    position INTEGER NOT NULL, decisions BLOB NOT NULL);
CREATE INDEX IF NOT EXISTS decisions_by_generation ON decisions (generation);
"""


class CheckpointStore:
    """The state file of one task. Used by the task's thread; the sender has a connection of its own."""

    def __init__(
        self, path: Path, outbox_schema: str, insert_parcels: InsertParcels, synchronous: str = "normal"
    ) -> None:
        self._insert_parcels = insert_parcels
        self._states: dict[str, bytes] = {}
        try:
            self._connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False, timeout=30.0)
            path.chmod(0o600)
            self._connection.execute(f"PRAGMA page_size = {PAGE_BYTES}")  # of a new file; others keep theirs
            self._connection.execute("PRAGMA auto_vacuum = incremental")  # a backlog of the outbox gives its space back
            self._connection.execute("PRAGMA journal_mode = WAL")
            ((page_bytes,),) = self._connection.execute("PRAGMA page_size")
            self._connection.execute(f"PRAGMA wal_autocheckpoint = {WAL_BYTES // page_bytes}")
            self._connection.execute(f"PRAGMA synchronous = {synchronous}")
            self._connection.executescript(_SCHEMA + outbox_schema)
        except (sqlite3.Error, OSError) as error:
            raise CannotStart(f"cannot open {path}: {error}") from None

    def forget_others(self, components: Collection[str]) -> list[str]:
        """Delete the state of all components but these; returns whose it was. Raises StateUnreadable.

        What the engine itself keeps stays: it has a blank in its owner's name, which no component can have.
        """
        connection = self._connection
        try:
            saved = connection.execute("SELECT component FROM component_state UNION SELECT tracker FROM tracker_state")
            owners = {owner.removeprefix(PROCESSOR) for (owner,) in saved}
            others = sorted(owner for owner in owners if " " not in owner and owner not in components)
            connection.execute("BEGIN IMMEDIATE")
            connection.executemany("DELETE FROM component_state WHERE component = ?", [(one,) for one in others])
            of_parts = [(owner,) for one in others for owner in (one, PROCESSOR + one)]
            connection.executemany("DELETE FROM tracker_state WHERE tracker = ?", of_parts)
            connection.execute("COMMIT")
        except sqlite3.DatabaseError as error:
            raise StateUnreadable(f"the state file is damaged: {error}") from None
        return others

    def load(self) -> Resumption:
        """The last checkpoint; an empty one on a new folder. Raises StateUnreadable."""
        try:
            row = self._connection.execute(
                "SELECT format, position, tick, low_record, ledger FROM checkpoint"
            ).fetchone()
            if row is None:
                return Resumption()
            saved_format, position, tick, low_record, ledger = row
            if saved_format != FORMAT:
                raise StateUnreadable(f"the state has format {saved_format}, this version reads {FORMAT}")
            self._states = dict(self._connection.execute("SELECT component, state FROM component_state"))
            decisions = self._connection.execute(
                "SELECT generation, position, decisions FROM decisions ORDER BY number"
            ).fetchall()
            parts: dict[str, dict[str, bytes]] = {}
            for tracker, part, state in self._connection.execute("SELECT tracker, part, state FROM tracker_state"):
                parts.setdefault(tracker, {})[part] = state
        except sqlite3.DatabaseError as error:
            raise StateUnreadable(f"the state file is damaged: {error}") from None
        return Resumption(position, tick, low_record, dict(self._states), ledger, decisions, parts)

    def save(self, progress: Progress, now: float) -> None:
        """Make the progress durable. Raises RetryLater when the disk is full; nothing is saved then."""
        connection = self._connection
        try:
            connection.execute("BEGIN IMMEDIATE")
            try:
                self._write(connection, progress, now)
                connection.execute("COMMIT")
            except BaseException:
                if connection.in_transaction:
                    connection.execute("ROLLBACK")
                raise
        except sqlite3.OperationalError as error:  # disk full, I/O error, locked for longer than the timeout
            raise RetryLater(f"checkpoint: {error}") from error
        self._states.update(progress.states)

    def _write(self, connection: sqlite3.Connection, progress: Progress, now: float) -> None:
        connection.execute(
            "INSERT OR REPLACE INTO checkpoint VALUES (1, ?, ?, ?, ?, ?)",
            (FORMAT, progress.position, progress.tick, progress.low_record, progress.ledger),
        )
        changed = [item for item in progress.states.items() if self._states.get(item[0]) != item[1]]
        connection.executemany("INSERT OR REPLACE INTO component_state VALUES (?, ?)", changed)
        for tracker, parts in progress.parts.items():
            _write_parts(connection, tracker, parts)
        if progress.decisions:
            connection.execute(
                "INSERT INTO decisions (generation, position, decisions) VALUES (?, ?, ?)",
                (progress.generation, progress.position, progress.decisions),
            )
        connection.execute("DELETE FROM decisions WHERE generation < ?", (progress.oldest_generation,))
        for exporter, parcels in progress.parcels.items():
            if parcels:
                self._insert_parcels(connection, parcels, exporter, now)

    def close(self) -> None:
        """Close the file."""
        self._connection.close()


def _write_parts(connection: sqlite3.Connection, tracker: str, parts: Mapping[str, bytes | None]) -> None:
    changed = [(tracker, part, state) for part, state in parts.items() if state is not None]
    gone = [(tracker, part) for part, state in parts.items() if state is None]
    connection.executemany("INSERT OR REPLACE INTO tracker_state VALUES (?, ?, ?)", changed)
    connection.executemany("DELETE FROM tracker_state WHERE tracker = ? AND part = ?", gone)
