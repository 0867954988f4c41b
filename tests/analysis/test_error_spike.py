from __future__ import annotations

import itertools
import math
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from otelbridge.analysis import ErrorSpikeDetector

Floats = npt.NDArray[np.float64]
HOUR = 3600
MAX_BYTES = 8192


def requests(
    per_second: float, hours: float, rate: float, *raised: tuple[float, float, float], seed: int = 1
) -> tuple[Floats, Floats]:
    """Times and failures; raised: from hour, minutes, error rate."""
    random = np.random.default_rng(seed)
    times = np.sort(random.uniform(0, hours * HOUR, int(per_second * hours * HOUR)))
    rates = np.full(len(times), rate)
    for start, minutes, raised_rate in raised:
        rates[(times >= start * HOUR) & (times < start * HOUR + minutes * 60)] = raised_rate
    return times, (random.random(len(times)) < rates).astype(np.float64)


def kinds(events: list[dict[str, Any]]) -> list[str]:
    return [event["kind"] for event in events if event["kind"] != "improvement"]


@pytest.mark.parametrize(("per_second", "end_seconds"), [(0.1, 1800), (1.0, 300), (20.0, 60)])
def test_a_spike_is_one_alert_and_one_recovery(per_second: float, end_seconds: float) -> None:
    events = ErrorSpikeDetector().update_many(*requests(per_second, 8, 0.02, (4, 60, 0.2)))

    alert, recovery = events
    assert kinds(events) == ["alert", "recovery"]
    assert alert["start"] == pytest.approx(4 * HOUR, abs=180)
    assert 4 * HOUR + 300 <= alert["time"] <= 4 * HOUR + 1200
    assert alert["baseline"] == pytest.approx(0.02, rel=0.3)
    assert alert["multiplier"] == pytest.approx(10, rel=0.5)
    assert alert["peak"] >= alert["rate"]
    assert recovery["start"] == alert["start"]
    assert recovery["end"] == pytest.approx(5 * HOUR, abs=end_seconds)
    assert recovery["peak"] >= alert["peak"]


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("height", [0.2, 0.5, 1.0])
@pytest.mark.parametrize("per_second", [0.1, 1.0, 10.0])
def test_a_blip_of_four_minutes_is_silent(per_second: float, height: float, seed: int) -> None:
    times, failed = requests(per_second, 6, 0.02, (3, 4, height), (4, 4, height), seed=seed)

    assert kinds(ErrorSpikeDetector().update_many(times, failed)) == []


def test_a_doubling_is_found() -> None:
    events = ErrorSpikeDetector().update_many(*requests(20.0, 6, 0.02, (3, 60, 0.04)))

    assert kinds(events) == ["alert", "recovery"]


@pytest.mark.parametrize("seed", range(3))
def test_a_rise_by_less_than_half_is_silent(seed: int) -> None:
    events = ErrorSpikeDetector().update_many(*requests(5.0, 8, 0.02, (4, 240, 0.028), seed=seed))

    assert kinds(events) == []


def test_the_first_errors_ever_are_a_spike() -> None:
    events = ErrorSpikeDetector().update_many(*requests(1.0, 5, 0.0, (3, 60, 0.02)))

    assert kinds(events) == ["alert", "recovery"]


@pytest.mark.parametrize("seed", range(4))
def test_stray_errors_are_none(seed: int) -> None:
    assert kinds(ErrorSpikeDetector().update_many(*requests(5.0, 12, 1 / 9000, seed=seed))) == []


def test_a_start_with_errors_is_silent_and_what_follows_is_watched() -> None:
    times, failed = requests(1.0, 10, 0.02, (0, 20, 0.6), (7, 40, 0.15))

    alerts = [event for event in ErrorSpikeDetector().update_many(times, failed) if event["kind"] == "alert"]

    assert [round(alert["start"] / HOUR) for alert in alerts] == [7]


