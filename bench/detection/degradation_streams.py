"""Scenarios for level changes in durations: what is worse (`POSITIVE`), and what only looks so (`NEGATIVE`).

A scenario draws one stream from a Generator: its spread, level, spacing in time and the place of the change differ from
stream to stream, so that a detector cannot be fitted to one of them. A change is found by an alert between its first
value and the horizon; every other alert is false.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterator

import numpy as np

from bench.detection import signals as s
from bench.detection.signals import DAY_SECONDS, Stream

Scenario = Callable[[np.random.Generator], Stream]

STEP_HORIZON = 4_000
RAMP_HORIZON = 5_000


def change_at(rng: np.random.Generator) -> int:
    """Early, in the middle or late."""
    return int(rng.integers(*((1_500, 2_500), (4_000, 7_000), (8_000, 12_000))[rng.integers(3)]))


def _stepped(rng: np.random.Generator, noise: Callable[[int], s.Floats], factor: float) -> Stream:
    at = change_at(rng)
    count = at + STEP_HORIZON + 1_000
    times = s.clock(rng, count, s.spacing(rng))
    return s.stream(times, s.base(rng) + noise(count) + s.step(count, at, factor), [(at, at + STEP_HORIZON)])


def step_30(rng: np.random.Generator) -> Stream:
    """+30 %."""
    return _stepped(rng, lambda n: s.lognormal(rng, n), 1.3)


def step_100(rng: np.random.Generator) -> Stream:
    """+100 %."""
    return _stepped(rng, lambda n: s.lognormal(rng, n), 2.0)


def step_50_heavy(rng: np.random.Generator) -> Stream:
    """+50 % under heavy tails."""
    return _stepped(rng, lambda n: s.heavy(rng, n), 1.5)


def step_30_ar1(rng: np.random.Generator) -> Stream:
    """+30 % in values with a memory."""
    return _stepped(rng, lambda n: s.autoregressive(rng, n, rng.uniform(0.4, 0.8), rng.uniform(0.2, 0.4)), 1.3)


def step_100_ar1(rng: np.random.Generator) -> Stream:
    """+100 % in values with a long memory."""
    return _stepped(rng, lambda n: s.autoregressive(rng, n, rng.uniform(0.8, 0.92), rng.uniform(0.2, 0.6)), 2.0)


def step_50_bimodal(rng: np.random.Generator) -> Stream:
    """+50 % of both modes."""
    return _stepped(rng, lambda n: s.mixture(rng, n, rng.uniform(0.05, 0.3)), 1.5)


def step_50_bursts(rng: np.random.Generator) -> Stream:
    """+50 % among bursts of outliers."""
    return _stepped(rng, lambda n: s.lognormal(rng, n, 0.2, 0.6) + s.bursts(rng, n), 1.5)


def _ramped(rng: np.random.Generator, factor: float) -> Stream:
    at = change_at(rng)
    count = at + RAMP_HORIZON + 1_000
    times = s.clock(rng, count, s.spacing(rng))
    level = s.base(rng) + s.ramp(count, at, 2_000, factor)
    return s.stream(times, level + s.lognormal(rng, count), [(at, at + RAMP_HORIZON)])


def gradual_25(rng: np.random.Generator) -> Stream:
    """+25 % over 2,000 values."""
    return _ramped(rng, 1.25)


def gradual_100(rng: np.random.Generator) -> Stream:
    """+100 % over 2,000 values."""
    return _ramped(rng, 2.0)


def tail_shift(rng: np.random.Generator) -> Stream:
    """The slowest 12 to 30 % become 2 to 4 times slower; the median stays."""
    at = change_at(rng)
    count = at + STEP_HORIZON + 1_000
    hit = rng.random(count) < rng.uniform(0.12, 0.3)
    hit[:at] = False
    logs = s.base(rng) + s.lognormal(rng, count, 0.2, 0.6) + hit * np.log(rng.uniform(2.0, 4.0))
    return s.stream(s.clock(rng, count, s.spacing(rng)), logs, [(at, at + STEP_HORIZON)])


def seasonal_step_100(rng: np.random.Generator) -> Stream:
    """+100 % on a daily season, after one to three days."""
    seconds = s.spacing(rng, 10.0, 60.0)
    at = int(rng.uniform(1.1, 3.0) * DAY_SECONDS / seconds)
    count = at + STEP_HORIZON
    times = s.clock(rng, count, seconds)
    logs = s.base(rng) + s.lognormal(rng, count, 0.2, 0.6) + s.season(rng, times) + s.step(count, at, 2.0)
    return s.stream(times, logs, [(at, at + STEP_HORIZON)])


def recur_100(rng: np.random.Generator) -> Stream:
    """+100 % for 800 to 3,000 values, back, and +100 % again."""
    first = change_at(rng)
    length, calm = int(rng.integers(800, 3_000)), int(rng.integers(1_500, 4_000))
    second = first + length + calm
    count = second + STEP_HORIZON
    logs = (
        s.base(rng) + s.lognormal(rng, count) + s.step(count, first, 2.0, first + length) + s.step(count, second, 2.0)
    )
    changes = [(first, first + length), (second, count)]
    return s.stream(s.clock(rng, count, s.spacing(rng)), logs, changes)


def after_improve(rng: np.random.Generator) -> Stream:
    """Twice as fast, and 1,000 to 4,000 values later as slow as before."""
    better = change_at(rng)
    at = better + int(rng.integers(1_000, 4_000))
    count = at + STEP_HORIZON
    logs = s.base(rng) + s.lognormal(rng, count, 0.2, 0.6) + s.step(count, better, 0.5, at)
    return s.stream(s.clock(rng, count, s.spacing(rng)), logs, [(at, at + STEP_HORIZON)])


def two_steps(rng: np.random.Generator) -> Stream:
    """+60 %, and once that is normal +60 % more."""
    first = change_at(rng)
    second = first + int(rng.integers(7_000, 10_000))
    count = second + STEP_HORIZON
    logs = s.base(rng) + s.lognormal(rng, count, 0.2, 0.6) + s.step(count, first, 1.6) + s.step(count, second, 1.6)
    return s.stream(
        s.clock(rng, count, s.spacing(rng)), logs, [(first, first + STEP_HORIZON), (second, second + STEP_HORIZON)]
    )


def _flat(rng: np.random.Generator, noise: Callable[[int], s.Floats]) -> Stream:
    count = int(rng.integers(8_000, 20_000))
    return s.stream(s.clock(rng, count, s.spacing(rng)), s.base(rng) + noise(count))


def stationary(rng: np.random.Generator) -> Stream:
    """Lognormal."""
    return _flat(rng, lambda n: s.lognormal(rng, n))


def heavy_tail(rng: np.random.Generator) -> Stream:
    """Heavy tails."""
    return _flat(rng, lambda n: s.heavy(rng, n))


def student(rng: np.random.Generator) -> Stream:
    """Logarithms of Student's t with three degrees of freedom: outliers on both sides."""
    return _flat(rng, lambda n: rng.uniform(0.15, 0.45) * rng.standard_t(3, n))


