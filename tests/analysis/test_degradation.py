from __future__ import annotations

import math
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from otelbridge.analysis import DegradationDetector
from otelbridge.analysis.degradation import block_material
from otelbridge.analysis.degradation.events import Event

DAY = 86_400.0
START = 1_760_000_000.0
BYTES_PER_SERIES = 8 * 1024


def noise(count: int, sigma: float = 0.4, seed: int = 1) -> np.ndarray:
    return 50.0 * np.exp(np.random.default_rng(seed).normal(0.0, sigma, count))


def times(count: int, seconds: float = 1.0) -> np.ndarray:
    return START + np.arange(count) * seconds


def events(values: np.ndarray, seconds: float = 1.0, **options: float) -> list[Event]:
    return DegradationDetector(**options).update_many(times(len(values), seconds), values)


def kinds(found: list[Event]) -> list[str]:
    return [event["kind"] for event in found]


def test_nothing_is_said_of_a_level_that_stands_still() -> None:
    assert events(noise(20_000)) == []


def test_a_series_that_becomes_slower_raises_one_alert() -> None:
    values = noise(6_000)
    values[3_000:] *= 1.5
    (alert,) = (event for event in events(values) if event["kind"] == "alert")
    assert alert["channel"] == "median"
    assert alert["baseline"] == pytest.approx(50, rel=0.1)
    assert alert["recent"] == pytest.approx(75, rel=0.15)
    assert alert["increase"] == pytest.approx(0.5, abs=0.2)
    assert alert["change"] == pytest.approx(alert["recent"] - alert["baseline"])
    assert alert["since"] == pytest.approx(START + 3_000, abs=100)
    assert alert["since"] < alert["time"] < START + 3_300
    assert alert["certainty"] > 2


def test_a_ramp_raises_one_alert_before_it_is_over_twice() -> None:
    values = noise(9_000) * np.interp(np.arange(9_000), (3_000, 5_000), (1.0, 1.4))
    (alert,) = (event for event in events(values) if event["kind"] == "alert")
    assert START + 3_000 < alert["time"] < START + 5_500


def test_a_heavier_tail_is_an_alert_of_the_p90_while_the_median_stands_still() -> None:
    rng = np.random.default_rng(2)
    values = noise(6_000, 0.2)
    values[3_000:][rng.random(3_000) < 0.2] *= 3
    (alert,) = (event for event in events(values) if event["kind"] == "alert")
    assert alert["channel"] == "p90"


def test_when_the_level_is_back_a_recovery_is_said_once() -> None:
    values = noise(8_000)
    values[3_000:4_500] *= 2
    assert kinds(events(values)) == ["alert", "recovery"]


def test_each_of_two_incidents_is_an_alert() -> None:
    values = noise(10_000)
    values[3_000:4_500] *= 2
    values[7_000:] *= 2
    assert kinds(events(values))[:3] == ["alert", "recovery", "alert"]


def test_a_level_that_lasts_is_the_new_normal() -> None:
    values = noise(16_000)
    values[3_000:] *= 1.6
    values[10_000:] *= 1.6
    found = events(values)
    assert kinds(found) == ["alert", "info", "alert", "info"]
    assert found[1].get("reason") == "new_normal"
    assert found[2]["baseline"] == pytest.approx(80, rel=0.1)


def test_the_end_of_a_degradation_that_had_become_normal_is_a_recovery() -> None:
    values = noise(12_000)
    values[3_000:8_000] *= 1.6
    assert kinds(events(values)) == ["alert", "info", "recovery"]


def test_an_improvement_is_no_alert_and_the_next_regression_counts_from_there() -> None:
    values = noise(8_000)
    values[3_000:4_500] *= 0.5
    found = events(values)
    assert kinds(found)[:2] == ["improvement", "alert"]
    assert found[1]["baseline"] == pytest.approx(25, rel=0.1)
    assert found[1]["time"] < START + 4_500 + 300