def test_a_new_level_becomes_normal_and_is_alerted_once() -> None:
    times, failed = requests(1.0, 24, 0.02, (4, 20 * 60, 0.1), (16, 60, 0.5))

    events = [event for event in ErrorSpikeDetector().update_many(times, failed) if event["kind"] != "improvement"]

    assert kinds(events) == ["alert", "info", "alert", "recovery"]
    assert events[2]["baseline"] == pytest.approx(0.1, rel=0.3)


def test_failures_in_bursts_are_no_spike_where_they_are_usual() -> None:
    random = np.random.default_rng(5)
    times = np.arange(0, 10 * HOUR, 0.5)
    failed = np.zeros(len(times))
    for start in random.integers(0, len(times) - 20, 200):
        failed[start : start + random.integers(1, 15)] = 1.0

    assert kinds(ErrorSpikeDetector().update_many(times, failed)) == []


@pytest.mark.parametrize("per_second", [0.1, 2.0])
def test_update_and_update_many_and_update_counts_agree(per_second: float) -> None:
    times, failed = requests(per_second, 8, 0.02, (4, 60, 0.2))
    one, many, counted = ErrorSpikeDetector(), ErrorSpikeDetector(), ErrorSpikeDetector()

    each = [
        event for at, value in zip(times.tolist(), failed.tolist(), strict=True) if (event := one.update(at, value))
    ]
    together = many.update_many(times, failed)
    counts = [
        event
        for at, value in zip(times.tolist(), failed.tolist(), strict=True)
        if (event := counted.update_counts(at, 1, int(value)))
    ]

    assert each == together == counts
    assert one.snapshot() == many.snapshot() == counted.snapshot()


HOSTILE = st.one_of(st.floats(), st.sampled_from([math.nan, math.inf, -math.inf, -1.0, 1e300, 0.0]), st.floats(0, 5e4))


@settings(max_examples=25, deadline=None)
@given(st.lists(st.tuples(HOSTILE, HOSTILE), max_size=80), st.lists(st.integers(0, 200), max_size=4), st.integers(0, 3))
def test_any_cut_and_any_value_gives_the_same(extra: list[tuple[float, float]], cuts: list[int], seed: int) -> None:
    times, failed = requests(0.2, 3, 0.05, (1.5, 30, 0.9), seed=seed)
    at = len(times) // 2
    times = np.concatenate([times[:at], np.asarray([pair[0] for pair in extra], dtype=np.float64), times[at:]])
    failed = np.concatenate([failed[:at], np.asarray([pair[1] for pair in extra], dtype=np.float64), failed[at:]])
    one, many = ErrorSpikeDetector(), ErrorSpikeDetector()

    each = [event for t, value in zip(times.tolist(), failed.tolist(), strict=True) if (event := one.update(t, value))]
    together: list[dict[str, Any]] = []
    borders = sorted({0, len(times), *(min(len(times), cut * 11) for cut in cuts)})
    for begin, end in itertools.pairwise(borders):
        together += many.update_many(times[begin:end], failed[begin:end])
        restored = ErrorSpikeDetector()
        restored.restore(many.snapshot())
        many = restored

    assert each == together
    assert one.snapshot() == many.snapshot()


def test_a_restored_detector_goes_on_as_if_nothing_had_happened() -> None:
    times, failed = requests(1.0, 6, 0.02, (3, 60, 0.2))
    whole = ErrorSpikeDetector().update_many(times, failed)

    events: list[dict[str, Any]] = []
    state = ErrorSpikeDetector().snapshot()
    for part in np.array_split(np.arange(len(times)), 97):
        detector = ErrorSpikeDetector()
        detector.restore(state)
        events += detector.update_many(times[part], failed[part])
        state = detector.snapshot()

    assert events == whole


def test_a_wrong_timestamp_does_not_stop_the_clock() -> None:
    times, failed = requests(1.0, 8, 0.02, (4, 60, 0.2))
    detector = ErrorSpikeDetector()
    detector.update(4e9, 0.0)

    assert kinds(detector.update_many(times, failed)) == ["alert", "recovery"]


