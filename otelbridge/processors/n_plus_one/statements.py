"""What a query does, told by its columns: asked once for each distinct statement of a batch, not for each span."""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import blake2b

import polars as pl

from otelbridge.analysis.grouping import Integers, as_index

COLUMNS = ("db.operation.name", "db.query.summary", "db.collection.name")

INSERTS = frozenset({"INSERT", "REPLACE", "MERGE", "UPSERT", "INSERTMANY", "INSERTONE"})
WRITES = INSERTS | {"UPDATE", "DELETE"}
NOT_ABOUT_DATA = frozenset([
    "ABORT", "BEGIN", "COMMIT", "DEALLOCATE", "DESCRIBE", "DISCARD", "END", "EXPLAIN", "LISTEN", "LOCK", "PING",
    "PRAGMA", "PREPARE", "RELEASE", "RESET", "ROLLBACK", "SAVEPOINT", "SET", "SHOW", "START", "UNLISTEN", "UNLOCK",
    "USE",
])  # fmt: skip


@dataclass(frozen=True, slots=True)
class Statement:
    """Operation and table of a query.

    Attributes:
        operation: its first word in capitals (`DROP TABLE` is DROP); "" when unknown.
        table: the first table, collection or procedure; "" when it names none.
    """

    operation: str
    table: str

    @property
    def is_about_data(self) -> bool:
        """Unlike BEGIN, COMMIT, or the `SELECT 1` of a connection pool."""
        return bool(self.table) and self.operation not in NOT_ABOUT_DATA

    @property
    def about(self) -> int:
        """64-bit hash of operation and table."""
        text = f"{self.operation} {self.table}".encode(errors="replace")
        return int.from_bytes(blake2b(text, digest_size=8).digest(), "big")


def read_statements(spans: pl.DataFrame, rows: Integers) -> list[Statement]:
    """The statements of some rows, which should all differ."""
    index = as_index(rows)
    return [_statement(*texts) for texts in zip(*(spans[name][index].to_list() for name in COLUMNS), strict=True)]


def _statement(operation: str | None, summary: str | None, table: str | None) -> Statement:
    words = (summary or "").split(" ", 2)
    verb = (operation or words[0]).split(" ", 1)[0].upper()
    return Statement(verb, table or (words[1] if len(words) > 1 else ""))
