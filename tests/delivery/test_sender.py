"""The outbox is emptied, whatever the destination does."""

from __future__ import annotations

import random
import sqlite3
import threading
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import pytest

from otelbridge.core.component import Parcel
from otelbridge.core.errors import RateLimited, Rejected, RetryLater
from otelbridge.delivery.outbox import Entry, insert
from otelbridge.delivery.schedule import BATCH_PARCELS
from otelbridge.delivery.sender import WORKERS, Sender
from otelbridge.delivery.settlement import BEHIND_PARCELS
from tests.delivery.conftest import Box, ObedientExporter, parcel

FAR = 1e12


@dataclass
class Clock:
    now: float = 0.0

    def __call__(self) -> float:
        return self.now


@dataclass
class Sending:
    box: Box
    exporter: ObedientExporter = field(default_factory=ObedientExporter)
    clock: Clock = field(default_factory=Clock)
    troubles: list[str] = field(default_factory=list)
    recoveries: list[str] = field(default_factory=list)
    trouble_told: threading.Event = field(default_factory=threading.Event)
    deaths: list[BaseException] = field(default_factory=list)

    def run(self, deadline: float = FAR) -> Sender:
        """Start, send all that can be sent, and stop."""
        sender = self.start()
        sender.drain(deadline)
        return sender

    def start(self) -> Sender:
        sender = self.make()
        sender.start()
        return sender

    def make(self) -> Sender:
        return Sender(
            self.box.outbox,
            {"e": self.exporter},
            self.clock,
            random.Random(1),
            self.note_trouble,
            self.recoveries.append,
            self.deaths.append,
        )

    def note_trouble(self, _id: str, why: str) -> None:
        self.troubles.append(why)
        self.trouble_told.set()


@pytest.fixture
def sending(box: Box) -> Iterator[Sending]:
    return Sending(box)  # type: ignore[return-value]


def test_everything_is_sent_and_deleted(sending: Sending) -> None:
    sending.box.put(*(parcel(i) for i in range(500)))

    sending.run()

    assert sorted(sending.exporter.taken) == sorted(f"id{i}" for i in range(500))
    assert sending.box.outbox.parcels == 0
    assert sending.box.outbox.outcomes == {("e", "exported"): (1000, 500)}
    assert sending.recoveries == []


def test_what_fails_stays(sending: Sending) -> None:
    sending.box.put(*(parcel(i) for i in range(50)))
    sending.exporter.always = lambda _parcel: RetryLater("HTTP 500")

    sender = sending.run()

    assert sending.box.outbox.parcels == 50
    assert sender.counts.failed_attempts["e"] >= 1
    assert sender.counts.last_errors["e"] == "HTTP 500"


def test_a_defect_of_an_exporter_loses_nothing(sending: Sending) -> None:
    sending.box.put(parcel(1))
    sending.exporter.always = lambda _parcel: ZeroDivisionError("oops")

    sending.run()

    assert sending.box.outbox.parcels == 1
    assert "ZeroDivisionError" in sending.troubles[0]


def test_what_is_rejected_is_dropped_counted_and_reported(sending: Sending) -> None:
    sending.box.put(parcel(1), parcel(2), parcel(3))
    sending.exporter.always = lambda item: Rejected("HTTP 400: bad") if item.id == "id2" else None

    sending.run()

    assert sending.box.outbox.outcomes == {("e", "exported"): (4, 2), ("e", "rejected"): (2, 1)}
    assert sending.exporter.reports == [{("rejected", "transaction"): 1, ("rejected", "span"): 2}]
    assert sending.troubles == ["HTTP 400: bad"]


def test_a_rate_limit_pauses_its_category_and_no_other(sending: Sending) -> None:
    sending.box.put(*(parcel(i) for i in range(40)))
    sending.box.put(*(parcel(100 + i, category="error") for i in range(3)))
    limit = ((frozenset({"transaction"}), 60.0),)
    sending.exporter.always = lambda item: RateLimited("HTTP 429", limit) if item.category == "transaction" else None

    sender = sending.run()

    assert sorted(sending.exporter.taken) == ["id100", "id101", "id102"]
    assert sending.box.outbox.parcels == 40
    assert sender.counts.failed_attempts["e"] == 0


def test_a_limit_announced_with_a_success_is_respected(sending: Sending) -> None:
    sending.box.put(*(parcel(i) for i in range(3)))
    sending.exporter.orders.append(((frozenset(), 60.0),))

    sending.run()

    assert len(sending.exporter.taken) == 1
    assert sending.box.outbox.parcels == 2


def test_errors_go_before_a_backlog_of_transactions(sending: Sending) -> None:
    sending.box.put(*(parcel(i) for i in range(300)))
    sending.box.put(parcel(999, category="error"))

    sending.run()

    assert sending.exporter.taken.index("id999") < 64


def test_one_destination_being_away_does_not_stop_another(sending: Sending) -> None:
    sending.box.put(*(parcel(i, destination="away") for i in range(20)))
    sending.box.put(*(parcel(100 + i, destination="here") for i in range(20)))
    sending.exporter.always = lambda item: RetryLater("refused") if item.destination == "away" else None

    sending.run()

    assert len(sending.exporter.taken) == 20
    assert sending.box.outbox.parcels == 20


def test_after_the_deadline_nothing_more_is_sent(sending: Sending) -> None:
    sending.box.put(*(parcel(i) for i in range(500)))
    sending.clock.now = 10.0

    def pass_the_deadline(_parcel: Parcel) -> None:
        sending.clock.now = 20.0

    sending.exporter.always = pass_the_deadline
    sender = sending.make()
    sender.drain(deadline=15.0)
    sender.start()
    sender.drain(deadline=15.0)

    assert 0 < len(sending.exporter.taken) <= WORKERS * BATCH_PARCELS
    assert sending.box.outbox.parcels >= 500 - WORKERS * BATCH_PARCELS


