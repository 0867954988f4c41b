"""The log on disk: restarts, damage, full disks, and who may look."""

from __future__ import annotations

import os
import random
import shutil
import sqlite3
import stat
import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from otelbridge.core.errors import CannotStart, RetryLater, StateUnreadable
from otelbridge.log.contract import Record, RecordsLost
from otelbridge.log.segment import create_segment, find_segments
from otelbridge.log.sqlite import SqliteLog

MIB = 2**20
SEGMENT_BYTES = 2**18
OpenLog = Callable[..., SqliteLog]


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    return tmp_path / "log"


@pytest.fixture
def open_log(directory: Path) -> Iterator[OpenLog]:
    opened: list[SqliteLog] = []

    def open_log(capacity_bytes: int = 32 * MIB, **arguments: object) -> SqliteLog:
        for log in opened:
            log.close()
        arguments = {"segment_bytes": SEGMENT_BYTES} | arguments
        opened.append(SqliteLog(directory, capacity_bytes, **arguments))  # type: ignore[arg-type] # the caller's types
        return opened[-1]

    yield open_log
    for log in opened:
        log.close()


def noise(size: int, seed: int = 0) -> bytes:
    return random.Random(seed).randbytes(size)


def fill(log: SqliteLog, records: int, size: int = 20_000) -> list[Record]:
    return [log.append([noise(size, number)], 10.0 + number)[0] for number in range(records)]


def read_all(log: SqliteLog, after: int = 0) -> list[Record]:
    records: list[Record] = []
    while read := log.read(after, MIB):
        records += read
        after = read[-1].sequence
    return records


def segment_files(directory: Path) -> list[Path]:
    return sorted(directory.glob("*.sqlite"))


def overwrite(path: Path, start: int, length: int) -> None:
    with path.open("r+b") as file:
        file.seek(start)
        file.write(noise(length, 99))


def fold(path: Path) -> None:
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()


# restarts


def test_records_are_there_after_a_restart(open_log: OpenLog) -> None:
    written = fill(open_log(), 60)
    assert read_all(open_log()) == written


def test_the_folder_and_its_files_are_private(open_log: OpenLog, directory: Path) -> None:
    directory.mkdir(mode=0o755)
    log = open_log()
    fill(log, 40)
    assert log.read(0, MIB)
    assert stat.S_IMODE(directory.stat().st_mode) == 0o700
    assert {stat.S_IMODE(path.stat().st_mode) for path in directory.iterdir()} == {0o600}


def test_numbers_and_time_go_on_after_everything_was_trimmed(open_log: OpenLog) -> None:
    log = open_log()
    written = fill(log, 60)
    log.trim(61)
    assert len(segment_files(log._folder.path)) == 1
    (record,) = open_log().append([b"next"], 1.0)
    assert record.sequence == 61
    assert record.time == written[-1].time


def test_time_goes_on_when_the_newest_segment_is_still_empty(open_log: OpenLog, directory: Path) -> None:
    written = fill(open_log(), 3)
    open_log().close()
    create_segment(directory, 4, written[-1].time)
    log = open_log()
    log.trim(4)
    (record,) = log.append([b"next"], 1.0)
    assert (record.sequence, record.time) == (4, written[-1].time)


def test_numbers_continue_after_what_the_reader_knows_even_if_records_were_lost(open_log: OpenLog) -> None:
    fill(open_log(), 3)
    log = open_log(initial_sequence=10)
    assert log.append([b"next"], 1.0)[0].sequence == 11
    assert [record.sequence for record in log.read(0, MIB)] == [1, 2, 3]
    with pytest.raises(RecordsLost, match="cannot read records 4 to 10") as raised:
        log.read(3, MIB)
    assert [record.payload for record in log.read(raised.value.resume_after, MIB)] == [b"next"]


def test_trimmed_segments_are_deleted_with_all_their_files(open_log: OpenLog, directory: Path) -> None:
    log = open_log()
    fill(log, 60)
    read_all(log)
    before = len(segment_files(directory))
    log.trim(50)
    left = segment_files(directory)
    assert 1 < len(left) < before
    assert {path.name.split(".")[0] for path in directory.iterdir()} == {path.stem for path in left} | {"lock"}
    assert log.first_sequence == int(left[0].stem) <= 50