@pytest.mark.parametrize("length", [1, 5, 15])
def test_short_bursts_are_silent(length: int) -> None:
    values = noise(20_000)
    for start in range(500, 20_000, 613):
        values[start : start + length] *= 20
    assert events(values) == []


def test_a_cold_start_is_silent() -> None:
    values = noise(12_000) * (1 + 4 * np.exp(-np.arange(12_000) / 150))
    assert "alert" not in kinds(events(values))


def test_fewer_values_than_a_baseline_needs_are_silent() -> None:
    values = noise(1_000)
    values[500:] *= 10
    assert events(values) == []


def test_a_daily_season_is_silent_even_on_the_first_day() -> None:
    count = int(3 * DAY / 20)
    season = 1.33 + 0.33 * np.sin(times(count, 20) * 2 * math.pi / DAY)
    assert "alert" not in kinds(events(noise(count) * season, 20))


def test_a_step_on_top_of_a_season_is_found() -> None:
    count = int(3 * DAY / 20)
    season = 1.33 + 0.33 * np.sin(times(count, 20) * 2 * math.pi / DAY)
    values = noise(count) * season
    values[9_000:] *= 2
    (alert,) = (event for event in events(values, 20) if event["kind"] == "alert")
    assert START + 20 * 9_000 < alert["time"] < START + 20 * 9_300


def test_an_ordinary_monday_is_no_alert() -> None:
    count = int(15 * DAY / 60)
    weekday = (times(count, 60) - START) // DAY % 7
    values = noise(count) * np.where(weekday >= 5, 0.6, 1.0)
    found = events(values, 60)
    assert "alert" not in kinds(found)
    assert [event.get("reason") for event in found if event["kind"] == "info"] == ["weekend", "weekend"]


def test_an_increase_below_the_threshold_is_silent() -> None:
    values = noise(12_000)
    values[6_000:] *= 1.10
    assert "alert" not in kinds(events(values))
    assert "alert" in kinds(events(values, min_increase=0.05))


def test_an_increase_below_the_absolute_threshold_is_silent() -> None:
    values = noise(6_000)
    values[3_000:] *= 1.5
    assert "alert" in kinds(events(values, min_change=15))
    assert "alert" not in kinds(events(values, min_change=60))


@pytest.mark.parametrize("per_second", [3, 10, 100, 1000])
def test_what_is_over_within_half_a_minute_is_silent_however_many_values_there_were(per_second: int) -> None:
    values = noise(600 * per_second, 0.2)
    values[300 * per_second : 320 * per_second] *= 3
    assert events(values, 1 / per_second) == []


@pytest.mark.parametrize("per_second", [3, 10, 100, 1000])
def test_what_lasts_longer_is_told_with_its_beginning_however_many_values_there_were(per_second: int) -> None:
    values = noise(600 * per_second, 0.2)
    values[300 * per_second :] *= 1.5
    (alert,) = (event for event in events(values, 1 / per_second) if event["kind"] == "alert")
    assert alert["since"] == pytest.approx(START + 300, abs=45)
    assert alert["time"] - alert["since"] >= 30
    assert alert["time"] < START + 400
    assert alert["increase"] == pytest.approx(0.5, abs=0.1)


def test_a_series_that_was_fast_for_a_minute_has_not_become_slower() -> None:
    values = noise(9_000, 0.2)
    values[3_000:3_600] /= 30
    assert "alert" not in kinds(events(values, 0.1))


def test_how_long_it_must_last_is_a_setting() -> None:
    values = noise(6_000, 0.2)
    values[3_000:3_200] *= 2
    assert "alert" in kinds(events(values))
    assert "alert" in kinds(events(values, 0.01, hold_seconds=0.0))
    assert "alert" not in kinds(events(values, hold_seconds=300.0))


