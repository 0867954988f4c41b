"""What a parcel costs in the outbox, with a small and with a large backlog: `python -m bench.outbox [FOLDER]`.

The task inserts 300 parcels of 1.6 kB in a transaction, the sender fetches 200 and settles 100 at a time.
"""

from __future__ import annotations

import random
import sqlite3
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

from otelbridge.core.component import Parcel
from otelbridge.delivery.outbox import EXPORTED, OUTBOX_SCHEMA, Outbox, insert
from otelbridge.engine.checkpoint import CheckpointStore

BODY_BYTES = 1600  # a compressed envelope of seven spans
LANE = ("sentry", "o1/1", "transaction")
BACKLOGS = (0, 20_000, 200_000)
MEASURED = 3000
NOW = 1_800_000_000.0


def put(path: Path, count: int) -> None:
    """Insert parcels as checkpoints do."""
    body = random.Random(1).randbytes(BODY_BYTES)
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("PRAGMA synchronous = normal")
        for start in range(0, count, 300):
            parcels = [Parcel(f"{start + i:032x}", LANE[1], LANE[2], body, 7) for i in range(300)]
            connection.execute("BEGIN IMMEDIATE")
            insert(connection, parcels, LANE[0], NOW)
            connection.execute("COMMIT")


def send(outbox: Outbox, count: int) -> None:
    """Fetch and settle as the sender does."""
    after = 0
    while count > 0:
        items = outbox.fetch(LANE, after, 200, 8 * 2**20)
        after = items[-1].number
        count -= len(items)
        for start in range(0, len(items), 100):
            outbox.settle({EXPORTED: [item.entry for item in items[start : start + 100]]})


def microseconds(work: Callable[[], object], times: int) -> float:
    """CPU of one of `times` things that the work does."""
    started = time.process_time()
    work()
    return (time.process_time() - started) / times * 1e6


def main() -> None:
    """Print the table."""
    with tempfile.TemporaryDirectory(dir=sys.argv[1] if len(sys.argv) > 1 else None) as folder:
        path = Path(folder, "state.sqlite")
        CheckpointStore(path, OUTBOX_SCHEMA, insert).close()
        with closing(Outbox(path, 10**12, 86400.0)) as outbox:
            for backlog in BACKLOGS:
                put(path, backlog - outbox.parcels)
                inserting = microseconds(lambda: put(path, MEASURED), MEASURED)
                looking = microseconds(lambda: (outbox.refresh(), outbox.expire(NOW, ())), 1)
                sending = microseconds(lambda: send(outbox, MEASURED), MEASURED)
                print(
                    f"{backlog:7} parcels wait: {inserting:5.1f} us CPU to insert one, {sending:5.1f} to fetch and"
                    f" settle one, {looking:5.0f} to look for new and expired ones",
                    flush=True,
                )


if __name__ == "__main__":
    main()
