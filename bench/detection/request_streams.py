"""Streams of requests whose error rate changes at known times, or does not.

A stream is requests and failures by second. Everything that a real stream may differ in is drawn anew for each stream:
normal rate, height, length and time of the change, how failures cluster, how traffic goes up and down.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]
HOURS = {0.1: 48, 1.0: 24, 100.0: 8}
"""How long a stream is, by requests a second."""
MINUTE, HOUR = 60, 3600


@dataclass(slots=True)
class Plan:
    """What a stream is drawn from; the builders of scenarios change it.

    Failures come in clusters of `cluster` on average, each over `cluster_seconds` or as long as 20 requests take.
    """

    random: np.random.Generator
    rate: float
    traffic: Floats
    error_rate: Floats
    cluster: float = 1.0
    cluster_seconds: int | None = None
    changes: list[tuple[int, int]] = field(default_factory=list)

    @property
    def seconds(self) -> int:
        """Length."""
        return len(self.traffic)

    @property
    def base(self) -> float:
        """The rate of failures at first."""
        return float(self.error_rate[0])

    def moment(self, earliest: float = 0.4, latest: float = 0.75) -> int:
        """A second between these shares of the stream."""
        return int(self.random.uniform(earliest, latest) * self.seconds)

    def minutes(self, shortest: float, longest: float) -> int:
        """So many minutes, in seconds."""
        return int(self.random.uniform(shortest, longest) * MINUTE)

    def raise_to(self, start: int, length: int, error_rate: float) -> None:
        """A rate of failures for a while."""
        self.error_rate[start : start + length] = error_rate

    def spike(self, start: int, length: int, ratio: float) -> None:
        """A multiple of the first rate for a while: a change that is to be found."""
        self.raise_to(start, length, min(0.95, self.base * ratio))
        self.changes.append((start, min(start + length, self.seconds)))

    def lift(self, start: int, length: int, ratio: float) -> None:
        """A multiple of whatever the rate is, for a while: a change that is to be found."""
        self.error_rate[start : start + length] *= ratio
        np.minimum(self.error_rate, 0.95, out=self.error_rate)
        self.changes.append((start, start + length))


@dataclass(frozen=True, slots=True)
class Stream:
    """Requests and failures by second; changes are [start, end) in seconds."""

    requests: Integers
    failures: Integers
    changes: list[tuple[int, int]]


Builder = Callable[[Plan], None]


def draw(builder: Builder, rate: float, random: np.random.Generator) -> Stream:
    """One stream of a scenario."""
    seconds = HOURS[rate] * HOUR
    lowest, highest = {0.1: (0.01, 0.05), 1.0: (0.005, 0.05), 100.0: (0.001, 0.05)}[rate]
    base = float(np.exp(random.uniform(np.log(lowest), np.log(highest))))
    plan = Plan(random, rate, np.full(seconds, rate), np.full(seconds, base))
    builder(plan)
    requests = random.poisson(plan.traffic).astype(np.int64)
    if plan.cluster <= 1.0:
        failures = random.binomial(requests, plan.error_rate)
    else:  # clusters of failures, each over some seconds
        clusters = random.poisson(plan.traffic * plan.error_rate / plan.cluster)
        sizes = np.repeat(np.arange(seconds), clusters)
        size = random.geometric(1.0 / plan.cluster, len(sizes))
        lasting = plan.cluster_seconds or max(1, int(20 / max(plan.rate, 1.0))) + 2
        at = np.repeat(sizes, size) + random.integers(0, lasting, int(size.sum()))
        failures = np.bincount(np.minimum(at, seconds - 1), minlength=seconds)
        requests = np.maximum(requests, failures)
    return Stream(requests, failures.astype(np.int64), plan.changes)


def _eightfold(plan: Plan) -> None:
    plan.spike(plan.moment(), 30 * MINUTE, 8.0)


def _double(plan: Plan) -> None:
    if plan.rate < 1.0:  # 3 hours of 0.1 requests/s must hold enough failures to tell
        plan.error_rate[:] = plan.random.uniform(0.1, 0.2)
    plan.spike(plan.moment(), plan.minutes(90, 180), 2.0)


def _triple(plan: Plan) -> None:
    plan.spike(plan.moment(), plan.minutes(45, 120), 3.0)


def _ramp(plan: Plan) -> None:
    start, length, ratio = plan.moment(), plan.minutes(15, 45), plan.random.uniform(5, 10)
    top = plan.minutes(30, 60)
    base = plan.base
    rise = np.linspace(1.0, ratio, length)
    plan.error_rate[start : start + length] = np.minimum(0.95, base * rise)
    plan.raise_to(start + length, top, min(0.95, base * ratio))
    plan.changes.append((start + int(np.argmax(rise > 2.0)), start + length + top))


def _outage(plan: Plan) -> None:
    start, length = plan.moment(), plan.minutes(15, 60)
    plan.raise_to(start, length, plan.random.uniform(0.4, 1.0))
    plan.changes.append((start, start + length))


def _first_errors(plan: Plan) -> None:
    plan.error_rate[:] = 0.0
    start, length = plan.moment(), plan.minutes(60, 120)
    plan.raise_to(start, length, plan.random.uniform(0.02, 0.05) * (4.0 if plan.rate < 1.0 else 1.0))
    plan.changes.append((start, start + length))


def _bursty_spike(plan: Plan) -> None:
    plan.cluster = plan.random.uniform(2, 5)
    plan.spike(plan.moment(), plan.minutes(45, 90), plan.random.uniform(5, 10))


def _spike_in_daily_traffic(plan: Plan) -> None:
    daily_traffic(plan)
    plan.spike(plan.moment(), plan.minutes(30, 90), plan.random.uniform(4, 8))


def _recurring(plan: Plan) -> None:
    pause = 4 * HOUR if plan.rate < 1.0 else plan.minutes(90, 120)
    for number in range(3):
        plan.spike(int(0.25 * plan.seconds) + number * pause, plan.minutes(30, 45), plan.random.uniform(6, 9))


def _spike_with_dips(plan: Plan) -> None:
    start, length = plan.moment(), plan.minutes(40, 80)
    plan.spike(start, length, plan.random.uniform(6, 10))
    at = start + plan.minutes(6, 10)
    while at < start + length - 5 * MINUTE:
        plan.raise_to(at, plan.minutes(0.3, 0.9), plan.base)
        at += plan.minutes(7, 12)


def _new_level(plan: Plan) -> None:
    plan.spike(plan.moment(0.3, 0.5), plan.seconds, plan.random.uniform(4, 6))


def _blip_then_spike(plan: Plan) -> None:
    start = plan.moment()
    plan.raise_to(start - plan.minutes(30, 60), plan.minutes(2, 4), 0.5)
    plan.spike(start, plan.minutes(45, 90), plan.random.uniform(5, 8))


def _jittery_spike(plan: Plan) -> None:
    plan.error_rate *= np.exp(wander(plan, 0.15, 5 * MINUTE))
    plan.lift(plan.moment(), plan.minutes(45, 90), plan.random.uniform(4, 7))


def _quiet(plan: Plan) -> None:
    pass


def _blip_4m(plan: Plan) -> None:
    for at in (0.3, 0.5, 0.7):
        plan.raise_to(int(at * plan.seconds) + plan.minutes(0, 10), 4 * MINUTE, plan.random.choice([0.2, 0.5, 1.0]))


def _deploys(plan: Plan) -> None:
    at = plan.minutes(30, 120)
    while at < plan.seconds:
        plan.raise_to(at, plan.minutes(0.5, 3), plan.random.uniform(0.1, 0.9))
        at += plan.minutes(20, 180)


def _daily_rate(plan: Plan) -> None:
    daily_traffic(plan)
    phase = plan.random.uniform(0, 2 * np.pi)
    wave = np.sin(np.arange(plan.seconds) / (24 * HOUR) * 2 * np.pi + phase)
    plan.error_rate *= np.exp(0.5 * np.log(plan.random.uniform(1.5, 3.0)) * wave)


def daily_traffic(plan: Plan) -> None:
    """A day's wave of requests."""
    phase = plan.random.uniform(0, 2 * np.pi)
    wave = np.sin(np.arange(plan.seconds) / (24 * HOUR) * 2 * np.pi + phase)
    plan.traffic *= 1.0 + plan.random.uniform(0.4, 0.9) * wave