def test_files_of_others_are_left_alone(open_log: OpenLog, directory: Path) -> None:
    directory.mkdir()
    other = directory / "notes.sqlite"
    other.write_text("mine")
    log = open_log()
    fill(log, 60)
    log.trim(61)
    assert other.read_text() == "mine"


def test_many_small_commits_do_not_fill_the_disk(open_log: OpenLog, directory: Path) -> None:
    log = open_log(segment_bytes=MIB)
    for number in range(1500):  # each rewrites at least a page of 8 KiB: 12 MB if nothing was folded
        log.append([noise(300, number)], 10.0)
    assert len(segment_files(directory)) <= 2
    assert log.used_bytes < 3 * MIB
    assert len(read_all(open_log())) == 1500


def test_a_log_that_is_not_the_newest_is_not_written_twice(open_log: OpenLog, directory: Path) -> None:
    log = open_log()
    fill(log, 60)
    oldest = segment_files(directory)[0]
    assert oldest.stat().st_size < oldest.with_name(oldest.name + "-wal").stat().st_size / 4


@pytest.mark.parametrize(("synchronous", "pragma"), [("normal", 1), ("full", 2)])
def test_synchronous_is_what_was_asked_for(open_log: OpenLog, synchronous: str, pragma: int) -> None:
    log = open_log(synchronous=synchronous)
    log.append([b"a"], 1.0)
    assert log._writer is not None
    assert log._writer._connection.execute("PRAGMA synchronous").fetchone() == (pragma,)


# two threads


