from __future__ import annotations

from otelbridge.log.contract import Record
from otelbridge.log.tail import Tail


def records(start: int, count: int, size: int = 10) -> list[Record]:
    return [Record(sequence, 1.0, bytes(size)) for sequence in range(start, start + count)]


def test_the_oldest_records_leave_when_there_is_no_room() -> None:
    tail = Tail(capacity_bytes=35, last_sequence=0)
    tail.extend(records(1, 5))
    assert tail.first_sequence == 3
    assert tail.used_bytes == 30
    assert tail.take(2, 1000) == records(3, 3)


def test_it_knows_what_it_does_not_hold() -> None:
    tail = Tail(capacity_bytes=35, last_sequence=0)
    tail.extend(records(1, 5))
    assert not tail.holds_after(1)
    assert tail.holds_after(2)
    assert tail.holds_after(5)


def test_a_record_larger_than_the_tail_is_not_held() -> None:
    tail = Tail(capacity_bytes=35, last_sequence=7)
    tail.extend(records(8, 1, size=100))
    assert tail.used_bytes == 0
    assert tail.first_sequence == 9
    assert not tail.holds_after(7)


def test_forgotten_records_free_their_bytes() -> None:
    tail = Tail(capacity_bytes=100, last_sequence=0)
    tail.extend(records(1, 5))
    tail.forget_before(4)
    assert tail.first_sequence == 4
    assert tail.used_bytes == 20
