"""From submitted requests to parcels in the outbox, over restarts, full disks and full outboxes."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from otelbridge.core.component import Accepted
from otelbridge.core.errors import RetryLater, Undecodable
from otelbridge.engine import runner
from otelbridge.engine.appender import Appender
from otelbridge.engine.handover import Handover
from otelbridge.engine.progress import Progress
from otelbridge.engine.runner import Runner
from otelbridge.engine.traces_task import TracesTask
from otelbridge.engine.wires import SPANS
from otelbridge.log.contract import Log, RecordsLost
from otelbridge.log.memory import MemoryLog
from otelbridge.otlp.decode import DecodedSpans
from tests.engine.conftest import pipeline, raise_error
from tests.engine.test_traces_task import outbox, store_at
from tests.support.otlp import request, request_of, span, spans_of

MIB = 2**20


@dataclass
class Clock:
    now: float = 1000.0

    def __call__(self) -> float:
        return self.now


@dataclass
class Rig:
    """A runner with its log, driven step by step."""

    path: Path
    log: Log = field(default_factory=lambda: MemoryLog(MIB))
    clock: Clock = field(default_factory=Clock)
    handover: Handover[DecodedSpans] = field(default_factory=lambda: Handover(MIB))
    full: bool = False
    lost: list[str] = field(default_factory=list)
    woken: int = 0

    def __post_init__(self) -> None:
        self.start()

    def start(self) -> None:
        """As after a restart of the process, with the same log."""
        self.handover = Handover(MIB)
        self.appender = Appender(self.log, SPANS, self.handover, self.clock)
        self.store = store_at(self.path)
        self.runner = Runner(
            task=TracesTask(pipeline(), raise_error),
            log=self.log,
            store=self.store,
            handover=self.handover,
            clock=self.clock,
            on_checkpoint=self._count,
            outbox_is_full=lambda: self.full,
            on_lost=self.lost.append,
        )
        self.runner.resume(self.store.load())

    def _count(self) -> None:
        self.woken += 1

    def submit(self, *bodies: bytes) -> list[Accepted | BaseException]:
        """What the receivers' clients are told."""

        async def run() -> list[Accepted | BaseException]:
            waiting = [asyncio.create_task(self.appender.submit(body)) for body in bodies]
            await asyncio.sleep(0)
            self.appender.stop()
            await asyncio.to_thread(self.appender.run)
            return await asyncio.gather(*waiting, return_exceptions=True)

        with asyncio.Runner(loop_factory=asyncio.new_event_loop) as runner:
            answers = runner.run(run())
        self.appender = Appender(self.log, SPANS, self.handover, self.clock)
        return answers

    def work(self, until: float) -> None:
        """Feed what there is and let the clock run."""
        while self.runner.step():
            pass
        self.clock.now = until
        self.runner.step()

    def bodies(self) -> list[str]:
        return [body.decode() for _, body in outbox(self.path)]


@pytest.fixture
def rig(tmp_path: Path) -> Rig:
    return Rig(tmp_path / "state.sqlite")


def test_what_is_submitted_ends_in_the_outbox(rig: Rig) -> None:
    answers = rig.submit(request(span("root", span("a"))), request(span("other"), trace=2))

    rig.work(until=1004.0)

    assert answers == [Accepted(2), Accepted(1)]
    assert sorted(rig.bodies()) == ["a+root", "other"]
    assert rig.woken == 1


def test_one_undecodable_request_among_others_is_refused_alone(rig: Rig) -> None:
    answers = rig.submit(request(span("good")), b"\xff\xff", request(span("better"), trace=2))

    assert answers[0] == answers[2] == Accepted(1)
    assert isinstance(answers[1], Undecodable)
    assert rig.log.last_sequence == 2


def test_unusable_spans_are_reported_to_their_own_client(rig: Rig) -> None:
    bad = request_of([*spans_of(span("bad"), bytes(16)), *spans_of(span("good"), b"\x01" * 16)])

    fine, partly = rig.submit(request(span("fine")), bad)

    assert fine == Accepted(1)
    assert isinstance(partly, Accepted)
    assert (partly.items, partly.rejected) == (2, 1)
    assert "1 of 2 spans" in partly.reason


def test_a_full_log_asks_clients_to_come_back(tmp_path: Path) -> None:
    rig = Rig(tmp_path / "state.sqlite", log=MemoryLog(700))

    answers = [rig.submit(request(span("x" * 200), trace=i))[0] for i in range(3)]

    assert answers[0] == Accepted(1)
    assert isinstance(answers[-1], RetryLater)


