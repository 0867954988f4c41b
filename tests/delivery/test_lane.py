"""When a lane sends, and how it backs off."""

from __future__ import annotations

from otelbridge.delivery.lane import FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS, Lane
from otelbridge.delivery.outbox import Waiting
from tests.delivery.conftest import parcel


def lane(*numbers: int, random: float = 0.5) -> Lane:
    made = Lane(("e", "sentry", "transaction"), lambda: random)
    made.fetched.extend(Waiting(number, "e", parcel(number)) for number in numbers)
    return made


def test_a_healthy_lane_hands_out_in_order() -> None:
    made = lane(1, 2, 3)

    assert [item.number for item in made.take(0.0, 2)] == [1, 2]
    assert [item.number for item in made.take(0.0, 2)] == [3]


def test_after_a_failure_it_pauses_and_then_probes_with_one() -> None:
    made = lane(1, 2, 3)
    (item,) = made.take(0.0, 1)

    made.failed(item, now=0.0, seconds=None)

    assert made.take(FIRST_PAUSE_SECONDS - 0.1, 10) == []
    assert len(made.take(FIRST_PAUSE_SECONDS, 10)) == 1
    assert made.take(FIRST_PAUSE_SECONDS, 10) == []


def test_a_parcel_that_cannot_be_digested_does_not_stop_the_others() -> None:
    made = lane(1, 2)
    (poison,) = made.take(0.0, 1)

    made.failed(poison, now=0.0, seconds=None)

    assert [item.number for item in made.take(100.0, 1)] == [2]


def test_pauses_grow_to_five_minutes_and_are_spread() -> None:
    for random, factor in ((0.0, 0.5), (0.5, 1.0)):
        made = lane(1, random=random)
        pauses = []
        for _ in range(15):
            made.paused_until = 0.0
            (item,) = made.take(0.0, 1)
            made.failed(item, now=0.0, seconds=None)
            pauses.append(made.paused_until)
        assert pauses[:3] == [factor * seconds for seconds in (5.0, 7.5, 11.25)]
        assert pauses[-1] == factor * LONGEST_PAUSE_SECONDS


def test_the_destinations_own_wish_is_respected() -> None:
    made = lane(1)
    (item,) = made.take(0.0, 1)

    made.failed(item, now=100.0, seconds=60.0)

    assert made.paused_until == 160.0


def test_a_success_ends_the_backoff() -> None:
    made = lane(1, 2, 3)
    (item,) = made.take(0.0, 1)
    made.failed(item, now=0.0, seconds=None)
    (probe,) = made.take(1000.0, 10)

    made.settled(probe)

    assert len(made.take(1000.0, 10)) == 2


def test_what_fails_during_a_pause_does_not_make_the_next_longer() -> None:
    made = lane(*range(6))
    items = made.take(0.0, 6)

    for item in items:
        made.failed(item, now=0.0, seconds=None)

    assert made.paused_until == FIRST_PAUSE_SECONDS
    assert made.failures == 1


def test_no_probe_is_sent_while_others_are_under_way() -> None:
    made = lane(1, 2, 3)
    first, _second = made.take(0.0, 2)
    made.failed(first, now=0.0, seconds=None)

    assert not made.is_open(1000.0)


def test_forgotten_parcels_are_not_sent() -> None:
    made = lane(1, 2, 3)

    made.forget({1, 3})

    assert [item.number for item in made.take(0.0, 10)] == [2]
