"""What waits, what it adds up to, and what becomes of it."""

from __future__ import annotations

import sqlite3

import pytest

from otelbridge.core.errors import RetryLater
from otelbridge.core.outcomes import DropReason
from otelbridge.delivery.outbox import EXPORTED, OVERHEAD_BYTES
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

    expired = box.outbox.expire(now=101.0, in_flight=[2])

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
