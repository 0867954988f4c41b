"""What waits, what it adds up to, and what becomes of it."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from otelbridge.core.errors import RetryLater
from otelbridge.core.outcomes import DropReason
from otelbridge.delivery.outbox import EXPORTED, OUTBOX_SCHEMA, OVERHEAD_BYTES, Outbox, insert
from otelbridge.engine.checkpoint import CheckpointStore
from tests.delivery.conftest import Box, parcel

LANE = ("e", "sentry", "transaction")


def test_parcels_come_back_oldest_first_lane_by_lane(box: Box) -> None:
    box.put(parcel(1), parcel(2, category="error"), parcel(3))

    assert [item.parcel.id for item in box.outbox.fetch(LANE, 0, 10, 10_000)] == ["id1", "id3"]
    assert [item.parcel.id for item in box.outbox.fetch(("e", "sentry", "error"), 0, 10, 10_000)] == ["id2"]


def test_a_fetch_is_bounded_but_never_empty_handed(box: Box) -> None:
    box.put(parcel(1), parcel(2), parcel(3))

    assert len(box.outbox.fetch(LANE, 0, 10, max_bytes=1)) == 1
    assert len(box.outbox.fetch(LANE, 0, 2, max_bytes=10_000)) == 2
    assert [item.parcel.id for item in box.outbox.fetch(LANE, 2, 10, 10_000)] == ["id3"]


def test_totals_follow_what_is_put_and_settled(box: Box) -> None:
    box.put(parcel(1, spans=5), parcel(2, spans=7))
    first, second = box.outbox.fetch(LANE, 0, 10, 10_000)
    assert (box.outbox.parcels, box.outbox.spans("e")) == (2, 12)
    assert box.outbox.used_bytes == 2 * (OVERHEAD_BYTES + len(b"body 1"))

    box.outbox.settle({EXPORTED: [first.entry], DropReason.REJECTED: [second.entry]})

    assert (box.outbox.parcels, box.outbox.used_bytes, box.outbox.spans("e")) == (0, 0, 0)
    assert box.outbox.outcomes == {("e", "exported"): (5, 1), ("e", "rejected"): (7, 1)}
    assert box.outbox.fetch(LANE, 0, 10, 10_000) == []


def test_it_is_full_when_its_capacity_is_used(box: Box) -> None:
    box.put(*(parcel(i) for i in range(4)))
    assert not box.outbox.is_full

    box.put(parcel(5))

    assert box.outbox.is_full


def test_what_waited_too_long_is_dropped_and_counted(box: Box) -> None:
    box.put(parcel(1), parcel(2), now=0.0)
    box.put(parcel(3), now=50.0)

    expired = box.outbox.expire(now=101.0, exempt=[2])

    assert [entry.number for entry in expired] == [1]
    assert box.outbox.outcomes == {("e", "expired"): (2, 1)}
    assert box.outbox.parcels == 2


def test_a_transaction_that_fails_settles_nothing(box: Box) -> None:
    box.put(parcel(1))
    (item,) = box.outbox.fetch(LANE, 0, 10, 10_000)
    blocker = sqlite3.connect(box.path, isolation_level=None)
    blocker.execute("BEGIN IMMEDIATE")
    box.outbox._connection.execute("PRAGMA busy_timeout = 0")

    with pytest.raises(RetryLater, match="locked"):
        box.outbox.settle({EXPORTED: [item.entry]})

    blocker.execute("ROLLBACK")
    blocker.close()
    assert box.outbox.parcels == 1
    box.outbox.settle({EXPORTED: [item.entry]})
    assert box.outbox.parcels == 0


def test_expiry_stops_at_the_first_that_is_young_enough(box: Box) -> None:
    box.put(parcel(1), now=50.0)
    box.put(parcel(2), now=0.0)  # the clock was set back

    assert box.outbox.expire(now=101.0, exempt=[]) == []
    assert [entry.number for entry in box.outbox.expire(now=151.0, exempt=[])] == [1, 2]


def test_expiry_goes_on_where_it_stopped(box: Box) -> None:
    box.put(*(parcel(i) for i in range(2500)))

    counts = []
    while expired := box.outbox.expire(now=101.0, exempt=[]):
        counts.append(len(expired))

    assert counts == [1000, 1000, 500]
    assert box.outbox.outcomes == {("e", "expired"): (5000, 2500)}


def test_it_knows_since_when_the_oldest_waits(box: Box) -> None:
    assert box.outbox.oldest_time is None

    box.put(parcel(1), now=7.0)
    box.put(parcel(2), now=8.0)

    assert box.outbox.oldest_time == 7.0


def test_totals_survive_a_restart(box: Box) -> None:
    box.put(parcel(1, spans=5), parcel(2, spans=7))
    (first, _second) = box.outbox.fetch(LANE, 0, 10, 10_000)
    box.outbox.settle({EXPORTED: [first.entry]})

    again = Outbox(box.path, capacity_bytes=1000, max_age_seconds=100.0)

    assert (again.parcels, again.spans("e")) == (1, 7)
    assert again.outcomes == {("e", "exported"): (5, 1)}
    again.close()


def test_what_is_settled_counts_once_even_if_the_totals_cannot_be_read_then(
    box: Box, monkeypatch: pytest.MonkeyPatch
) -> None:
    box.put(parcel(1), parcel(2))
    first, second = box.outbox.fetch(LANE, 0, 10, 10_000)

    def fail() -> None:
        raise RetryLater("disk I/O error")

    monkeypatch.setattr(box.outbox, "refresh", fail)
    box.outbox.settle({EXPORTED: [first.entry]})
    monkeypatch.undo()
    box.outbox.settle({EXPORTED: [second.entry]})

    assert box.outbox.outcomes == {("e", "exported"): (4, 2)}
    assert box.outbox.parcels == 0


def test_a_file_that_cannot_be_read_now_is_tried_later(box: Box) -> None:
    box.put(parcel(1))
    box.outbox._connection.close()

    for attempt in (box.outbox.refresh, box.outbox.tidy):
        with pytest.raises(RetryLater, match="outbox: "):
            attempt()
    with pytest.raises(RetryLater, match="outbox: "):
        box.outbox.fetch(LANE, 0, 10, 10_000)
    with pytest.raises(RetryLater, match="outbox: "):
        box.outbox.expire(0.0, [])


def test_a_large_backlog_gives_its_space_back(tmp_path: Path) -> None:
    store = CheckpointStore(tmp_path / "state.sqlite", OUTBOX_SCHEMA, insert)
    outbox = Outbox(tmp_path / "state.sqlite", capacity_bytes=10**9, max_age_seconds=1e9)
    connection = sqlite3.connect(tmp_path / "state.sqlite")
    with connection:
        insert(connection, [parcel(i)._replace(body=bytes(200_000)) for i in range(200)], "e", 0.0)
    outbox.settle({EXPORTED: [item.entry for item in outbox.fetch(LANE, 0, 1000, 10**9)]})
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
    before = (tmp_path / "state.sqlite").stat().st_size
    assert before > 200 * 200_000

    for _ in range(100):
        outbox.tidy()

    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
    assert (tmp_path / "state.sqlite").stat().st_size < before / 2
    connection.close()
    outbox.close()
    store.close()
