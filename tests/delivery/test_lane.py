"""When a lane sends, and how it backs off."""

from __future__ import annotations

import pytest

from otelbridge.delivery.lane import FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS, Lane
from otelbridge.delivery.outbox import Waiting
from tests.delivery.conftest import parcel


def lane(*numbers: int, random: float = 0.5) -> Lane:
    made = Lane(("e", "sentry", "transaction"), lambda: random)
    made.fetched.extend(Waiting(number, "e", parcel(number)) for number in numbers)
    return made


def test_a_healthy_lane_hands_out_in_order() -> None:
    made = lane(1, 2, 3)

    assert [item.number for item in made.take(0.0, 0.0, 2)] == [1, 2]
    assert [item.number for item in made.take(0.0, 0.0, 2)] == [3]


def test_a_rate_limited_lane_waits(request: pytest.FixtureRequest) -> None:
    made = lane(1)

    assert made.take(9.9, 10.0, 1) == []
    assert len(made.take(10.0, 10.0, 1)) == 1


def test_after_a_failure_it_pauses_and_then_probes_with_one() -> None:
    made = lane(1, 2, 3)
    (item,) = made.take(0.0, 0.0, 1)

    made.failed(item, now=0.0, seconds=None)

    assert made.take(FIRST_PAUSE_SECONDS - 0.1, 0.0, 10) == []
    assert len(made.take(FIRST_PAUSE_SECONDS, 0.0, 10)) == 1
    assert made.take(FIRST_PAUSE_SECONDS, 0.0, 10) == []


def test_a_parcel_that_cannot_be_digested_does_not_stop_the_others() -> None:
    made = lane(1, 2)
    (poison,) = made.take(0.0, 0.0, 1)

    made.failed(poison, now=0.0, seconds=None)

    assert [item.number for item in made.take(100.0, 0.0, 1)] == [2]


def test_pauses_grow_to_five_minutes_and_are_spread() -> None:
    for random, factor in ((0.0, 0.5), (0.5, 1.0)):
        made = lane(1, random=random)
        pauses = []
        for _ in range(15):
            made.paused_until = 0.0
            (item,) = made.take(0.0, 0.0, 1)
            made.failed(item, now=0.0, seconds=None)
            pauses.append(made.paused_until)
        assert pauses[:3] == [factor * seconds for seconds in (5.0, 7.5, 11.25)]
        assert pauses[-1] == factor * LONGEST_PAUSE_SECONDS


def test_the_destinations_own_wish_is_respected() -> None:
    made = lane(1)
    (item,) = made.take(0.0, 0.0, 1)

    made.failed(item, now=100.0, seconds=60.0)

    assert made.paused_until == 160.0


def test_a_success_ends_the_backoff() -> None:
    made = lane(1, 2, 3)
    (item,) = made.take(0.0, 0.0, 1)
    made.failed(item, now=0.0, seconds=None)
    (probe,) = made.take(1000.0, 0.0, 10)

    made.settled(probe)

    assert len(made.take(1000.0, 0.0, 10)) == 2
