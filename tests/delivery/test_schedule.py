"""Which parcels go next, over all lanes."""

from __future__ import annotations

from collections.abc import Iterable

from otelbridge.core.errors import RateLimited, RetryLater
from otelbridge.delivery.lane import FIRST_PAUSE_SECONDS, Lane
from otelbridge.delivery.outbox import LaneKey, Waiting
from otelbridge.delivery.schedule import BATCH_PARCELS, Schedule
from tests.delivery.conftest import parcel

A, B, C = (("e", name, "transaction") for name in "abc")
ERRORS = ("e", "a", "error")


class Backlog:
    """An outbox in memory: any number of parcels in each lane."""

    def __init__(self, sizes: dict[LaneKey, int]) -> None:
        self.sizes = sizes
        self.fetches = 0
        self.schedule = Schedule(self.fetch, lambda: 0.5, busy_limit=2)

    def fetch(self, lane: LaneKey, after: int, limit: int, max_bytes: int) -> list[Waiting]:
        self.fetches += 1
        numbers = range(after + 1, min(after + limit, self.sizes[lane]) + 1)
        return [Waiting(number, lane[0], parcel(number, destination=lane[1], category=lane[2])) for number in numbers]

    def take(self, now: float = 0.0, waiting: Iterable[LaneKey] | None = None) -> tuple[Lane, list[Waiting]]:
        found = self.schedule.next_batch(self.sizes if waiting is None else waiting, now)
        assert found is not None
        return found

    def is_idle(self, now: float = 0.0) -> bool:
        return self.schedule.next_batch(self.sizes, now) is None

    def deliver(self, lane: Lane, batch: list[Waiting]) -> None:
        for item in batch:
            lane.settled(item)
        self.schedule.finish(lane)


def test_a_lane_is_sent_in_order_and_once() -> None:
    backlog = Backlog({A: 500})

    sent: list[int] = []
    for _ in range(500 // BATCH_PARCELS + 1):
        lane, batch = backlog.take()
        sent += [item.number for item in batch]
        backlog.deliver(lane, batch)

    assert sent == list(range(1, 501))
    assert backlog.is_idle()


def test_lanes_take_turns() -> None:
    backlog = Backlog({A: 10_000, B: 10_000, C: 10_000})

    turns = []
    for _ in range(6):
        lane, batch = backlog.take()
        turns.append(lane.key)
        backlog.deliver(lane, batch)

    assert turns == [A, B, C, A, B, C]


def test_errors_go_first() -> None:
    backlog = Backlog({A: 10_000, ERRORS: 3})

    lane, batch = backlog.take()

    assert (lane.key, len(batch)) == (ERRORS, 3)


def test_a_destination_that_hangs_does_not_get_all_workers() -> None:
    backlog = Backlog({A: 10_000, ERRORS: 10_000, B: 10_000})

    assert [backlog.take()[0].key for _ in range(4)] == [ERRORS, ERRORS, B, B]
    assert backlog.is_idle()


def test_a_failed_destination_gets_one_probe_after_its_pause() -> None:
    backlog = Backlog({A: 100})
    lane, batch = backlog.take()

    assert backlog.schedule.fail(lane, batch[0], RetryLater("HTTP 500"), now=0.0)
    for item in reversed(batch[1:]):
        lane.returned(item)
    backlog.schedule.finish(lane)

    assert backlog.schedule.pauses([A]) == [FIRST_PAUSE_SECONDS]
    assert backlog.is_idle(FIRST_PAUSE_SECONDS - 0.1)
    _, probe = backlog.take(FIRST_PAUSE_SECONDS)
    assert [item.number for item in probe] == [2]
    assert backlog.is_idle(FIRST_PAUSE_SECONDS)


def test_a_parcel_that_always_fails_does_not_keep_new_ones_waiting() -> None:
    backlog = Backlog({A: 1})
    lane, (poison,) = backlog.take()
    backlog.schedule.fail(lane, poison, RetryLater("HTTP 500"), now=0.0)
    backlog.schedule.finish(lane)

    backlog.sizes[A] = 3
    now, sent = 0.0, []
    for _ in range(4):
        now += 1000.0
        lane, batch = backlog.take(now)
        backlog.schedule.finish(lane)
        for item in batch:
            if item.number == 1:
                backlog.schedule.fail(lane, item, RetryLater("HTTP 500"), now)
            else:
                lane.settled(item)
                sent.append(item.number)

    assert sent == [2, 3]


def test_a_rate_limit_pauses_without_counting_as_failure() -> None:
    backlog = Backlog({A: 1})
    lane, (item,) = backlog.take()
    limits = ((frozenset({"transaction"}), 60.0),)

    backlog.schedule.limit(lane, limits, now=10.0)
    assert not backlog.schedule.fail(lane, item, RateLimited("HTTP 429", limits), now=10.0)
    backlog.schedule.finish(lane)

    assert backlog.is_idle(69.9)
    assert backlog.schedule.pauses([A]) == [70.0]
    assert backlog.take(70.0)[1] == [item]


def test_a_refusal_whose_limits_concern_others_backs_off_like_a_failure() -> None:
    backlog = Backlog({A: 1})
    lane, (item,) = backlog.take()
    limits = ((frozenset({"session"}), 60.0),)

    backlog.schedule.limit(lane, limits, now=0.0)
    assert backlog.schedule.fail(lane, item, RateLimited("HTTP 429", limits), now=0.0)
    backlog.schedule.finish(lane)

    assert backlog.is_idle(59.0)
    assert backlog.take(60.0)[1] == [item]


def test_a_closed_lane_is_not_read_into_memory() -> None:
    backlog = Backlog({A: 10_000})
    backlog.schedule.limit(backlog.schedule.lane(A), ((frozenset(), 60.0),), now=0.0)

    assert backlog.is_idle()
    assert backlog.fetches == 0


def test_expired_parcels_are_not_sent() -> None:
    backlog = Backlog({A: 40})
    lane, batch = backlog.take()
    backlog.deliver(lane, batch)

    backlog.schedule.forget(item.entry for item in list(lane.fetched)[:-1])

    assert [item.number for item in backlog.take()[1]] == [40]


def test_after_forgiving_every_destination_is_tried_again() -> None:
    backlog = Backlog({A: 1})
    lane, (item,) = backlog.take()
    backlog.schedule.fail(lane, item, RetryLater("HTTP 500"), now=0.0)
    backlog.schedule.finish(lane)

    backlog.schedule.forgive()

    assert backlog.take(0.0)[1] == [item]
    assert backlog.schedule.in_flight() == {1}
