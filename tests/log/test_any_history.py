"""Any history of appends, reads, trims and crashes: nothing acknowledged is lost, and time and numbers only grow."""

from __future__ import annotations

import random
import shutil
import tempfile
from pathlib import Path

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from otelbridge.core.errors import RetryLater
from otelbridge.log.contract import Log, Record
from otelbridge.log.memory import MemoryLog
from otelbridge.log.sqlite import SqliteLog

MIB = 2**20
SIZES = st.lists(st.sampled_from([0, 1, 300, 5_000, 40_000, 200_000]), min_size=1, max_size=5)
TIMES = st.floats(min_value=-5.0, max_value=5.0)


class LogHistory(RuleBasedStateMachine):
    """Compares a log with a list."""

    log: Log

    def __init__(self) -> None:
        super().__init__()
        self.records: list[Record] = []
        self.low_watermark = 1
        self.now = 1000.0
        self.promised = 0.0
        self.rng = random.Random(1)

    def payload(self, size: int) -> bytes:
        return self.rng.randbytes(size) if self.rng.random() < 0.7 else bytes(size)

    @rule(sizes=SIZES, step=TIMES)
    def append(self, sizes: list[int], step: float) -> None:
        self.now += step
        payloads = [self.payload(size) for size in sizes]
        last = self.log.last_sequence
        try:
            appended = self.log.append(payloads, self.now)
        except RetryLater:
            assert self.log.last_sequence == last
            return
        assert [record.payload for record in appended] == payloads
        assert [record.sequence for record in appended] == list(range(last + 1, last + 1 + len(payloads)))
        assert appended[0].time >= max(self.now, self.promised)
        assert len({record.time for record in appended}) == 1
        if self.records:
            assert appended[0].time >= self.records[-1].time
        self.records += appended

    @rule(max_bytes=st.sampled_from([1, 10_000, 300_000, MIB]), behind=st.integers(min_value=0, max_value=30))
    def read(self, max_bytes: int, behind: int) -> None:
        after = max(self.low_watermark - 1, self.log.last_sequence - behind)
        wanted = self.records[after:]
        got = self.log.read(after, max_bytes)
        assert got == wanted[: len(got)]
        assert bool(got) == bool(wanted)
        assert len(got) <= 1 or sum(len(record.payload) for record in got) <= max_bytes

    @rule(step=TIMES)
    def advance(self, step: float) -> None:
        self.now += step
        promised = self.log.advance(self.now, self.log.last_sequence)
        assert promised is not None
        assert promised >= max(self.now, self.promised)
        self.promised = promised

    @rule(share=st.floats(min_value=0, max_value=1))
    def trim(self, share: float) -> None:
        self.low_watermark += round((self.log.last_sequence + 1 - self.low_watermark) * share)
        self.log.trim(self.low_watermark)

    @invariant()
    def nothing_needed_is_gone(self) -> None:
        assert self.log.last_sequence == len(self.records)
        assert self.log.first_sequence <= max(self.low_watermark, 1)
        assert self.log.used_bytes <= self.log.capacity_bytes

    def teardown(self) -> None:
        self.log.close()


class MemoryLogHistory(LogHistory):
    @initialize()
    def open(self) -> None:
        self.log = MemoryLog(2 * MIB)


class SqliteLogHistory(LogHistory):
    """Also crashes: what a killed process leaves is what lies in the folder at that moment."""

    @initialize(tail_bytes=st.sampled_from([0, 100_000, 16 * MIB]))
    def open(self, tail_bytes: int) -> None:
        self.folder = Path(tempfile.mkdtemp())
        self.crashes = 0
        self.patch = pytest.MonkeyPatch()
        self.patch.setattr("otelbridge.log.sqlite.TAIL_BYTES", tail_bytes)
        self.log = self.open_log()

    def open_log(self) -> SqliteLog:
        return SqliteLog(self.folder / str(self.crashes), 3 * MIB, segment_bytes=MIB // 4)

    @precondition(lambda self: self.crashes < 5)
    @rule()
    def crash(self) -> None:
        shutil.copytree(self.folder / str(self.crashes), self.folder / str(self.crashes + 1))
        self.log.close()
        self.crashes += 1
        self.log = self.open_log()
        self.promised = 0.0  # a promise is part of the reader's checkpoint, which hands it back as initial_time

    @rule()
    def restart(self) -> None:
        self.log.close()
        self.log = self.open_log()
        self.promised = 0.0

    def teardown(self) -> None:
        super().teardown()
        self.patch.undo()
        shutil.rmtree(self.folder)


TestMemoryLogHistory = MemoryLogHistory.TestCase
TestSqliteLogHistory = SqliteLogHistory.TestCase
TestSqliteLogHistory.settings = settings(max_examples=40, stateful_step_count=40)
