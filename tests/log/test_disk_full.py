"""A full disk: clients are asked to come back, nothing half-written is kept, and the log goes on when there is room."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path

import pytest

from otelbridge.core.errors import CannotStart, RetryLater
from otelbridge.log.sqlite import SqliteLog

MIB = 2**20
ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("limit_bytes", [200_000, 1_000_000])
def test_a_file_that_may_not_grow_refuses_and_goes_on_later(tmp_path: Path, limit_bytes: int) -> None:
    command = [sys.executable, "-m", "tests.log.run_out_of_disk", str(tmp_path / "log"), str(limit_bytes)]
    found = json.loads(subprocess.run(command, cwd=ROOT, check=True, capture_output=True).stdout)
    assert found["before"] > 0
    assert all(error.startswith("cannot write to the log: ") for error in found["errors"])
    assert found["sequences"] == list(range(1, found["before"] + 2))
    assert all(found["intact"])


def test_sqlite_that_is_full_refuses_and_goes_on_later(tmp_path: Path) -> None:
    with closing(SqliteLog(tmp_path / "log", 64 * MIB)) as log:
        log.append([b"first"], 1.0)
        assert log._writer is not None
        log._writer._connection.execute("PRAGMA max_page_count = 4")
        with pytest.raises(RetryLater, match="cannot write to the log: database or disk is full"):
            log.append([random.Random(1).randbytes(100_000)], 1.0)
        log._writer._connection.execute("PRAGMA max_page_count = 4000000")
        log.append([b"second"], 1.0)
        assert [record.payload for record in log.read(0, MIB)] == [b"first", b"second"]


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    path = tmp_path / "disk"
    path.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", str(path)]
    if os.geteuid() != 0 or subprocess.run(mount, capture_output=True, check=False).returncode != 0:
        pytest.skip("needs the right to mount a file system")
    yield path
    subprocess.run(["umount", str(path)], check=True)


def take_all_space(path: Path) -> None:
    with suppress(OSError), path.open("wb", buffering=0) as file:
        while file.write(b"x" * 512):
            pass


def test_a_disk_that_is_full_refuses_and_goes_on_once_there_is_space(small_disk: Path) -> None:
    rng = random.Random(1)
    payloads = [rng.randbytes(30_000) for _ in range(200)]
    with closing(SqliteLog(small_disk / "log", 64 * MIB, segment_bytes=MIB // 4)) as log:
        with suppress(RetryLater):
            for payload in payloads:
                log.append([payload], 1.0)
        full_at = log.last_sequence
        assert full_at < len(payloads)
        with pytest.raises(RetryLater, match="cannot write to the log"):
            log.append([payloads[0]], 1.0)
        assert full_at > 0
        assert [record.payload for record in log.read(0, 64 * MIB)] == payloads[:full_at]
        log.trim(full_at)
        assert log.append([b"next"], 1.0)[0].sequence == full_at + 1


def test_a_disk_without_room_for_a_first_segment_refuses(small_disk: Path) -> None:
    log = SqliteLog(small_disk / "log", 64 * MIB)
    filler = small_disk / "filler"
    take_all_space(filler)
    with closing(log):
        with pytest.raises(RetryLater, match="cannot write to the log"):
            log.append([b"a"], 1.0)
        filler.unlink()
        assert log.append([b"a"], 1.0)[0].sequence == 1


def test_a_log_that_cannot_be_opened_on_a_full_disk_cannot_start_and_loses_nothing(small_disk: Path) -> None:
    with closing(SqliteLog(small_disk / "log", 64 * MIB)) as log:
        log.append([b"a"], 1.0)
    for path in (small_disk / "log").glob("*-shm"):
        path.unlink()
    take_all_space(small_disk / "filler")
    with pytest.raises(CannotStart, match="cannot open the log in"):
        SqliteLog(small_disk / "log", 64 * MIB)
    (small_disk / "filler").unlink()
    with closing(SqliteLog(small_disk / "log", 64 * MIB)) as log:
        assert [record.payload for record in log.read(0, MIB)] == [b"a"]