def test_a_reader_keeps_up_with_an_appender_in_another_thread(
    open_log: OpenLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("otelbridge.log.sqlite.TAIL_BYTES", 30_000)  # the reader goes to the disk now and then
    log = open_log()
    appender = threading.Thread(target=fill, args=(log, 100))
    appender.start()
    after, seen = 0, []
    while after < 100:
        records = log.read(after, 100_000)
        seen += records
        after = records[-1].sequence if records else after
        log.trim(after - 20)
    appender.join()
    assert [record.sequence for record in seen] == list(range(1, 101))
    assert [record.payload for record in seen] == [noise(20_000, number) for number in range(100)]


# what a killed process leaves


def test_a_segment_that_was_being_created_is_begun_again(open_log: OpenLog, directory: Path) -> None:
    written = fill(open_log(), 3)
    open_log().close()
    (directory / f"{4:020}.sqlite").touch(0o600)
    log = open_log()
    assert log.append([b"next"], 100.0)[0].sequence == 4
    assert read_all(log)[:3] == written


def test_a_segment_without_tables_is_begun_again(open_log: OpenLog, directory: Path) -> None:
    fill(open_log(), 3)
    open_log().close()
    with closing(sqlite3.connect(directory / f"{4:020}.sqlite")) as connection:
        connection.execute("PRAGMA journal_mode = WAL")
    log = open_log()
    assert log.append([b"next"], 100.0)[0].sequence == 4
    assert len(read_all(open_log())) == 4


def test_a_segment_whose_first_page_was_not_committed_is_begun_again(open_log: OpenLog, directory: Path) -> None:
    fill(open_log(), 3)
    open_log().close()
    (directory / f"{4:020}.sqlite").write_bytes(noise(4096))
    (directory / f"{4:020}.sqlite-journal").write_bytes(b"\0" * 512)
    log = open_log()
    assert log.append([b"next"], 100.0)[0].sequence == 4
    assert len(read_all(open_log())) == 4
    assert not list(directory.glob("*-journal"))


def test_a_segment_half_deleted_is_deleted_by_the_next_trim(open_log: OpenLog, directory: Path) -> None:
    fill(open_log(), 60)
    open_log().close()
    oldest = segment_files(directory)[0]
    oldest.with_name(oldest.name + "-wal").unlink()
    log = open_log()
    log.trim(61)
    assert not oldest.exists()
    assert log.append([b"next"], 100.0)[0].sequence == 61


def test_a_lost_shared_memory_file_is_made_again(open_log: OpenLog, directory: Path) -> None:
    written = fill(open_log(), 60)
    open_log().close()
    for path in directory.glob("*-shm"):
        path.unlink()
    assert read_all(open_log()) == written


# damage


def test_a_damaged_segment_is_reported_and_the_others_stay_readable(open_log: OpenLog, directory: Path) -> None:
    written = fill(open_log(), 60)
    open_log().close()
    second, third = segment_files(directory)[1:3]
    fold(second)
    overwrite(second, 0, second.stat().st_size)
    log = open_log()
    lost = range(int(second.stem), int(third.stem))
    assert read_until_damage(log) == written[: lost[0] - 1]
    with pytest.raises(RecordsLost, match=rf"{second}.*records {lost[0]} to {lost[-1]}:") as raised:
        log.read(lost[0] - 1, MIB)
    assert read_all(log, raised.value.resume_after) == written[lost[-1] :]


def read_until_damage(log: SqliteLog) -> list[Record]:
    records: list[Record] = []
    try:
        while read := log.read(len(records), 50_000):
            records += read
    except RecordsLost:
        return records
    raise AssertionError("no damage")


def test_a_damaged_segment_is_never_deleted(open_log: OpenLog, directory: Path) -> None:
    fill(open_log(), 60)
    open_log().close()
    second = segment_files(directory)[1]
    fold(second)
    overwrite(second, 8192, second.stat().st_size - 8192)
    damaged = second.read_bytes()
    log = open_log()
    read_until_damage(log)
    log.trim(61)
    open_log().trim(61)
    aside = second.with_name(second.name + ".unreadable")
    assert aside.read_bytes() == damaged
    assert [path.name for path in directory.glob("*.unreadable")] == [aside.name]


def test_a_damaged_segment_stays_damaged_after_a_restart(open_log: OpenLog, directory: Path) -> None:
    fill(open_log(), 60)
    open_log().close()
    second = segment_files(directory)[1]
    fold(second)
    overwrite(second, 8192, second.stat().st_size - 8192)
    before = read_until_damage(open_log())
    assert read_until_damage(open_log()) == before
    assert len(before) == int(second.stem) - 1


def test_records_missing_at_the_end_of_a_segment_are_reported(open_log: OpenLog, directory: Path) -> None:
    written = fill(open_log(), 60)
    open_log().close()
    oldest, second = segment_files(directory)[:2]
    log_file = oldest.with_name(oldest.name + "-wal")
    overwrite(log_file, log_file.stat().st_size // 2, 1000)
    evidence = log_file.read_bytes()
    log = open_log()
    before = read_until_damage(log)
    assert 0 < len(before) < int(second.stem) - 1
    assert before == written[: len(before)]
    with pytest.raises(RecordsLost, match=f"records {len(before) + 1} to {int(second.stem) - 1}: ") as raised:
        log.read(len(before), MIB)
    assert read_all(log, raised.value.resume_after) == written[int(second.stem) - 1 :]
    log.trim(61)
    assert (directory / f"{oldest.name}.unreadable-wal").read_bytes() == evidence


def test_a_damaged_newest_segment_does_not_stop_appending(open_log: OpenLog, directory: Path) -> None:
    written = fill(open_log(), 60)
    open_log().close()
    newest = segment_files(directory)[-1]
    fold(newest)
    overwrite(newest, 0, newest.stat().st_size)
    log = open_log()
    assert log.last_sequence >= 60
    (record,) = log.append([b"next"], 100.0)
    assert record.sequence > 60
    assert read_until_damage(log) == written[: int(newest.stem) - 1]
    with pytest.raises(RecordsLost) as raised:
        log.read(int(newest.stem) - 1, MIB)
    assert log.read(raised.value.resume_after, MIB) == [record]
    assert open_log().append([b"more"], 100.0)[0].sequence == record.sequence + 1


def test_an_empty_database_file_beside_a_write_ahead_log_is_kept(open_log: OpenLog, directory: Path) -> None:
    fill(open_log(segment_bytes=MIB), 20, size=10_000)
    open_log().close()
    (newest,) = segment_files(directory)
    log_file = newest.with_name(newest.name + "-wal")
    evidence = log_file.read_bytes()
    newest.write_bytes(b"")
    log = open_log()
    assert log.append([b"next"], 100.0)[0].sequence > 20
    assert (directory / f"{newest.name}.unreadable-wal").read_bytes() == evidence


@pytest.mark.parametrize("seed", range(30))
def test_random_damage_never_gives_wrong_records_an_order_or_a_crash(
    open_log: OpenLog, directory: Path, seed: int
) -> None:
    fill(open_log(), 30)
    open_log().close()
    rng = random.Random(seed)
    victim = rng.choice([path for path in directory.iterdir() if path.suffix in {".sqlite", ".sqlite-wal"}])
    if rng.random() < 0.3:
        os.truncate(victim, rng.randrange(victim.stat().st_size))
    else:
        overwrite(victim, rng.randrange(victim.stat().st_size), rng.randint(1, 20_000))
    log = open_log()
    log.append([b"next"], 100.0)
    after, sequences = 0, [0]
    while after < log.last_sequence:
        try:
            records = log.read(after, 50_000)
        except RecordsLost as error:
            resume_after = error.resume_after
        else:
            sequences += [record.sequence for record in records]
            resume_after = sequences[-1]
        assert resume_after > after
        after = resume_after
    assert sequences == sorted(set(sequences))
    assert sequences[-1] == log.last_sequence


def test_a_segment_of_a_later_version_is_left_as_it_is(open_log: OpenLog, directory: Path) -> None:
    fill(open_log(), 3)
    open_log().close()
    (newest,) = segment_files(directory)
    with closing(sqlite3.connect(newest)) as connection:
        connection.execute("PRAGMA user_version = 99")
    with pytest.raises(StateUnreadable, match="has format 99, this version reads 1"):
        open_log()
    assert segment_files(directory) == [newest]


def test_a_deleted_folder_is_answered_with_retry_later_until_it_is_back(open_log: OpenLog, directory: Path) -> None:
    log = open_log()
    fill(log, 3)
    shutil.rmtree(directory)
    with pytest.raises(RetryLater):
        log.append([b"next"], 100.0)
    with pytest.raises(RetryLater):
        log.append([b"next"], 100.0)
    directory.mkdir()
    assert log.append([b"next"], 100.0)[0].sequence == 4
    assert [segment.first for segment in find_segments(directory)] == [4]


def test_a_disk_that_cannot_be_read_now_is_read_later(
    open_log: OpenLog, directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    written = fill(open_log(), 60)
    log = open_log()

    def run_out_of_files(_path: Path) -> sqlite3.Connection:
        raise OSError(24, "Too many open files")

    with monkeypatch.context() as patch:
        patch.setattr("otelbridge.log.segment_reader.connect_to_read", run_out_of_files)
        with pytest.raises(RetryLater, match="Too many open files"):
            log.read(0, MIB)
    assert read_all(log) == written
    assert not list(directory.glob("*.unreadable"))


def test_a_segment_that_the_reader_has_open_can_be_trimmed(open_log: OpenLog, directory: Path) -> None:
    written = fill(open_log(), 60)
    log = open_log()
    oldest = segment_files(directory)[0]
    assert log.read(0, 1) == written[:1]
    log.trim(50)
    assert not oldest.exists()
    assert read_all(log, 49) == written[49:]


# who may open it


def test_a_second_log_on_the_folder_cannot_start(open_log: OpenLog, directory: Path) -> None:
    open_log()
    with pytest.raises(CannotStart) as raised:
        SqliteLog(directory, MIB)
    assert str(raised.value) == f"{directory} is in use by another otelbridge (pid {os.getpid()})"


def test_a_log_that_could_not_start_leaves_the_folder_free(open_log: OpenLog, directory: Path) -> None:
    fill(open_log(), 3)
    open_log().close()
    newest = segment_files(directory)[0]
    for value in (99, 1):
        with closing(sqlite3.connect(newest)) as connection:
            connection.execute(f"PRAGMA user_version = {value}")
        if value == 99:
            with pytest.raises(StateUnreadable):
                open_log()
    assert len(read_all(open_log())) == 3


def test_a_folder_that_cannot_be_made_is_one_clear_line(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(CannotStart) as raised:
        SqliteLog(tmp_path / "file" / "log", MIB)
    assert str(raised.value) == f"cannot write to {tmp_path / 'file' / 'log'}: not a directory"
