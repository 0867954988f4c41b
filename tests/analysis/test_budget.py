from __future__ import annotations

import math
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from otelbridge.analysis.budget import AGE_OUT, ONE, OTHERS, EmaBudget, shares


def test_shares_follow_the_logarithm_of_traffic() -> None:
    """By hand: logarithms 3 + 2 + 1 = 6, goal 60, so 10 for each unit; nobody has less traffic than the share."""
    rates = shares({b"a": 1000.0, b"b": 100.0, b"c": 10.0}, 60.0)
    assert rates == pytest.approx({b"a": 30 / 1000, b"b": 20 / 100, b"c": 10 / 10})


def test_what_the_rare_leave_goes_to_the_others() -> None:
    """By hand: ratio 100 / (1 + 2 + 3) = 16.67; c leaves 6.67 of its 16.67, half to each of the others."""
    rates = shares({b"a": 1000.0, b"b": 100.0, b"c": 10.0}, 100.0)
    assert rates == pytest.approx({b"c": 1.0, b"b": (100 / 3 + 10 / 3) / 100, b"a": (50 + 10 / 3) / 1000})


def test_a_key_without_a_logarithm_has_one_event_an_interval() -> None:
    rates = shares({b"a": 10_000.0, b"b": 1.0, b"c": 0.6}, 10.0)
    assert rates == pytest.approx({b"c": 1.0, b"b": 1.0, b"a": (10 - 1.6) / 10_000})


def test_a_budget_below_one_event_for_each_is_shared_evenly_among_the_rare() -> None:
    assert shares(dict.fromkeys((b"a", b"b", b"c", b"d"), 1.0), 2.0) == dict.fromkeys((b"a", b"b", b"c", b"d"), 0.5)


def test_traffic_within_the_budget_is_kept_whole() -> None:
    assert shares({b"a": 60.0, b"b": 40.0}, 100.0) == {b"a": 1.0, b"b": 1.0}


@given(
    st.dictionaries(st.binary(min_size=1, max_size=4), st.floats(AGE_OUT, 1e7), min_size=1, max_size=60),
    st.floats(0.01, 1e6),
)
def test_a_budget_is_met_and_nobody_is_forgotten(traffic: dict[bytes, float], goal: float) -> None:
    rates = shares(traffic, goal)
    assert rates.keys() == traffic.keys()
    assert all(0 < rate <= 1 for rate in rates.values())
    kept = math.fsum(rates[key] * traffic[key] for key in traffic)
    available = math.fsum(traffic.values())
    assert kept == pytest.approx(min(goal, available), rel=0.02)


@given(st.dictionaries(st.binary(min_size=1, max_size=4), st.floats(AGE_OUT, 1e7), min_size=2, max_size=20))
def test_more_traffic_never_means_a_higher_rate(traffic: dict[bytes, float]) -> None:
    rates = shares(traffic, sum(traffic.values()) / 3)
    by_traffic = [rates[key] for key in sorted(traffic, key=lambda key: (traffic[key], key))]
    assert all(later <= earlier * (1 + 1e-9) for earlier, later in pairwise(by_traffic))


def budget(goal: float = 10.0, initial: float = 0.5, max_keys: int = 10) -> EmaBudget:
    return EmaBudget(goal, initial, max_keys)


def test_rates_change_at_the_border_of_an_interval_only() -> None:
    one = budget()
    one.enter(1)
    assert [one.count(b"a", 100 * ONE) for _ in range(3)] == [0.5, 0.5, 0.5]
    one.enter(1)
    assert one.count(b"a", 0) == 0.5
    one.enter(2)
    assert one.count(b"a", 0) == pytest.approx(10 / 300)


def test_traffic_is_averaged_over_intervals() -> None:
    """By hand: 100 at first; then (40 + 100) / 2 = 70; then (0 + 70) / 2 = 35, because another key has traffic."""
    one = budget()
    for interval, (key, count) in enumerate([(b"a", 100), (b"a", 40), (b"b", 1), (b"b", 1)]):
        one.enter(interval)
        one.count(key, count * ONE)
        if interval == 1:
            assert one.count(b"a", 0) == pytest.approx(10 / 100)
        if interval == 2:
            assert one.count(b"a", 0) == pytest.approx(10 / 70)
        if interval == 3:
            assert one.count(b"a", 0) == pytest.approx((10 - 1) / 35)


def test_intervals_without_traffic_change_nothing() -> None:
    one = budget()
    one.enter(1)
    one.count(b"a", 100 * ONE)
    one.enter(500)
    assert one.count(b"a", 100 * ONE) == pytest.approx(0.1)


def test_a_burst_makes_the_average_forget() -> None:
    one = budget()
    for interval in range(4):
        one.enter(interval)
        one.count(b"a", 100 * ONE)
    one.enter(4)
    one.count(b"a", 1000 * ONE)
    one.enter(5)
    assert one.count(b"a", 0) == pytest.approx(10 / 1000)


def test_early_growth_is_no_burst() -> None:
    one = budget()
    for interval, count in enumerate((100, 1000)):
        one.enter(interval)
        one.count(b"a", count * ONE)
    one.enter(2)
    assert one.count(b"a", 0) == pytest.approx(10 / 550)


def test_a_key_without_traffic_is_forgotten_in_the_end() -> None:
    one = budget()
    one.enter(0)
    one.count(b"a", ONE)
    for interval in range(1, 4):
        one.enter(interval)
        one.count(b"b", 100 * ONE)
    assert one.count(b"a", 0) == 0.5


def test_keys_beyond_the_bound_share_one() -> None:
    one = budget(max_keys=2)
    one.enter(0)
    for key in (b"a", b"b", b"c", b"d"):
        one.count(key, 100 * ONE)
    one.enter(1)
    rates = {key: one.count(key, 0) for key in (b"a", b"c", b"d", OTHERS)}
    assert rates[b"c"] == rates[b"d"] == rates[OTHERS] < rates[b"a"]
    assert len(one.snapshot()) < 200


@given(st.lists(st.tuples(st.sampled_from([b"a", b"b", b"c"]), st.integers(0, 2**40)), max_size=20), st.integers(0, 20))
def test_a_restored_budget_goes_on_where_it_was(events: list[tuple[bytes, int]], restart: int) -> None:
    plain, restarted = budget(max_keys=2), budget(max_keys=2)
    for place, (key, amount) in enumerate(events):
        if place == restart:
            state = restarted.snapshot()
            restarted = budget(max_keys=2)
            restarted.restore(state)
        for one in (plain, restarted):
            one.enter(place // 3)
        assert plain.count(key, amount) == restarted.count(key, amount)
    assert plain.snapshot() == restarted.snapshot()