def test_what_remains_of_a_short_change_and_is_too_small_to_be_told_becomes_normal() -> None:
    values = noise(60_000, 0.1)
    values[20_000:21_000] *= 3
    values[21_000:40_000] *= 1.13
    values[40_000:] *= 1.13 * 1.4
    alerts = [event for event in events(values, 0.01) if event["kind"] == "alert"]
    assert [round(event["baseline"] / 50, 1) for event in alerts] == [1.1]


def test_a_suspicion_of_a_busy_series_is_not_taken_for_normal_before_it_could_be_told() -> None:
    """At 2,000 values a second half a minute is more blocks than are remembered."""
    values = noise(200_000, 0.2)
    values[80_000:] *= 2
    found = kinds(events(values, 1 / 2000))
    assert found[0] == "alert"


def test_smaller_blocks_see_a_change_in_fewer_values() -> None:
    values = noise(3_000, 0.1)
    values[1_500:] *= 2
    (small,) = (event for event in events(values, block_size=8) if event["kind"] == "alert")
    (large,) = (event for event in events(values) if event["kind"] == "alert")
    assert small["time"] < large["time"]


def test_whole_milliseconds_with_zeros_are_silent() -> None:
    assert "alert" not in kinds(events(np.floor(noise(20_000) / 60)))


def test_all_values_alike_are_silent_and_a_step_among_them_is_found() -> None:
    values = np.full(6_000, 7.0)
    assert events(values) == []
    values[3_000:] = 9.0
    assert kinds(events(values))[0] == "alert"


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, -1.0, 1e308])
def test_what_is_no_measurement_changes_nothing(value: float) -> None:
    values = noise(4_000)
    values[2_000:] *= 2
    clean, dirty = DegradationDetector(), DegradationDetector()
    for time, number in zip(times(4_000).tolist(), values.tolist(), strict=True):
        assert dirty.update(time, value) is None
        assert dirty.update(math.nan, 1.0) is None
        assert dirty.update(time, number) == clean.update(time, number)
    mixed = np.ravel(np.column_stack((np.full(4_000, value), values)))
    assert DegradationDetector().update_many(np.repeat(times(4_000), 2), mixed) == events(values)


hostile = st.lists(
    st.tuples(
        st.floats(allow_nan=True, allow_infinity=True),
        st.one_of(st.floats(allow_nan=True, allow_infinity=True), st.sampled_from([0.0, 5e-324, 1e-12, 1.0, 1e100])),
    ),
    min_size=1,
    max_size=8,
)


@given(hostile, st.integers(1, 400))
@settings(max_examples=60, deadline=None)
def test_nothing_raises(pattern: list[tuple[float, float]], repeats: int) -> None:
    detector = DegradationDetector(block_size=4)
    found = detector.update_many([time for time, _ in pattern * repeats], [value for _, value in pattern * repeats])
    assert all(math.isfinite(event["increase"]) and math.isfinite(event["recent"]) for event in found)
    DegradationDetector(block_size=4).restore(detector.snapshot())


@pytest.mark.parametrize("seconds", [0.0, -1.0, 0.01, 600.0, 1e9])
def test_timestamps_of_any_spacing_are_borne(seconds: float) -> None:
    values = noise(6_000)
    values[3_000:] *= 3
    assert kinds(events(values, seconds)).count("alert") <= 1


def test_timestamps_out_of_order_change_nothing_but_the_times() -> None:
    values = noise(6_000)
    values[3_000:] *= 2
    shuffled = times(6_000) + np.random.default_rng(3).uniform(-5, 5, 6_000)
    found = DegradationDetector().update_many(shuffled, values)
    assert kinds(found) == kinds(events(values))
    assert [event["time"] for event in found] == sorted(event["time"] for event in found)


