"""When outcomes are written."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pytest

from otelbridge.core.errors import RetryLater
from otelbridge.delivery.outbox import Entry
from otelbridge.delivery.settlement import BEHIND_PARCELS, RETRY_SECONDS, SETTLE_PARCELS, SETTLE_SECONDS, Settlement


class Disk:
    def __init__(self) -> None:
        self.is_full = False
        self.written: list[list[int]] = []
        self.settlement = Settlement(self.write)

    def write(self, done: Mapping[str, Sequence[Entry]]) -> None:
        if self.is_full:
            raise RetryLater("disk full")
        self.written.append([entry.number for entries in done.values() for entry in entries])

    def add(self, *numbers: int, now: float = 0.0) -> None:
        for number in numbers:
            self.settlement.add("exported", Entry(number, ("e", "d", "c"), 10, 1), now)


def test_few_outcomes_wait_for_more() -> None:
    disk = Disk()
    disk.add(1, 2)

    disk.settlement.settle_when_due(SETTLE_SECONDS / 2)
    assert disk.written == []
    assert disk.settlement.due() == [SETTLE_SECONDS]

    disk.settlement.settle_when_due(SETTLE_SECONDS)
    assert disk.written == [[1, 2]]
    assert disk.settlement.due() == []


def test_many_outcomes_are_written_at_once() -> None:
    disk = Disk()
    disk.add(*range(SETTLE_PARCELS))

    disk.settlement.settle_when_due(0.0)

    assert disk.written == [list(range(SETTLE_PARCELS))]


def test_what_could_not_be_written_is_kept_and_tried_again_a_second_later() -> None:
    disk = Disk()
    disk.is_full = True
    disk.add(*range(SETTLE_PARCELS))
    with pytest.raises(RetryLater):
        disk.settlement.settle_when_due(10.0)

    disk.is_full = False
    disk.settlement.settle_when_due(10.0 + RETRY_SECONDS / 2)
    assert disk.written == []
    assert disk.settlement.numbers() == set(range(SETTLE_PARCELS))
    assert disk.settlement.due() == [10.0 + RETRY_SECONDS]

    disk.settlement.settle_when_due(10.0 + RETRY_SECONDS)
    assert disk.written == [list(range(SETTLE_PARCELS))]
    assert disk.settlement.numbers() == set()


def test_it_says_when_too_much_would_be_sent_twice() -> None:
    disk = Disk()
    disk.add(*range(BEHIND_PARCELS - 1))
    assert not disk.settlement.is_behind

    disk.add(BEHIND_PARCELS)
    assert disk.settlement.is_behind

    disk.settlement.settle()
    assert not disk.settlement.is_behind
