"""What every log promises, checked on every log."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from otelbridge.core.errors import RetryLater
from otelbridge.log.contract import Log
from otelbridge.log.memory import MemoryLog
from otelbridge.log.sqlite import SqliteLog

MIB = 2**20
OpenLog = Callable[..., Log]


@pytest.fixture(params=["memory", "sqlite", "sqlite without its tail"])
def open_log(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> OpenLog:
    if request.param == "memory":
        return lambda capacity_bytes=MIB, **initial: MemoryLog(capacity_bytes, **initial)
    if request.param == "sqlite without its tail":
        monkeypatch.setattr("otelbridge.log.sqlite.TAIL_BYTES", 0)
    return lambda capacity_bytes=MIB, **initial: SqliteLog(tmp_path / "log", capacity_bytes, **initial)


@pytest.fixture
def log(open_log: OpenLog) -> Iterator[Log]:
    with closing(open_log()) as log:
        yield log


def payloads_of(log: Log, after: int = 0, max_bytes: int = 10 * MIB) -> list[bytes]:
    return [record.payload for record in log.read(after, max_bytes)]


def append_if_there_is_room(log: Log, payloads: list[bytes]) -> bool:
    try:
        log.append(payloads, 10.0)
    except RetryLater:
        return False
    return True


def test_records_are_numbered_from_one_without_gaps(log: Log) -> None:
    first = log.append([b"a", b"b"], 10.0)
    second = log.append([b"c"], 10.0)
    assert [record.sequence for record in first + second] == [1, 2, 3]
    assert log.last_sequence == 3


def test_what_append_returns_is_what_read_returns(log: Log) -> None:
    appended = log.append([b"a", b"", b"b" * 5000], 10.0)
    assert log.read(0, MIB) == appended


def test_read_goes_on_after_a_sequence(log: Log) -> None:
    log.append([b"a", b"b", b"c"], 10.0)
    assert payloads_of(log, after=1) == [b"b", b"c"]
    assert payloads_of(log, after=3) == []
    assert payloads_of(log, after=7) == []


def test_the_same_records_can_be_read_again(log: Log) -> None:
    log.append([b"a", b"b", b"c"], 10.0)
    assert payloads_of(log, after=2) == [b"c"]
    assert payloads_of(log, after=0) == [b"a", b"b", b"c"]
    assert payloads_of(log, after=1) == [b"b", b"c"]


def test_read_takes_no_more_than_max_bytes(log: Log) -> None:
    log.append([b"aaaa", b"bbbb", b"cccc"], 10.0)
    assert payloads_of(log, max_bytes=8) == [b"aaaa", b"bbbb"]
    assert payloads_of(log, max_bytes=11) == [b"aaaa", b"bbbb"]


def test_read_returns_a_record_that_is_larger_than_max_bytes(log: Log) -> None:
    log.append([b"aaaa", b"bbbb"], 10.0)
    assert payloads_of(log, max_bytes=1) == [b"aaaa"]


def test_an_empty_append_does_nothing(log: Log) -> None:
    assert log.append([], 10.0) == []
    assert log.last_sequence == 0


def test_a_record_is_stamped_with_now(log: Log) -> None:
    (record,) = log.append([b"a"], 10.5)
    assert record.time == 10.5


def test_time_does_not_go_back_with_the_clock(log: Log) -> None:
    log.append([b"a"], 10.0)
    (record,) = log.append([b"b"], 3.0)
    assert record.time == 10.0


def test_time_starts_at_the_initial_time(open_log: OpenLog) -> None:
    with closing(open_log(initial_time=50.0)) as log:
        (record,) = log.append([b"a"], 3.0)
    assert record.time == 50.0


def test_a_reader_that_has_everything_lets_time_pass(log: Log) -> None:
    log.append([b"a"], 10.0)
    assert log.advance(12.0, position=1) == 12.0
    (record,) = log.append([b"b"], 11.0)
    assert record.time == 12.0


def test_advance_never_goes_back(log: Log) -> None:
    log.append([b"a"], 10.0)
    assert log.advance(12.0, position=1) == 12.0
    assert log.advance(11.0, position=1) == 12.0
    assert log.advance(9.0, position=1) == 12.0


def test_time_does_not_pass_for_a_reader_that_is_behind(log: Log) -> None:
    log.append([b"a", b"b"], 10.0)
    assert log.advance(12.0, position=1) is None
    (record,) = log.append([b"c"], 11.0)
    assert record.time == 11.0


def test_time_passes_in_an_empty_log(log: Log) -> None:
    assert log.advance(12.0, position=0) == 12.0


def test_a_full_log_refuses_and_keeps_nothing(open_log: OpenLog) -> None:
    with closing(open_log(MIB)) as log:
        with pytest.raises(RetryLater, match="the log is full"):
            log.append([b"a", b"b" * MIB], 10.0)
        assert log.read(0, MIB) == []
        assert log.last_sequence == 0


def test_a_log_never_holds_more_than_its_capacity(open_log: OpenLog) -> None:
    rng = random.Random(1)
    with closing(open_log(MIB)) as log:
        while append_if_there_is_room(log, [rng.randbytes(4000)] * 8):
            assert 0 < log.used_bytes <= log.capacity_bytes
        assert log.used_bytes > MIB / 2


def test_a_full_log_takes_more_once_it_is_trimmed(open_log: OpenLog) -> None:
    payload = random.Random(1).randbytes(16_000)
    with closing(open_log(MIB)) as log:
        while append_if_there_is_room(log, [payload]):
            pass
        full_at = log.last_sequence
        log.trim(full_at + 1)
        assert log.append([payload], 11.0)[0].sequence == full_at + 1


def test_trim_keeps_what_follows_the_low_watermark(log: Log) -> None:
    for number in range(40):
        log.append([b"%d" % number * 2000], 10.0)
    log.trim(30)
    assert log.first_sequence <= 30
    assert [record.sequence for record in log.read(29, 10 * MIB)] == list(range(30, 41))


def test_numbering_goes_on_after_everything_was_trimmed(log: Log) -> None:
    log.append([b"a", b"b"], 10.0)
    log.trim(3)
    assert log.append([b"c"], 10.0)[0].sequence == 3


def test_trimming_frees_bytes(open_log: OpenLog) -> None:
    rng = random.Random(1)
    with closing(open_log(4 * MIB)) as log:
        for _ in range(80):
            log.append([rng.randbytes(20_000)], 10.0)
        before = log.used_bytes
        log.trim(81)
        assert log.used_bytes < before / 2


def test_numbering_starts_after_the_initial_sequence(open_log: OpenLog) -> None:
    with closing(open_log(initial_sequence=41)) as log:
        assert log.last_sequence == 41
        assert log.first_sequence == 42
        log.append([b"a"], 10.0)
        assert [record.sequence for record in log.read(41, MIB)] == [42]