def test_state_is_bounded() -> None:
    random = np.random.default_rng(3)
    detector = ErrorSpikeDetector()
    largest = 0
    at = 1.7e9
    for number in range(3000):
        at += float(random.choice([10.0, 60.0, 300.0, 1e6]))
        total = int(random.integers(1, 1 << 40))
        detector.update_counts(at, total, int(total * random.random()))
        if number % 5 == 0:
            largest = max(largest, len(detector.snapshot()))

    assert largest <= MAX_BYTES


@pytest.mark.parametrize("seed", range(12))
def test_eight_times_normal_is_found_at_a_request_in_ten_seconds(seed: int) -> None:
    times, failed = requests(0.1, 20, 0.02, (16, 30, 0.16), seed=seed)

    alerts = [event for event in ErrorSpikeDetector().update_many(times, failed) if event["kind"] == "alert"]

    assert [16 * HOUR <= alert["time"] <= 16.7 * HOUR for alert in alerts] == [True]


def test_most_triplings_are_found_at_a_request_in_ten_seconds() -> None:
    found = 0
    for seed in range(20):
        times, failed = requests(0.1, 20, 0.04, (16, 90, 0.12), seed=seed)
        found += kinds(ErrorSpikeDetector().update_many(times, failed)).count("alert")

    assert found >= 18


def clustered(seed: int, size: int) -> tuple[Floats, Floats]:
    """A request in ten seconds, and once in two hours one that fails and is retried `size` times within 20 s."""
    random = np.random.default_rng(seed)
    times = random.uniform(0, 48 * HOUR, 48 * 360)
    retried = (random.uniform(0, 48 * HOUR, 24)[:, None] + random.uniform(0, 20, (24, size))).ravel()
    order = np.argsort(np.concatenate([times, retried]))
    return np.concatenate([times, retried])[order], np.concatenate([np.zeros(len(times)), np.ones(len(retried))])[order]


def test_clusters_that_meet_are_no_spike_at_a_request_in_ten_seconds() -> None:
    alerts = [kinds(ErrorSpikeDetector().update_many(*clustered(seed, 10))).count("alert") for seed in range(12)]

    assert sum(alerts) <= 1


def test_steady_failures_are_silent_at_a_request_in_ten_seconds() -> None:
    alerts = [
        kinds(ErrorSpikeDetector().update_many(*requests(0.1, 48, rate, seed=seed))).count("alert")
        for rate in (0.01, 0.05)
        for seed in range(5)
    ]

    assert sum(alerts) == 0


def test_a_blip_whose_first_bucket_is_hardly_touched_is_silent() -> None:
    detector = ErrorSpikeDetector()
    failures = [2] * 1000
    failures[700:705] = [6, 4, 3, 3, 24]  # more strays than usual, and the last second of a bucket
    failures[705:729] = [200] * 24
    failures[729:731] = [6, 5]

    events = [
        event
        for bucket, failed in enumerate(failures)
        if (event := detector.update_counts(bucket * 10.0, 1000, failed)) is not None
    ]

    assert kinds(events) == []


def test_a_doubling_too_rare_to_be_told_within_an_hour_is_found_later() -> None:
    detector, events = ErrorSpikeDetector(), []
    for bucket in range(16 * 360):
        every = 7 if bucket >= 13 * 360 else 14
        if event := detector.update_counts(bucket * 10.0, 10, int(bucket % every == 0)):
            events.append(event)

    assert kinds(events) == ["alert"]
    assert 14 * HOUR < events[0]["time"] <= 15 * HOUR


def test_a_snapshot_of_before_there_were_moments_is_read() -> None:
    times, failed = requests(0.1, 20, 0.03, (16, 60, 0.3))
    before = times < 10 * HOUR
    detector, old = ErrorSpikeDetector(), ErrorSpikeDetector()
    detector.update_many(times[before], failed[before])
    fields = msgspec.msgpack.decode(detector.snapshot())
    fields[10] = [entry[:3] for entry in fields[10]]

    old.restore(msgspec.msgpack.encode(fields[:25]))

    assert kinds(old.update_many(times[~before], failed[~before])) == ["alert", "recovery"]