def eventful(seconds: float) -> tuple[np.ndarray, np.ndarray]:
    """More than two days, with everything in them that can happen."""
    count = int(2.5 * DAY / seconds)
    season = 1 + 0.3 * np.sin(times(count, seconds) * 2 * math.pi / DAY)
    values = noise(count, 0.3) * season
    for share, factor in ((0.2, 1.8), (0.5, 0.5), (0.6, 2.0), (0.7, 0.6), (0.8, 3.0), (0.85, 0.33)):
        values[int(share * count) :] *= factor
    return times(count, seconds), values


STAMPS, VALUES = eventful(10.0)


@given(st.lists(st.integers(0, len(VALUES)), max_size=8), st.integers(0, 100))
@settings(max_examples=25, deadline=None)
def test_every_split_gives_the_same_events(cuts: list[int], singly: int) -> None:
    whole, split = DegradationDetector(), DegradationDetector()
    found: list[Event] = []
    edges = [0, *sorted(cuts), len(VALUES)]
    for start, stop in pairwise(edges):
        middle = min(start + singly, stop)
        one_by_one = [split.update(STAMPS[index], VALUES[index]) for index in range(start, middle)]
        found += [event for event in one_by_one if event is not None]
        found += split.update_many(STAMPS[middle:stop], VALUES[middle:stop])
    assert found == whole.update_many(STAMPS, VALUES)
    assert split.snapshot() == whole.snapshot()


def test_one_by_one_is_the_same_as_at_once() -> None:
    whole, single = DegradationDetector(), DegradationDetector()
    expected = whole.update_many(STAMPS, VALUES)
    found = [single.update(time, value) for time, value in zip(STAMPS.tolist(), VALUES.tolist(), strict=True)]
    assert [event for event in found if event is not None] == expected
    assert {"alert", "recovery", "improvement", "info"} <= set(kinds(expected))
    assert single.snapshot() == whole.snapshot()


def test_blocks_made_elsewhere_are_the_same_as_values() -> None:
    whole = len(VALUES) // 32
    detector = DegradationDetector()
    medians, tails = block_material(VALUES[: whole * 32].reshape(whole, 32))
    ends = STAMPS[: whole * 32].reshape(whole, 32).max(axis=1)
    found = [detector.update_block(*block) for block in zip(medians, tails, ends, strict=True)]
    expected = DegradationDetector().update_many(STAMPS[: whole * 32], VALUES[: whole * 32])
    assert [event for event in found if event is not None] == expected


@given(st.integers(0, len(VALUES)))
@settings(max_examples=25, deadline=None)
def test_a_snapshot_taken_anywhere_goes_on_as_if_nothing_had_been(cut: int) -> None:
    detector, restored = DegradationDetector(), DegradationDetector()
    detector.update_many(STAMPS[:cut], VALUES[:cut])
    restored.restore(detector.snapshot())
    assert restored.update_many(STAMPS[cut:], VALUES[cut:]) == detector.update_many(STAMPS[cut:], VALUES[cut:])
    assert restored.snapshot() == detector.snapshot()


def test_a_snapshot_of_other_blocks_starts_anew() -> None:
    other, fresh = DegradationDetector(block_size=16), DegradationDetector()
    other.update_many(STAMPS[:5_000], VALUES[:5_000])
    fresh.restore(other.snapshot())
    assert fresh.snapshot() == DegradationDetector().snapshot()


def test_the_state_is_bounded() -> None:
    detector = DegradationDetector()
    sizes = []
    for start in range(0, 60_000, 500):
        detector.update_many(times(60_000)[start : start + 500], noise(60_000)[start : start + 500])
        sizes.append(len(detector.snapshot()))
    assert max(sizes) <= BYTES_PER_SERIES
    assert max(sizes[60:]) <= max(sizes[:60]) + 32 * 8  # what is pending


@pytest.mark.parametrize(
    "options",
    [{"min_increase": 0.0}, {"min_change": -1.0}, {"tail_increase": 0.0}, {"block_size": 3}, {"hold_seconds": -1.0}],
)
def test_settings_that_make_no_sense_are_refused(options: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="must be"):
        DegradationDetector(**options)