def _traffic_bursts(plan: Plan) -> None:
    at = plan.minutes(60, 90)
    while at < plan.seconds:
        length = plan.minutes(3, 30)
        plan.traffic[at : at + length] *= plan.random.uniform(3, 10)
        at += length + plan.minutes(30, 180)


def _bursty_errors(plan: Plan) -> None:
    plan.cluster = plan.random.uniform(3, 12)


def _cold_start(plan: Plan) -> None:
    plan.raise_to(0, plan.minutes(3, 40), plan.random.uniform(0.2, 0.8))


def _half_more(plan: Plan) -> None:
    plan.raise_to(plan.moment(), plan.seconds, plan.base * plan.random.uniform(1.2, 1.45))


def _strays(plan: Plan) -> None:
    plan.error_rate[:] = plan.random.uniform(0.5, 2.0) / HOUR / plan.rate


def _wandering(plan: Plan) -> None:
    plan.error_rate *= np.exp(wander(plan, plan.random.uniform(0.1, 0.25), plan.minutes(2, 20)))


def wander(plan: Plan, sigma: float, seconds: int) -> Floats:
    """The logarithm of a factor that deviates by `sigma`, for so many seconds."""
    steps = plan.seconds // 30 + 2
    keep = float(np.exp(-30 / seconds))
    noise = plan.random.normal(0, sigma * np.sqrt(1 - keep * keep), steps)
    level = np.empty(steps)
    now = 0.0
    for index, step in enumerate(noise):
        now = now * keep + step
        level[index] = now
    return np.repeat(level, 30)[: plan.seconds]


def _gaps(plan: Plan) -> None:
    for _ in range(4):
        plan.traffic[(at := plan.moment(0.1, 0.9)) : at + plan.minutes(10, 180)] = 0.0


def _often_failing(plan: Plan) -> None:
    plan.error_rate[:] = plan.random.uniform(0.2, 0.6)


def _improvement(plan: Plan) -> None:
    plan.raise_to(plan.moment(), plan.seconds, plan.base / plan.random.uniform(2, 10))


POSITIVE: dict[str, Builder] = {
    "eightfold_30m": _eightfold,
    "double": _double,
    "triple": _triple,
    "ramp": _ramp,
    "outage": _outage,
    "first_errors": _first_errors,
    "bursty_spike": _bursty_spike,
    "spike_in_daily_traffic": _spike_in_daily_traffic,
    "recurring": _recurring,
    "spike_with_dips": _spike_with_dips,
    "new_level": _new_level,
    "blip_then_spike": _blip_then_spike,
    "jittery_spike": _jittery_spike,
}
NEGATIVE: dict[str, Builder] = {
    "quiet": _quiet,
    "blip_4m": _blip_4m,
    "deploys": _deploys,
    "daily_rate": _daily_rate,
    "traffic_bursts": _traffic_bursts,
    "bursty_errors": _bursty_errors,
    "cold_start": _cold_start,
    "half_more": _half_more,
    "strays": _strays,
    "wandering": _wandering,
    "gaps": _gaps,
    "often_failing": _often_failing,
    "improvement": _improvement,
}
