"""The outbox is emptied, whatever the destination does."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass, field

import pytest

from otelbridge.core.errors import RateLimited, Rejected, RetryLater
from otelbridge.delivery.sender import Sender
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

    def run(self, deadline: float = FAR) -> Sender:
        """Start, send all that can be sent, and stop."""
        sender = Sender(
            self.box.outbox,
            {"e": self.exporter},
            self.clock,
            random.Random(1),
            lambda _id, why: self.troubles.append(why),
        )
        sender.start()
        sender.drain(deadline)
        return sender


@pytest.fixture
def sending(box: Box) -> Iterator[Sending]:
    return Sending(box)  # type: ignore[return-value]


def test_everything_is_sent_and_deleted(sending: Sending) -> None:
    sending.box.put(*(parcel(i) for i in range(500)))

    sending.run()

    assert sorted(sending.exporter.taken) == sorted(f"id{i}" for i in range(500))
    assert sending.box.outbox.parcels == 0
    assert sending.box.outbox.outcomes == {("e", "exported"): (1000, 500)}


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
    sending.box.put(*(parcel(i) for i in range(20)))

    sending.run(deadline=-1.0)

    assert sending.box.outbox.parcels + len(sending.exporter.taken) >= 20


def test_what_is_too_old_is_dropped_and_reported(sending: Sending) -> None:
    sending.box.put(parcel(1), now=0.0)
    sending.clock.now = 101.0

    sending.run()

    assert sending.exporter.taken in ([], ["report"])
    assert sending.box.outbox.outcomes == {("e", "expired"): (2, 1)}
    assert sending.exporter.reports == [{("expired", "transaction"): 1, ("expired", "span"): 2}]
