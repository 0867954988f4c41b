"""python -m bench.detection --only error_spike_variations: other rates, lengths and ways of clustering.

Each sort of scenario of `request_streams` is here again, two or three times, so that a number that suits only those is
noticed. Some are beyond what can be told at all: they show where that begins.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from bench.detection.error_spike import tables
from bench.detection.request_streams import HOUR, MINUTE, Builder, Plan, daily_traffic, wander


def report(streams: int, seed: int) -> Iterator[str]:
    """A table by scenario and rate, and one of sums."""
    yield from tables(streams, seed, POSITIVE, NEGATIVE)


def _base(plan: Plan, lowest: float, highest: float) -> None:
    """The normal rate of failures."""
    plan.error_rate[:] = float(np.exp(plan.random.uniform(np.log(lowest), np.log(highest))))


def _raise(plan: Plan, start: int, length: int, error_rate: float) -> None:
    plan.raise_to(start, length, error_rate)
    plan.changes.append((start, start + length))


def _eightfold_rare(plan: Plan) -> None:
    _base(plan, 0.01 if plan.rate < 1.0 else 0.0025, 0.03)
    plan.spike(plan.moment(0.3, 0.9), 30 * MINUTE, 8.0)


def _double_for_hours(plan: Plan) -> None:
    _base(plan, *((0.06, 0.15) if plan.rate < 1.0 else (0.02, 0.08)))
    plan.spike(plan.moment(0.3, 0.6), plan.minutes(180, 330), 2.0)


def _double_often_failing(plan: Plan) -> None:
    _base(plan, *((0.12, 0.25) if plan.rate < 1.0 else (0.02, 0.08)))
    plan.spike(plan.moment(0.3, 0.6), plan.minutes(110, 150), 2.2)


def _triple_for_hours(plan: Plan) -> None:
    _base(plan, 0.02, 0.08)
    plan.spike(plan.moment(0.3, 0.6), plan.minutes(90, 200), 3.0)


def _triple_often_failing(plan: Plan) -> None:
    _base(plan, 0.04, 0.12)
    plan.spike(plan.moment(), plan.minutes(40, 90), 3.0)


def _slow_ramp(plan: Plan) -> None:
    start, length, ratio, base = plan.moment(0.3, 0.6), HOUR, plan.random.uniform(5, 8), plan.base
    rise = np.linspace(1.0, ratio, length)
    plan.error_rate[start : start + length] = np.minimum(0.95, base * rise)
    top = plan.minutes(40, 90)
    plan.raise_to(start + length, top, min(0.95, base * ratio))
    plan.changes.append((start + int(np.argmax(rise > 2.0)), start + length + top))


def _up_and_down(plan: Plan) -> None:
    start, length, ratio = plan.moment(0.3, 0.6), plan.minutes(30, 60), plan.random.uniform(8, 14)
    ratios = np.concatenate((np.linspace(1.0, ratio, length), np.linspace(ratio, 1.0, length)))
    plan.error_rate[start : start + 2 * length] = np.minimum(0.95, plan.base * ratios)
    above = np.flatnonzero(ratios > 2.0)
    plan.changes.append((start + int(above[0]), start + int(above[-1])))


def _short_outage(plan: Plan) -> None:
    _raise(plan, plan.moment(0.3, 0.9), plan.minutes(12, 20), plan.random.uniform(0.6, 1.0))


def _long_outage(plan: Plan) -> None:
    _raise(plan, plan.moment(0.3, 0.7), plan.minutes(60, 180), plan.random.uniform(0.2, 0.6))


def _first_errors_short(plan: Plan) -> None:
    plan.error_rate[:] = 0.0
    often = 2.0 if plan.rate < 1.0 else 1.0
    _raise(plan, plan.moment(0.2, 0.8), plan.minutes(30, 45), plan.random.uniform(0.05, 0.2) * often)


def _first_errors_rare(plan: Plan) -> None:
    plan.error_rate[:] = 0.0
    often = 4.0 if plan.rate < 1.0 else 1.0
    _raise(plan, plan.moment(0.2, 0.8), plan.minutes(120, 240), plan.random.uniform(0.01, 0.02) * often)


def _spike_of_pairs(plan: Plan) -> None:
    plan.cluster, plan.cluster_seconds = plan.random.uniform(1.5, 3), 60
    plan.spike(plan.moment(), plan.minutes(60, 120), plan.random.uniform(5, 9))


def _spike_of_retries(plan: Plan) -> None:
    plan.cluster, plan.cluster_seconds = plan.random.uniform(2, 4), 5
    _base(plan, 0.02, 0.06)
    plan.spike(plan.moment(), plan.minutes(60, 120), plan.random.uniform(6, 12))


def _spike_by_day_and_night(plan: Plan) -> None:
    daily_traffic(plan)
    _base(plan, 0.02, 0.05)
    plan.spike(plan.moment(0.25, 0.8), plan.minutes(45, 120), plan.random.uniform(5, 8))


def _two_to_four(plan: Plan) -> None:
    number = int(plan.random.integers(2, 5))
    for turn in range(number):
        start = int((0.3 + 0.6 / number * turn) * plan.seconds)
        plan.spike(start, plan.minutes(25, 40), plan.random.uniform(8, 12))


def _spike_while_wandering(plan: Plan) -> None:
    plan.error_rate *= np.exp(wander(plan, 0.2, 10 * MINUTE))
    plan.lift(plan.moment(), plan.minutes(60, 120), plan.random.uniform(4, 6))


def _any_rate(plan: Plan) -> None:
    _base(plan, 0.001, 0.2)


def _low_rate(plan: Plan) -> None:
    _base(plan, 0.002, 0.02)


def _five_blips(plan: Plan) -> None:
    for number in range(5):
        start = int((0.15 + 0.16 * number) * plan.seconds) + plan.minutes(0, 15)
        plan.raise_to(start, 4 * MINUTE, plan.random.uniform(0.1, 1.0))


def _blips_often_failing(plan: Plan) -> None:
    _base(plan, 0.03, 0.12)
    for number in range(4):
        start = int((0.2 + 0.18 * number) * plan.seconds) + plan.minutes(0, 15)
        plan.raise_to(start, 4 * MINUTE, plan.random.choice([0.3, 0.6, 1.0]))


def _pairs_of_blips(plan: Plan) -> None:
    for number in range(3):
        start = int((0.25 + 0.22 * number) * plan.seconds)
        plan.raise_to(start, plan.minutes(2, 4), plan.random.uniform(0.2, 1.0))
        plan.raise_to(start + plan.minutes(25, 60), plan.minutes(2, 4), plan.random.uniform(0.2, 1.0))


def _long_deploys(plan: Plan) -> None:
    at = plan.minutes(20, 60)
    while at < plan.seconds:
        plan.raise_to(at, plan.minutes(1, 4), plan.random.uniform(0.1, 1.0))
        at += plan.minutes(60, 240)


def _daily_rate_strong(plan: Plan) -> None:
    daily_traffic(plan)
    wave = np.sin(np.arange(plan.seconds) / (24 * HOUR) * 2 * np.pi + plan.random.uniform(0, 2 * np.pi))
    _base(plan, 0.01, 0.08)
    plan.error_rate *= np.exp(0.5 * np.log(plan.random.uniform(2.0, 4.0)) * wave)


def _traffic_twentyfold(plan: Plan) -> None:
    _traffic(plan, (5, 60), (5.0, 20.0))


def _traffic_drops(plan: Plan) -> None:
    _traffic(plan, (20, 90), (0.05, 0.3))


def _traffic(plan: Plan, minutes: tuple[float, float], factor: tuple[float, float]) -> None:
    at = plan.minutes(40, 90)
    while at < plan.seconds:
        length = plan.minutes(*minutes)
        plan.traffic[at : at + length] *= plan.random.uniform(*factor)
        at += length + plan.minutes(60, 180)


def _scattered_by_minutes(plan: Plan) -> None:
    _scatter(plan, plan.minutes(1, 5), plan.random.uniform(0.3, 1.5))


def _scattered_by_seconds(plan: Plan) -> None:
    _scatter(plan, int(plan.random.integers(10, 40)), plan.random.uniform(0.1, 0.5))


def _scatter(plan: Plan, seconds: int, shape: float) -> None:
    """A rate that is drawn anew all the time, gamma: failures are negative binomial."""
    factors = plan.random.gamma(shape, 1.0 / shape, plan.seconds // seconds + 1)
    plan.error_rate = np.minimum(0.95, plan.error_rate * np.repeat(factors, seconds)[: plan.seconds])


def _clusters_of_any_length(plan: Plan) -> None:
    plan.cluster, plan.cluster_seconds = plan.random.uniform(4, 8), int(plan.random.choice([2, 10, 30, 90]))


def _rare_clusters(plan: Plan) -> None:
    plan.cluster, plan.cluster_seconds = plan.random.uniform(5, 15), 20
    _base(plan, 0.003, 0.015)


def _small_clusters(plan: Plan) -> None:
    plan.cluster, plan.cluster_seconds = plan.random.uniform(1.5, 3), int(plan.random.choice([1, 20, 60]))
    _base(plan, 0.01, 0.08)


def _starts_failing(plan: Plan) -> None:
    plan.raise_to(0, plan.minutes(20, 60), plan.random.uniform(0.1, 0.9))


def _half_more_for_hours(plan: Plan) -> None:
    plan.raise_to(plan.moment(0.3, 0.6), plan.minutes(60, 240), plan.base * 1.5)


def _half_more_often_failing(plan: Plan) -> None:
    _base(plan, 0.05, 0.2)
    plan.raise_to(plan.moment(0.3, 0.6), plan.minutes(120, 400), plan.base * 1.5)


def _wandering_slowly(plan: Plan) -> None:
    plan.error_rate *= np.exp(wander(plan, plan.random.uniform(0.15, 0.25), plan.minutes(10, 40)))


def _named(*builders: Builder) -> dict[str, Builder]:
    return {builder.__name__.removeprefix("_"): builder for builder in builders}


POSITIVE = _named(
    _eightfold_rare,
    _double_for_hours,
    _double_often_failing,
    _triple_for_hours,
    _triple_often_failing,
    _slow_ramp,
    _up_and_down,
    _short_outage,
    _long_outage,
    _first_errors_short,
    _first_errors_rare,
    _spike_of_pairs,
    _spike_of_retries,
    _spike_by_day_and_night,
    _two_to_four,
    _spike_while_wandering,
)
NEGATIVE = _named(
    _any_rate,
    _low_rate,
    _five_blips,
    _blips_often_failing,
    _pairs_of_blips,
    _long_deploys,
    _daily_rate_strong,
    _traffic_twentyfold,
    _traffic_drops,
    _scattered_by_minutes,
    _scattered_by_seconds,
    _clusters_of_any_length,
    _rare_clusters,
    _small_clusters,
    _starts_failing,
    _half_more_for_hours,
    _half_more_often_failing,
    _wandering_slowly,
)