def test_a_runner_that_is_behind_reads_the_log(rig: Rig) -> None:
    rig.handover = Handover(0)
    rig.appender = Appender(rig.log, SPANS, rig.handover, rig.clock)
    rig.submit(*(request(span(f"r{i}"), trace=i) for i in range(20)))
    rig.runner.handover = rig.handover

    rig.work(until=1004.0)

    assert len(rig.bodies()) == 20


def test_a_runner_that_reads_the_log_does_not_wait_between_reads(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runner, "READ_BYTES", 1)  # one record a read
    rig.submit(*(request(span(f"r{i}"), trace=i) for i in range(20)))
    waited_at: list[int] = []

    class Impatient(Handover[DecodedSpans]):
        def wait(self, items: int, timeout_seconds: float) -> None:
            waited_at.append(rig.runner.health.position)
            rig.runner.stop()

    rig.runner.handover = Impatient(MIB)
    rig.runner.run(rig.store.load())

    assert waited_at == [20]


def test_after_a_kill_the_buffer_is_refilled_and_nothing_is_repeated(rig: Rig) -> None:
    rig.submit(request(span("decided")))
    rig.work(until=1004.0)
    rig.submit(request_of(spans_of(span("waiting"), b"\x02" * 16, parent=b"\x01" * 8)))
    rig.work(until=1006.0)

    rig.start()
    rig.work(until=1060.0)

    assert rig.bodies() == ["decided", "waiting"]
    assert rig.runner.task.ledger.received == 2


def test_a_full_outbox_stops_reading_and_loses_nothing(rig: Rig) -> None:
    rig.full = True
    rig.submit(request(span("root")))

    rig.work(until=1004.0)
    assert rig.bodies() == []
    assert "outbox is full" in rig.runner.health.stalled

    rig.full = False
    rig.work(until=1008.0)
    assert rig.bodies() == ["root"]
    assert rig.runner.health.stalled == ""


def test_a_checkpoint_that_failed_is_repeated_before_anything_else(rig: Rig) -> None:
    save = rig.store.save

    def failing(progress: Progress, now: float) -> None:
        raise RetryLater("checkpoint: disk is full")

    rig.store.save = failing  # type: ignore[method-assign]
    rig.submit(request(span("root")))
    rig.work(until=1004.0)
    rig.submit(request(span("next"), trace=2))
    rig.work(until=1008.0)
    assert rig.runner.health.stalled == "checkpoint: disk is full"
    position = rig.runner.health.position

    rig.store.save = save  # type: ignore[method-assign]
    rig.work(until=1012.0)
    rig.work(until=1016.0)

    assert position == 1
    assert rig.bodies() == ["root", "next"]


def test_lost_records_are_told_and_passed_over(rig: Rig) -> None:
    rig.submit(request(span("one")))
    rig.submit(request(span("two"), trace=2))
    rig.runner.handover = Handover(MIB)
    read: Callable[..., object] = rig.log.read

    def damaged(after: int, max_bytes: int) -> object:
        if after < 1:
            raise RecordsLost("segment 1 is damaged", 1)
        return read(after, max_bytes)

    rig.log.read = damaged  # type: ignore[method-assign, assignment]
    rig.runner.step()
    rig.work(until=1004.0)

    assert rig.lost == ["segment 1 is damaged"]
    assert rig.bodies() == ["two"]


def test_with_nothing_new_no_checkpoint_is_written(rig: Rig) -> None:
    rig.submit(request(span("root")))
    rig.work(until=1004.0)
    before = rig.runner.health.checkpoints

    for second in range(5, 20):
        rig.work(until=1000.0 + second)

    assert rig.runner.health.checkpoints == before


def test_the_threads_end_when_told_and_leave_a_checkpoint(rig: Rig) -> None:
    runner = threading.Thread(target=rig.runner.run, args=(rig.store.load(),))
    rig.submit(request(span("root")))

    runner.start()
    rig.runner.stop()
    runner.join()

    assert rig.store.load().position == 1


def test_what_is_undecided_is_decided_at_a_stop_if_the_log_cannot_keep_it(rig: Rig) -> None:
    rig.runner.decide_on_stop = True
    rig.submit(request(span("root")))
    rig.runner.stop()

    rig.runner.run(rig.store.load())

    assert rig.bodies() == ["root"]
    assert rig.runner.task.ledger.held() == 0


def test_late_spans_that_came_just_before_a_stop_are_not_lost(rig: Rig) -> None:
    rig.submit(request(span("root")))
    rig.work(until=1004.0)
    rig.submit(request(span("late")))
    rig.runner.stop()

    rig.runner.run(rig.store.load())
    rig.start()

    assert rig.bodies() == ["root", "late"]
    assert rig.runner.task.balance.dropped == {}
