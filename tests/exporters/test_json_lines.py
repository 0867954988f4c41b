from __future__ import annotations

import json
import resource
import signal
import stat
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from otelbridge.core.component import Parcel
from otelbridge.core.errors import CannotStart, RetryLater
from otelbridge.exporters.json_lines import JsonLines, check_writable, read_lines
from otelbridge.exporters.sentry.envelope import envelope

NOW = 1_790_000_000.25


def parcel(number: int, size: int = 10) -> Parcel:
    body = envelope("event", {"event_id": f"{number:032x}", "text": "x" * size})
    return Parcel(f"{number:032x}", "file", "error", body, 0)


def numbers(lines: JsonLines) -> list[int]:
    return [int(json.loads(text)["id"], 16) for path in lines.paths() for text in read_lines(path)]


def made(folder: Path, file_bytes: int = 1000, files: int = 3) -> JsonLines:
    return JsonLines(folder / "out", "traces", file_bytes, files)


@contextmanager
def full_disk(bytes_left_for_a_file: int) -> Iterator[None]:
    """No file may grow beyond this."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (bytes_left_for_a_file, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, handler)


def test_a_line_is_json_with_the_envelope_in_it(tmp_path: Path) -> None:
    lines = made(tmp_path)
    lines.append(parcel(7), NOW)
    (text,) = read_lines(lines.paths()[0])
    found = json.loads(text)
    assert (found["id"], found["time"], found["category"], found["spans"]) == (f"{7:032x}", NOW, "error", 0)
    assert found["payload"]["event_id"] == found["header"]["event_id"] == f"{7:032x}"
    assert found["item"]["type"] == "event"


def test_nobody_else_can_read_it(tmp_path: Path) -> None:
    lines = made(tmp_path)
    lines.append(parcel(1), NOW)
    assert stat.S_IMODE((tmp_path / "out").stat().st_mode) == 0o700
    assert stat.S_IMODE(lines.paths()[0].stat().st_mode) == 0o600


def test_files_are_rotated_and_the_surplus_is_named(tmp_path: Path) -> None:
    lines = made(tmp_path)
    surplus = [path.name for number in range(12) for path in lines.append(parcel(number, 300), NOW)]
    assert surplus[0] == "traces.1.jsonl"
    assert all(path.stat().st_size <= 1000 for path in lines.paths())
    assert numbers(lines) == list(range(12))


def test_a_line_longer_than_a_file_has_a_file_of_its_own(tmp_path: Path) -> None:
    lines = made(tmp_path)
    for number in range(3):
        lines.append(parcel(number, 5000), NOW)
    assert len(lines.paths()) == 3
    assert numbers(lines) == [0, 1, 2]


def test_a_parcel_delivered_again_is_written_once(tmp_path: Path) -> None:
    lines = made(tmp_path)
    for _ in range(3):
        lines.append(parcel(1), NOW)
    assert numbers(lines) == [1]


def test_a_parcel_delivered_again_after_a_restart_is_written_once(tmp_path: Path) -> None:
    first = made(tmp_path)
    first.append(parcel(1), NOW)
    first.close()
    second = made(tmp_path)
    second.append(parcel(2), NOW)
    second.append(parcel(1), NOW)
    assert numbers(second) == [1, 2]


def test_a_torn_line_is_skipped_and_those_after_it_are_not(tmp_path: Path) -> None:
    first = made(tmp_path)
    first.append(parcel(1), NOW)
    first.close()
    with first.paths()[0].open("ab") as file:
        file.write(b'{"id":"torn","ti')
    second = made(tmp_path)
    second.append(parcel(2), NOW)
    assert numbers(second) == [1, 2]


def test_a_full_disk_is_tried_again_and_leaves_no_torn_line(tmp_path: Path) -> None:
    lines = made(tmp_path, file_bytes=10_000)
    lines.append(parcel(1), NOW)
    used = lines.paths()[0].stat().st_size
    with full_disk(used + 50), pytest.raises(RetryLater, match="cannot write"):
        lines.append(parcel(2), NOW)
    assert lines.paths()[0].stat().st_size == used
    lines.append(parcel(2), NOW)
    assert numbers(lines) == [1, 2]


def test_a_folder_that_is_gone_is_tried_again(tmp_path: Path) -> None:
    (tmp_path / "out").write_text("in the way")
    with pytest.raises(RetryLater, match="cannot write"):
        made(tmp_path).append(parcel(1), NOW)


def test_a_folder_that_cannot_be_made_is_one_clear_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(CannotStart, match=r"exporter file: cannot write to .*: not a directory"):
        check_writable(tmp_path / "file" / "below", "exporter file")


def test_threads_do_not_mix_their_lines(tmp_path: Path) -> None:
    lines = made(tmp_path, file_bytes=20_000, files=1000)
    threads = [
        threading.Thread(
            target=lambda start=start: [lines.append(parcel(n, n % 700), NOW) for n in range(start, 400, 8)]
        )
        for start in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(numbers(lines)) == list(range(400))