def bimodal(rng: np.random.Generator) -> Stream:
    """Two modes, any share of the slow one."""
    return _flat(rng, lambda n: s.mixture(rng, n, rng.uniform(0.05, 0.6)))


def bursts_15(rng: np.random.Generator) -> Stream:
    """Bursts of 15 outliers."""
    return _flat(rng, lambda n: s.lognormal(rng, n) + s.bursts(rng, n))


def spikes(rng: np.random.Generator) -> Stream:
    """Single spikes."""
    return _flat(rng, lambda n: s.lognormal(rng, n) + s.spikes(rng, n))


def ar1(rng: np.random.Generator) -> Stream:
    """A memory of a few values."""
    return _flat(rng, lambda n: s.autoregressive(rng, n, rng.uniform(0.4, 0.8), rng.uniform(0.2, 0.5)))


def ar1_strong(rng: np.random.Generator) -> Stream:
    """A memory of 10 to 25 values: the level itself wanders."""
    return _flat(rng, lambda n: s.autoregressive(rng, n, rng.uniform(0.85, 0.92), rng.uniform(0.2, 0.5)))


def daily(rng: np.random.Generator) -> Stream:
    """A daily season over two to six days."""
    seconds = s.spacing(rng, 15.0, 60.0)
    count = int(rng.uniform(2.0, 6.0) * DAY_SECONDS / seconds)
    times = s.clock(rng, count, seconds)
    return s.stream(times, s.base(rng) + s.lognormal(rng, count, 0.2, 0.6) + s.season(rng, times))


