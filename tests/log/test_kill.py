"""A process that is killed loses nothing that it acknowledged."""

from __future__ import annotations

import random
import signal
import subprocess
import sys
from contextlib import closing
from itertools import pairwise
from pathlib import Path

from otelbridge.log.contract import Record
from otelbridge.log.sqlite import SqliteLog
from tests.log.append_until_killed import payload_of

KILLS = 20
ROOT = Path(__file__).parents[2]


def acknowledge_and_kill(directory: Path, acknowledgements: int, work: int) -> int:
    """The last sequence that was acknowledged; `work` spins so that the kill comes at any point of an append."""
    command = [sys.executable, "-m", "tests.log.append_until_killed", str(directory)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, cwd=ROOT) as process:
        assert process.stdout is not None
        last = 0
        for _ in range(acknowledgements):
            last = int(process.stdout.readline())
        for _ in range(work):
            pass
        process.send_signal(signal.SIGKILL)
        printed = process.stdout.read().decode().split("\n")[:-1]  # what comes after the last newline is half a line
    return int(printed[-1]) if printed else last


def read_all(log: SqliteLog) -> list[Record]:
    records: list[Record] = []
    while read := log.read(len(records), 2**20):
        records += read
    return records


def test_all_that_was_acknowledged_is_there_after_each_kill(tmp_path: Path) -> None:
    rng = random.Random(20)
    directory = tmp_path / "log"
    acknowledged = 0
    for _ in range(KILLS):
        acknowledged = max(acknowledged, acknowledge_and_kill(directory, rng.randint(1, 60), rng.randint(0, 200_000)))
        with closing(SqliteLog(directory, 64 * 2**20)) as log:
            records = read_all(log)
        assert len(records) >= acknowledged
        assert [record.sequence for record in records] == list(range(1, len(records) + 1))
        assert all(record.payload == payload_of(record.sequence) for record in records)
        assert all(before.time <= after.time for before, after in pairwise(records))
    assert len(list(directory.glob("*.sqlite"))) > 5  # kills fell into the beginning of segments too