def test_a_destination_that_hangs_does_not_stop_another(sending: Sending) -> None:
    sending.box.put(*(parcel(i, destination="hangs") for i in range(1000)))
    sending.box.put(*(parcel(1000 + i, destination="here") for i in range(20)))
    released, all_here = threading.Event(), threading.Event()

    def hang(item: Parcel) -> Exception | None:
        if item.destination == "here":
            if len(sending.exporter.taken) == 19:
                all_here.set()
            return None
        sending.exporter.lock.release()
        released.wait(60)
        sending.exporter.lock.acquire()
        return RetryLater("timed out")

    sending.exporter.always = hang
    sender = sending.start()

    assert all_here.wait(60)
    released.set()
    sender.drain(FAR)
    assert len(sending.exporter.taken) == 20
    assert sending.box.outbox.parcels == 1000


def test_a_destination_that_comes_back_gets_everything(sending: Sending) -> None:
    sending.box.put(*(parcel(i) for i in range(BATCH_PARCELS)))
    taken = threading.Event()

    def be_away_at_first(_parcel: Parcel) -> Exception | None:
        if sending.clock.now < 50.0:
            return RetryLater("connection refused")
        if len(sending.exporter.taken) == BATCH_PARCELS - 1:
            taken.set()
        return None

    sending.exporter.always = be_away_at_first
    sender = sending.start()
    assert sending.trouble_told.wait(60)

    sending.clock.now = 50.0
    sender.wake()

    assert taken.wait(60)
    sender.drain(FAR)
    assert sorted(sending.exporter.taken) == sorted(f"id{i}" for i in range(BATCH_PARCELS))
    assert sending.box.outbox.parcels == 0
    assert sending.troubles == ["connection refused"]
    assert sending.recoveries == ["e"]


def test_a_new_parcel_is_sent_when_the_sender_is_woken(sending: Sending) -> None:
    taken = threading.Event()

    def note(_parcel: Parcel) -> None:
        taken.set()

    sending.exporter.always = note
    sender = sending.start()

    with sqlite3.connect(sending.box.path) as connection:
        insert(connection, [parcel(1)], "e", 0.0)
    connection.close()
    sender.wake()

    assert taken.wait(60)
    sender.drain(FAR)


def test_parcels_of_an_exporter_that_is_gone_wait_and_are_mentioned_once(sending: Sending) -> None:
    sending.box.put(*(parcel(i) for i in range(3)), exporter="gone")
    sending.box.put(parcel(10))

    sending.run()

    assert sending.exporter.taken == ["id10"]
    assert sending.box.outbox.parcels == 3
    assert sending.troubles == ["parcels wait for this exporter, but it is not configured any more"]


def test_what_cannot_be_settled_now_is_settled_later_and_not_sent_again(
    sending: Sending, monkeypatch: pytest.MonkeyPatch
) -> None:
    sending.box.put(*(parcel(i) for i in range(300)))
    settle = sending.box.outbox.settle
    failures = iter([RetryLater("outbox: database or disk is full")])

    def fail_once(done: Mapping[str, Sequence[Entry]]) -> None:
        for failure in failures:
            raise failure
        settle(done)

    monkeypatch.setattr(sending.box.outbox, "settle", fail_once)

    sending.run()

    assert len(sending.exporter.taken) == len(set(sending.exporter.taken)) == 300
    assert sending.box.outbox.parcels == 0
    assert sending.troubles == ["outbox: database or disk is full"]


def test_a_full_disk_bounds_what_would_be_sent_twice(sending: Sending, monkeypatch: pytest.MonkeyPatch) -> None:
    sending.box.put(*(parcel(i) for i in range(3000)))

    def fail(_done: object) -> None:
        raise RetryLater("outbox: database or disk is full")

    monkeypatch.setattr(sending.box.outbox, "settle", fail)

    sending.run()

    assert BEHIND_PARCELS <= len(sending.exporter.taken) < BEHIND_PARCELS + 2 * WORKERS * BATCH_PARCELS
    assert sending.box.outbox.parcels == 3000


def test_an_outbox_that_cannot_be_read_now_is_read_later(sending: Sending, monkeypatch: pytest.MonkeyPatch) -> None:
    sending.box.put(parcel(1))
    refresh = sending.box.outbox.refresh
    failures = iter([RetryLater("outbox: disk I/O error")])

    def fail_once() -> None:
        for failure in failures:
            raise failure
        refresh()

    monkeypatch.setattr(sending.box.outbox, "refresh", fail_once)
    sender = sending.start()
    assert sending.trouble_told.wait(60)

    sender.wake()
    sender.drain(FAR)

    assert sending.exporter.taken == ["id1"]
    assert sending.troubles == ["outbox: disk I/O error"]


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")  # as intended: it is told, and ends
def test_the_death_of_the_coordinator_is_told(sending: Sending, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail() -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(sending.box.outbox, "refresh", fail)

    sending.run()

    assert [type(error) for error in sending.deaths] == [ZeroDivisionError]


def test_what_is_too_old_is_dropped_and_reported(sending: Sending) -> None:
    sending.box.put(parcel(1), now=0.0)
    sending.clock.now = 101.0

    sending.run()

    assert sending.exporter.taken in ([], ["report"])
    assert sending.box.outbox.outcomes == {("e", "expired"): (2, 1)}
    assert sending.exporter.reports == [{("expired", "transaction"): 1, ("expired", "span"): 2}]