def daily_dense(rng: np.random.Generator) -> Stream:
    """The same of a busy series: one to two days."""
    seconds = s.spacing(rng, 3.0, 15.0)
    count = int(rng.uniform(1.0, 2.5) * DAY_SECONDS / seconds)
    times = s.clock(rng, count, seconds)
    return s.stream(times, s.base(rng) + s.lognormal(rng, count, 0.2, 0.6) + s.season(rng, times))


def weekly(rng: np.random.Generator) -> Stream:
    """Working days and calm days over two to three weeks, begun on a working day."""
    seconds = s.spacing(rng, 60.0, 120.0)
    count = int(rng.uniform(14.0, 21.0) * DAY_SECONDS / seconds)
    times = s.clock(rng, count, seconds)
    into_week = (times[0] // DAY_SECONDS) % 7
    times += DAY_SECONDS * ((7 - into_week) + rng.integers(0, 4))
    logs = s.base(rng) + s.lognormal(rng, count, 0.2, 0.6) + s.week(rng, times) + s.season(rng, times, 1.0, 1.3)
    return s.stream(times, logs)


def cold_start(rng: np.random.Generator) -> Stream:
    """Slow first values that wear off."""
    decay = rng.uniform(30, 400)
    height = np.log(rng.uniform(2.0, 10.0))
    return _flat(rng, lambda n: s.lognormal(rng, n) + height * np.exp(-np.arange(n) / decay))


def slow_noise(rng: np.random.Generator) -> Stream:
    """A level that wanders by less than what is worth an alert."""
    return _flat(rng, lambda n: s.lognormal(rng, n, 0.2, 0.6) + s.slow(rng, n, rng.uniform(0.05, 0.12)))


def small_step(rng: np.random.Generator) -> Stream:
    """+5 to +10 %: real, and not worth an alert."""
    factor, share = rng.uniform(1.05, 1.10), rng.uniform(0.3, 0.7)
    return _flat(rng, lambda n: s.lognormal(rng, n, 0.2, 0.6) + s.step(n, int(share * n), factor))


def improvement(rng: np.random.Generator) -> Stream:
    """For the better only."""
    factor, share = rng.uniform(0.4, 0.75), rng.uniform(0.3, 0.7)
    return _flat(rng, lambda n: s.lognormal(rng, n) + s.step(n, int(share * n), factor))


def whole_milliseconds(rng: np.random.Generator) -> Stream:
    """A coarse clock: 0 to 20 ms in whole milliseconds."""
    count = int(rng.integers(8_000, 20_000))
    values = np.floor(np.exp(rng.uniform(np.log(0.7), np.log(8.0)) + s.lognormal(rng, count, 0.2, 0.8)))
    return Stream(s.clock(rng, count, s.spacing(rng)), values)


def constant(rng: np.random.Generator) -> Stream:
    """Hardly any spread."""
    return _flat(rng, lambda n: rng.normal(0.0, rng.uniform(0.0, 0.03), n))


def blip(rng: np.random.Generator) -> Stream:
    """Thirty values of +200 % now and then, over before anyone could look."""
    return _flat(rng, lambda n: s.lognormal(rng, n) + s.bursts(rng, n, 30))


POSITIVE: tuple[Scenario, ...] = (
    step_30, step_100, step_50_heavy, step_30_ar1, step_100_ar1, step_50_bimodal, step_50_bursts, gradual_25,
    gradual_100, tail_shift, seasonal_step_100, recur_100, after_improve, two_steps,
)  # fmt: skip
NEGATIVE: tuple[Scenario, ...] = (
    stationary, heavy_tail, student, bimodal, bursts_15, spikes, ar1, ar1_strong, daily, daily_dense, weekly,
    cold_start, slow_noise, small_step, improvement, whole_milliseconds, constant, blip,
)  # fmt: skip


def streams(scenario: Scenario, count: int, seed: int) -> Iterator[Stream]:
    """`count` streams of a scenario; the same for the same seed, whatever else is run."""
    name = zlib.crc32(scenario.__name__.encode())
    for index in range(count):
        yield scenario(np.random.default_rng([seed, name, index]))
