from __future__ import annotations

import itertools
import math
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from otelbridge.analysis import SaturationDetector

Floats = npt.NDArray[np.float64]
HOUR = 3600.0
MAX_BYTES = 8192


def measured(
    hours: Floats, level: Floats, spacing: float = 60.0, noise: float = 0.01, seed: int = 1
) -> tuple[Floats, Floats]:
    """Samples of a level given at some hours, linear in between."""
    times = np.arange(0.0, hours[-1] * HOUR, spacing)
    values = np.interp(times / HOUR, hours, level) + np.random.default_rng(seed).normal(0, noise, len(times))
    return times, np.clip(values, 0.0, 1.0)


def corners(*points: tuple[float, float]) -> tuple[Floats, Floats]:
    return np.asarray([point[0] for point in points]), np.asarray([point[1] for point in points])


def kinds(events: list[dict[str, Any]]) -> list[str]:
    return [event["kind"] for event in events]


@pytest.mark.parametrize(("spacing", "late_seconds"), [(5.0, 2700), (60.0, 2700), (300.0, 3300)])
@pytest.mark.parametrize("hours_to_full", [1.2, 3.0])
def test_growth_to_full_is_one_alert_in_time_and_one_recovery(
    spacing: float, late_seconds: float, hours_to_full: float
) -> None:
    full = 6 + hours_to_full
    level = corners((0, 0.3), (6, 0.3), (full, 1.0), (full + 1, 1.0), (full + 1.02, 0.3), (full + 3, 0.3))

    events = SaturationDetector().update_many(*measured(*level, spacing))

    alert, recovery = events
    assert kinds(events) == ["alert", "recovery"]
    alarming = max(6.0, full - 2.0) * HOUR
    assert alarming - 900 <= alert["time"] <= alarming + late_seconds
    assert alert["growth_per_hour"] == pytest.approx(0.7 / hours_to_full, rel=0.3)
    assert alert["seconds_to_saturation"] == pytest.approx(full * HOUR - alert["time"], rel=0.35)
    assert 0.3 < alert["utilization"] < 0.9
    assert recovery["peak"] > 0.97
    assert recovery["time"] <= (full + 1.02) * HOUR + 2400


def test_a_second_approach_is_a_second_finding() -> None:
    level = corners((0, 0.3), (6, 0.3), (8.5, 0.95), (8.6, 0.3), (11, 0.3), (13.5, 0.95), (13.6, 0.3), (15, 0.3))

    events = SaturationDetector().update_many(*measured(*level))

    assert kinds(events) == ["alert", "recovery", "alert", "recovery"]


def test_a_high_level_is_found_when_it_lasts() -> None:
    level = corners((0, 0.4), (4, 0.4), (4.01, 0.92), (9, 0.92))

    (alert,) = SaturationDetector().update_many(*measured(*level))

    assert alert["reason"] == "high"
    assert 4 * HOUR + 900 <= alert["time"] <= 4 * HOUR + 1500


def test_growth_that_stops_is_over_after_a_while() -> None:
    level = corners((0, 0.2), (4, 0.2), (6, 0.75), (12, 0.75))

    events = SaturationDetector().update_many(*measured(*level))

    assert kinds(events) == ["alert", "recovery"]
    assert events[1]["reason"] == "levelled off"


def _tooth(period: float) -> tuple[Floats, Floats]:
    hours = np.arange(0, 14, 1 / 60)
    return hours, 0.4 + 0.3 * (hours % period) / period


SILENT = {
    "sawtooth of 12 minutes": _tooth(0.2),
    "sawtooth of 45 minutes": _tooth(0.75),
    "plateau": corners((0, 0.8), (14, 0.8)),
    "a week": corners((0, 0.3), (40, 0.6)),
    "step": corners((0, 0.3), (6, 0.3), (6.1, 0.65), (14, 0.65)),
    "daily wave": (np.arange(0, 49, 0.1), 0.45 + 0.3 * np.sin(np.arange(0, 49, 0.1) * math.pi / 12)),
    "brief peaks": corners((0, 0.3), (5, 0.3), (5.02, 0.99), (5.12, 0.99), (5.15, 0.3), (14, 0.3)),
    "falling": corners((0, 0.8), (14, 0.1)),
}


@pytest.mark.parametrize("name", SILENT)
@pytest.mark.parametrize("seed", [1, 2])
def test_what_does_not_lead_to_full_is_silent(name: str, seed: int) -> None:
    assert SaturationDetector().update_many(*measured(*SILENT[name], noise=0.02, seed=seed)) == []


def test_much_noise_is_silent() -> None:
    assert SaturationDetector().update_many(*measured(*corners((0, 0.5), (24, 0.5)), 30.0, noise=0.1)) == []


@pytest.mark.parametrize("spacing", [2.0, 90.0])
def test_update_and_update_many_agree(spacing: float) -> None:
    times, values = measured(*corners((0, 0.3), (2, 0.3), (4, 1.0), (4.1, 0.3), (5, 0.3)), spacing)
    one, many = SaturationDetector(), SaturationDetector()

    each = [
        event for at, value in zip(times.tolist(), values.tolist(), strict=True) if (event := one.update(at, value))
    ]

    assert each == many.update_many(times, values)
    assert kinds(each) == ["alert", "recovery"]
    assert one.snapshot() == many.snapshot()


HOSTILE = st.one_of(st.floats(), st.sampled_from([math.nan, math.inf, -math.inf, -1.0, 1e300, 0.0]), st.floats(0, 2e4))


@settings(max_examples=20, deadline=None)
@given(st.lists(st.tuples(HOSTILE, HOSTILE), max_size=60), st.lists(st.integers(0, 30), max_size=4))
def test_any_cut_and_any_value_gives_the_same(extra: list[tuple[float, float]], cuts: list[int]) -> None:
    times, values = measured(*corners((0, 0.3), (1.5, 0.3), (2.5, 1.0), (3, 1.0)), 40.0)
    at = len(times) // 2
    times = np.concatenate([times[:at], np.asarray([pair[0] for pair in extra], dtype=np.float64), times[at:]])
    values = np.concatenate([values[:at], np.asarray([pair[1] for pair in extra], dtype=np.float64), values[at:]])
    one, many = SaturationDetector(), SaturationDetector()

    each = [event for t, value in zip(times.tolist(), values.tolist(), strict=True) if (event := one.update(t, value))]
    together: list[dict[str, Any]] = []
    borders = sorted({0, len(times), *(min(len(times), cut * 11) for cut in cuts)})
    for begin, end in itertools.pairwise(borders):
        together += many.update_many(times[begin:end], values[begin:end])
        restored = SaturationDetector()
        restored.restore(many.snapshot())
        many = restored

    assert each == together
    assert one.snapshot() == many.snapshot()


def test_a_wrong_timestamp_does_not_stop_the_clock() -> None:
    detector = SaturationDetector()
    detector.update(4e9, 0.3)

    events = detector.update_many(*measured(*corners((0, 0.3), (6, 0.3), (9, 1.0), (10, 1.0))))

    assert kinds(events) == ["alert"]


def test_state_is_bounded() -> None:
    random = np.random.default_rng(3)
    detector = SaturationDetector()
    largest = 0
    at = 1.7e9
    for number in range(4000):
        at += float(random.choice([0.1, 60.0, 300.0, 1800.0] if number % 500 else [1e6]))
        detector.update(at, float(random.random()))
        if number % 5 == 0:
            largest = max(largest, len(detector.snapshot()))

    assert largest <= MAX_BYTES
